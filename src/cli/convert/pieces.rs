//! NDJSON in pieces of whole lines, so that its size does not matter.

use std::io::{self, Read};

use crate::normalize::Code;
use crate::pipeline::Start;
use crate::pipeline::report::{ENTRIES_MAX, Entry, Report};

/// How much is gathered before it is cut at its last line end: enough to fill a block.
const PIECE_BYTES: usize = 4 << 20;

/// Most bytes of a line: what a whole body may have over HTTP.
pub(super) const LINE_BYTES_MAX: usize = 20 << 20;

/// One step through the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    /// Whole lines; only the last of the input may lack its line end.
    Lines(&'p [u8]),
    /// A line over [`LINE_BYTES_MAX`] was read and dropped.
    TooLong,
}

/// Cuts an input.
#[derive(Debug)]
pub(super) struct Pieces<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that were handed out.
    done: usize,
    piece_bytes: usize,
    line_bytes_max: usize,
    ended: bool,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(input: R) -> Self {
        Self::with_sizes(input, PIECE_BYTES, LINE_BYTES_MAX)
    }

    fn with_sizes(input: R, piece_bytes: usize, line_bytes_max: usize) -> Self {
        let buffer = Vec::new();
        Self { input, buffer, done: 0, piece_bytes, line_bytes_max, ended: false }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.buffer.drain(..self.done);
        self.done = 0;
        let mut want = self.piece_bytes;
        loop {
            self.fill(want)?;
            if self.ended {
                self.done = self.buffer.len();
                break;
            }
            if let Some(end) = memchr::memrchr(b'\n', &self.buffer) {
                self.done = end + 1;
                break;
            }
            if self.buffer.len() > self.line_bytes_max {
                self.skip_line()?;
                return Ok(Some(Piece::TooLong));
            }
            want = (2 * want).min(self.line_bytes_max + 1);
        }
        let (piece, _) = self.buffer.split_at(self.done);
        Ok((!piece.is_empty()).then_some(Piece::Lines(piece)))
    }

    /// Reads until the buffer holds `want` bytes or the input ends.
    fn fill(&mut self, want: usize) -> io::Result<()> {
        let missing = want.saturating_sub(self.buffer.len());
        let read = self.input.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
        self.ended |= read < missing;
        Ok(())
    }

    /// Drops everything up to the next line end.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            self.fill(self.piece_bytes)?;
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                self.done = end + 1;
                return Ok(());
            }
            if self.ended {
                self.done = self.buffer.len();
                return Ok(());
            }
        }
    }
}

/// The report of one line that was too long to be looked at.
pub(super) fn too_long(start: Start) -> Report {
    let entry = Entry {
        index: start.index,
        line: Some(start.line + 1),
        code: Code::TooLarge,
        message: format!("the line is longer than {} MiB", LINE_BYTES_MAX >> 20),
    };
    Report { rejected: 1, errors: vec![entry], ..Report::default() }
}

/// Adds the report of a further piece.
pub(super) fn add(report: &mut Report, part: Report) {
    report.accepted += part.accepted;
    report.rejected += part.rejected;
    report.tuples += part.tuples;
    report.lines_read |= part.lines_read;
    for (list, more) in [(&mut report.errors, part.errors), (&mut report.warnings, part.warnings)] {
        let room = ENTRIES_MAX.saturating_sub(list.len());
        list.extend(more.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let mut pieces = Pieces::with_sizes(text.as_bytes(), 8, 20);
        let mut list = Vec::new();
        while let Some(piece) = pieces.next().expect("reading memory") {
            list.push(match piece {
                Piece::Lines(text) => String::from_utf8_lossy(text).into_owned(),
                Piece::TooLong => "<too long>".to_owned(),
            });
        }
        list
    }

    #[test]
    fn pieces_end_at_line_ends() {
        let long = "x".repeat(20);
        for (text, wanted) in [
            ("", vec![]),
            ("\n", vec!["\n"]),
            ("a", vec!["a"]),
            ("a\nb\nc\n", vec!["a\nb\nc\n"]),
            ("aaa\nbbb\nccc\n", vec!["aaa\nbbb\n", "ccc\n"]),
            ("aaaaaaaaaaaa\nbbbbbbbb\n", vec!["aaaaaaaaaaaa\n", "bbbbbbbb\n"]),
            ("a\nbbbbbbbbbbbb", vec!["a\n", "bbbbbbbbbbbb"]),
            (&format!("{long}\na\n"), vec![&format!("{long}\n"), "a\n"]),
            (&long, vec![&long]),
        ] {
            assert_eq!(cut(text), wanted, "{text:?}");
            assert_eq!(cut(text).concat(), text, "nothing is lost");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_alone() {
        let long = "x".repeat(21);
        let endless = "x".repeat(1000);
        for (text, wanted) in [
            (format!("{long}\na\n"), vec!["<too long>", "a\n"]),
            (format!("a\n{long}\nb\n"), vec!["a\n", "<too long>", "b\n"]),
            (format!("a\n{endless}\n{endless}\nb"), vec!["a\n", "<too long>", "<too long>", "b"]),
            (endless.clone(), vec!["<too long>"]),
            (long.clone(), vec!["<too long>"]),
        ] {
            assert_eq!(cut(&text), wanted, "{text:?}");
        }
    }

    #[test]
    fn reports_add_up_and_keep_their_first_entries() {
        let mut report = Report::default();
        for line in 0..150 {
            add(&mut report, too_long(Start { index: line, line }));
        }
        assert_eq!((report.rejected, report.errors.len()), (150, ENTRIES_MAX));
        assert_eq!(report.errors.last().map(|entry| entry.line), Some(Some(100)));
    }
}
