//! Values as JSON doubles (contract C4.1).

use super::text::{self, Source};
use crate::metric::value::Value;
use crate::metric::words;

/// Appends the digits as sent, with `.0` where there is neither fraction nor exponent.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, value: Value<'_>, source: Source<'_>) {
    match value {
        Value::Literal(literal) => {
            text::copy(out, literal.as_bytes(), source.body);
            let marks = |word| words::equal(word, b'.') | words::exponent(word);
            if !words::any(literal.as_bytes(), marks) {
                out.extend_from_slice(b".0");
            }
        }
        Value::Double(double) => {
            out.extend_from_slice(zmij::Buffer::new().format_finite(double).as_bytes());
        }
        Value::Unsigned(integer) => push_integer(out, integer),
        Value::Signed(integer) => push_integer(out, integer),
    }
}

fn push_integer(out: &mut Vec<u8>, integer: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    out.extend_from_slice(b".0");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Escapes;

    const SOURCE: Source<'_> = Source { body: b"", escapes: Escapes::Perhaps };

    #[test]
    fn values_print_as_json_doubles() {
        let table = [
            (Value::Literal("42"), "42.0"),
            (Value::Literal("-0"), "-0.0"),
            (Value::Literal("1.50"), "1.50"),
            (Value::Literal("1E5"), "1E5"),
            (Value::Unsigned(u64::MAX), "18446744073709551615.0"),
            (Value::Signed(i64::MIN), "-9223372036854775808.0"),
            (Value::Double(f64::from(0.1_f32)), "0.10000000149011612"),
            (Value::Double(3.0), "3.0"),
            (Value::Double(-0.0), "-0.0"),
            (Value::Double(1e300), "1e+300"),
        ];
        for (value, text) in table {
            let mut out = Vec::new();
            push(&mut out, value, SOURCE);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn doubles_read_back_as_the_same_double() {
        for double in [f64::MIN_POSITIVE, 5e-324, f64::MAX, -1e16, 123_456_789.123_456_79, 1e-7] {
            let mut out = Vec::new();
            push(&mut out, Value::Double(double), SOURCE);
            let read: f64 = serde_json::from_slice(&out).expect("valid JSON");
            assert_eq!(read.to_bits(), double.to_bits());
        }
    }
}
