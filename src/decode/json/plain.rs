//! A cursor that reads plain JSON and nothing else: strings of printable ASCII without escapes, numbers,
//! and the punctuation between them, white space allowed wherever the grammar allows it.
//!
//! Whatever else it meets, valid or not, it answers with `None` and is then good for nothing more; its
//! caller reads the value again with a [`JsonReader`](super::JsonReader), which knows the whole grammar.

use super::{number, scan};

/// Reads plain values off `text`.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Plain<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space; it is not consumed.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.peek_beyond() }
    }

    #[inline(never)]
    fn peek_beyond(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes `byte`, which must be next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Passes the comma before another entry of a container, or its end, which is `close`; whether
    /// another entry follows.
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            Some(true)
        } else if byte == close {
            Some(false)
        } else {
            None
        }
    }

    /// Opens a container with `open`; whether it has an entry.
    #[inline]
    pub(crate) fn open(&mut self, open: u8, close: u8) -> Option<bool> {
        self.take(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    /// Passes the member name `quoted`, its quotes included, if it is what comes next;
    /// [`Self::peek`] stands before it and [`Self::colon`] after.
    #[expect(
        clippy::inline_always,
        reason = "a comparison with a constant, which a call would hide"
    )]
    #[inline(always)]
    pub(crate) fn is<const N: usize>(&mut self, quoted: &[u8; N]) -> bool {
        let is = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(quoted));
        if is {
            self.at += N;
        }
        is
    }

    /// Passes the colon after a member's name.
    #[inline]
    pub(crate) fn colon(&mut self) -> Option<()> {
        self.take(b':')
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
        self.take(b'"')?;
        self.inside_without(byte)
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn inside_without(&mut self, byte: u8) -> Option<&'a str> {
        let start = self.at;
        let end = scan::plain_end(self.text.as_bytes(), start, byte);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// The digits of a number.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.at = number::scan(self.text.as_bytes(), start).ok()?;
        self.text.get(start..self.at)
    }
}
