//! Protocol buffers, read in place: the fields of a message one after the other, nothing built.
//!
//! A message of messages is a slice of the body. Structs of a schema would take many times the body where
//! a hostile sender fills it with empty messages, and copy every text where an honest one does not.

use super::pull::Fault;

/// Nested groups that are skipped at most; nobody has sent groups for many years.
const GROUPS_MAX: u32 = 64;

/// The fields of one message, in the order sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    rest: &'a [u8],
    /// Where `rest` begins in the body.
    at: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wire<'a> {
    /// int32, int64, uint32, uint64, sint32, sint64, bool, enum.
    Varint(u64),
    /// fixed64, sfixed64, double.
    Fixed64(u64),
    /// fixed32, sfixed32, float.
    Fixed32(u32),
    /// string, bytes, messages, packed fields.
    Bytes(Slice<'a>),
}

/// Bytes and where they stand in the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slice<'a> {
    pub(crate) bytes: &'a [u8],
    /// The first of them, from the start of the body.
    pub(crate) at: usize,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) wire: Wire<'a>,
}

impl<'a> Slice<'a> {
    /// The same as a message.
    #[inline]
    pub(crate) fn message(self) -> Message<'a> {
        Message { rest: self.bytes, at: self.at }
    }

    /// The same as text; `None` where it is not UTF-8.
    #[inline]
    pub(crate) fn text(self) -> Option<&'a str> {
        // Labels are short: starting a vectorised check up costs more than they take without it.
        std::str::from_utf8(self.bytes).ok()
    }
}

impl<'a> Message<'a> {
    /// A whole body.
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body, at: 0 }
    }

    /// Where the next field, or the next element of a packed one, begins.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field; `None` at the end.
    #[inline]
    pub(crate) fn field(&mut self) -> Result<Option<Field<'a>>, Fault> {
        while !self.rest.is_empty() {
            let at = self.at;
            let key = self.varint()?;
            let number =
                u32::try_from(key >> 3).ok().filter(|number| (1..=0x1fff_ffff).contains(number));
            let number = number.ok_or_else(|| Fault::new(at, "expected the number of a field"))?;
            let wire = match key & 7 {
                0 => Wire::Varint(self.varint()?),
                1 => Wire::Fixed64(self.fixed64()?),
                2 => Wire::Bytes(self.slice()?),
                3 => {
                    self.skip_group(number)?;
                    continue;
                }
                5 => Wire::Fixed32(self.fixed32()?),
                _ => return Err(Fault::new(at, "expected a field of a known wire type")),
            };
            return Ok(Some(Field { number, wire }));
        }
        Ok(None)
    }

    /// A varint, as a field or as an element of a packed one.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for (nth, byte) in self.rest.iter().take(10).enumerate() {
            // Of the tenth byte only the lowest bit fits.
            if nth == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * nth);
            if *byte < 0x80 {
                self.take(nth + 1)?;
                return Ok(value);
            }
        }
        Err(Fault::new(self.at, "expected a whole varint of at most 64 bits"))
    }

    /// Eight bytes, little-endian; as a field or as an element of a packed one.
    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Fault> {
        let bytes = self.take(8)?.bytes.first_chunk();
        Ok(u64::from_le_bytes(*bytes.expect("eight were taken")))
    }

    /// Four bytes, little-endian.
    #[inline]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Fault> {
        let bytes = self.take(4)?.bytes.first_chunk();
        Ok(u32::from_le_bytes(*bytes.expect("four were taken")))
    }

    #[inline]
    fn slice(&mut self) -> Result<Slice<'a>, Fault> {
        let at = self.at;
        let length = self.varint()?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len());
        let length =
            length.ok_or_else(|| Fault::new(at, "expected a length that fits the message"))?;
        self.take(length)
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> Result<Slice<'a>, Fault> {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else {
            return Err(Fault::because(self.at, format!("expected {bytes} more bytes")));
        };
        let at = self.at;
        (self.rest, self.at) = (rest, at + bytes);
        Ok(Slice { bytes: taken, at })
    }

    /// Skips a group, without recursion.
    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), Fault> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let at = self.at;
            let key = self.varint()?;
            match key & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.slice()?),
                3 if open.len() < GROUPS_MAX as usize => open.push((key >> 3) as u32),
                4 if key >> 3 == u64::from(innermost) => drop(open.pop()),
                5 => drop(self.fixed32()?),
                _ => return Err(Fault::new(at, "expected the end of a group")),
            }
        }
        Ok(())
    }
}

/// A zigzag varint: sint32, sint64.
#[inline]
pub(crate) fn zigzag(varint: u64) -> i64 {
    (varint >> 1) as i64 ^ -((varint & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &[u8]) -> Result<Vec<(u32, Wire<'_>)>, (usize, String)> {
        let mut message = Message::new(body);
        let mut all = Vec::new();
        loop {
            match message.field() {
                Ok(Some(Field { number, wire })) => all.push((number, wire)),
                Ok(None) => return Ok(all),
                Err(fault) => return Err((fault.offset(), fault.expected().to_owned())),
            }
        }
    }

    #[test]
    fn every_wire_type_is_read_and_groups_are_passed_over() {
        let body = b"\x08\x96\x01\x11\x01\0\0\0\0\0\0\0\x1a\x02hi\x25\x02\0\0\0\x2b\x08\x01\x33\x34\x2c\x30\x07";
        let expected = vec![
            (1, Wire::Varint(150)),
            (2, Wire::Fixed64(1)),
            (3, Wire::Bytes(Slice { bytes: b"hi", at: 14 })),
            (4, Wire::Fixed32(2)),
            (6, Wire::Varint(7)),
        ];
        assert_eq!(fields(body), Ok(expected));
        assert_eq!(fields(b""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_place() {
        for (body, at) in [
            (&b"\x08"[..], 1),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 1),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1),
            (b"\x11\x01\x02", 1),
            (b"\x1a\x03hi", 1),
            (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1),
            (b"\x25\x01", 1),
            (b"\x00\x01", 0),
            (b"\x0e\x01", 0),
            (b"\x0c", 0),
            (b"\x0b\x14", 1),
            (b"\x0b", 1),
        ] {
            assert_eq!(fields(body).map_err(|(at, _)| at), Err(at), "{body:x?}");
        }
        assert!(fields(&[0x0b; 1000]).is_err(), "groups in groups");
        assert_eq!(
            fields(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Ok(vec![(1, Wire::Varint(u64::MAX))])
        );
    }

    #[test]
    fn zigzag_is_undone() {
        for (varint, signed) in
            [(0, 0), (1, -1), (2, 1), (3, -2), (u64::MAX, i64::MIN), (u64::MAX - 1, i64::MAX)]
        {
            assert_eq!(zigzag(varint), signed);
        }
    }
}
