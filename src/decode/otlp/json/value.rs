//! The types of protobuf's JSON: numbers may be strings, null is as good as absent.

use std::ops::RangeInclusive;

use crate::decode::json::JsonReader;
use crate::decode::otlp::point::Amount;
use crate::decode::pull::{Extent, Fault, Key, Pull, Token};
use crate::decode::raw::{Number, Scalar};
use crate::metric::value::Value;

/// Passes white space; where the next value begins.
pub(super) fn start(reader: &mut JsonReader<'_>) -> usize {
    reader.at_end();
    reader.offset()
}

/// The next member's name.
pub(super) fn key<'a>(
    reader: &mut JsonReader<'a>,
    extent: &mut Extent,
) -> Result<Option<&'a str>, Fault> {
    Ok(reader.key(extent)?.map(|key| match key {
        Key::Text(key) => key,
        Key::Other => "",
    }))
}

/// Enters an object; `None` for null.
pub(super) fn object(reader: &mut JsonReader<'_>) -> Result<Option<Extent>, Fault> {
    let start = start(reader);
    match reader.next()? {
        Token::Map(extent) => Ok(Some(extent)),
        Token::Scalar(Scalar::Null) => Ok(None),
        _ => Err(Fault::new(start, "expected an object")),
    }
}

/// Enters an object, where null is none.
pub(super) fn element(reader: &mut JsonReader<'_>) -> Result<Extent, Fault> {
    let start = start(reader);
    object(reader)?.ok_or_else(|| Fault::new(start, "expected an object"))
}

/// Enters an array; `None` for null.
pub(super) fn array(reader: &mut JsonReader<'_>) -> Result<Option<Extent>, Fault> {
    let start = start(reader);
    match reader.next()? {
        Token::Array(extent) => Ok(Some(extent)),
        Token::Scalar(Scalar::Null) => Ok(None),
        _ => Err(Fault::new(start, "expected an array")),
    }
}

/// A string; empty for null.
pub(super) fn text<'a>(reader: &mut JsonReader<'a>) -> Result<&'a str, Fault> {
    optional_text(reader).map(Option::unwrap_or_default)
}

/// The same; `None` for null.
pub(super) fn optional_text<'a>(reader: &mut JsonReader<'a>) -> Result<Option<&'a str>, Fault> {
    let start = start(reader);
    match reader.next()? {
        Token::Scalar(Scalar::Text(text)) => Ok(Some(text)),
        Token::Scalar(Scalar::Null) => Ok(None),
        _ => Err(Fault::new(start, "expected a string")),
    }
}

/// `true` or `false`; false for null.
pub(super) fn boolean(reader: &mut JsonReader<'_>) -> Result<bool, Fault> {
    optional_boolean(reader).map(Option::unwrap_or_default)
}

/// The same; `None` for null.
pub(super) fn optional_boolean(reader: &mut JsonReader<'_>) -> Result<Option<bool>, Fault> {
    let start = start(reader);
    match reader.next()? {
        Token::Scalar(Scalar::Bool(bool)) => Ok(Some(bool)),
        Token::Scalar(Scalar::Null) => Ok(None),
        _ => Err(Fault::new(start, "expected true or false")),
    }
}

/// A number of 64 bits, as a number or as a string; zero for null.
pub(super) fn u64(reader: &mut JsonReader<'_>) -> Result<u64, Fault> {
    const RANGE: RangeInclusive<i128> = 0..=u64::MAX as i128;
    let expected = "expected a whole number from 0 to 18446744073709551615";
    whole(reader, &RANGE, expected).map(|number| number.unwrap_or_default() as u64)
}

/// The same, signed; `None` for null.
pub(super) fn i64(reader: &mut JsonReader<'_>) -> Result<Option<i64>, Fault> {
    const RANGE: RangeInclusive<i128> = i64::MIN as i128..=i64::MAX as i128;
    let expected = "expected a whole number of 64 bits";
    whole(reader, &RANGE, expected).map(|number| number.map(|number| number as i64))
}

/// The same of 32 bits; zero for null.
pub(super) fn i32(reader: &mut JsonReader<'_>) -> Result<i32, Fault> {
    const RANGE: RangeInclusive<i128> = i32::MIN as i128..=i32::MAX as i128;
    let expected = "expected a whole number of 32 bits";
    whole(reader, &RANGE, expected).map(|number| number.unwrap_or_default() as i32)
}

/// The same without a sign.
pub(super) fn u32(reader: &mut JsonReader<'_>) -> Result<u32, Fault> {
    const RANGE: RangeInclusive<i128> = 0..=u32::MAX as i128;
    let expected = "expected a whole number from 0 to 4294967295";
    whole(reader, &RANGE, expected).map(|number| number.unwrap_or_default() as u32)
}

/// The number of an aggregation temporality. OTLP asks for numbers; who writes names nevertheless means
/// nothing else by them.
pub(super) fn temporality(reader: &mut JsonReader<'_>) -> Result<i64, Fault> {
    let here = reader.mark();
    match reader.text()? {
        Some("AGGREGATION_TEMPORALITY_UNSPECIFIED") => return Ok(0),
        Some("AGGREGATION_TEMPORALITY_DELTA") => return Ok(1),
        Some("AGGREGATION_TEMPORALITY_CUMULATIVE") => return Ok(2),
        _ => reader.rewind(here),
    }
    i32(reader).map(i64::from)
}

