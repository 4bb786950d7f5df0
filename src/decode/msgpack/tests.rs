//! Every encoding of every type, what is refused and where, and a second implementation's verdict.

use proptest::prelude::*;

use super::*;
use crate::decode::pull;

mod oracle;
mod suite;

/// A value read whole, for comparing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    /// The bits: a NaN equals itself.
    Single(u32),
    Double(u64),
    Text(String),
    Bytes(Vec<u8>),
    Extension(i8, Vec<u8>),
    Array(Vec<Tree>),
    /// Keys that are not text are none.
    Map(Vec<(Option<String>, Tree)>),
}

pub(super) fn read(reader: &mut MsgpackReader<'_>) -> Result<Tree, Fault> {
    Ok(match reader.next()? {
        Token::Scalar(scalar) => match scalar {
            Scalar::Null => Tree::Null,
            Scalar::Bool(value) => Tree::Bool(value),
            Scalar::Number(Number::Unsigned(number)) => Tree::Unsigned(number),
            Scalar::Number(Number::Signed(number)) => Tree::Signed(number),
            Scalar::Number(Number::Single(number)) => Tree::Single(number.to_bits()),
            Scalar::Number(Number::Double(number)) => Tree::Double(number.to_bits()),
            Scalar::Number(Number::Literal(text)) => panic!("a JSON literal {text}"),
            Scalar::Text(text) => Tree::Text(text.to_owned()),
            Scalar::Bytes(bytes) => Tree::Bytes(bytes.to_vec()),
            Scalar::Extension { kind, payload } => Tree::Extension(kind, payload.to_vec()),
            Scalar::Array | Scalar::Map => panic!("a container came as a scalar"),
        },
        Token::Array(mut extent) => {
            let mut elements = Vec::new();
            while reader.element(&mut extent)? {
                elements.push(read(reader)?);
            }
            Tree::Array(elements)
        }
        Token::Map(mut extent) => {
            let mut members = Vec::new();
            while let Some(key) = reader.key(&mut extent)? {
                let key = match key {
                    Key::Text(text) => Some(text.to_owned()),
                    Key::Other => None,
                };
                members.push((key, read(reader)?));
            }
            Tree::Map(members)
        }
    })
}

/// The same as [`read`] as `item` does it: what is usual is asked for first.
fn read_quickly(reader: &mut MsgpackReader<'_>) -> Result<Tree, Fault> {
    if let Some(text) = reader.text()? {
        return Ok(Tree::Text(text.to_owned()));
    }
    if let Some(number) = reader.number()? {
        return Ok(match number {
            Number::Unsigned(number) => Tree::Unsigned(number),
            Number::Double(number) => Tree::Double(number.to_bits()),
            other => panic!("{other:?} goes the long way"),
        });
    }
    let Some(mut extent) = reader.map()? else { return read(reader) };
    let mut members = Vec::new();
    while let Some(key) = reader.key(&mut extent)? {
        let key = match key {
            Key::Text(text) => Some(text.to_owned()),
            Key::Other => None,
        };
        members.push((key, read_quickly(reader)?));
    }
    Ok(Tree::Map(members))
}

/// All its texts, keys included, need neither cleaning nor escaping.
fn is_tame(tree: &Tree) -> bool {
    let tame = |text: &str| {
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte))
    };
    match tree {
        Tree::Text(text) => tame(text),
        Tree::Array(elements) => elements.iter().all(is_tame),
        Tree::Map(members) => members
            .iter()
            .all(|(key, value)| key.as_ref().is_none_or(|key| tame(key)) && is_tame(value)),
        _ => true,
    }
}

