//! `dt` in every form it comes in, against vectors, tables and a second implementation (contract C3).

mod number;
mod property;

use serde_json::Value;
use tidegate::metric::timestamp::Timestamp;

/// 2261-12-31T23:59:59.999999999Z.
const LAST_S: i64 = 9_214_646_399;

#[expect(clippy::unnecessary_wraps, reason = "tables read better without a Some in each row")]
fn at(seconds: i64, nanos: u32) -> Option<Timestamp> {
    Some(Timestamp::from_unix(seconds, nanos))
}

fn unix_nanos(instant: Timestamp) -> i128 {
    i128::from(instant.seconds()) * 1_000_000_000 + i128::from(instant.nanos())
}

#[test]
fn every_vector_of_the_fixture_holds() {
    let text = include_str!("../../fixtures/time/dt-vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let expected = |row: &Value| match &row["expect_unix_ns"] {
        Value::String(nanos) => Some(nanos.parse::<i128>().unwrap()),
        Value::Null => None,
        other => panic!("expect_unix_ns is {other}"),
    };

    let rows = file["vectors"].as_array().unwrap();
    assert_eq!(rows.len(), 40, "a row was lost or added");
    for row in rows {
        let dt = &row["dt"];
        let parsed = match dt {
            Value::String(text) => Timestamp::parse(text),
            Value::Number(number) => {
                let parsed = Timestamp::from_literal(&number.to_string());
                if let Some(unsigned) = number.as_u64() {
                    assert_eq!(Timestamp::from_u64(unsigned), parsed, "{row}");
                } else if let Some(double) = number.as_f64() {
                    assert_eq!(Timestamp::from_f64(double), parsed, "{row}");
                }
                parsed
            }
            // The other types never reach the parser.
            _ => None,
        };
        assert_eq!(parsed.map(unix_nanos), expected(row), "{row}");
    }

    let rows = file["msgpack_ext_minus1"].as_array().unwrap();
    assert_eq!(rows.len(), 4, "a row was lost or added");
    for row in rows {
        let hex = row["msgpack_hex"].as_str().unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2).unwrap(), 16).unwrap())
            .collect();
        let ([0xd6 | 0xd7, 0xff, payload @ ..] | [0xc7, _, 0xff, payload @ ..]) = &bytes[..] else {
            panic!("not a timestamp: {row}");
        };
        assert_eq!(Timestamp::from_extension(payload).map(unix_nanos), expected(row), "{row}");
    }
}

