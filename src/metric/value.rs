//! A number that is never NaN or infinite, and its digits as the sender wrote them (contract C4.1).

use std::fmt;

use super::words;

/// A literal longer than this is reprinted: StackState reads doubles, not digits.
const LITERAL_BYTES_MAX: usize = 32;

/// An exponent beyond this, either way, is reprinted.
const EXPONENT_MAX: u32 = 308;

/// Digits that a double always keeps apart: shorter decimals are already the shortest.
const EXACT_DIGITS: usize = 15;

/// The same of a float 32.
const EXACT_DIGITS_SINGLE: usize = 6;

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A JSON literal that is written as it is, but for a `.0` where it has neither fraction nor
    /// exponent: at most 32 bytes, exponent within 308.
    Literal(&'a str),
    /// Written in full plus `.0`.
    Unsigned(u64),
    /// Written in full plus `.0`.
    Signed(i64),
    /// Written as the shortest double; finite.
    Double(f64),
}

impl<'a> Value<'a> {
    /// A JSON number literal; `None` when it is too large for a double.
    #[inline]
    pub fn from_literal(literal: &'a str) -> Option<Self> {
        let plain = !words::any(literal.as_bytes(), words::exponent);
        if plain && literal.len() <= LITERAL_BYTES_MAX {
            return Some(Self::Literal(literal));
        }
        Self::from_long_literal(literal)
    }

    #[cold]
    fn from_long_literal(literal: &'a str) -> Option<Self> {
        let exponent = literal.bytes().position(|byte| byte | 0x20 == b'e');
        let double = literal.parse::<f64>().ok().filter(|double| double.is_finite())?;
        let within = exponent.is_none_or(|at| {
            let digits = literal.get(at + 1..).unwrap_or_default().trim_start_matches(['+', '-']);
            digits.parse::<u32>().is_ok_and(|size| size <= EXPONENT_MAX)
        });
        if within && literal.len() <= LITERAL_BYTES_MAX {
            Some(Self::Literal(literal))
        } else {
            Some(Self::Double(double))
        }
    }

    /// A double; `None` when it is NaN or infinite.
    #[inline]
    pub fn from_f64(double: f64) -> Option<Self> {
        double.is_finite().then_some(Self::Double(double))
    }

    /// Less than zero; minus zero is not.
    #[inline]
    pub fn is_negative(self) -> bool {
        match self {
            Self::Literal(literal) => {
                // An exponent cannot make a mantissa of zeros anything but zero.
                let mantissa = literal.bytes().take_while(|byte| byte | 0x20 != b'e');
                literal.starts_with('-') && mantissa.into_iter().any(|b| (b'1'..=b'9').contains(&b))
            }
            Self::Unsigned(_) => false,
            Self::Signed(integer) => integer < 0,
            Self::Double(double) => double < 0.0,
        }
    }
}

/// An upper limit or quantile: prints as the shortest plain decimal, never with an exponent, `-0` as
/// `0`, infinities as `+Inf` and `-Inf` (C4.3). Never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound<'a> {
    /// Digits that are already the shortest.
    Shortest(&'a str),
    /// Not NaN.
    Double(f64),
    /// Not NaN; a float 32 prints as its own shortest decimal: `0.1`, not `0.10000000149011612`.
    Single(f32),
}