/// The quick ways lead to the same values, faults and places, with and without a copy of the body.
fn check_quick(bytes: &[u8], expected: &Result<Tree, Fault>, read_to: usize) {
    let stripped = stripped(bytes);
    let ascii = std::str::from_utf8(&stripped).expect("ASCII");
    for ascii in ["", ascii, ascii.split_at(ascii.len() / 2).0] {
        let mut reader = MsgpackReader::new(bytes);
        reader.copied(0, ascii);
        let quick = read_quickly(&mut reader);
        assert_eq!(&quick, expected, "{bytes:x?}");
        assert!(quick.is_err() || reader.at == read_to, "{bytes:x?}");
        if let Ok(tree) = quick
            && reader.tame_since() == Some(true)
        {
            assert!(is_tame(&tree), "{tree:?}");
        }
    }
}

/// The whole of `bytes` as one value; read, read quickly and skipped alike.
pub(super) fn read_all(bytes: &[u8]) -> Result<Tree, Fault> {
    let mut reader = MsgpackReader::new(bytes);
    let tree = read(&mut reader);
    let read_to = reader.at;
    check_quick(bytes, &tree, read_to);
    reader.rewind(0);
    let skipped = reader.skip();
    assert_eq!(skipped.is_ok(), tree.is_ok(), "{bytes:x?}");
    if tree.is_ok() {
        assert_eq!(reader.mark(), read_to, "{bytes:x?}");
        assert!(reader.at_end(), "{bytes:x?}");
    }
    tree
}

fn fault(bytes: &[u8]) -> (usize, String) {
    let fault = read_all(bytes).expect_err("a fault");
    (fault.offset(), fault.expected().to_owned())
}