#[test]
fn accepted_texts_mean_one_instant() {
    // 2022-12-31T13:45:59Z and that minute.
    const T: i64 = 1_672_494_359;
    const M: i64 = T - 59;
    let cases = [
        // separators, case, white space around
        ("2022-12-31T13:45:59Z", at(T, 0)),
        ("2022-12-31t13:45:59z", at(T, 0)),
        ("2022-12-31 13:45:59Z", at(T, 0)),
        (" \t\r\n2022-12-31T13:45:59Z \u{a0}\n", at(T, 0)),
        // zones
        ("2022-12-31T13:45:59", at(T, 0)),
        ("2022-12-31T13:45:59 Z", at(T, 0)),
        ("2022-12-31T13:45:59UTC", at(T, 0)),
        ("2022-12-31T13:45:59 utc", at(T, 0)),
        ("2022-12-31T13:45:59 GmT", at(T, 0)),
        ("2022-12-31T13:45:59gmt", at(T, 0)),
        ("2022-12-31T15:45:59+02:00", at(T, 0)),
        ("2022-12-31T15:45:59+0200", at(T, 0)),
        ("2022-12-31T15:45:59+02", at(T, 0)),
        ("2022-12-31T15:45:59 +02:00", at(T, 0)),
        ("2022-12-31 15:45:59 +0200", at(T, 0)),
        ("2022-12-31 15:45:59 +02", at(T, 0)),
        ("2022-12-31T08:15:59-05:30", at(T, 0)),
        ("2022-12-31T13:45:59-00:00", at(T, 0)),
        ("2023-01-01T13:44:59+23:59", at(T, 0)),
        ("2022-12-30T13:46:59-23:59", at(T, 0)),
        // seconds and fractions
        ("2022-12-31T13:45Z", at(M, 0)),
        ("2022-12-31T13:45", at(M, 0)),
        ("2022-12-31 13:45 UTC", at(M, 0)),
        ("2022-12-31T13:45+00", at(M, 0)),
        ("2022-12-31T13:45:59.5Z", at(T, 500_000_000)),
        ("2022-12-31T13:45:59,5Z", at(T, 500_000_000)),
        ("2022-12-31T13:45:59.Z", at(T, 0)),
        ("2022-12-31T13:45:59.", at(T, 0)),
        ("2022-12-31T13:45:59.000000001", at(T, 1)),
        ("2022-12-31T13:45:59.123456789Z", at(T, 123_456_789)),
        ("2022-12-31T13:45:59.1234567899999Z", at(T, 123_456_789)),
        ("2022-12-31T13:45:59.9999999999999999999999 UTC", at(T, 999_999_999)),
        // second 60, in any minute
        ("2016-12-31T23:59:60Z", at(1_483_228_800, 0)),
        ("2016-12-31T23:59:60.25Z", at(1_483_228_800, 250_000_000)),
        ("2022-12-31T13:44:60Z", at(M, 0)),
        ("20221231T134460Z", at(M, 0)),
        // the basic form
        ("20221231T134559Z", at(T, 0)),
        ("20221231t134559", at(T, 0)),
        ("20221231 134559 UTC", at(T, 0)),
        ("20221231T154559+0200", at(T, 0)),
        ("20221231T154559+02:00", at(T, 0)),
        ("20221231T154559 +02", at(T, 0)),
        ("20221231T134559.5Z", at(T, 500_000_000)),
        ("20221231T134559,5", at(T, 500_000_000)),
        ("20221231T1345Z", at(M, 0)),
        ("20221231T1345", at(M, 0)),
        ("20221231T1345-00", at(M, 0)),
        // the calendar
        ("2024-02-29T00:00:00Z", at(1_709_164_800, 0)),
        ("2000-02-29T00:00:00Z", at(951_782_400, 0)),
        // the ends of the range, and zones that reach over them
        ("1970-01-01T00:00:00Z", at(0, 0)),
        ("1969-12-31T23:00:00-01:00", at(0, 0)),
        ("2261-12-31T23:59:59.999999999Z", at(LAST_S, 999_999_999)),
        ("2262-01-01T00:59:59+01:00", at(LAST_S, 0)),
        // epoch digits
        ("0", at(0, 0)),
        ("  1672494359  ", at(T, 0)),
        ("0001672494359", at(T, 0)),
        ("1672494359.5", at(T, 500_000_000)),
        ("1672494359.0000000019", at(T, 1)),
        ("1672494359000.25", at(T, 250_000)),
        ("1672494359000001.5", at(T, 1_500)),
        ("1672494359000000001.9", at(T, 1)),
        ("20221231", at(20_221_231, 0)),
        ("00000000000000000000000000001.5", at(1, 500_000_000)),
    ];
    for (text, expected) in cases {
        assert_eq!(Timestamp::parse(text), expected, "{text:?}");
    }
}

