//! The two ceilings for MessagePack: rmp-serde skips a body, or `rmp` reads every marker and length of
//! it; either way nothing is kept.
//!
//! [`library`] is what serde_json's `IgnoredAny` is for JSON, the library's own skip: it reads every
//! number and checks the UTF-8 of every text. What it does not do: keep anything, or refuse a text
//! that is no UTF-8, which it takes for bytes.
//!
//! [`markers`] jumps from one marker to the next and looks at no byte of any text. A program that has
//! to know whether a text is UTF-8, or keeps it, touches every byte that this one does not, so it is
//! printed for what it says about the format and is no aim.

use rmp::Marker;
use rmp::decode::{RmpRead, read_marker};
use serde::de::IgnoredAny;

/// Skips `body` the way the library does.
pub(crate) fn library(body: &[u8]) {
    rmp_serde::from_slice::<IgnoredAny>(body).expect("the bodies are sound");
}

/// Passes all values of `body`; how many there were.
///
/// Counting what is still to come instead of descending is the quickest way that `rmp` allows.
pub(crate) fn markers(mut body: &[u8]) -> u64 {
    let mut pending = 1_u64;
    let mut values = 0;
    while pending > 0 {
        pending -= 1;
        values += 1;
        let (bytes, members) = one(&mut body);
        body = body.get(bytes..).expect("the bodies are sound");
        pending += members;
    }
    assert!(body.is_empty(), "one value is the whole body");
    values
}

/// Reads one marker and the length behind it: how many bytes and how many values belong to it.
#[inline]
fn one(body: &mut &[u8]) -> (usize, u64) {
    match read_marker(body).expect("the bodies are sound") {
        Marker::Null | Marker::False | Marker::True | Marker::FixPos(_) | Marker::FixNeg(_) => {
            (0, 0)
        }
        Marker::U8 | Marker::I8 => (1, 0),
        Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, 0),
        Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
        Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
        Marker::FixStr(length) => (length.into(), 0),
        Marker::Str8 | Marker::Bin8 => (length_8(body), 0),
        Marker::Str16 | Marker::Bin16 => (length_16(body), 0),
        Marker::Str32 | Marker::Bin32 => (length_32(body), 0),
        Marker::FixExt2 => (3, 0),
        Marker::FixExt4 => (5, 0),
        Marker::FixExt8 => (9, 0),
        Marker::FixExt16 => (17, 0),
        Marker::Ext8 => (1 + length_8(body), 0),
        Marker::Ext16 => (1 + length_16(body), 0),
        Marker::Ext32 => (1 + length_32(body), 0),
        Marker::FixArray(count) => (0, count.into()),
        Marker::Array16 => (0, length_16(body) as u64),
        Marker::Array32 => (0, length_32(body) as u64),
        Marker::FixMap(count) => (0, u64::from(count) * 2),
        Marker::Map16 => (0, length_16(body) as u64 * 2),
        Marker::Map32 => (0, length_32(body) as u64 * 2),
        Marker::Reserved => unreachable!("the bodies are sound"),
    }
}

fn length_8(body: &mut &[u8]) -> usize {
    body.read_u8().expect("the bodies are sound").into()
}

fn length_16(body: &mut &[u8]) -> usize {
    let mut length = [0; 2];
    body.read_exact_buf(&mut length).expect("the bodies are sound");
    u16::from_be_bytes(length).into()
}

fn length_32(body: &mut &[u8]) -> usize {
    let mut length = [0; 4];
    body.read_exact_buf(&mut length).expect("the bodies are sound");
    u32::from_be_bytes(length) as usize
}