impl<'a> Bound<'a> {
    /// A JSON number literal; one too large for a double is infinite.
    pub fn from_literal(literal: &'a str) -> Self {
        match shortest_already(literal) {
            Some(text) => Self::Shortest(text),
            // Rust reads every JSON number; what is too large becomes infinite.
            None => Self::Double(literal.parse().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Shortest(text) => f.write_str(text),
            Self::Double(0.0) | Self::Single(0.0) => f.write_str("0"),
            Self::Double(f64::INFINITY) | Self::Single(f32::INFINITY) => f.write_str("+Inf"),
            Self::Double(f64::NEG_INFINITY) | Self::Single(f32::NEG_INFINITY) => {
                f.write_str("-Inf")
            }
            Self::Double(double) => {
                match plain(zmij::Buffer::new().format_finite(double), EXACT_DIGITS) {
                    Some(decimal) => f.write_str(decimal),
                    None => write!(f, "{double}"),
                }
            }
            Self::Single(single) => {
                match plain(zmij::Buffer::new().format_finite(single), EXACT_DIGITS_SINGLE) {
                    Some(decimal) => f.write_str(decimal),
                    None => write!(f, "{single}"),
                }
            }
        }
    }
}

/// `shortest` as a plain decimal without `.0`, where it is certainly what `fmt` would print and be slow
/// about: without an exponent, and of at most `exact` characters. Of more digits two may be as near to
/// the number, and which of them is taken differs.
#[inline]
fn plain(shortest: &str, exact: usize) -> Option<&str> {
    let decimal = shortest.strip_suffix(".0").unwrap_or(shortest);
    (decimal.len() <= exact && !decimal.contains('e')).then_some(decimal)
}

/// The literal less its trailing zeros, if that is certainly the shortest: two decimals of at most
/// fifteen digits never stand for the same double.
#[inline]
fn shortest_already(literal: &str) -> Option<&str> {
    // Other characters count as digits here, which errs on the safe side.
    if literal.len() > EXACT_DIGITS || words::any(literal.as_bytes(), words::exponent) {
        return None;
    }
    let text = if literal.contains('.') {
        literal.trim_end_matches('0').trim_end_matches('.')
    } else {
        literal
    };
    (text != "0" && text != "-0").then_some(text).or(Some("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_keep_their_digits_unless_they_are_long_or_extreme() {
        let table = [
            ("42", Some(Value::Literal("42"))),
            ("-0", Some(Value::Literal("-0"))),
            ("1E5", Some(Value::Literal("1E5"))),
            ("1e308", Some(Value::Literal("1e308"))),
            ("1e-308", Some(Value::Literal("1e-308"))),
            ("1e-309", Some(Value::Double(1e-309))),
            ("1e-99999999999999999999", Some(Value::Double(0.0))),
            ("0e999", Some(Value::Double(0.0))),
            ("9e308", None),
            ("1e400", None),
            ("-1e400", None),
            ("0.1000000000000000055511151231257", Some(Value::Double(0.1))),
            ("18446744073709551616", Some(Value::Literal("18446744073709551616"))),
            (
                "12345678901234567890123456789012",
                Some(Value::Literal("12345678901234567890123456789012")),
            ),
        ];
        for (literal, value) in table {
            assert_eq!(Value::from_literal(literal), value, "{literal}");
        }
        assert_eq!(Value::from_literal(&"9".repeat(400)), None);
    }

    #[test]
    fn bounds_print_as_the_shortest_plain_decimal() {
        let table = [
            ("0.1", "0.1"),
            ("0.10", "0.1"),
            ("1", "1"),
            ("1.0", "1"),
            ("100", "100"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("0.0", "0"),
            ("-2.50", "-2.5"),
            ("1e3", "1000"),
            ("1E-7", "0.0000001"),
            ("1e21", "1000000000000000000000"),
            ("0.1000000000000000055511151231257", "0.1"),
            ("123456789012345678", "123456789012345680"),
            ("1e400", "+Inf"),
            ("-1e400", "-Inf"),
        ];
        for (literal, text) in table {
            assert_eq!(Bound::from_literal(literal).to_string(), text, "{literal}");
        }
        let table = [
            (Bound::Double(f64::INFINITY), "+Inf"),
            (Bound::Double(f64::NEG_INFINITY), "-Inf"),
            (Bound::Single(f32::NEG_INFINITY), "-Inf"),
            (Bound::Double(-0.0), "0"),
            (Bound::Single(0.1), "0.1"),
            (Bound::Double(1e-7), "0.0000001"),
            // As near to the next lower decimal.
            (Bound::Double(562_949_953_421_312.0 + 0.25), "562949953421312.3"),
            (Bound::Single(3_870_129.0 + 0.25), "3870129.3"),
        ];
        for (bound, text) in table {
            assert_eq!(bound.to_string(), text, "{bound:?}");
        }
        assert_eq!(Bound::Double(f64::MAX).to_string().len(), 309);
    }

    #[test]
    fn bounds_have_the_digits_that_rust_prints() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200_000 {
            let scale = 10_f64.powi(random.i32(-9..18));
            for double in [
                f64::from_bits(random.u64(..)),
                random.f64() * scale,
                (random.f64() * scale).round(),
                f64::from(random.u32(..10_000)) / scale,
            ] {
                if double.is_finite() && double != 0.0 {
                    assert_eq!(Bound::Double(double).to_string(), double.to_string());
                }
                let single = double as f32;
                if single.is_finite() && single != 0.0 {
                    assert_eq!(Bound::Single(single).to_string(), single.to_string());
                }
            }
        }
    }

    #[test]
    fn minus_zero_is_not_negative() {
        for (literal, negative) in [
            ("-0", false),
            ("-0.0", false),
            ("-0e7", false),
            ("-1", true),
            ("-0.001", true),
            ("5", false),
        ] {
            let value = Value::from_literal(literal).expect("finite");
            assert_eq!(value.is_negative(), negative, "{literal}");
        }
        assert!(Value::Signed(-1).is_negative() && !Value::Double(-0.0).is_negative());
    }
}