#[test]
fn numbers_keep_their_width_and_positive_ones_are_unsigned() {
    let cases: [(&[u8], Tree); 14] = [
        (b"\x00", Tree::Unsigned(0)),
        (b"\x7f", Tree::Unsigned(127)),
        (b"\xff", Tree::Signed(-1)),
        (b"\xe0", Tree::Signed(-32)),
        (b"\xcc\xff", Tree::Unsigned(255)),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", Tree::Unsigned(u64::MAX)),
        (b"\xd0\x00", Tree::Unsigned(0)),
        (b"\xd0\x80", Tree::Signed(-128)),
        (b"\xd1\x7f\xff", Tree::Unsigned(32_767)),
        (b"\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", Tree::Unsigned(i64::MAX as u64)),
        (b"\xd3\x80\0\0\0\0\0\0\0", Tree::Signed(i64::MIN)),
        (b"\xca\x7f\xc0\0\0", Tree::Single(f32::NAN.to_bits())),
        (b"\xca\xff\x80\0\0", Tree::Single(f32::NEG_INFINITY.to_bits())),
        (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", Tree::Double(0.1_f64.to_bits())),
    ];
    for (bytes, expected) in cases {
        assert_eq!(read_all(bytes), Ok(expected), "{bytes:x?}");
    }
}

#[test]
fn what_is_utf_8_is_text_whatever_it_calls_itself() {
    let text = Tree::Text("\u{e9}".to_owned());
    let bytes = Tree::Bytes(b"\xc3".to_vec());
    let cases: [(&[u8], &Tree); 7] = [
        (b"\xa2\xc3\xa9", &text),
        (b"\xd9\x02\xc3\xa9", &text),
        (b"\xc4\x02\xc3\xa9", &text),
        (b"\xc5\x00\x02\xc3\xa9", &text),
        (b"\xa1\xc3", &bytes),
        (b"\xdb\0\0\0\x01\xc3", &bytes),
        (b"\xc4\x01\xc3", &bytes),
    ];
    for (sent, expected) in cases {
        assert_eq!(read_all(sent).as_ref(), Ok(expected), "{sent:x?}");
    }
}

#[test]
fn keys_that_are_not_text_are_passed_whole() {
    let keys: [&[u8]; 9] = [
        b"\xc0",
        b"\x01",
        b"\xca\0\0\0\0",
        b"\xa1\xff",
        b"\xc4\x01\xff",
        b"\x92\xa1k\x81\x01\x02",
        b"\x82\xa1a\x90\xa1b\x80",
        b"\xd6\xff\0\0\0\0",
        b"\xc7\x03\x05abc",
    ];
    for key in keys {
        let sent = [&b"\x83\xa1a\x01"[..], key, b"\x02\xc4\x01c\x03"].concat();
        let expected = Tree::Map(vec![
            (Some("a".to_owned()), Tree::Unsigned(1)),
            (None, Tree::Unsigned(2)),
            (Some("c".to_owned()), Tree::Unsigned(3)),
        ]);
        assert_eq!(read_all(&sent), Ok(expected), "{key:x?}");
    }
}

#[test]
fn values_in_a_row_are_read_one_by_one() {
    let mut reader = MsgpackReader::new(b"\x80\x91\x01\xc0");
    assert!(!reader.at_end());
    assert_eq!(read(&mut reader), Ok(Tree::Map(vec![])));
    assert_eq!(read(&mut reader), Ok(Tree::Array(vec![Tree::Unsigned(1)])));
    assert!(!reader.at_end());
    assert_eq!(read(&mut reader), Ok(Tree::Null));
    assert!(reader.at_end());
    assert!(read(&mut reader).is_err());
}

#[test]
fn a_container_left_half_way_is_passed_to_its_end() {
    let mut reader =
        MsgpackReader::new(b"\x93\x01\x92\x02\x03\x04\x82\xa1a\x05\xa1b\x81\x01\x06\x07");
    let Ok(Token::Array(mut extent)) = reader.next() else { panic!("an array") };
    assert_eq!(reader.element(&mut extent), Ok(true));
    assert_eq!(read(&mut reader), Ok(Tree::Unsigned(1)));
    assert_eq!(pull::skip_array(&mut reader, extent), Ok(()));
    let Ok(Token::Map(mut extent)) = reader.next() else { panic!("a map") };
    assert!(reader.key(&mut extent).is_ok_and(|key| key.is_some()));
    assert_eq!(read(&mut reader), Ok(Tree::Unsigned(5)));
    assert_eq!(pull::skip_map(&mut reader, extent), Ok(()));
    assert_eq!(read(&mut reader), Ok(Tree::Unsigned(7)));
}

#[test]
fn a_mark_brings_the_reader_back() {
    let mut reader = MsgpackReader::new(b"\x01\x92\x02\x03");
    assert_eq!(reader.skip(), Ok(()));
    let mark = reader.mark();
    assert_eq!(reader.skip(), Ok(()));
    reader.rewind(mark);
    assert_eq!(read(&mut reader), Ok(Tree::Array(vec![Tree::Unsigned(2), Tree::Unsigned(3)])));
}

#[test]
fn faults_say_where_and_what_was_needed() {
    let cases: [(&[u8], usize, &str); 11] = [
        (b"", 0, "expected a value, but the body ends"),
        (b"\xcd\x01", 1, "expected 2 bytes of a number (1 left)"),
        (b"\xda\x01", 1, "expected 2 bytes of a length (1 left)"),
        (b"\xa5abc", 1, "expected 5 bytes of a string (3 left)"),
        (b"\xc4\x05abc", 2, "expected 5 bytes of a binary (3 left)"),
        (b"\xd6", 1, "expected 1 byte of an extension type (0 left)"),
        (b"\xd6\xffabc", 2, "expected 4 bytes of an extension (3 left)"),
        (b"\x93\x01\x02", 1, "expected 3 values of an array (2 left)"),
        (b"\x82\xa1a\x01", 1, "expected 4 values of a map (3 left)"),
        (b"\x81\xa5abc", 2, "expected 5 bytes of a key (3 left)"),
        (b"\x92\x01\xc1", 2, "expected a value, not 0xc1, which begins none,"),
    ];
    for (bytes, offset, expected) in cases {
        assert_eq!(fault(bytes), (offset, expected.to_owned()), "{bytes:x?}");
    }
}

#[test]
fn a_body_cut_short_at_any_byte_is_a_fault() {
    let whole = b"\x84\xa4name\xa1m\xa5gauge\x81\xa5value\xcb\x3f\xf0\0\0\0\0\0\0\xa2dt\xd7\xff\0\0\0\0\0\0\0\0\xa4tags\x91\xc4\x01x";
    assert!(read_all(whole).is_ok());
    for end in 0..whole.len() {
        let (offset, _) = fault(&whole[..end]);
        assert!(offset <= end, "cut at {end}");
    }
}

#[test]
fn a_length_is_not_believed() {
    let headers: [&[u8]; 6] = [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x91\xdd\xff\xff\xff\xff",
    ];
    for header in headers {
        let (_, text) = fault(header);
        assert!(text.contains(" of a"), "{text}");
        // Fifty million values would take a while: the count alone must be enough.
        let mut body = header.to_vec();
        body.resize(50_000_000, 0);
        assert!(MsgpackReader::new(&body).next().is_err() || header[0] == 0x91);
        assert!(MsgpackReader::new(&body).skip().is_err());
    }
    // Arrays in arrays, each with 4 G elements to come.
    let body = b"\xdd\xff\xff\xff\xff".repeat(1_000_000);
    assert!(MsgpackReader::new(&body).skip().is_err());
}

#[test]
fn no_nesting_is_too_deep_to_skip() {
    for (open, close) in [(&b"\x91"[..], &b"\xc0"[..]), (b"\x81\xa1k", b"\xc0"), (b"\x81", b"\xc0")]
    {
        let depth = 1_000_000;
        let mut body = open.repeat(depth);
        body.extend_from_slice(close);
        if open == b"\x81" {
            // Maps as keys of maps: each wants its value too.
            body.extend(vec![0xc0; depth]);
        }
        let mut reader = MsgpackReader::new(&body);
        assert_eq!(reader.skip(), Ok(()));
        assert!(reader.at_end());
        body.pop();
        assert!(MsgpackReader::new(&body).skip().is_err());
    }
}

#[test]
fn texts_are_tame_until_one_is_not() {
    let cases: [(&[u8], bool); 9] = [
        (b"\xa1a", true),
        (b"\xd9\x14twenty characters ~ ", true),
        (b"\xa1\"", false),
        (b"\xa1\x7f", false),
        (b"\xa2\xc3\xa9", false),
        (b"\xd9\x14twenty characters \\ ", false),
        (b"\xc4\x01a", false),
        (b"\x82\xa1a\xa1b\xa2\xc3\xa9\xa1d", false),
        (b"\x82\x01\xa1b\xa1c\xa1d", true),
    ];
    for (bytes, tame) in cases {
        for padding in [0, 40] {
            let bytes = [bytes, &vec![0; padding]].concat();
            let mut reader = MsgpackReader::new(&bytes);
            assert!(read_quickly(&mut reader).is_ok());
            assert_eq!(reader.tame_since(), Some(tame), "{bytes:x?}");
            assert_eq!(reader.tame_since(), Some(true), "asked again");
        }
    }
}

#[test]
fn a_text_beside_its_copy_is_what_was_sent_and_not_what_the_copy_says() {
    let body = b"\x01\xa3\xe1bc\xa3abc";
    let stripped = stripped(&body[1..]);
    let ascii = std::str::from_utf8(&stripped).expect("ASCII");
    let mut reader = MsgpackReader::new(body);
    reader.copied(1, ascii);
    assert_eq!(read_quickly(&mut reader), Ok(Tree::Bytes(b"\xe1bc".to_vec())));
    assert_eq!(read_quickly(&mut reader), Ok(Tree::Text("abc".to_owned())));
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = MsgpackReader::new(&bytes);
        // Read at a bounded depth: the test's own reader descends.
        while let Ok(token) = reader.next() {
            let passed = match token {
                Token::Scalar(_) => Ok(()),
                Token::Array(extent) => pull::skip_array(&mut reader, extent),
                Token::Map(extent) => pull::skip_map(&mut reader, extent),
            };
            if let Err(fault) = passed {
                prop_assert!(fault.offset() <= bytes.len());
                break;
            }
        }
    }
}
