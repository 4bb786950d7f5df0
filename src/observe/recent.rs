//! The last lines of the log, kept in memory for whoever asks the admin port.
//!
//! They are the log of the process, as stderr is, and belong to no part of it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most lines that are kept, and most bytes of them.
const LINES_MAX: usize = 1_000;
const BYTES_MAX: usize = 256 << 10;

/// A longer line is left out, so that one does not take the place of all others.
const LINE_BYTES_MAX: usize = 16 << 10;

static RECENT: Recent = Recent::new();

/// The lines of this process, oldest first, each with its line feed.
pub fn recent() -> String {
    RECENT.text()
}

/// Where the log writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping;

/// One event, written at once, is one line.
impl Write for Keeping {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        RECENT.keep(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines within the bounds.
#[derive(Debug)]
struct Recent(Mutex<Lines>);

#[derive(Debug)]
struct Lines {
    list: VecDeque<Box<str>>,
    bytes: usize,
}

impl Recent {
    const fn new() -> Self {
        Self(Mutex::new(Lines { list: VecDeque::new(), bytes: 0 }))
    }

    fn keep(&self, line: &str) {
        let stand_in;
        let line = if line.len() > LINE_BYTES_MAX {
            stand_in = format!("{{\"left_out\":\"a line of {} bytes\"}}\n", line.len());
            &stand_in
        } else {
            line
        };
        let mut lines = self.lines();
        lines.bytes += line.len();
        lines.list.push_back(line.into());
        while lines.list.len() > LINES_MAX || lines.bytes > BYTES_MAX {
            let Some(oldest) = lines.list.pop_front() else { return };
            lines.bytes -= oldest.len();
        }
    }

    fn text(&self) -> String {
        let lines = self.lines();
        let mut text = String::with_capacity(lines.bytes);
        lines.list.iter().for_each(|line| text.push_str(line));
        text
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_lines_stay() {
        let recent = Recent::new();
        for nth in 0..1_500 {
            recent.keep(&format!("{nth}\n"));
        }
        let text = recent.text();
        assert_eq!(text.lines().count(), LINES_MAX);
        assert_eq!((text.lines().next(), text.lines().last()), (Some("500"), Some("1499")));
    }

    #[test]
    fn long_lines_are_bounded_together_and_alone() {
        let recent = Recent::new();
        let line = "x".repeat(LINE_BYTES_MAX - 1) + "\n";
        for _ in 0..50 {
            recent.keep(&line);
        }
        assert_eq!(recent.text().len(), BYTES_MAX);
        recent.keep(&format!("x{line}"));
        assert!(recent.text().ends_with("{\"left_out\":\"a line of 16385 bytes\"}\n"));
    }
}
