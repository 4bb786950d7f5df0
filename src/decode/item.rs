//! One item's members into a [`RawMetric`], for JSON and MessagePack alike (contract C2.1 to C2.3).
//!
//! A member of the wrong type is noted, never an error: mistakes of one item must not cost another.
//! Only broken grammar is a [`Fault`].

mod vector;

use super::pull::{self, Fault, Key, Pull, Token};
use super::raw::{
    Judge, Judges, PAIRS_KEPT, Presence, RawMetric, RawPair, RawPoint, RawSeries, RawTag, RawTags,
    Scalar, TAGS_USUAL,
};

/// Reads the next value as one item.
pub(crate) fn read<'a, R: Pull<'a>>(reader: &mut R, raw: &mut RawMetric<'a>) -> Result<(), Fault> {
    raw.clear();
    let start = reader.mark();
    match read_object(reader, raw, Wrapper::Open)? {
        Read::Done => Ok(()),
        // `metric` came before the `name` beside it, which means it is no wrapper: read again.
        Read::NotWrapped => {
            raw.clear();
            reader.rewind(start);
            read_object(reader, raw, Wrapper::Ignore).map(drop)
        }
    }
}

/// Whether an outer `{"metric": {...}}` is opened (C2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrapper {
    Open,
    Ignore,
}

enum Read {
    Done,
    NotWrapped,
}

fn read_object<'a, R: Pull<'a>>(
    reader: &mut R,
    raw: &mut RawMetric<'a>,
    wrapper: Wrapper,
) -> Result<Read, Fault> {
    let mut extent = match reader.map()? {
        Some(extent) => extent,
        None => match enter(reader)? {
            Token::Map(extent) => extent,
            _ => return Ok(Read::Done),
        },
    };
    raw.is_object = true;
    let mut unwrapped = false;
    while let Some(key) = reader.key(&mut extent)? {
        let Key::Text(key) = key else {
            reader.skip()?;
            continue;
        };
        if wrapper == Wrapper::Open && key == "metric" && (unwrapped || !raw.named) {
            // Members sent before the wrapper belong to it, not to the metric.
            raw.clear();
            raw.is_object = true;
            unwrapped = true;
            if let Token::Map(mut inner) = enter(reader)? {
                while let Some(key) = reader.key(&mut inner)? {
                    match key {
                        Key::Text(key) => read_member(reader, raw, key)?,
                        Key::Other => reader.skip()?,
                    }
                }
            }
        } else if unwrapped {
            if key == "name" {
                return Ok(Read::NotWrapped);
            }
            reader.skip()?;
        } else {
            read_member(reader, raw, key)?;
        }
    }
    Ok(Read::Done)
}

/// Reads a scalar, or enters a map; an array is passed.
fn enter<'a, R: Pull<'a>>(reader: &mut R) -> Result<Token<'a>, Fault> {
    match reader.next()? {
        Token::Array(extent) => {
            pull::skip_array(reader, extent)?;
            Ok(Token::Scalar(Scalar::Array))
        }
        token => Ok(token),
    }
}

/// Whether a member of the name means anything to an item; every other is skipped.
pub(crate) fn is_read(key: &str) -> bool {
    matches!(
        key,
        "metric"
            | "name"
            | "gauge"
            | "counter"
            | "tags"
            | "dt"
            | "timestamp"
            | "kind"
            | "histogram"
            | "aggregated_histogram"
            | "summary"
            | "aggregated_summary"
            | "set"
            | "distribution"
            | "sketch"
    )
}

/// Reads a member's value; [`is_read`] lists the names.
#[inline]
fn read_member<'a, R: Pull<'a>>(
    reader: &mut R,
    raw: &mut RawMetric<'a>,
    key: &'a str,
) -> Result<(), Fault> {
    match key {
        "name" => {
            raw.named = true;
            read_scalar(reader, &mut raw.name)?;
        }
        "gauge" => read_point(reader, &mut raw.gauge)?,
        "counter" => read_point(reader, &mut raw.counter)?,
        "tags" => read_tags(reader, &mut raw.tags)?,
        "dt" => read_scalar(reader, &mut raw.dt)?,
        "timestamp" => read_scalar(reader, &mut raw.timestamp)?,
        "kind" => read_scalar(reader, &mut raw.kind)?,
        "histogram" | "aggregated_histogram" | "summary" | "aggregated_summary" => {
            read_any_series(reader, raw, key)?;
        }
        "set" => vector::read_set(reader, &mut raw.series_mut().set)?,
        "distribution" => {
            let fold = raw.judges.sample;
            vector::read_distribution(reader, &mut raw.series_mut().distribution, fold)?;
        }
        "sketch" => raw.sketch = vector::read_sketch(reader)?,
        _ => reader.skip()?,
    }
    Ok(())
}

/// Reads a member that most often is a string; null counts as absent. Writing into the place instead
/// of returning saves a copy that waits for what was just written.
#[inline]
fn read_scalar<'a, R: Pull<'a>>(
    reader: &mut R,
    place: &mut Option<Scalar<'a>>,
) -> Result<(), Fault> {
    match reader.text()? {
        Some(text) => *place = Some(Scalar::Text(text)),
        None => *place = Some(pull::scalar(reader)?).filter(|scalar| *scalar != Scalar::Null),
    }
    Ok(())
}

/// Enters a member that should be a map and says whether it is; the caller reads on if so.
#[inline]
fn enter_map<'a, R: Pull<'a>>(
    reader: &mut R,
    presence: &mut Presence,
) -> Result<Option<pull::Extent>, Fault> {
    if let Some(extent) = reader.map()? {
        *presence = Presence::Here;
        return Ok(Some(extent));
    }
    match enter(reader)? {
        Token::Map(extent) => {
            *presence = Presence::Here;
            return Ok(Some(extent));
        }
        Token::Scalar(Scalar::Null) => *presence = Presence::Absent,
        _ => *presence = Presence::WrongType,
    }
    Ok(None)
}

