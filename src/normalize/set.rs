//! Vector's sets: what is measured is how many different values were seen.
//!
//! Vector keeps a set sorted and sends each value once, so they are counted as sent; to compare them all
//! would cost memory and tell no more. Strings are usual, numbers and booleans count too. `kind` makes no
//! difference: the size of a set is a value of the moment.

use super::{Code, Rejection};
use crate::decode::raw::RawSet;
use crate::metric::value::Value;

/// The size of a set that is there.
pub(super) fn size(set: RawSet) -> Result<Value<'static>, Rejection> {
    let (code, message) = match set {
        RawSet::Size(size) => return Ok(Value::Unsigned(size)),
        RawSet::Absent | RawSet::NoValues => {
            (Code::MissingValue, "expected a member `values` in `set`")
        }
        RawSet::WrongType => {
            (Code::InvalidValue, "expected an object with an array `values` as `set`")
        }
        RawSet::NoList => (Code::InvalidValue, "expected an array as `set.values`"),
        RawSet::OddValue => {
            (Code::InvalidValue, "expected strings, numbers or booleans in `set.values`")
        }
    };
    Err(Rejection::new(code, message))
}
