//! A pull reader of MessagePack (contract C2.5): values borrowed from the body, nothing built.
//!
//! What a header declares is checked against the bytes that are left before anything else happens, so
//! a length is never believed. Skipping counts values instead of descending, so no nesting is too deep.
//!
//! Any value can be read through [`MsgpackReader::header`], and everything unusual is, faults too. The
//! few kinds that metrics are made of are told by their first byte before that.

use rmp::Marker;

use super::pull::{Extent, Fault, Key, Pull, Token};
use super::raw::{Number, Scalar};

mod plain;
mod short;

pub(crate) use plain::Plain;
pub(crate) use short::{strip_into, stripped};

/// Reads a body of one value after the other.
pub(crate) struct MsgpackReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// A part of the body as [`stripped`] leaves it, and where that part begins.
    ascii: &'a str,
    copied_from: usize,
    /// All texts since this was last asked for are [`short::is_tame`].
    tame: bool,
}

/// What stands before a value's bytes or members.
enum Header {
    /// A value that is its header.
    Null,
    Bool(bool),
    Number(Number<'static>),
    /// A string, of this many bytes.
    Text(u32),
    /// Binary, of this many bytes.
    Binary(u32),
    Extension {
        kind: i8,
        length: u32,
    },
    /// An array, of this many elements.
    Array(u32),
    /// A map, of this many members.
    Map(u32),
}

impl<'a> MsgpackReader<'a> {
    /// A reader at the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, ascii: "", copied_from: 0, tame: true }
    }

    /// From `start` on, where the reader moves to, `ascii` is what of the body is [`stripped`]: texts
    /// in it are read quicker.
    pub(crate) fn copied(&mut self, start: usize, ascii: &'a str) {
        debug_assert!(start + ascii.len() <= self.bytes.len(), "a copy of a part");
        (self.at, self.copied_from, self.ascii) = (start, start, ascii);
    }

