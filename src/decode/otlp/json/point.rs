//! The data points. A name means the same in each kind, so one reader does for all.

use bumpalo::Bump;

use super::{attribute, value};
use crate::decode::json::JsonReader;
use crate::decode::otlp::exponential::Row;
use crate::decode::otlp::point::{Amount, Point};
use crate::decode::pull::{Fault, Pull};
use crate::metric::value::Value;

/// Fills `point`, which is clear.
pub(super) fn read<'a>(
    reader: &mut JsonReader<'a>,
    point: &mut Point<'a>,
    arena: &'a Bump,
) -> Result<(), Fault> {
    let mut extent = value::element(reader)?;
    while let Some(key) = value::key(reader, &mut extent)? {
        match key {
            "attributes" => attribute::read_all(reader, point, arena)?,
            "timeUnixNano" => point.time_unix_nano = value::u64(reader)?,
            "flags" => point.flags = value::u32(reader)?,
            "exemplars" => exemplars(reader, &mut point.exemplars)?,
            "asDouble" => amount(reader, &mut point.value)?,
            "asInt" => {
                if let Some(integer) = value::i64(reader)? {
                    point.value = Amount::Finite(Value::Signed(integer));
                }
            }
            "count" => point.count = value::u64(reader)?,
            "sum" => amount(reader, &mut point.sum)?,
            _ => buckets(key, reader, point)?,
        }
    }
    Ok(())
}

/// JavaScript writes null for the numbers that JSON does not have.
fn amount<'a>(reader: &mut JsonReader<'a>, amount: &mut Amount<'a>) -> Result<(), Fault> {
    match value::amount(reader)? {
        Amount::Absent if *amount == Amount::Absent => *amount = Amount::NotFinite,
        Amount::Absent => {}
        value => *amount = value,
    }
    Ok(())
}

/// What histograms and summaries have in lists.
fn buckets<'a>(key: &str, reader: &mut JsonReader<'a>, point: &mut Point<'a>) -> Result<(), Fault> {
    match key {
        "bucketCounts" => {
            let Some(mut list) = value::array(reader)? else { return Ok(()) };
            while reader.element(&mut list)? {
                point.counts.push(value::u64(reader)?);
            }
        }
        "explicitBounds" => {
            let Some(mut list) = value::array(reader)? else { return Ok(()) };
            while reader.element(&mut list)? {
                // A bound that is null is none, and the point is at fault for it.
                point.bounds.push(value::double(reader)?.unwrap_or(f64::NAN));
            }
        }
        "scale" => point.buckets.scale = value::i32(reader)?,
        "zeroCount" => point.buckets.zero_count = value::u64(reader)?,
        "zeroThreshold" => {
            point.buckets.zero_threshold = value::double(reader)?.unwrap_or_default();
        }
        "positive" => row(reader, &mut point.buckets.positive)?,
        "negative" => row(reader, &mut point.buckets.negative)?,
        "quantileValues" => {
            let Some(mut list) = value::array(reader)? else { return Ok(()) };
            while reader.element(&mut list)? {
                quantile(reader, point)?;
            }
        }
        _ => reader.skip()?,
    }
    Ok(())
}

fn exemplars(reader: &mut JsonReader<'_>, count: &mut u64) -> Result<(), Fault> {
    let Some(mut list) = value::array(reader)? else { return Ok(()) };
    while reader.element(&mut list)? {
        reader.skip()?;
        *count += 1;
    }
    Ok(())
}

/// `ExponentialHistogramDataPoint.Buckets`
fn row(reader: &mut JsonReader<'_>, row: &mut Row) -> Result<(), Fault> {
    let Some(mut extent) = value::object(reader)? else { return Ok(()) };
    while let Some(key) = value::key(reader, &mut extent)? {
        match key {
            "offset" => row.offset = value::i32(reader)?,
            "bucketCounts" => {
                let Some(mut list) = value::array(reader)? else { continue };
                while reader.element(&mut list)? {
                    row.push(value::u64(reader)?);
                }
            }
            _ => reader.skip()?,
        }
    }
    Ok(())
}

/// `SummaryDataPoint.ValueAtQuantile`; one whose value is null has none, as in contract C2.2.
fn quantile<'a>(reader: &mut JsonReader<'a>, point: &mut Point<'a>) -> Result<(), Fault> {
    let (mut quantile, mut value) = (0.0, Amount::Finite(Value::Unsigned(0)));
    let mut extent = value::element(reader)?;
    while let Some(key) = value::key(reader, &mut extent)? {
        match key {
            "quantile" => quantile = value::double(reader)?.unwrap_or_default(),
            "value" => value = value::amount(reader)?,
            _ => reader.skip()?,
        }
    }
    point.quantiles.push(quantile, value);
    Ok(())
}
