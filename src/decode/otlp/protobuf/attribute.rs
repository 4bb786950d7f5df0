//! `KeyValue` and `AnyValue`.

use bumpalo::Bump;

use super::{bytes, child, double, text, varint};
use crate::decode::otlp::any::{self, Any, Attribute, Bearer};
use crate::decode::protobuf::{Field, Slice};
use crate::decode::pull::Fault;
use crate::decode::raw::Scalar;

/// Adds one attribute.
pub(super) fn read<'a>(
    slice: Slice<'a>,
    bearer: &mut impl Bearer<'a>,
    arena: &'a Bump,
) -> Result<(), Fault> {
    let mut key = "";
    let mut value = Any::Scalar(Scalar::Null);
    let mut message = slice.message();
    while let Some(Field { number, wire }) = message.field()? {
        match number {
            1 => key = text(wire, &message)?,
            2 => value = any(bytes(wire, &message)?)?,
            _ => {}
        }
    }
    let tags = bearer.tags();
    let attribute = Attribute::new(key, tags, arena);
    match value {
        Any::Scalar(scalar) => attribute.value(scalar, tags),
        Any::Array(slice) => {
            let mut elements = slice.message();
            while let Some(element) = child(&mut elements, 1)? {
                attribute.element(&any(element)?, tags);
            }
        }
        Any::LeftOut => {}
    }
    attribute.end(bearer);
    Ok(())
}

/// Of several values the last counts; without one it is null.
fn any(slice: Slice<'_>) -> Result<Any<'_, Slice<'_>>, Fault> {
    let mut value = Any::Scalar(Scalar::Null);
    let mut message = slice.message();
    while let Some(Field { number, wire }) = message.field()? {
        value = match number {
            1 => Any::Scalar(Scalar::Text(text(wire, &message)?)),
            2 => Any::Scalar(Scalar::Bool(varint(wire, &message)? != 0)),
            3 => Any::Scalar(any::integer(varint(wire, &message)? as i64)),
            4 => Any::Scalar(any::double(double(wire, &message)?)),
            5 => Any::Array(bytes(wire, &message)?),
            6 | 7 => {
                bytes(wire, &message)?;
                Any::LeftOut
            }
            _ => value,
        };
    }
    Ok(value)
}