#[inline]
fn read_point<'a, R: Pull<'a>>(reader: &mut R, point: &mut RawPoint<'a>) -> Result<(), Fault> {
    point.value = None;
    let Some(mut extent) = enter_map(reader, &mut point.presence)? else { return Ok(()) };
    while let Some(key) = reader.key(&mut extent)? {
        match key {
            Key::Text("value") => point.value = Some(pull::number_or_scalar(reader)?),
            _ => reader.skip()?,
        }
    }
    Ok(())
}

/// The member names in which histograms and summaries differ.
struct SeriesNames {
    list: &'static str,
    bound: &'static str,
    value: &'static str,
}

const HISTOGRAM: SeriesNames =
    SeriesNames { list: "buckets", bound: "upper_limit", value: "count" };
const SUMMARY: SeriesNames = SeriesNames { list: "quantiles", bound: "quantile", value: "value" };

/// Reads the histogram or summary that is called `key`.
fn read_any_series<'a, R: Pull<'a>>(
    reader: &mut R,
    raw: &mut RawMetric<'a>,
    key: &str,
) -> Result<(), Fault> {
    let Judges { bucket, quantile, .. } = raw.judges;
    let all = raw.series_mut();
    match key {
        "histogram" => read_series(reader, &mut all.histogram, &HISTOGRAM, bucket),
        "aggregated_histogram" => {
            read_series(reader, &mut all.aggregated_histogram, &HISTOGRAM, bucket)
        }
        "summary" => read_series(reader, &mut all.summary, &SUMMARY, quantile),
        _ => read_series(reader, &mut all.aggregated_summary, &SUMMARY, quantile),
    }
}

fn read_series<'a, R: Pull<'a>>(
    reader: &mut R,
    series: &mut RawSeries<'a>,
    names: &SeriesNames,
    judge: Judge,
) -> Result<(), Fault> {
    series.clear();
    let Some(mut extent) = enter_map(reader, &mut series.presence)? else { return Ok(()) };
    while let Some(key) = reader.key(&mut extent)? {
        match key {
            Key::Text("count") => series.count = Some(pull::number_or_scalar(reader)?),
            Key::Text("sum") => series.sum = Some(pull::number_or_scalar(reader)?),
            Key::Text(key) if key == names.list => read_pairs(reader, series, names, judge)?,
            _ => reader.skip()?,
        }
    }
    Ok(())
}

fn read_pairs<'a, R: Pull<'a>>(
    reader: &mut R,
    series: &mut RawSeries<'a>,
    names: &SeriesNames,
    judge: Judge,
) -> Result<(), Fault> {
    series.pairs.clear();
    series.fault_beyond = None;
    let mut extent = match reader.next()? {
        Token::Array(extent) => extent,
        Token::Map(extent) => {
            series.list = Presence::WrongType;
            return pull::skip_map(reader, extent);
        }
        Token::Scalar(_) => {
            series.list = Presence::WrongType;
            return Ok(());
        }
    };
    series.list = Presence::Here;
    while reader.element(&mut extent)? {
        let pair = read_pair(reader, names.bound, names.value)?;
        if series.pairs.len() < PAIRS_KEPT {
            series.pairs.push(pair);
        } else {
            series.fault_beyond = series.fault_beyond.or_else(|| judge(&pair));
        }
    }
    Ok(())
}

/// Reads an object of two members, called `bound` and `value`.
fn read_pair<'a, R: Pull<'a>>(
    reader: &mut R,
    bound: &str,
    value: &str,
) -> Result<RawPair<'a>, Fault> {
    let mut pair = RawPair::default();
    let mut presence = Presence::Absent;
    let Some(mut extent) = enter_map(reader, &mut presence)? else { return Ok(pair) };
    while let Some(key) = reader.key(&mut extent)? {
        match key {
            Key::Text(key) if key == bound => {
                pair.bound = Some(pull::number_or_scalar(reader)?);
            }
            Key::Text(key) if key == value => {
                pair.value = Some(pull::number_or_scalar(reader)?);
            }
            _ => reader.skip()?,
        }
    }
    Ok(pair)
}

fn read_tags<'a, R: Pull<'a>>(reader: &mut R, tags: &mut RawTags<'a>) -> Result<(), Fault> {
    tags.clear();
    let Some(mut extent) = enter_map(reader, &mut tags.presence)? else { return Ok(()) };
    if tags.tags.capacity() == 0 {
        // Not before: most JSON bodies are read without (`pipeline::lane`).
        tags.tags.reserve(TAGS_USUAL);
    }
    let mut member = 0;
    while let Some(key) = reader.key(&mut extent)? {
        let Key::Text(key) = key else {
            reader.skip()?;
            continue;
        };
        if let Some(text) = reader.text()? {
            tags.push(RawTag::new(key, Scalar::Text(text), member, false));
            member = member.saturating_add(1);
            continue;
        }
        match reader.next()? {
            Token::Scalar(value) => {
                tags.push(RawTag::new(key, value, member, false));
            }
            Token::Map(inner) => {
                pull::skip_map(reader, inner)?;
                tags.push(RawTag::new(key, Scalar::Map, member, false));
            }
            Token::Array(mut inner) => {
                let mut any = false;
                while reader.element(&mut inner)? {
                    let value = pull::scalar(reader)?;
                    if value != Scalar::Null {
                        any = true;
                        tags.push(RawTag::new(key, value, member, true));
                    }
                }
                if !any {
                    tags.forget(key);
                }
            }
        }
        member = member.saturating_add(1);
    }
    Ok(())
}
