//! A cursor that reads plain MessagePack and nothing else: strings of printable ASCII, numbers, and
//! containers of as few entries as their shortest headers count.
//!
//! Whatever else it meets, valid or not, it answers with `None` and is then good for nothing more; its
//! caller reads the value again with a [`MsgpackReader`](super::MsgpackReader), which knows everything.

use super::short;
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

    /// Enters a map; how many members it has.
    #[inline]
    pub(crate) fn map(&mut self) -> Option<u32> {
        self.few(0x80)
    }

    /// Enters an array; how many elements it has.
    #[inline]
    pub(crate) fn array(&mut self) -> Option<u32> {
        if let &[0xdc, high, low, ..] = self.left()? {
            self.at += 3;
            return Some(u16::from_be_bytes([high, low]).into());
        }
        self.few(0x90)
    }

    /// Passes the key `name`, if it is what comes next.
    #[expect(
        clippy::inline_always,
        reason = "a comparison with a constant, which a call would hide"
    )]
    #[inline(always)]
    pub(crate) fn is<const N: usize>(&mut self, name: &[u8; N]) -> bool {
        const { assert!(N < 0x20, "a name that a single byte can stand before") };
        let is = self.left().and_then(<[u8]>::split_first).is_some_and(|(&header, rest)| {
            usize::from(header) == 0xa0 + N && rest.starts_with(name)
        });
        if is {
            self.at += 1 + N;
        }
        is
    }

    /// A string of printable ASCII without quote and backslash.
    #[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        self.string_without(b'"')
    }

    /// Such a string without a colon in it.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        self.string_without(b':')
    }

    /// A number that is not negative, or a double.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<Number<'a>> {
        let (number, bytes) = short::number(self.left()?)?;
        self.at += bytes;
        Some(number)
    }

    /// A string or a number.
    #[inline]
    pub(crate) fn scalar(&mut self) -> Option<Scalar<'a>> {
        match self.number() {
            Some(number) => Some(Scalar::Number(number)),
            None => self.string().map(Scalar::Text),
        }
    }

    /// Passes a value without members.
    pub(crate) fn pass_scalar(&mut self) -> Option<()> {
        let bytes = match *self.bytes.get(self.at)? {
            0..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            _ => return self.string().map(drop),
        };
        self.left()?.get(..bytes)?;
        self.at += bytes;
        Some(())
    }
}
