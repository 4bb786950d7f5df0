//! Numbers as sent to values, bounds and text.

use crate::decode::raw::Number;
use crate::metric::value::{Bound, Value};

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

/// An upper limit or quantile; `None` when it is NaN.
pub(super) fn bound(number: Number<'_>) -> Option<Bound<'_>> {
    // A bound is a double, whatever it was sent as.
    match number {
        _ if is_nan(number) => None,
        Number::Literal(literal) => Some(Bound::from_literal(literal)),
        Number::Unsigned(integer) => Some(Bound::Double(integer as f64)),
        Number::Signed(integer) => Some(Bound::Double(integer as f64)),
        Number::Single(single) => Some(Bound::Single(single)),
        Number::Double(double) => Some(Bound::Double(double)),
    }
}

/// As a double to calculate with: infinite where it is too large for one, NaN where it is none.
pub(super) fn double(number: Number<'_>) -> f64 {
    match number {
        // Rust reads every JSON number.
        Number::Literal(literal) => literal.parse().unwrap_or(f64::NAN),
        Number::Unsigned(integer) => integer as f64,
        Number::Signed(integer) => integer as f64,
        Number::Single(single) => f64::from(single),
        Number::Double(double) => double,
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