    /// A cursor for plain values that stands where this reader does; of what is not in the copy it
    /// reads nothing.
    #[inline]
    pub(crate) fn plain(&self) -> Plain<'a> {
        let part = self.bytes.get(self.copied_from..).unwrap_or_default();
        let part = part.get(..self.ascii.len()).unwrap_or_default();
        Plain::new(part, self.ascii, self.at.wrapping_sub(self.copied_from))
    }

    /// Goes on where such a cursor has come to.
    #[inline]
    pub(crate) fn go_on_after(&mut self, plain: &Plain<'a>) {
        self.at = self.copied_from + plain.at();
    }

    /// Whether the last value was the last.
    pub(crate) fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The string that is next and where it ends, if it is tame and of an ordinary length.
    #[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
    #[inline(always)]
    fn short(&self) -> Option<(&'a str, usize)> {
        let (length, start) = match *self.bytes.get(self.at..)? {
            [byte @ 0xa0..=0xbf, ..] => (usize::from(byte & 0x1f), self.at + 1),
            [0xd9, length, ..] => (usize::from(length), self.at + 2),
            _ => return None,
        };
        let end = start + length;
        if !short::is_tame(self.bytes.get(start..)?, length, b'"') {
            return None;
        }
        // Of what lies before the copy, which is never asked for, this would be no place in it.
        let in_copy = start.wrapping_sub(self.copied_from);
        let text = match self.ascii.get(in_copy..in_copy.wrapping_add(length)) {
            Some(text) => text,
            None => std::str::from_utf8(self.bytes.get(start..end)?).ok()?,
        };
        Some((text, end))
    }

    /// A string of any kind, which is no longer known to be tame.
    fn text_or_bytes(&mut self, length: u32, what: &'static str) -> Result<Scalar<'a>, Fault> {
        self.tame = false;
        let bytes = self.slice(length, what)?;
        // Senders mix the two kinds of string up: what is UTF-8 is text, whatever it calls itself.
        Ok(match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => Scalar::Text(text),
            Err(_) => Scalar::Bytes(bytes),
        })
    }

    fn header(&mut self) -> Result<Header, Fault> {
        let start = self.at;
        let Some(&byte) = self.bytes.get(start) else {
            return Err(Fault::new(start, "expected a value, but the body ends"));
        };
        self.at += 1;
        Ok(match Marker::from_u8(byte) {
            Marker::Null => Header::Null,
            Marker::False => Header::Bool(false),
            Marker::True => Header::Bool(true),
            Marker::FixPos(number) => unsigned(number),
            Marker::FixNeg(number) => signed(number),
            Marker::U8 => unsigned(u8::from_be_bytes(self.array("a number")?)),
            Marker::U16 => unsigned(u16::from_be_bytes(self.array("a number")?)),
            Marker::U32 => unsigned(u32::from_be_bytes(self.array("a number")?)),
            Marker::U64 => unsigned(u64::from_be_bytes(self.array("a number")?)),
            Marker::I8 => signed(i8::from_be_bytes(self.array("a number")?)),
            Marker::I16 => signed(i16::from_be_bytes(self.array("a number")?)),
            Marker::I32 => signed(i32::from_be_bytes(self.array("a number")?)),
            Marker::I64 => signed(i64::from_be_bytes(self.array("a number")?)),
            Marker::F32 => {
                Header::Number(Number::Single(f32::from_be_bytes(self.array("a number")?)))
            }
            Marker::F64 => {
                Header::Number(Number::Double(f64::from_be_bytes(self.array("a number")?)))
            }
            Marker::FixStr(length) => Header::Text(length.into()),
            Marker::Str8 => Header::Text(self.length_8()?),
            Marker::Str16 => Header::Text(self.length_16()?),
            Marker::Str32 => Header::Text(self.length_32()?),
            Marker::Bin8 => Header::Binary(self.length_8()?),
            Marker::Bin16 => Header::Binary(self.length_16()?),
            Marker::Bin32 => Header::Binary(self.length_32()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.length_8().and_then(|length| self.extension(length))?,
            Marker::Ext16 => self.length_16().and_then(|length| self.extension(length))?,
            Marker::Ext32 => self.length_32().and_then(|length| self.extension(length))?,
            Marker::FixArray(count) => Header::Array(count.into()),
            Marker::Array16 => Header::Array(self.length_16()?),
            Marker::Array32 => Header::Array(self.length_32()?),
            Marker::FixMap(count) => Header::Map(count.into()),
            Marker::Map16 => Header::Map(self.length_16()?),
            Marker::Map32 => Header::Map(self.length_32()?),
            Marker::Reserved => {
                return Err(Fault::new(start, "expected a value, not 0xc1, which begins none,"));
            }
        })
    }

    fn extension(&mut self, length: u32) -> Result<Header, Fault> {
        let kind = i8::from_be_bytes(self.array("an extension type")?);
        Ok(Header::Extension { kind, length })
    }

    fn length_8(&mut self) -> Result<u32, Fault> {
        self.array("a length").map(|bytes| u8::from_be_bytes(bytes).into())
    }

    fn length_16(&mut self) -> Result<u32, Fault> {
        self.array("a length").map(|bytes| u16::from_be_bytes(bytes).into())
    }

    fn length_32(&mut self) -> Result<u32, Fault> {
        self.array("a length").map(u32::from_be_bytes)
    }

    /// The next `N` bytes, which are or begin `what`.
    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Fault> {
        let left = self.left();
        let Some(bytes) = left.first_chunk() else {
            return Err(self.too_short(N as u64, "byte", what));
        };
        self.at += N;
        Ok(*bytes)
    }

    /// The next `length` bytes, which are `what`.
    #[inline]
    fn slice(&mut self, length: u32, what: &'static str) -> Result<&'a [u8], Fault> {
        let Some(bytes) = self.left().get(..length as usize) else {
            return Err(self.too_short(length.into(), "byte", what));
        };
        self.at += bytes.len();
        Ok(bytes)
    }

    /// Refuses a container that cannot end: every value takes a byte at least.
    #[inline]
    fn room(&self, values: u64, what: &'static str) -> Result<(), Fault> {
        if values > self.left().len() as u64 {
            return Err(self.too_short(values, "value", what));
        }
        Ok(())
    }

    fn left(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A key of any other kind, or no string at all.
    fn any_key(&mut self) -> Result<Key<'a>, Fault> {
        let start = self.at;
        let (Header::Text(length) | Header::Binary(length)) = self.header()? else {
            // A key may be any value, with members of its own.
            self.at = start;
            self.skip()?;
            return Ok(Key::Other);
        };
        Ok(match self.text_or_bytes(length, "a key")? {
            Scalar::Text(text) => Key::Text(text),
            _ => Key::Other,
        })
    }

    #[cold]
    fn too_short(&self, need: u64, unit: &str, what: &str) -> Fault {
        let left = self.left().len();
        let plural = if need == 1 { "" } else { "s" };
        let expected = format!("expected {need} {unit}{plural} of {what} ({left} left)");
        Fault::because(self.at, expected)
    }
}

impl<'a> Pull<'a> for MsgpackReader<'a> {
    fn next(&mut self) -> Result<Token<'a>, Fault> {
        let scalar = match self.header()? {
            Header::Null => Scalar::Null,
            Header::Bool(value) => Scalar::Bool(value),
            Header::Number(number) => Scalar::Number(number),
            Header::Text(length) => self.text_or_bytes(length, "a string")?,
            Header::Binary(length) => self.text_or_bytes(length, "a binary")?,
            Header::Extension { kind, length } => {
                Scalar::Extension { kind, payload: self.slice(length, "an extension")? }
            }
            Header::Array(count) => {
                self.room(count.into(), "an array")?;
                return Ok(Token::Array(Extent(count)));
            }
            Header::Map(count) => {
                self.room(u64::from(count) * 2, "a map")?;
                return Ok(Token::Map(Extent(count)));
            }
        };
        Ok(Token::Scalar(scalar))
    }

    #[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
    #[inline(always)]
    fn text(&mut self) -> Result<Option<&'a str>, Fault> {
        let Some((text, end)) = self.short() else { return Ok(None) };
        self.at = end;
        Ok(Some(text))
    }

    #[inline]
    fn number(&mut self) -> Result<Option<Number<'a>>, Fault> {
        let Some((number, bytes)) = short::number(self.left()) else { return Ok(None) };
        self.at += bytes;
        Ok(Some(number))
    }

    #[inline]
    fn map(&mut self) -> Result<Option<Extent>, Fault> {
        let [byte @ 0x80..=0x8f, rest @ ..] = self.left() else { return Ok(None) };
        let count = byte & 0xf;
        if usize::from(count) * 2 > rest.len() {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(Extent(count.into())))
    }

    #[inline]
    fn element(&mut self, extent: &mut Extent) -> Result<bool, Fault> {
        let follows = extent.0 > 0;
        extent.0 -= u32::from(follows);
        Ok(follows)
    }

    #[expect(clippy::inline_always, reason = "called for every member; a call costs as much as it")]
    #[inline(always)]
    fn key(&mut self, extent: &mut Extent) -> Result<Option<Key<'a>>, Fault> {
        if extent.0 == 0 {
            return Ok(None);
        }
        extent.0 -= 1;
        match self.short() {
            Some((text, end)) => {
                self.at = end;
                Ok(Some(Key::Text(text)))
            }
            None => self.any_key().map(Some),
        }
    }

    fn skip(&mut self) -> Result<(), Fault> {
        // Values still to pass. At most 2^33 more for each five bytes: no body is long enough to
        // overflow it.
        let mut pending = 1_u64;
        while pending > 0 {
            pending -= 1;
            match self.header()? {
                Header::Null | Header::Bool(_) | Header::Number(_) => {}
                Header::Text(length) => drop(self.slice(length, "a string")?),
                Header::Binary(length) => drop(self.slice(length, "a binary")?),
                Header::Extension { length, .. } => drop(self.slice(length, "an extension")?),
                Header::Array(count) => {
                    pending += u64::from(count);
                    self.room(pending, "an array")?;
                }
                Header::Map(count) => {
                    pending += u64::from(count) * 2;
                    self.room(pending, "a map")?;
                }
            }
        }
        Ok(())
    }

    fn tame_since(&mut self) -> Option<bool> {
        Some(std::mem::replace(&mut self.tame, true))
    }

    fn mark(&self) -> usize {
        self.at
    }

    fn rewind(&mut self, mark: usize) {
        debug_assert!(mark <= self.at, "a mark lies behind");
        self.at = mark;
    }
}

fn unsigned(number: impl Into<u64>) -> Header {
    Header::Number(Number::Unsigned(number.into()))
}

/// A signed integer; one that is not negative is the same number as an unsigned one.
fn signed(number: impl Into<i64>) -> Header {
    let number = number.into();
    Header::Number(u64::try_from(number).map_or(Number::Signed(number), Number::Unsigned))
}

#[cfg(test)]
mod tests;
