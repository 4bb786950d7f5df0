//! The public MessagePack test suite: every type in every encoding it lists.

use std::path::Path;

use serde_json::Value;

use super::{Tree, read_all};
use crate::metric::timestamp::Timestamp;

const PLACE: &str = "../shared/corpus/msgpack-test-suite/dist/msgpack-test-suite.json";

#[test]
fn the_public_suite_reads_to_the_right_values() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PLACE);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
        eprintln!("skipped: {} is missing", path.display());
        return;
    };
    let suite: Value = serde_json::from_str(&text).expect("the suite is JSON");
    let mut read = 0;
    for cases in suite.as_object().expect("groups").values() {
        for case in cases.as_array().expect("cases") {
            for encoding in case["msgpack"].as_array().expect("encodings") {
                let bytes = unhex(encoding);
                let tree = read_all(&bytes).unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
                assert!(matches(&tree, case), "{encoding} is {tree:?}, not {case}");
                read += 1;
            }
        }
    }
    assert!(read > 200, "only {read} encodings were found");
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("hexadecimal");
    let byte = |digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
    text.split('-').filter(|digits| !digits.is_empty()).map(byte).collect()
}

/// Whether a value is what its case says: a member names its type.
fn matches(tree: &Tree, case: &Value) -> bool {
    let Some((kind, value)) = case.as_object().and_then(|members| {
        members.iter().find(|(kind, _)| !matches!(kind.as_str(), "msgpack" | "bignum"))
    }) else {
        return bignum(tree, &case["bignum"]);
    };
    match kind.as_str() {
        "ext" => {
            let kind = value[0].as_i64().expect("a type") as i8;
            *tree == Tree::Extension(kind, unhex(&value[1]))
        }
        "timestamp" => {
            let Tree::Extension(-1, payload) = tree else { return false };
            let nanos = value[1].as_u64().expect("nanoseconds") as u32;
            let expected = Timestamp::from_unix(value[0].as_i64().expect("seconds"), nanos);
            Timestamp::from_extension(payload) == Some(expected)
        }
        "binary" => {
            let bytes = unhex(value);
            match tree {
                Tree::Bytes(read) => *read == bytes && std::str::from_utf8(&bytes).is_err(),
                Tree::Text(text) => text.as_bytes() == bytes,
                _ => false,
            }
        }
        "number" if case.get("bignum").is_some() => bignum(tree, &case["bignum"]),
        "nil" | "bool" | "number" | "string" | "array" | "map" => same(tree, value),
        other => panic!("the suite has a new type, {other}"),
    }
}

#[expect(clippy::float_cmp, reason = "the suite lists a float only where it is exact")]
fn bignum(tree: &Tree, digits: &Value) -> bool {
    let number: i128 = digits.as_str().expect("digits").parse().expect("an integer");
    match tree {
        Tree::Unsigned(read) => i128::from(*read) == number,
        Tree::Signed(read) => i128::from(*read) == number && number < 0,
        Tree::Single(bits) => f64::from(f32::from_bits(*bits)) == number as f64,
        Tree::Double(bits) => f64::from_bits(*bits) == number as f64,
        _ => false,
    }
}

fn same(tree: &Tree, value: &Value) -> bool {
    match (tree, value) {
        (Tree::Null, Value::Null) => true,
        (Tree::Bool(read), Value::Bool(sent)) => read == sent,
        (Tree::Text(read), Value::String(sent)) => read == sent,
        (Tree::Unsigned(read), Value::Number(sent)) => sent.as_u64() == Some(*read),
        (Tree::Signed(read), Value::Number(sent)) => *read < 0 && sent.as_i64() == Some(*read),
        (Tree::Single(bits), Value::Number(sent)) => {
            sent.as_f64() == Some(f64::from(f32::from_bits(*bits)))
        }
        (Tree::Double(bits), Value::Number(sent)) => sent.as_f64() == Some(f64::from_bits(*bits)),
        (Tree::Array(read), Value::Array(sent)) => {
            read.len() == sent.len() && read.iter().zip(sent).all(|(read, sent)| same(read, sent))
        }
        (Tree::Map(read), Value::Object(sent)) => {
            let member = |(key, read): &(Option<String>, Tree)| {
                key.as_ref().and_then(|key| sent.get(key)).is_some_and(|sent| same(read, sent))
            };
            read.len() == sent.len() && read.iter().all(member)
        }
        _ => false,
    }
}
