//! The wire shape of one item: members as sent, borrowed from the body.

use std::borrow::Cow;

/// A value that has no members, or the mere fact that one has.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`, nil.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as sent.
    Number(Number<'a>),
    /// A string; borrowed unless it had escapes.
    Text(Cow<'a, str>),
    /// MessagePack binary, or a string, that is not UTF-8.
    Bytes(&'a [u8]),
    /// A MessagePack extension.
    Extension {
        /// Its type; -1 is a timestamp.
        kind: i8,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// An array, skipped.
    Array,
    /// An object or map, skipped.
    Map,
}

/// A number as it stood on the wire: JSON keeps its digits, MessagePack its width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number<'a> {
    /// JSON: the literal, valid by RFC 8259.
    Literal(&'a str),
    /// MessagePack: an unsigned or positive integer.
    Unsigned(u64),
    /// MessagePack: a negative integer.
    Signed(i64),
    /// MessagePack: float 32.
    Single(f32),
    /// MessagePack: float 64.
    Double(f64),
}