#[rustfmt::skip]
const REFUSED: [&str; 120] = [
    // not a date and time
    "", " ", "now", "-", ".", "T", "Z", "12:00:00", "T12:00:00Z", "not a date",
    "Sat, 31 Dec 2022 13:45:59 GMT", "31.12.2022 13:45:59", "31/12/2022 13:45",
    "12/31/2022 13:45",
    // parts missing
    "2022-12", "2022-12-31", "2022-12-31T", "2022-12-31T13", "2022-12-31T13Z", "2022-12-31T13:4",
    "2022-12-31T13:45:", "2022-12-31T13:45:5Z", "20221231T", "20221231T13", "20221231T134",
    "20221231T13455",
    // other ISO 8601
    "2022-W52-6", "2022-W52-6T13:45:59Z", "2022W526T134559Z", "2022-365T13:45:59Z",
    "2022365T134559", "+2022-12-31T13:45:59Z", "-2022-12-31T13:45:59Z", "12022-12-31T13:45:59Z",
    "2022-12-31T24:00:00Z", "2022-12-31T13.5Z", "2022-12-31T13:45.5Z", "20221231T1345.5Z",
    "2022-12-31T13:45:59Z/PT1H", "2022-12-31T13:45:59Z[UTC]",
    // two styles
    "20221231T13:45:59Z", "2022-12-31T134559Z", "2022-1231T13:45:59Z", "202212-31T13:45:59Z",
    "2022-12-31T13:4559Z", "2022-12-31T1345:59Z",
    // numbers out of their range
    "2022-00-31T13:45:59Z", "2022-13-31T13:45:59Z", "2022-12-00T13:45:59Z",
    "2022-12-32T13:45:59Z", "2022-02-30T00:00:00Z", "2022-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2022-12-31T24:45:59Z",
    "2022-12-31T13:60:59Z", "2022-12-31T13:45:61Z", "20221231T136059Z", "20221231T134561Z",
    // separators
    "2022-12-31_13:45:59Z", "2022-12-31  13:45:59Z", "2022-12-31\t13:45:59Z",
    "2022-12-31T 13:45:59Z", "2022/12/31T13:45:59Z", "2022-12-31T13-45-59Z",
    "2022-12-31T13:45:59;5Z",
    // zones
    "2022-12-31T13:45:59  Z", "2022-12-31T13:45:59\tZ", "2022-12-31T13:45:59 ZZ",
    "2022-12-31T13:45:59ZUTC", "2022-12-31T13:45:59 UT", "2022-12-31T13:45:59 CET",
    "2022-12-31T13:45:59 Europe/Berlin", "2022-12-31T13:45:59UTC+1", "2022-12-31T13:45:59+",
    "2022-12-31T13:45:59+2", "2022-12-31T13:45:59+200", "2022-12-31T13:45:59+02:0",
    "2022-12-31T13:45:59+02:", "2022-12-31T13:45:59+24:00", "2022-12-31T13:45:59+23:60",
    "2022-12-31T13:45:59+02:00:00", "2022-12-31T13:45:59+02 UTC",
    "2022-12-31T13:45:59\u{2212}02:00", "2022-12-31T13:45:59*02:00", "2022-12-31T13:45:59 02:00",
    "2022-12-31T13:45:59.5.5Z",
    // characters
    "2022-12-31T13:45:59\u{0}", "\u{ff12}022-12-31T13:45:59Z", "2022-12-31T13:45:5\u{663}Z",
    "2022-12-31T13:45: 9Z", "2022-12-31T13:45:-9Z", "2022-12-31T13:45:+9Z",
    // range
    "1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00+00:01", "2262-01-01T00:00:00Z",
    "2261-12-31T23:59:60Z", "2261-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    // epoch digits
    "-1", "+1", "1e9", "1.", ".5", "1.5.5", "1,5", "1 000", "1_000", "0x10", "1672494359s",
    "12345678901234567890", "00000000000000000001", "9999999999999999999999", "99999999999.5",
    "-1672494359.5", "\u{661}", "NaN", "inf", "20221231134559",
];

#[test]
fn nothing_else_is_guessed() {
    for text in REFUSED {
        assert_eq!(Timestamp::parse(text), None, "{text:?}");
    }
}

#[test]
fn extensions_hold_any_instant_and_must_be_well_formed() {
    let both = |nanos: u64, seconds: u64| (nanos << 34 | seconds).to_be_bytes().to_vec();
    let long =
        |nanos: u32, seconds: i64| [&nanos.to_be_bytes()[..], &seconds.to_be_bytes()[..]].concat();
    let cases = [
        (vec![0, 0, 0, 0], at(0, 0)),
        (vec![0xff; 4], at(4_294_967_295, 0)),
        (both(0, 0), at(0, 0)),
        (both(999_999_999, (1 << 34) - 1), at(17_179_869_183, 999_999_999)),
        (both(1_000_000_000, 1), None),
        (vec![0xff; 8], None),
        (long(0, -1), at(-1, 0)),
        (long(999_999_999, i64::MIN), at(i64::MIN, 999_999_999)),
        (long(5, i64::MAX), at(i64::MAX, 5)),
        (long(1_000_000_000, 0), None),
        (vec![0xff; 12], None),
        (vec![], None),
        (vec![0; 3], None),
        (vec![0; 5], None),
        (vec![0; 7], None),
        (vec![0; 9], None),
        (vec![0; 11], None),
        (vec![0; 13], None),
    ];
    for (payload, expected) in cases {
        assert_eq!(Timestamp::from_extension(&payload), expected, "{payload:x?}");
    }
}
