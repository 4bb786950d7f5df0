//! Bodies in every format: what is refused whole, and how items are counted (C1.6, C1.7, C2.5).

use tidegate::decode::Format;
use tidegate::pipeline::BodyError;

use super::{entries, plain, run};

const GOOD: &str = r#"{"name":"x","gauge":{"value":1}}"#;

/// Accepted, and the entries; none where the body is refused.
fn outcome(body: &[u8], format: Format) -> Option<(u64, String)> {
    match run(body, format, &plain()) {
        Ok((report, tuples)) => {
            assert_eq!(report.accepted, tuples.len() as u64, "gauges only");
            assert_eq!(report.rejected, report.errors.len() as u64, "few enough to be listed");
            Some((report.accepted, entries(&report.errors).join(", ")))
        }
        Err(BodyError::Syntax(text)) => {
            assert!(!text.is_empty());
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// `G` stands for a good item.
fn check(format: Format, rows: &[(&str, Option<(u64, &str)>)]) {
    for (body, expected) in rows {
        let body = body.replace('G', GOOD);
        let outcome = outcome(body.as_bytes(), format);
        let expected = expected.map(|(accepted, errors)| (accepted, errors.to_owned()));
        assert_eq!(outcome, expected, "{format:?}: {body:?}");
    }
}

#[test]
fn a_json_body_is_one_value() {
    check(
        Format::Json,
        &[
            ("G", Some((1, ""))),
            ("\u{feff}G", Some((1, ""))),
            ("\u{feff}\u{feff}G", None),
            (" \r\n\tG\n", Some((1, ""))),
            ("[]", Some((0, ""))),
            ("[G,1,G,[G],{}]", Some((2, "1 not_an_object, 3 not_an_object, 4 missing_name"))),
            ("1", Some((0, "0 not_an_object"))),
            ("", None),
            (" \n", None),
            ("\u{feff}", None),
            ("GG", None),
            ("G\nG", None),
            ("[G", None),
            ("[G,]", None),
            ("[G]]", None),
            ("G,", None),
            ("[G,{\"name\":\"y\"", None),
            ("{\"name\":\"x\",\"gauge\":{\"value\":NaN}}", None),
            ("{\"name\":\"x\",\"gauge\":{\"value\":01}}", None),
            ("{\"name\":\"x\",\"gauge\":{\"value\":.5}}", None),
            ("{\"name\":\"x\",\"gauge\":{\"value\":+1}}", None),
            ("{name:\"x\"}", None),
            ("{'name':'x'}", None),
            ("[G] // x", None),
            ("{\"name\":\"a\nb\"}", None),
        ],
    );
    assert_eq!(outcome(b"[{\"name\":\"\xff\"}]", Format::Json), None);
    assert_eq!(outcome(b"{\"x\":\"\xed\xa0\x80\"}", Format::Json), None);
}

#[test]
fn a_sniffed_json_body_is_values_in_a_row() {
    check(
        Format::JsonStream,
        &[
            ("GG", Some((2, ""))),
            ("G\n[G,2]\r\n G", Some((3, "2 not_an_object"))),
            ("[][]G", Some((1, ""))),
            ("\u{feff}GG", Some((2, ""))),
            ("G\u{feff}G", None),
            ("GG{", None),
            ("G,G", None),
            ("", None),
        ],
    );
}

#[test]
fn a_line_is_the_unit_of_what_breaks() {
    check(
        Format::Ndjson,
        &[
            ("G\nG\n", Some((2, ""))),
            ("G\r\nG\r\n", Some((2, ""))),
            ("\n \r\nG\n\n\t\n{}\n", Some((1, "1@6 missing_name"))),
            ("GG", Some((2, ""))),
            ("[G,3]G\n4", Some((2, "1@1 not_an_object, 3@2 not_an_object"))),
            // What came before on a broken line goes with it, and the line is one item.
            ("G\nGG{\nG", Some((2, "1@2 invalid_json"))),
            ("{}{}[\nG", Some((1, "0@1 invalid_json"))),
            ("1 [] {\nG", Some((1, "0@1 invalid_json"))),
            ("{\"name\":\n\"x\"}\nG", Some((1, "0@1 invalid_json, 1@2 invalid_json"))),
            ("nonsense\nG\n", Some((1, "0@1 invalid_json"))),
            ("\u{feff}G\nG", Some((2, ""))),
            ("G\n\u{feff}G", Some((1, "1@2 invalid_json"))),
            ("[]\n", Some((0, ""))),
            ("[]\n{", Some((0, "0@2 invalid_json"))),
            ("nonsense", None),
            ("{\n}\n", None),
            ("", None),
            ("\n\n", None),
        ],
    );
    let mixed = [b"\xff\n".as_slice(), GOOD.as_bytes(), b"\n\"\xc3\""].concat();
    let expected = (1, "0@1 invalid_json, 2@3 invalid_json".to_owned());
    assert_eq!(outcome(&mixed, Format::Ndjson), Some(expected));
    assert_eq!(outcome(b"\xff", Format::Ndjson), None);
}

/// A body, and accepted items and errors; none where it is refused.
type Row<'a> = (Vec<u8>, Option<(u64, &'a str)>);

#[test]
fn a_messagepack_body_is_whole_values_in_a_row() {
    let good = b"\x82\xa4name\xa1x\xa5gauge\x81\xa5value\x01".as_slice();
    let bytes = |parts: &[&[u8]]| parts.concat();
    let rows: Vec<Row<'_>> = vec![
        (bytes(&[good]), Some((1, ""))),
        (bytes(&[good, good]), Some((2, ""))),
        (bytes(&[b"\x90"]), Some((0, ""))),
        (bytes(&[b"\x92", good, b"\x07"]), Some((1, "1 not_an_object"))),
        (bytes(&[b"\x91\x91", good]), Some((0, "0 not_an_object"))),
        (bytes(&[good, b"\x92", good, good, b"\x80"]), Some((3, "3 missing_name"))),
        (bytes(&[b""]), None),
        (bytes(&[good, b"\xc1"]), None),
        (bytes(&[good, b"\x81"]), None),
        (bytes(&[b"\x92", good]), None),
        (bytes(&[good.split_last().expect("not empty").1]), None),
        // Keys that are no strings take their members with them; bin is as good as str.
        (
            bytes(&[b"\x83\x07\x92\xc0\xc0\xc4\x04name\xc4\x01x\xd9\x05gauge\x81\xa5value\x01"]),
            Some((1, "")),
        ),
        (bytes(&[b"\x82\xa4name\xa1\xff\xa5gauge\x81\xa5value\x01"]), Some((0, "0 invalid_name"))),
        (
            bytes(&[b"\x82\xa4name\xc4\x01\xff\xa5gauge\x81\xa5value\x01"]),
            Some((0, "0 invalid_name")),
        ),
        (
            bytes(&[b"\x82\xa4name\xa1x\xa5gauge\x81\xa5value\xca\x7f\xc0\0\0"]),
            Some((0, "0 not_finite")),
        ),
        (
            bytes(&[b"\x82\xa4name\xa1x\xa5gauge\x81\xa5value\xc7\x00\x05"]),
            Some((0, "0 invalid_value")),
        ),
    ];
    for (body, expected) in rows {
        let expected = expected.map(|(accepted, errors)| (accepted, errors.to_owned()));
        assert_eq!(outcome(&body, Format::MessagePack), expected, "{body:x?}");
    }
}

