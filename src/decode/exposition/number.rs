//! Values and instants: Go's floats, which both formats have, without hexadecimal and `_`.

use crate::metric::timestamp::Timestamp;
use crate::metric::value::Value;

/// A value as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number<'a> {
    Finite(Value<'a>),
    /// NaN or infinite.
    NotFinite(f64),
}

impl Number<'_> {
    /// As a double; digits that were kept are read now.
    pub(super) fn double(self) -> f64 {
        match self {
            Self::Finite(Value::Literal(literal)) => literal.parse().unwrap_or_default(),
            Self::Finite(Value::Unsigned(integer)) => integer as f64,
            Self::Finite(Value::Signed(integer)) => integer as f64,
            Self::Finite(Value::Double(double)) | Self::NotFinite(double) => double,
        }
    }
}

/// Reads a value; what is also a number of JSON keeps its digits (contract C4.1).
#[inline]
pub(super) fn value(text: &str) -> Result<Number<'_>, &'static str> {
    if is_json(text.as_bytes()) {
        return Value::from_literal(text).map(Number::Finite).ok_or(TOO_LARGE);
    }
    let double = float(text).map_err(|expected| match text.strip_suffix('\r') {
        Some(_) => "expected lines that end in a line feed alone, without a carriage return",
        None => expected,
    })?;
    Ok(Value::from_f64(double).map_or(Number::NotFinite(double), Number::Finite))
}

const TOO_LARGE: &str = "expected a value that a double can hold";
const NO_VALUE: &str = "expected a number, `NaN`, `+Inf` or `-Inf`";

/// Reads a float: of Rust's syntax all but a NaN with a sign, which is what Go reads in decimal.
pub(super) fn float(text: &str) -> Result<f64, &'static str> {
    let unsigned = text.strip_prefix(['+', '-']);
    if unsigned.is_some_and(|rest| rest.starts_with(['n', 'N'])) {
        return Err(NO_VALUE);
    }
    let double: f64 = text.parse().map_err(|_| NO_VALUE)?;
    if double.is_infinite() && !unsigned.unwrap_or(text).starts_with(['i', 'I']) {
        return Err(TOO_LARGE);
    }
    Ok(double)
}

/// Whether RFC 8259 has this for a number.
#[inline]
fn is_json(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, rest) = digits(rest);
    if whole == 0 || (whole > 1 && bytes.get(bytes.len() - rest.len() - whole) == Some(&b'0')) {
        return false;
    }
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some((0, _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let unsigned = match exponent {
                [b'+' | b'-', unsigned @ ..] => unsigned,
                _ => exponent,
            };
            matches!(digits(unsigned), (1.., []))
        }
        _ => false,
    }
}

/// How many digits come first, and what is behind them.
#[inline]
fn digits(bytes: &[u8]) -> (usize, &[u8]) {
    let count = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    (count, bytes.get(count..).unwrap_or_default())
}

/// An instant, or how far beyond what can be one it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    /// Further from 1970 than milliseconds reach in 64 bits.
    Beyond(Timestamp),
}

impl Moment {
    /// For comparing: what lies beyond is at one of the ends.
    pub(super) fn order(self) -> Timestamp {
        match self {
            Self::At(at) | Self::Beyond(at) => at,
        }
    }
}

/// 0.0.4: milliseconds since 1970, in 64 bits.
pub(super) fn milliseconds(text: &str) -> Option<Moment> {
    let milliseconds: i64 = text.parse().ok()?;
    let nanos = milliseconds.rem_euclid(1_000) as u32 * 1_000_000;
    Some(Moment::At(Timestamp::from_unix(milliseconds.div_euclid(1_000), nanos)))
}

/// The furthest second from 1970 that milliseconds reach in 64 bits.
const SECONDS_MAX: u64 = i64::MAX.unsigned_abs() / 1_000;

