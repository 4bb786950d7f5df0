//! A letter as JSON, and back.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Letter;
use crate::metric::timestamp::Timestamp;

/// An instant: whole seconds since 1970, and nanoseconds.
pub(super) type Instant = (i64, u32);

/// What a line of a `.letters` file holds.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    sequence: u64,
    index: u32,
    received: Instant,
    #[serde(borrow)]
    source: Cow<'a, str>,
    at: Instant,
    status: u16,
    #[serde(borrow)]
    answer: Cow<'a, str>,
    /// As it was sent, byte for byte.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    tuple: Option<&'a RawValue>,
    /// What cannot be embedded so, in hexadecimal. The encoder never makes such a tuple.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tuple_hex: Option<String>,
}

/// One object without a line end.
pub(super) fn json(letter: &Letter) -> Vec<u8> {
    let tuple = embeddable(&letter.tuple);
    let wire = Wire {
        sequence: letter.sequence,
        index: letter.index,
        received: pair(letter.received),
        source: Cow::Borrowed(&letter.source),
        at: pair(letter.at),
        status: letter.status,
        answer: Cow::Borrowed(&letter.answer),
        tuple,
        tuple_hex: tuple.is_none().then(|| hex(&letter.tuple)),
    };
    serde_json::to_vec(&wire).expect("texts and numbers are always JSON")
}

/// What [`json`] wrote; `None` for anything else.
pub(super) fn letter(json: &str) -> Option<Letter> {
    let wire: Wire<'_> = serde_json::from_str(json).ok()?;
    let tuple = match (wire.tuple, &wire.tuple_hex) {
        (Some(raw), _) => Bytes::copy_from_slice(raw.get().as_bytes()),
        (None, Some(hex)) => Bytes::from(unhex(hex)?),
        (None, None) => return None,
    };
    Some(Letter {
        sequence: wire.sequence,
        index: wire.index,
        received: instant(wire.received),
        source: Arc::from(wire.source),
        at: instant(wire.at),
        status: wire.status,
        answer: Arc::from(wire.answer),
        tuple,
    })
}

pub(super) fn pair(at: Timestamp) -> Instant {
    (at.seconds(), at.nanos())
}

fn instant((seconds, nanos): Instant) -> Timestamp {
    Timestamp::from_unix(seconds, nanos)
}

/// The tuple as a part of a line, if it comes back from there as it is.
fn embeddable(tuple: &[u8]) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_slice(tuple).ok()?;
    (raw.get().len() == tuple.len() && !tuple.contains(&b'\n')).then_some(raw)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("four bits");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_read_back_byte_for_byte() {
        let tuples: [&[u8]; 8] = [
            br#"["a.b",1700000000,1.10,{"hostname":"h","tags":["k:v"],"type":"gauge"}]"#,
            "[\"\u{e4}\\u00e4\\ud83d\\ude00\",1,1e300,{}]".as_bytes(),
            b"[1, 2]",
            b" [1] ",
            b"[1,\n2]",
            b"[1",
            b"\xff\x00",
            b"",
        ];
        for tuple in tuples {
            let letter = Letter {
                sequence: u64::MAX,
                index: 3,
                received: Timestamp::from_unix(-1, 999_999_999),
                source: Arc::from("so\"ur\nce"),
                at: Timestamp::from_unix(1_700_000_000, 1),
                status: 422,
                answer: Arc::from("no\u{7f}\u{2028}\\ \t"),
                tuple: Bytes::copy_from_slice(tuple),
            };
            let text = json(&letter);
            assert!(!text.contains(&b'\n'));
            assert_eq!(super::letter(str::from_utf8(&text).unwrap()), Some(letter));
        }
    }

    #[test]
    fn an_object_that_is_no_letter_is_none() {
        for json in ["{}", r#"{"sequence":1,"index":0,"received":[1,2],"source":"s"}"#] {
            assert_eq!(letter(json), None);
        }
    }
}