#[test]
fn lone_surrogates_matter_in_members_that_are_read() {
    let read = [
        r#"{"name":"\ud800","gauge":{"value":1}}"#,
        r#"{"name":"x","gauge":{"value":1},"tags":{"a":"\udc00"}}"#,
        r#"{"name":"x","gauge":{"value":1},"tags":{"\ud800\ud800":"a"}}"#,
        r#"{"name":"x","gauge":{"value":1},"dt":"\ud83dx"}"#,
    ];
    for body in read {
        assert_eq!(outcome(body.as_bytes(), Format::Json), None, "{body}");
    }
    let unread = [
        r#"{"name":"x","gauge":{"value":1},"junk":"\ud800"}"#,
        r#"{"name":"x","gauge":{"value":1},"junk":[{"a":"\udfff\ud800"}]}"#,
        r#"{"name":"x","gauge":{"value":1,"other":"\ud800"}}"#,
    ];
    for body in unread {
        assert_eq!(outcome(body.as_bytes(), Format::Json), Some((1, String::new())), "{body}");
    }
}

#[test]
fn syntax_errors_say_what_was_expected_and_where() {
    let rows = [
        (Format::Json, "[\n  {\"name\" \"x\"}]", &["`:`", "line 2", "column 11"][..]),
        (Format::Json, "", &["empty"]),
        (Format::Json, "[1", &["`]`", "ends"]),
        (Format::Json, "{} {}", &["line 1", "column 4"]),
        (Format::JsonStream, "{}\n{]", &["line 2", "column 2"]),
        (Format::Ndjson, "\n{]", &["line 2"]),
        (Format::MessagePack, "\u{2}\u{1}", &[]),
    ];
    for (format, body, parts) in rows {
        match run(body.as_bytes(), format, &plain()) {
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with("Couldn't parse JSON content."), "{text}");
                for part in parts {
                    assert!(text.contains(part), "{body:?}: {text} lacks {part}");
                }
            }
            Ok(_) => assert!(parts.is_empty(), "{body:?} is read"),
        }
    }
    let error = run(b"\x92\x01\xc1", Format::MessagePack, &plain()).expect_err("0xc1");
    assert!(error.to_string().contains("byte 2"), "{error}");
}

#[test]
fn counts_go_on_where_the_lists_end() {
    let bad = format!("[{}{GOOD}]", "{},".repeat(250));
    let (report, _) = run(bad.as_bytes(), Format::Json, &plain()).expect("valid");
    assert_eq!((report.accepted, report.rejected), (1, 250));
    assert_eq!((report.errors.len(), report.errors[99].index), (100, 99));
    let renamed = r#"{"name":"tags","gauge":{"value":1},"dt":"x"}"#.repeat(150);
    let (report, tuples) = run(renamed.as_bytes(), Format::JsonStream, &plain()).expect("valid");
    assert_eq!((report.accepted, tuples.len(), report.warnings.len()), (150, 150, 100));
    assert_eq!(entries(&report.warnings[98..]), ["49 renamed", "49 unparsed_dt"]);
}
