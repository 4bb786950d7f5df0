//! Histograms and summaries: sound in every part, or rejected (contract C2.2).

use super::{Code, Rejection, Warnings, distribution, number};
use crate::decode::raw::{Judges, Presence, RawPair, RawSeries, Scalar};
use crate::metric::value::{Bound, Value};
use crate::metric::{Pair, Totals};

/// For what is judged while it is read.
pub(crate) const JUDGES: Judges = Judges {
    bucket: |pair| bucket(pair).err(),
    quantile: |pair| quantile(pair).err(),
    sample: distribution::take,
};

pub(super) fn histogram<'a>(
    series: &RawSeries<'a>,
    pairs: &mut Vec<Pair<'a>>,
) -> Result<Totals<'a>, Rejection> {
    let invalid = |message: &'static str| Rejection::new(Code::InvalidHistogram, message);
    let totals = totals_of(series).map_err(invalid)?;
    for pair in series_pairs(series, "expected an array `buckets`").map_err(invalid)? {
        pairs.push(bucket(pair).map_err(invalid)?);
    }
    series.fault_beyond.map_or(Ok(totals), |fault| Err(invalid(fault)))
}

pub(super) fn summary<'a>(
    series: &RawSeries<'a>,
    pairs: &mut Vec<Pair<'a>>,
    warnings: &mut Warnings,
) -> Result<Totals<'a>, Rejection> {
    let invalid = |message: &'static str| Rejection::new(Code::InvalidSummary, message);
    let totals = totals_of(series).map_err(invalid)?;
    for pair in series_pairs(series, "expected an array `quantiles`").map_err(invalid)? {
        match quantile(pair).map_err(invalid)? {
            Some(pair) => pairs.push(pair),
            None => warnings.skipped_quantiles += 1,
        }
    }
    series.fault_beyond.map_or(Ok(totals), |fault| Err(invalid(fault)))
}

fn totals_of<'a>(series: &RawSeries<'a>) -> Result<Totals<'a>, &'static str> {
    if series.presence == Presence::WrongType {
        return Err("expected an object with `count`, `sum` and a list");
    }
    totals(series.count, series.sum)
}

/// `count` and `sum`.
#[inline]
pub(crate) fn totals<'a>(
    count: Option<Scalar<'a>>,
    sum: Option<Scalar<'a>>,
) -> Result<Totals<'a>, &'static str> {
    let count = self::count(count).ok_or("expected a finite number >= 0 as `count`")?;
    let sum = finite(sum).ok_or("expected a finite number as `sum`")?;
    Ok(Totals { count, sum: Some(sum) })
}

fn series_pairs<'r, 'a>(
    series: &'r RawSeries<'a>,
    expected: &'static str,
) -> Result<&'r [RawPair<'a>], &'static str> {
    if series.list != Presence::Here {
        return Err(expected);
    }
    Ok(&series.pairs)
}

fn finite(scalar: Option<Scalar<'_>>) -> Option<Value<'_>> {
    match scalar? {
        Scalar::Number(number) => number::finite(number),
        _ => None,
    }
}

fn count(scalar: Option<Scalar<'_>>) -> Option<Value<'_>> {
    finite(scalar).filter(|value| !value.is_negative())
}

const BUCKET_COUNT: &str = "expected a finite number >= 0 as `count` of every bucket";
const QUANTILE_VALUE: &str =
    "expected a number, or null where there is none, as `value` of every quantile";

/// A bucket, or what is wrong with it.
#[inline]
pub(crate) fn bucket<'a>(pair: &RawPair<'a>) -> Result<Pair<'a>, &'static str> {
    const UPPER_LIMIT: &str = "expected a number, null or `+Inf` as `upper_limit` of every bucket";
    let bound = match pair.bound {
        Some(Scalar::Number(number)) => number::bound(number).ok_or(UPPER_LIMIT)?,
        // Vector before 0.34 writes infinity as null.
        Some(Scalar::Null) => Bound::Double(f64::INFINITY),
        Some(Scalar::Text(text)) => infinite(text).ok_or(UPPER_LIMIT)?,
        _ => return Err(UPPER_LIMIT),
    };
    let value = count(pair.value).ok_or(BUCKET_COUNT)?;
    Ok(Pair { bound, value })
}

/// `inf`, `infinity` and their signed forms in any case.
fn infinite(text: &str) -> Option<Bound<'static>> {
    let (bare, sign) = match text.strip_prefix('-') {
        Some(bare) => (bare, f64::NEG_INFINITY),
        None => (text.strip_prefix('+').unwrap_or(text), f64::INFINITY),
    };
    let is_infinite = ["inf", "infinity"].iter().any(|word| bare.eq_ignore_ascii_case(word));
    is_infinite.then_some(Bound::Double(sign))
}

/// `None`: the quantile has no value, as idle summaries send it.
#[inline]
pub(crate) fn quantile<'a>(pair: &RawPair<'a>) -> Result<Option<Pair<'a>>, &'static str> {
    const QUANTILE: &str = "expected a finite number as `quantile` of every quantile";
    let Some(Scalar::Number(bound)) = pair.bound else { return Err(QUANTILE) };
    number::finite(bound).ok_or(QUANTILE)?;
    let bound = number::bound(bound).ok_or(QUANTILE)?;
    let number = match pair.value {
        Some(Scalar::Number(number)) => number,
        Some(Scalar::Null) => return Ok(None),
        _ => return Err(QUANTILE_VALUE),
    };
    if number::is_nan(number) {
        return Ok(None);
    }
    let value = number::finite(number).ok_or("the `value` of a quantile is infinite")?;
    Ok(Some(Pair { bound, value }))
}
