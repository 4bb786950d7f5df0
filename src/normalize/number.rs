//! Numbers as sent to values, bounds and text.

use std::borrow::Cow;

use crate::decode::raw::Number;
use crate::metric::value::{self, Value};

/// `None` when it is NaN, infinite or too large for a double.
#[inline]
pub(super) fn finite(number: Number<'_>) -> Option<Value<'_>> {
    match number {
        Number::Literal(literal) => Value::from_literal(literal),
        Number::Unsigned(integer) => Some(Value::Unsigned(integer)),
        Number::Signed(integer) => Some(Value::Signed(integer)),
        Number::Single(single) => Value::from_f64(f64::from(single)),
        Number::Double(double) => Value::from_f64(double),
    }
}

/// An upper limit or quantile; `None` when it is NaN. A literal too large for a double is infinite.
pub(super) fn bound(number: Number<'_>) -> Option<Cow<'_, str>> {
    match number {
        Number::Literal(literal) => Some(match Value::from_literal(literal) {
            Some(value) => value.plain_decimal(),
            None if literal.starts_with('-') => value::plain_double(f64::NEG_INFINITY),
            None => value::plain_double(f64::INFINITY),
        }),
        Number::Unsigned(integer) => Some(Value::Unsigned(integer).plain_decimal()),
        Number::Signed(integer) => Some(Value::Signed(integer).plain_decimal()),
        // The shortest decimal that is this float 32: `0.1`, not `0.10000000149011612`.
        Number::Single(single) if single.is_finite() && single != 0.0 => {
            Some(Cow::Owned(single.to_string()))
        }
        Number::Single(single) if single.is_nan() => None,
        Number::Single(single) => Some(value::plain_double(f64::from(single))),
        Number::Double(double) if double.is_nan() => None,
        Number::Double(double) => Some(value::plain_double(double)),
    }
}

/// As a tag's value: JSON digits as sent; MessagePack the shortest, integers without `.0` (C2.3).
pub(super) fn text(number: Number<'_>) -> Cow<'_, str> {
    let shortest = |text: &str| Cow::Owned(text.strip_suffix(".0").unwrap_or(text).to_owned());
    match number {
        Number::Literal(literal) => Cow::Borrowed(literal),
        Number::Unsigned(integer) => Cow::Owned(integer.to_string()),
        Number::Signed(integer) => Cow::Owned(integer.to_string()),
        Number::Single(single) => shortest(zmij::Buffer::new().format(single)),
        Number::Double(double) => shortest(zmij::Buffer::new().format(double)),
    }
}

/// Only MessagePack can say so.
pub(super) fn is_nan(number: Number<'_>) -> bool {
    match number {
        Number::Single(single) => single.is_nan(),
        Number::Double(double) => double.is_nan(),
        _ => false,
    }
}
