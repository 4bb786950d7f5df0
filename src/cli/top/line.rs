//! Lines of a page: what they say, in which tone, and how they become text for a terminal.

use super::super::words::plain;

/// How a part of a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Title,
    Faint,
    Well,
    Look,
    Trouble,
}

impl Tone {
    /// Of `well`, `look`, `trouble`.
    pub(super) fn of(state: &str) -> Self {
        match state {
            "well" => Self::Well,
            "look" => Self::Look,
            "trouble" => Self::Trouble,
            _ => Self::Plain,
        }
    }

    fn begin(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Title => "\u{1b}[1m",
            Self::Faint => "\u{1b}[2m",
            Self::Well => "\u{1b}[32m",
            Self::Look => "\u{1b}[33m",
            Self::Trouble => "\u{1b}[1;31m",
        }
    }
}

const END: &str = "\u{1b}[0m";

/// One line, in one tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    tone: Tone,
    text: String,
}

impl Line {
    /// Whatever the text, nothing in it moves the cursor or turns the direction of writing.
    pub(super) fn new(tone: Tone, text: &str) -> Self {
        Self { tone, text: plain(text) }
    }

    pub(super) fn empty() -> Self {
        Self { tone: Tone::Plain, text: String::new() }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// As text of at most `width` characters.
    pub(super) fn render(&self, width: usize, is_coloured: bool) -> String {
        let mut text: String = self.text.chars().take(width).collect();
        if text.len() < self.text.len() && width > 0 {
            text.pop();
            text.push('>');
        }
        match self.tone.begin() {
            begin if is_coloured && !begin.is_empty() => [begin, &text, END].concat(),
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        let line = Line::new(Tone::Plain, "a\u{1b}[2J\u{9b}31m\r\n\u{202e}b\u{200b}\u{e9}");
        assert_eq!(line.render(100, false), "a?[2J?31m???b?\u{e9}");
    }

    #[test]
    fn a_line_is_cut_at_the_width_with_a_mark() {
        let line = Line::new(Tone::Trouble, "abcdef");
        for (width, wanted) in [(6, "abcdef"), (5, "abcd>"), (1, ">"), (0, "")] {
            assert_eq!(line.render(width, false), wanted);
        }
        assert_eq!(line.render(5, true), "\u{1b}[1;31mabcd>\u{1b}[0m");
    }
}