/// OpenMetrics: seconds since 1970, with a fraction and an exponent if they like. Digits are shifted,
/// never made a double; what is finer than a nanosecond is rounded down.
pub(super) fn seconds(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let (is_negative, unsigned) = match bytes {
        [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
        _ => (false, bytes),
    };
    let (whole_count, behind) = digits(unsigned);
    let (fraction_count, rest) = behind.strip_prefix(b".").map_or((0, behind), digits);
    if whole_count + fraction_count == 0 {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', exponent @ ..] => shift(exponent)?,
        _ => return None,
    };
    let mantissa = unsigned.get(..unsigned.len() - rest.len()).unwrap_or_default();
    let mut nanos: i128 = 0;
    // The decimal place of the digit at hand: none for seconds, one less for tenths.
    let mut place = whole_count as i64 - 1 + exponent;
    for digit in mantissa.iter().filter(|byte| byte.is_ascii_digit()) {
        match (digit - b'0', place) {
            (0, _) => {}
            (_, 19..) => return Some(beyond(is_negative)),
            (digit, -9..19) => nanos += i128::from(digit) * 10_i128.pow((place + 9) as u32),
            // What is finer goes downwards, which is away from 1970 before it.
            _ if is_negative => return Some(instant(-nanos - 1)),
            _ => break,
        }
        place -= 1;
    }
    Some(instant(if is_negative { -nanos } else { nanos }))
}

/// An exponent; one beyond all digits a page can hold is cut to that.
fn shift(exponent: &[u8]) -> Option<i64> {
    const FAR: i64 = 1 << 40;
    let (is_negative, unsigned) = match exponent {
        [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
        _ => (false, exponent),
    };
    if !matches!(digits(unsigned), (1.., [])) {
        return None;
    }
    let size = unsigned.iter().fold(0, |size: i64, digit| {
        size.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(FAR)
    });
    Some(if is_negative { -size } else { size })
}

fn instant(nanos: i128) -> Moment {
    const NANOS: i128 = 1_000_000_000;
    match i64::try_from(nanos.div_euclid(NANOS)) {
        Ok(seconds) if seconds.unsigned_abs() <= SECONDS_MAX => {
            Moment::At(Timestamp::from_unix(seconds, nanos.rem_euclid(NANOS) as u32))
        }
        _ => beyond(nanos < 0),
    }
}

fn beyond(is_negative: bool) -> Moment {
    Moment::Beyond(Timestamp::from_unix(if is_negative { i64::MIN } else { i64::MAX }, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_go_reads_them_and_keep_the_digits_json_allows() {
        let literal = |text| Ok(Number::Finite(Value::Literal(text)));
        let double = |double| Ok(Number::Finite(Value::Double(double)));
        for text in ["0", "-0", "1", "10", "1.50", "1e5", "-1.25E-7", "9223372036854775808"] {
            assert_eq!(value(text), literal(text), "{text}");
        }
        for (text, expected) in [
            ("+1", 1.0),
            ("01", 1.0),
            ("-001.5", -1.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("+.5e+1", 5.0),
            ("0000001.2e-1", 0.12),
            ("00", 0.0),
            ("-00.0", -0.0),
        ] {
            assert_eq!(value(text), double(expected), "{text}");
        }
        for text in ["Inf", "+inf", "+INFINITY", "infinity", "iNf"] {
            assert_eq!(value(text), Ok(Number::NotFinite(f64::INFINITY)), "{text}");
        }
        assert_eq!(value("-Inf"), Ok(Number::NotFinite(f64::NEG_INFINITY)));
        for text in ["NaN", "nan", "NAN"] {
            let read = value(text).map(Number::double);
            assert!(read.is_ok_and(f64::is_nan), "{text}: {read:?}");
        }
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1_2", "0x1", "0x1p-3", "0b1", "1,5", "true",
            "1 ", "-NaN", "+nan", "infin", "--1", "1.1.1", "\u{661}", "1e5.0",
        ] {
            assert_eq!(value(text), Err(NO_VALUE), "{text}");
        }
        for text in
            ["1e309", "-1e999", "+1e309", &"9".repeat(400), &format!("0{}", "9".repeat(400))]
        {
            assert_eq!(value(text), Err(TOO_LARGE), "{text}");
        }
    }

    #[test]
    fn milliseconds_are_64_bits_of_them() {
        let at = |seconds, nanos| Some(Moment::At(Timestamp::from_unix(seconds, nanos)));
        for (text, expected) in [
            ("0", at(0, 0)),
            ("1795343400123", at(1_795_343_400, 123_000_000)),
            ("-1", at(-1, 999_000_000)),
            ("+1000", at(1, 0)),
            ("9223372036854775807", at(9_223_372_036_854_775, 807_000_000)),
            ("-9223372036854775808", at(-9_223_372_036_854_776, 192_000_000)),
            ("9223372036854775808", None),
            ("1.0", None),
            ("1e3", None),
            ("", None),
            ("-", None),
            ("1_0", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn seconds_keep_their_digits_to_the_nanosecond() {
        let at = |seconds, nanos| Some(Moment::At(Timestamp::from_unix(seconds, nanos)));
        for (text, expected) in [
            ("0", at(0, 0)),
            ("000", at(0, 0)),
            ("-0.0", at(0, 0)),
            ("1.520430000123e+09", at(1_520_430_000, 123_000_000)),
            ("1795343400.123456789", at(1_795_343_400, 123_456_789)),
            ("1795343400.1234567899", at(1_795_343_400, 123_456_789)),
            ("-1.1", at(-2, 900_000_000)),
            ("-0.0000000001", at(-1, 999_999_999)),
            ("-1.0000000000", at(-1, 0)),
            ("1.5e3", at(1_500, 0)),
            ("15E-1", at(1, 500_000_000)),
            ("+.5", at(0, 500_000_000)),
            ("5.", at(5, 0)),
            ("1e-30", at(0, 0)),
            ("0e99999999999999999999", at(0, 0)),
            ("9223372036854775", at(9_223_372_036_854_775, 0)),
            ("9223372036854776", Some(beyond(false))),
            ("12345678901234567890.1234567890", Some(beyond(false))),
            ("-1e99999999999999999999", Some(beyond(true))),
            ("", None),
            (".", None),
            ("-", None),
            ("1e", None),
            ("1e+", None),
            ("1.1.1", None),
            ("1z", None),
            ("NaN", None),
            ("Inf", None),
            ("0x1p-3", None),
            ("1_2", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
