//! `KeyValue` and `AnyValue`.

use bumpalo::Bump;

use super::value;
use crate::decode::json::JsonReader;
use crate::decode::otlp::any::{self, Any, Attribute, Bearer};
use crate::decode::pull::{Fault, Pull};
use crate::decode::raw::{RawTags, Scalar};

/// Adds a list of attributes.
pub(super) fn read_all<'a>(
    reader: &mut JsonReader<'a>,
    bearer: &mut impl Bearer<'a>,
    arena: &'a Bump,
) -> Result<(), Fault> {
    let Some(mut list) = value::array(reader)? else { return Ok(()) };
    while reader.element(&mut list)? {
        read(reader, bearer, arena)?;
    }
    Ok(())
}

fn read<'a>(
    reader: &mut JsonReader<'a>,
    bearer: &mut impl Bearer<'a>,
    arena: &'a Bump,
) -> Result<(), Fault> {
    let mut key = "";
    let mut value = Any::Scalar(Scalar::Null);
    let mut extent = value::element(reader)?;
    while let Some(member) = value::key(reader, &mut extent)? {
        match member {
            "key" => key = value::text(reader)?,
            "value" => value = any(reader)?,
            _ => reader.skip()?,
        }
    }
    let tags = bearer.tags();
    let attribute = Attribute::new(key, tags, arena);
    match value {
        Any::Scalar(scalar) => attribute.value(scalar, tags),
        Any::Array(at) => {
            let end = reader.mark();
            reader.rewind(at);
            elements(reader, &attribute, tags)?;
            reader.rewind(end);
        }
        Any::LeftOut => {}
    }
    attribute.end(bearer);
    Ok(())
}

/// `ArrayValue`; one tag for each element.
fn elements<'a>(
    reader: &mut JsonReader<'a>,
    attribute: &Attribute<'a>,
    tags: &mut RawTags<'a>,
) -> Result<(), Fault> {
    let Some(mut extent) = value::object(reader)? else { return Ok(()) };
    while let Some(member) = value::key(reader, &mut extent)? {
        if member != "values" {
            reader.skip()?;
            continue;
        }
        let Some(mut list) = value::array(reader)? else { continue };
        while reader.element(&mut list)? {
            attribute.element(&any(reader)?, tags);
        }
    }
    Ok(())
}

/// Of several values the last counts; without one it is null. An array is passed over, and its place kept:
/// its elements are tags of a key that may come behind.
fn any<'a>(reader: &mut JsonReader<'a>) -> Result<Any<'a, usize>, Fault> {
    let mut any = Any::Scalar(Scalar::Null);
    let Some(mut extent) = value::object(reader)? else { return Ok(any) };
    while let Some(member) = value::key(reader, &mut extent)? {
        let scalar = match member {
            "stringValue" => value::optional_text(reader)?.map(Scalar::Text),
            "boolValue" => value::optional_boolean(reader)?.map(Scalar::Bool),
            "intValue" => value::i64(reader)?.map(any::integer),
            "doubleValue" => value::double(reader)?.map(any::double),
            "arrayValue" => {
                any = Any::Array(reader.mark());
                reader.skip()?;
                None
            }
            "kvlistValue" | "bytesValue" => {
                any = Any::LeftOut;
                reader.skip()?;
                None
            }
            _ => {
                reader.skip()?;
                None
            }
        };
        if let Some(scalar) = scalar {
            any = Any::Scalar(scalar);
        }
    }
    Ok(any)
}
