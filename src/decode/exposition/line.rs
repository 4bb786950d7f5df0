//! One line of a page, and how far it has been read.

use super::super::pull::Fault;

/// A line without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    text: &'a str,
    /// Where it begins in the page.
    start: usize,
    at: usize,
}

/// May stand anywhere in a name.
const NAME: u8 = 1;
/// May begin the name of a metric or label.
const FIRST: u8 = 2;
/// Only in the names of metrics.
const COLON: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME | FIRST,
            b'0'..=b'9' => NAME,
            b':' => COLON,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

impl<'a> Line<'a> {
    pub(super) fn new(text: &'a str, start: usize) -> Self {
        Self { text, start, at: 0 }
    }

    /// The whole of it.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Where reading has come to, in the line.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is yet to be read.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Reads `byte` if it is next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads `byte`, or says what was expected.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.eat(byte) { Ok(()) } else { Err(self.fault(expected)) }
    }

    /// Reads `text` if it is next.
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    /// Reads past spaces and tabs.
    #[inline]
    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads up to a space, a tab or the end; what is read may be empty.
    #[inline]
    pub(super) fn token(&mut self) -> &'a str {
        self.take_while(|byte| byte != b' ' && byte != b'\t')
    }

    /// The name of a metric, if there is one.
    #[inline]
    pub(super) fn metric_name(&mut self) -> Option<&'a str> {
        self.name(NAME | COLON, FIRST | COLON)
    }

    /// The name of a label, if there is one.
    #[inline]
    pub(super) fn label_name(&mut self) -> Option<&'a str> {
        self.name(NAME, FIRST)
    }

    #[inline]
    fn name(&mut self, any: u8, first: u8) -> Option<&'a str> {
        let begins = CLASSES[usize::from(self.peek()?)] & first != 0;
        begins.then(|| self.take_while(|byte| CLASSES[usize::from(byte)] & any != 0))
    }

    /// Stops only at ASCII, so it never cuts a character.
    #[inline]
    fn take_while(&mut self, goes_on: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !goes_on(byte)).unwrap_or(rest.len());
        self.take(length)
    }

    /// Reads so many bytes; they end at a character.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> &'a str {
        let taken = self.text.get(self.at..self.at + length).unwrap_or_default();
        debug_assert_eq!(taken.len(), length, "callers stop at a character");
        self.at += length;
        taken
    }

    /// A fault where reading has come to.
    #[cold]
    pub(super) fn fault(&self, expected: &'static str) -> Fault {
        self.fault_at(self.at, expected)
    }

    /// A fault of the whole line.
    #[cold]
    pub(super) fn fault_because(&self, expected: String) -> Fault {
        Fault::because(self.start, expected)
    }

    /// A fault at a place of the line.
    #[cold]
    pub(super) fn fault_at(&self, at: usize, expected: &'static str) -> Fault {
        Fault::new(self.start + at, expected)
    }
}
