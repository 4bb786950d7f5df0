//! Numbers as instants: the unit their magnitude implies, and every digit (contract C3.2).

use tidegate::metric::timestamp::Timestamp;

use super::{LAST_S, at};

#[test]
fn magnitude_decides_the_unit_of_integers() {
    let cases: [(u64, Option<Timestamp>); 17] = [
        (0, at(0, 0)),
        (1, at(1, 0)),
        (9_214_646_399, at(LAST_S, 0)),
        (9_214_646_400, None),
        (99_999_999_999, None),
        (100_000_000_000, at(100_000_000, 0)),
        (100_000_000_001, at(100_000_000, 1_000_000)),
        (9_214_646_399_999, at(LAST_S, 999_000_000)),
        (9_214_646_400_000, None),
        (99_999_999_999_999, None),
        (100_000_000_000_000, at(100_000_000, 0)),
        (9_214_646_399_999_999, at(LAST_S, 999_999_000)),
        (99_999_999_999_999_999, None),
        (100_000_000_000_000_000, at(100_000_000, 0)),
        (9_214_646_399_999_999_999, at(LAST_S, 999_999_999)),
        (9_214_646_400_000_000_000, None),
        (u64::MAX, None),
    ];
    for (number, expected) in cases {
        assert_eq!(Timestamp::from_u64(number), expected, "{number}");
        assert_eq!(Timestamp::from_literal(&number.to_string()), expected, "{number} as a literal");
        assert_eq!(Timestamp::from_literal(&format!("{number}.0")), expected, "{number}.0");
        assert_eq!(Timestamp::from_literal(&format!("{number}0e-1")), expected, "{number}0e-1");
        if number < 10_000_000_000_000_000_000 {
            assert_eq!(Timestamp::parse(&number.to_string()), expected, "{number} as a string");
        }
    }
}

#[test]
fn literals_are_read_to_the_last_digit() {
    let cases = [
        ("1.7e9", at(1_700_000_000, 0)),
        ("1.7E+9", at(1_700_000_000, 0)),
        ("17e8", at(1_700_000_000, 0)),
        ("17000000000000000000000e-13", at(1_700_000_000, 0)),
        ("0.0000000017e18", at(1_700_000_000, 0)),
        ("1.7000000001e9", at(1_700_000_000, 100_000_000)),
        ("1777190400.123456", at(1_777_190_400, 123_456_000)),
        ("1777190400.123456789123", at(1_777_190_400, 123_456_789)),
        ("1777190400.9999999999", at(1_777_190_400, 999_999_999)),
        ("1777190400123.456789", at(1_777_190_400, 123_456_789)),
        ("1777190400123.4567899", at(1_777_190_400, 123_456_789)),
        ("1777190400123456.789", at(1_777_190_400, 123_456_789)),
        ("1777190400123456.7899", at(1_777_190_400, 123_456_789)),
        ("1777190400123456789.9", at(1_777_190_400, 123_456_789)),
        ("0.5", at(0, 500_000_000)),
        ("5e-1", at(0, 500_000_000)),
        ("1e-9", at(0, 1)),
        ("0.000000001", at(0, 1)),
        ("1e-10", at(0, 0)),
        ("123e-11", at(0, 1)),
        ("1e-400", at(0, 0)),
        ("1e-99999999999999999999", at(0, 0)),
        ("0e99999999999999999999", at(0, 0)),
        ("0.0", at(0, 0)),
        ("-0", at(0, 0)),
        ("-0.0e5", at(0, 0)),
        ("1e30", None),
        ("1e400", None),
        ("1e99999999999999999999", None),
        ("12345678901234567890", None),
        ("-1", None),
        ("-0.1", None),
        ("-1e-400", None),
        ("-1672494359", None),
        ("9214646399.999999999", at(LAST_S, 999_999_999)),
        ("9214646399.9999999999", at(LAST_S, 999_999_999)),
        ("9214646400.0", None),
        ("99999999999.999999999", None),
        ("99999999999999.9", None),
    ];
    for (literal, expected) in cases {
        assert_eq!(Timestamp::from_literal(literal), expected, "{literal}");
    }
    let long = format!("0.{}17e{}", "0".repeat(10_000), 10_010);
    assert_eq!(Timestamp::from_literal(&long), at(1_700_000_000, 0));
    let long = format!("17{}e-{}", "0".repeat(10_000), 9_992);
    assert_eq!(Timestamp::from_literal(&long), at(1_700_000_000, 0));
}

#[test]
fn doubles_mean_what_their_shortest_text_means() {
    let cases = [
        (1_777_190_400.123_456, at(1_777_190_400, 123_456_000)),
        (1_777_190_400_123.25, at(1_777_190_400, 123_250_000)),
        (1.777_190_400_123_456e18, at(1_777_190_400, 123_456_000)),
        (0.1, at(0, 100_000_000)),
        (0.0, at(0, 0)),
        (-0.0, at(0, 0)),
        (1e11, at(100_000_000, 0)),
        (1e11 - 1.0, None),
        (1e11 + 1.0, at(100_000_000, 1_000_000)),
        (1e14 - 1.0, None),
        (1e14, at(100_000_000, 0)),
        (1e14 + 1.0, at(100_000_000, 1_000)),
        (1e17 - 16.0, None),
        (1e17, at(100_000_000, 0)),
        // 16 steps up is the next double; 2e1 is the shortest that names it.
        (1e17 + 16.0, at(100_000_000, 20)),
        (f64::MIN_POSITIVE, at(0, 0)),
        (-1.0, None),
        (-f64::MIN_POSITIVE, None),
        (1e30, None),
        (f64::MAX, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, None),
    ];
    for (number, expected) in cases {
        assert_eq!(Timestamp::from_f64(number), expected, "{number}");
    }
}
