//! A cursor that reads plain JSON and nothing else: strings of printable ASCII without escapes, numbers,
//! and the punctuation between them, white space allowed wherever the grammar allows it.
//!
//! Whatever else it meets, valid or not, it answers with `None` and is then good for nothing more; its
//! caller reads the value again with a [`JsonReader`](super::JsonReader), which knows the whole grammar.

use super::{number, scan};

/// Reads plain values off `text`.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    /// What is not read yet: to find out whether it is long enough for something takes one comparison.
    rest: &'a str,
    /// Length of all there was.
    whole: usize,
}

impl<'a> Plain<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { rest: text.get(at..).unwrap_or_default(), whole: text.len() }
    }

    pub(super) fn at(&self) -> usize {
        self.whole - self.rest.len()
    }

    /// The next byte that is not white space; it is not consumed.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = *self.rest.as_bytes().first()?;
        if byte > b' ' {
            return Some(byte);
        }
        self.pass_space();
        self.rest.as_bytes().first().copied()
    }

    #[inline(never)]
    fn pass_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r']);
    }

    /// Passes `text`, if it is what comes next; a member's name with its quotes, or punctuation.
    #[expect(
        clippy::inline_always,
        reason = "a comparison with a constant, which a call would hide"
    )]
    #[inline(always)]
    pub(crate) fn is(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Passes `mark`, which must be next.
    #[inline]
    pub(crate) fn take(&mut self, mark: &str) -> Option<()> {
        if !self.is(mark) {
            self.pass_space();
            self.is(mark).then_some(())?;
        }
        Some(())
    }

    /// Passes the comma before another entry of a container, or its end, which is `close`; whether
    /// another entry follows.
    #[inline]
    pub(crate) fn more(&mut self, close: &str) -> Option<bool> {
        if self.is(",") {
            return Some(true);
        }
        self.peek()?;
        if self.is(close) {
            return Some(false);
        }
        self.is(",").then_some(true)
    }

    /// Opens a container with `open`; whether it has an entry.
    #[inline]
    pub(crate) fn open(&mut self, open: &str, close: &str) -> Option<bool> {
        self.take(open)?;
        self.peek()?;
        Some(!self.is(close))
    }

    /// Passes the colon after a member's name.
    #[inline]
    pub(crate) fn colon(&mut self) -> Option<()> {
        self.take(":")
    }

    /// Passes the member name `key` up to the quote of a string behind it, if all of that comes next.
    #[inline]
    pub(crate) fn is_string_of(&mut self, key: &str) -> bool {
        let rest = self.rest.strip_prefix('"').and_then(|rest| rest.strip_prefix(key));
        let rest = rest.and_then(|rest| rest.strip_prefix("\":\""));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A string.
    #[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        self.string_without(b'"')
    }

    /// A string whose opening quote was passed.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(crate) fn string_inside(&mut self) -> Option<&'a str> {
        self.inside_without(b'"')
    }

    /// A string without a colon in it.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        self.string_without(b':')
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn string_without(&mut self, byte: u8) -> Option<&'a str> {
        self.take("\"")?;
        self.inside_without(byte)
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn inside_without(&mut self, byte: u8) -> Option<&'a str> {
        let (text, rest) =
            self.rest.split_at_checked(scan::plain_end(self.rest.as_bytes(), byte))?;
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// The digits of a number.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<&'a str> {
        // A look first: a fault takes an allocation to say nothing here.
        matches!(self.peek()?, b'-' | b'0'..=b'9').then_some(())?;
        let end = number::scan(self.rest.as_bytes(), 0).ok()?;
        let (number, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(number)
    }

    /// Passes a value without members.
    pub(crate) fn pass_scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' => self.take("true"),
            b'f' => self.take("false"),
            b'n' => self.take("null"),
            _ => self.number().map(drop),
        }
    }
}
