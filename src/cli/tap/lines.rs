//! The lines of a live look, as they come in pieces from the admin port and go to stdout.

use std::io::{self, Write};

use serde::Deserialize;

use super::super::words::{count, plain};

/// A tuple takes a fraction of this.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Why nothing more is written.
#[derive(Debug)]
pub(super) enum Stop {
    /// The limit is reached, or nobody reads on.
    Enough,
    Failed(io::Error),
}

/// What the gateway says between the tuples.
#[derive(Deserialize)]
struct Remark {
    not_shown: u64,
}

pub(super) struct Lines<W: Write> {
    out: W,
    /// Tuples that may still be written.
    left: Option<u64>,
    is_terminal: bool,
    /// The beginning of a line.
    begun: Vec<u8>,
    not_shown: u64,
    /// What of it was said.
    said: u64,
}

impl<W: Write> Lines<W> {
    /// Up to `limit` tuples; a terminal gets no control character.
    pub(super) fn new(out: W, limit: Option<u64>, is_terminal: bool) -> Self {
        Self { out, left: limit, is_terminal, begun: Vec::new(), not_shown: 0, said: 0 }
    }

    /// Writes the lines that a chunk completes.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<(), Stop> {
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            self.begun.extend_from_slice(line);
            let line = std::mem::take(&mut self.begun);
            self.line(&line)?;
        }
        self.begun.extend_from_slice(rest);
        if self.begun.len() > LINE_BYTES_MAX {
            let error = io::Error::other("a line is too long to be a tuple");
            return Err(Stop::Failed(error));
        }
        self.out.flush().map_err(stop)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Stop> {
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with(b"{\"not_shown\"") {
            let Ok(Remark { not_shown }) = serde_json::from_slice(line) else { return Ok(()) };
            self.not_shown += not_shown;
            if self.said == 0 {
                self.said = self.not_shown;
                super::super::say(&left_out(self.not_shown, "--sample 1% shows fewer of them"));
            }
            return Ok(());
        }
        if self.left == Some(0) {
            return Err(Stop::Enough);
        }
        if self.is_terminal {
            let text = plain(&String::from_utf8_lossy(line));
            self.out.write_all(text.as_bytes()).map_err(stop)?;
        } else {
            self.out.write_all(line).map_err(stop)?;
        }
        self.out.write_all(b"\n").map_err(stop)?;
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                self.out.flush().map_err(stop)?;
                return Err(Stop::Enough);
            }
        }
        Ok(())
    }

    /// What is left to be said at the end.
    pub(super) fn last_words(&self) -> Option<String> {
        (self.not_shown > self.said).then(|| left_out(self.not_shown, "that is all of them"))
    }
}

fn left_out(not_shown: u64, more: &str) -> String {
    let verb = if not_shown == 1 { "was" } else { "were" };
    format!(
        "tidegate: {} {verb} not shown, as they came faster than they were read; {more}",
        count(not_shown, "tuple")
    )
}

fn stop(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Enough,
        _ => Stop::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limit: Option<u64>, is_terminal: bool, chunks: &[&str]) -> (String, bool) {
        let mut lines = Lines::new(Vec::new(), limit, is_terminal);
        let ended = chunks.iter().any(|chunk| lines.take(chunk.as_bytes()).is_err());
        (String::from_utf8(lines.out).unwrap(), ended)
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        let (text, ended) = written(None, false, &["[1", "]\n\n[2]", "\n[3]\n[4"]);
        assert_eq!((&*text, ended), ("[1]\n[2]\n[3]\n", false));
    }

    #[test]
    fn a_limit_ends_at_its_last_tuple() {
        let (text, ended) = written(Some(2), false, &["[1]\n[2]\n[3]\n"]);
        assert_eq!((&*text, ended), ("[1]\n[2]\n", true));
        assert_eq!(written(Some(0), false, &["[1]\n"]), (String::new(), true));
    }

    #[test]
    fn a_terminal_gets_no_control_character() {
        let (text, _) = written(None, true, &["[\"\u{1b}[2J\u{9b}\"]\n"]);
        assert_eq!(text, "[\"?[2J?\"]\n");
    }

    #[test]
    fn what_was_left_out_is_no_tuple_and_is_added_up() {
        let mut lines = Lines::new(Vec::new(), None, false);
        lines.take(b"[1]\n{\"not_shown\":1204}\n[2]\n").unwrap();
        assert_eq!(lines.last_words(), None, "it was said at once");
        lines.take(b"{\"not_shown\":1}\n").unwrap();
        let words = lines.last_words().unwrap();
        assert!(words.starts_with("tidegate: 1,205 tuples were not shown"), "{words}");
        assert_eq!(lines.out, b"[1]\n[2]\n");
    }
}