fn whole(
    reader: &mut JsonReader<'_>,
    range: &RangeInclusive<i128>,
    expected: &'static str,
) -> Result<Option<i128>, Fault> {
    let start = start(reader);
    let number = match reader.next()? {
        Token::Scalar(Scalar::Number(Number::Literal(text)) | Scalar::Text(text)) => digits(text),
        Token::Scalar(Scalar::Null) => return Ok(None),
        _ => None,
    };
    match number.filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(Fault::new(start, expected)),
    }
}

/// Exact, and for whole numbers with a fraction or an exponent, which JSON has too, as near as a double
/// comes.
fn digits(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(i128::from(number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(i128::from(number));
    }
    let double = float(text)?;
    (double.fract() == 0.0).then_some(double as i128)
}

/// A number as it stood, or what a string says; absent for null.
pub(super) fn amount<'a>(reader: &mut JsonReader<'a>) -> Result<Amount<'a>, Fault> {
    let start = start(reader);
    match reader.next()? {
        Token::Scalar(Scalar::Number(Number::Literal(text))) => {
            Ok(Value::from_literal(text).map_or(Amount::NotFinite, Amount::Finite))
        }
        Token::Scalar(Scalar::Text(text)) => {
            float(text).map(Amount::from_f64).ok_or_else(|| no_number(start))
        }
        Token::Scalar(Scalar::Null) => Ok(Amount::Absent),
        _ => Err(no_number(start)),
    }
}

/// The same as a double; `None` for null.
pub(super) fn double(reader: &mut JsonReader<'_>) -> Result<Option<f64>, Fault> {
    let start = start(reader);
    match reader.next()? {
        Token::Scalar(Scalar::Number(Number::Literal(text)) | Scalar::Text(text)) => {
            float(text).map(Some).ok_or_else(|| no_number(start))
        }
        Token::Scalar(Scalar::Null) => Ok(None),
        _ => Err(no_number(start)),
    }
}

#[cold]
fn no_number(start: usize) -> Fault {
    Fault::new(start, "expected a number, or \"NaN\", \"Infinity\" or \"-Infinity\"")
}

/// Rust knows more names than JSON's mapping has; of numbers it knows the same.
fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => {
            let named = text.bytes().any(|byte| byte.is_ascii_alphabetic() && byte | 0x20 != b'e');
            if named { None } else { text.parse().ok() }
        }
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;

    fn read<T>(
        text: &str,
        with: impl FnOnce(&mut JsonReader<'_>) -> Result<T, Fault>,
    ) -> Option<T> {
        let arena = Bump::new();
        let mut reader = JsonReader::new(text, &arena);
        with(&mut reader).ok()
    }

    #[test]
    fn whole_numbers_are_exact_as_numbers_and_as_strings() {
        for (text, expected) in [
            ("0", Some(0)),
            ("\"18446744073709551615\"", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("36028797018963970", Some(36_028_797_018_963_970)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("1e3", Some(1000)),
            ("5.0", Some(5)),
            ("null", Some(0)),
            ("-1", None),
            ("18446744073709551616", None),
            ("1.5", None),
            ("1e400", None),
            ("\"\"", None),
            ("\"x\"", None),
            ("\"NaN\"", None),
            ("\"Infinity\"", None),
            ("true", None),
            ("[]", None),
        ] {
            assert_eq!(read(text, u64), expected, "{text}");
        }
        assert_eq!(read("\"-9223372036854775808\"", i64), Some(Some(i64::MIN)));
        assert_eq!(read("9223372036854775808", i64), None);
        assert_eq!(read("-2147483648", i32), Some(i32::MIN));
        assert_eq!(read("2147483648", i32), None);
        assert_eq!(read("4294967295", u32), Some(u32::MAX));
        assert_eq!(read("4294967296", u32), None);
    }

    #[test]
    fn doubles_keep_their_digits_and_have_names_where_json_has_no_number() {
        let arena = Bump::new();
        for (text, expected) in [
            ("1.50", Some(Amount::Finite(Value::Literal("1.50")))),
            ("36028797018963970", Some(Amount::Finite(Value::Literal("36028797018963970")))),
            ("\"1.50\"", Some(Amount::Finite(Value::Double(1.5)))),
            ("\"-1e3\"", Some(Amount::Finite(Value::Double(-1000.0)))),
            ("1e400", Some(Amount::NotFinite)),
            ("\"NaN\"", Some(Amount::NotFinite)),
            ("\"-Infinity\"", Some(Amount::NotFinite)),
            ("null", Some(Amount::Absent)),
            ("\"nan\"", None),
            ("\"inf\"", None),
            ("\"\"", None),
            ("true", None),
            ("{}", None),
        ] {
            let read = amount(&mut JsonReader::new(text, &arena)).ok();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn temporality_is_a_number_or_its_name() {
        for (text, expected) in [
            ("2", Some(2)),
            ("\"1\"", Some(1)),
            (" \"AGGREGATION_TEMPORALITY_CUMULATIVE\"", Some(2)),
            ("\"AGGREGATION_TEMPORALITY_DELTA\"", Some(1)),
            ("null", Some(0)),
            ("77", Some(77)),
            ("\"cumulative\"", None),
        ] {
            assert_eq!(read(text, temporality), expected, "{text}");
        }
    }
}
