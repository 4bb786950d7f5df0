//! A cursor that reads plain MessagePack and nothing else: strings of printable ASCII, numbers, and
//! containers of as few entries as their shortest headers count.

use super::short;
use crate::decode::cursor::Cursor;
use crate::decode::raw::{Number, Scalar};

/// Reads plain values off a part of a body.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    bytes: &'a [u8],
    /// The same bytes as [`short::stripped`] leaves them, which are text without a check.
    ascii: &'a str,
    at: usize,
}

impl<'a> Plain<'a> {
    /// A cursor at `at` of `bytes`, of which `ascii` is [`short::stripped`].
    #[inline]
    pub(super) fn new(bytes: &'a [u8], ascii: &'a str, at: usize) -> Self {
        Self { bytes, ascii, at }
    }

    /// How far it has come.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    fn left(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.at..)
    }

    /// A string without `byte` in it.
    #[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
    #[inline(always)]
    fn string_without(&mut self, byte: u8) -> Option<&'a str> {
        let (length, start) = match *self.left()? {
            [header @ 0xa0..=0xbf, ..] => (usize::from(header & 0x1f), self.at + 1),
            [0xd9, length, ..] => (usize::from(length), self.at + 2),
            _ => return None,
        };
        if !short::is_tame(self.bytes.get(start..)?, length, byte) {
            return None;
        }
        self.at = start + length;
        self.ascii.get(start..self.at)
    }

    /// The count in a header of `kind`, which has it in its low bits.
    #[inline]
    fn few(&mut self, kind: u8) -> Option<u32> {
        let header = *self.bytes.get(self.at)?;
        self.at += 1;
        if header & 0xf0 == kind { Some(u32::from(header & 0xf)) } else { None }
    }
}

impl<'a> Cursor<'a> for Plain<'a> {
    #[inline]
    fn map(&mut self) -> Option<u32> {
        self.few(0x80)
    }

    #[inline]
    fn next_member(&mut self, more: u32) -> Option<u32> {
        more.checked_sub(1)
    }

    #[inline]
    fn array(&mut self) -> Option<u32> {
        if let &[0xdc, high, low, ..] = self.left()? {
            self.at += 3;
            return Some(u16::from_be_bytes([high, low]).into());
        }
        self.few(0x90)
    }

    #[inline]
    fn next_element(&mut self, more: u32) -> Option<u32> {
        more.checked_sub(1)
    }

    #[expect(
        clippy::inline_always,
        reason = "a comparison with a constant, which a call would hide"
    )]
    #[inline(always)]
    fn is<const N: usize>(&mut self, quoted: &[u8; N]) -> bool {
        const { assert!(2 <= N && N <= 33, "a name that a single byte can stand before") };
        let is = self.left().and_then(<[u8]>::split_first).is_some_and(|(&header, rest)| {
            usize::from(header) == 0xa0 + N - 2 && rest.starts_with(&quoted[1..N - 1])
        });
        if is {
            self.at += N - 1;
        }
        is
    }

    #[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
    #[inline(always)]
    fn string(&mut self) -> Option<&'a str> {
        self.string_without(b'"')
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn key(&mut self) -> Option<&'a str> {
        self.string_without(b':')
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn tag_value(&mut self) -> Option<&'a str> {
        self.string()
    }

    #[inline]
    fn number(&mut self) -> Option<Number<'a>> {
        let (number, bytes) = short::number(self.left()?)?;
        self.at += bytes;
        Some(number)
    }

    #[inline]
    fn scalar(&mut self) -> Option<Scalar<'a>> {
        match self.number() {
            Some(number) => Some(Scalar::Number(number)),
            None => self.string().map(Scalar::Text),
        }
    }
}
