//! One value of one instant.

use super::family::Sort;
use super::repeated::{double, varint};
use crate::decode::labelled::{Labelled, Reading};
use crate::decode::protobuf::Slice;
use crate::decode::pull::Fault;
use crate::metric::timestamp::Timestamp;
use crate::metric::value::Value;
use crate::metric::{Flow, Shape};

/// The NaN that says a series has ended.
pub(super) const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Reads a `Sample`. What is absent is zero, as in any message of this version of protobuf.
#[inline]
pub(super) fn read<'a>(
    message: Slice<'a>,
    sort: Sort,
    next: &mut Labelled<'a>,
) -> Result<Reading<'a>, Fault> {
    let (mut value, mut millis) = (0.0_f64, 0);
    let mut message = message.message();
    loop {
        let at = message.offset();
        let Some(field) = message.field()? else { break };
        match field.number {
            1 => value = double(field, at)?,
            2 => millis = varint(field, at)? as i64,
            _ => {}
        }
    }
    next.at = Some(instant(millis));
    if value.to_bits() == STALE_BITS {
        return Ok(Reading::Stale);
    }
    Ok(match (Value::from_f64(value), sort) {
        (Some(value), Sort::Counter) => Reading::Shape(Shape::Counter(value, Flow::Total)),
        (Some(value), Sort::Gauge) => Reading::Shape(Shape::Gauge(value)),
        (None, _) => Reading::NotFinite,
    })
}

/// Milliseconds since 1970, or before.
pub(super) fn instant(millis: i64) -> Timestamp {
    let nanos = millis.rem_euclid(1_000) as u32 * 1_000_000;
    Timestamp::from_unix(millis.div_euclid(1_000), nanos)
}
