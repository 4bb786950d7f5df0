//! The data points, whose fields have other numbers in each kind.

use bumpalo::Bump;

use super::{attribute, bytes, double, fixed64, varint};
use crate::decode::otlp::Kind;
use crate::decode::otlp::exponential::Row;
use crate::decode::otlp::point::{Amount, Point};
use crate::decode::protobuf::{Field, Message, Slice, Wire, zigzag};
use crate::decode::pull::Fault;
use crate::metric::value::Value;

/// Fills `point`, which is clear.
pub(super) fn read<'a>(
    slice: Slice<'a>,
    kind: Kind,
    point: &mut Point<'a>,
    arena: &'a Bump,
) -> Result<(), Fault> {
    let mut message = slice.message();
    while let Some(Field { number, wire }) = message.field()? {
        let field = match kind {
            Kind::Gauge | Kind::Sum => number_field(number),
            Kind::Histogram => histogram_field(number),
            Kind::Exponential => exponential_field(number),
            Kind::Summary => summary_field(number),
        };
        match field {
            Meaning::Attribute => attribute::read(bytes(wire, &message)?, point, arena)?,
            Meaning::Exemplar => {
                bytes(wire, &message)?;
                point.exemplars += 1;
            }
            Meaning::None => {}
            field => take(field, wire, &message, point)?,
        }
    }
    Ok(())
}

/// What a field is about.
#[derive(Clone, Copy)]
enum Meaning {
    Attribute,
    Exemplar,
    Time,
    Flags,
    AsDouble,
    AsInt,
    Count,
    Sum,
    BucketCounts,
    ExplicitBounds,
    Scale,
    ZeroCount,
    ZeroThreshold,
    Positive,
    Negative,
    Quantile,
    None,
}

/// `NumberDataPoint`
fn number_field(number: u32) -> Meaning {
    match number {
        3 => Meaning::Time,
        4 => Meaning::AsDouble,
        5 => Meaning::Exemplar,
        6 => Meaning::AsInt,
        7 => Meaning::Attribute,
        8 => Meaning::Flags,
        _ => Meaning::None,
    }
}

/// `HistogramDataPoint`
fn histogram_field(number: u32) -> Meaning {
    match number {
        3 => Meaning::Time,
        4 => Meaning::Count,
        5 => Meaning::Sum,
        6 => Meaning::BucketCounts,
        7 => Meaning::ExplicitBounds,
        8 => Meaning::Exemplar,
        9 => Meaning::Attribute,
        10 => Meaning::Flags,
        _ => Meaning::None,
    }
}

/// `ExponentialHistogramDataPoint`
fn exponential_field(number: u32) -> Meaning {
    match number {
        1 => Meaning::Attribute,
        3 => Meaning::Time,
        4 => Meaning::Count,
        5 => Meaning::Sum,
        6 => Meaning::Scale,
        7 => Meaning::ZeroCount,
        8 => Meaning::Positive,
        9 => Meaning::Negative,
        10 => Meaning::Flags,
        11 => Meaning::Exemplar,
        14 => Meaning::ZeroThreshold,
        _ => Meaning::None,
    }
}

/// `SummaryDataPoint`
fn summary_field(number: u32) -> Meaning {
    match number {
        3 => Meaning::Time,
        4 => Meaning::Count,
        5 => Meaning::Sum,
        6 => Meaning::Quantile,
        7 => Meaning::Attribute,
        8 => Meaning::Flags,
        _ => Meaning::None,
    }
}

fn take<'a>(
    field: Meaning,
    wire: Wire<'a>,
    message: &Message<'a>,
    point: &mut Point<'a>,
) -> Result<(), Fault> {
    match field {
        Meaning::Time => point.time_unix_nano = fixed64(wire, message)?,
        Meaning::Flags => point.flags = varint(wire, message)? as u32,
        Meaning::AsDouble => point.value = Amount::from_f64(double(wire, message)?),
        Meaning::AsInt => {
            let integer = fixed64(wire, message)? as i64;
            point.value = Amount::Finite(Value::Signed(integer));
        }
        Meaning::Count => point.count = fixed64(wire, message)?,
        Meaning::Sum => point.sum = Amount::from_f64(double(wire, message)?),
        Meaning::BucketCounts => {
            fixed64s(wire, message, |count| point.counts.push(count))?;
        }
        Meaning::ExplicitBounds => {
            fixed64s(wire, message, |bits| point.bounds.push(f64::from_bits(bits)))?;
        }
        Meaning::Scale => point.buckets.scale = sint32(wire, message)?,
        Meaning::ZeroCount => point.buckets.zero_count = fixed64(wire, message)?,
        Meaning::ZeroThreshold => point.buckets.zero_threshold = double(wire, message)?,
        Meaning::Positive => row(bytes(wire, message)?, &mut point.buckets.positive)?,
        Meaning::Negative => row(bytes(wire, message)?, &mut point.buckets.negative)?,
        Meaning::Quantile => quantile(bytes(wire, message)?, point)?,
        Meaning::Attribute | Meaning::Exemplar | Meaning::None => {}
    }
    Ok(())
}

/// An element of a repeated field of eight bytes each, or many of them packed.
fn fixed64s(wire: Wire<'_>, message: &Message<'_>, mut each: impl FnMut(u64)) -> Result<(), Fault> {
    if let Wire::Bytes(packed) = wire {
        let mut packed = packed.message();
        while !packed.is_empty() {
            each(packed.fixed64()?);
        }
        return Ok(());
    }
    each(fixed64(wire, message)?);
    Ok(())
}

fn sint32(wire: Wire<'_>, message: &Message<'_>) -> Result<i32, Fault> {
    // What is longer is cut, as protobuf's readers do.
    varint(wire, message).map(|varint| zigzag(varint & 0xffff_ffff) as i32)
}

/// `ExponentialHistogramDataPoint.Buckets`
fn row(slice: Slice<'_>, row: &mut Row) -> Result<(), Fault> {
    let mut message = slice.message();
    while let Some(Field { number, wire }) = message.field()? {
        match (number, wire) {
            (1, _) => row.offset = sint32(wire, &message)?,
            (2, Wire::Bytes(packed)) => {
                let mut packed = packed.message();
                while !packed.is_empty() {
                    row.push(packed.varint()?);
                }
            }
            (2, _) => row.push(varint(wire, &message)?),
            _ => {}
        }
    }
    Ok(())
}

/// `SummaryDataPoint.ValueAtQuantile`
fn quantile(slice: Slice<'_>, point: &mut Point<'_>) -> Result<(), Fault> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut message = slice.message();
    while let Some(Field { number, wire }) = message.field()? {
        match number {
            1 => quantile = double(wire, &message)?,
            2 => value = double(wire, &message)?,
            _ => {}
        }
    }
    point.quantiles.push(quantile, Amount::from_f64(value));
    Ok(())
}
