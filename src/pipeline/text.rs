//! Bodies of text: one JSON value, several, or values by line.

use super::{BodyError, Run, Step, Stop, place, refused};
use crate::decode::json::JsonReader;
use crate::decode::pull::Fault;

impl<'a> Run<'a, '_, '_> {
    pub(super) fn json(&mut self, body: &'a [u8]) -> Result<(), BodyError> {
        let text = place::utf8(body, self.skipped).map_err(BodyError::Syntax)?;
        let mut reader = JsonReader::new(text, self.arena);
        let mut read = self.value(&mut reader);
        if read.is_ok() && !reader.at_end() {
            let fault = Fault::new(reader.offset(), "expected nothing more after one JSON value");
            read = Err(fault.into());
        }
        read.map_err(|stop| stop.or_syntax(|fault| place::in_text(text, fault)))
    }

    pub(super) fn json_stream(&mut self, body: &'a [u8]) -> Result<(), BodyError> {
        let text = place::utf8(body, self.skipped).map_err(BodyError::Syntax)?;
        let mut reader = JsonReader::new(text, self.arena);
        loop {
            self.value(&mut reader)
                .map_err(|stop| stop.or_syntax(|fault| place::in_text(text, fault)))?;
            if reader.at_end() {
                return Ok(());
            }
        }
    }

    pub(super) fn ndjson(&mut self, body: &'a [u8], lines_before: u64) -> Result<(), BodyError> {
        self.line = Some(lines_before);
        match simdutf8::basic::from_utf8(body) {
            Ok(text) => lines(text).try_for_each(|line| self.ndjson_line(Ok(line))),
            // Some line is not UTF-8; the others must not suffer for it.
            Err(_) => body
                .split(|&byte| byte == b'\n')
                .try_for_each(|line| self.ndjson_line(place::utf8(line, 0))),
        }
    }

    /// A line is the unit of syntax: one that breaks is one rejected item, and none of its values
    /// is kept (C1.7).
    fn ndjson_line(&mut self, line: Result<&'a str, String>) -> Result<(), BodyError> {
        self.line = self.line.map(|line| line + 1);
        let (encoder, report, index) = (self.encoder.mark(), self.report.mark(), self.index);
        let guard = self.guard_mark();
        let broken = match line {
            Ok(text) => match self.ndjson_values(text) {
                Ok(()) => None,
                Err(Stop::Fault(fault)) => Some(place::in_line(text, &fault)),
                Err(Stop::Body(error)) => return Err(error),
            },
            Err(message) => Some(message),
        };
        if let Some(message) = broken {
            self.encoder.rewind(encoder);
            self.report.rewind(report);
            self.guard_rewind(guard);
            self.report.reject_line(index, self.line, message);
            self.index = index + 1;
            (self.steps)(Step::Held(0)).map_err(refused)?;
        }
        self.hand_out()
    }

    fn ndjson_values(&mut self, text: &'a str) -> Result<(), Stop> {
        let mut reader = JsonReader::new(text, self.arena);
        while !reader.at_end() {
            self.value(&mut reader)?;
            self.hold()?;
            self.report.lines_read = true;
        }
        Ok(())
    }
}

/// The same as `text.split('\n')`, which looks for the end of a line eight bytes at a time at best.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let ended = memchr::memchr(b'\n', text.as_bytes()).and_then(|at| text.split_at_checked(at));
        let (line, behind) = ended.unwrap_or((text, ""));
        rest = behind.strip_prefix('\n');
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_split_makes_of_them() {
        for text in ["", "\n", "a", "a\n", "\na", "a\n\nb\r\n", "\u{e9}\n\u{e9}"] {
            assert!(lines(text).eq(text.split('\n')), "{text:?}");
        }
    }
}
