//! Vector's distributions: samples and how often each was seen, to totals and five quantiles.
//!
//! # What becomes of the samples
//!
//! * `X_count` is the sum of all rates, exact. `X_sum` is the sum of value times rate, added up as
//!   doubles in the order sent; where that is too large for a double the item is `not_finite`.
//! * A quantile is a value that was measured, never one between two: with every sample written down as
//!   often as its rate says, in ascending order, it is the one at place `q * X_count`, rounded to the
//!   nearest whole place (halves up) and at least the first. Vector's own exporters choose the same one.
//! * Samples of rate 0 were never seen; without any other, there are no quantiles and both totals are 0,
//!   as Vector's exporters have it.
//! * A sample whose value is null or NaN (Vector writes both as null) counts in none of these, and is
//!   worth the warning `skipped_quantile`. Whatever else is wrong with a sample is `invalid_summary`.
//! * Sum and quantiles are doubles, as the samples are to Vector, and written as the shortest: of 2.50 no
//!   more than 2.5 is left. A rate of more than 32 bits is no rate to Vector either.
//! * `statistic` makes no difference: the bounds of buckets are not sent, and the quantiles lose nothing.

use super::{Code, Rejection, Warnings, number};
use crate::decode::raw::{
    Number, Presence, RawDistribution, RawPair, SAMPLES_MAX, Sample, Scalar, Tally,
};
use crate::metric::value::{Bound, Value};
use crate::metric::{Pair, Totals};

/// Per cent, and as the tag `quantile` has it; ascending, because one walk finds them all.
const QUANTILES: [(u64, &str); 5] =
    [(50, "0.5"), (75, "0.75"), (90, "0.9"), (95, "0.95"), (99, "0.99")];

/// Takes one sample into what came before it; past the first fault nothing matters any more.
pub(super) fn take(pair: &RawPair<'_>, tally: &mut Tally) {
    // No body is large enough for it to stand still.
    tally.sent = tally.sent.saturating_add(1);
    if tally.fault.is_some() {
        return;
    }
    match sample(pair) {
        Ok(Some(Sample { weight: 0, .. })) => {}
        Ok(Some(sample)) => {
            tally.count += u64::from(sample.weight);
            tally.sum += sample.value * f64::from(sample.weight);
            if tally.samples.len() < SAMPLES_MAX as usize {
                tally.samples.push(sample);
            }
        }
        Ok(None) => tally.skipped += 1,
        Err(fault) => tally.fault = Some(fault),
    }
}

/// `None`: the sample has no value.
fn sample(pair: &RawPair<'_>) -> Result<Option<Sample>, &'static str> {
    const VALUE: &str =
        "expected a number, or null where there is none, as `value` of every sample";
    let weight = weight(pair.bound)
        .ok_or("expected a whole number from 0 to 4,294,967,295 as `rate` of every sample")?;
    let value = match pair.value {
        Some(Scalar::Number(number)) => number::double(number),
        Some(Scalar::Null) => return Ok(None),
        _ => return Err(VALUE),
    };
    if value.is_nan() {
        return Ok(None);
    }
    if value.is_infinite() {
        return Err("the `value` of a sample is infinite or too large for a double");
    }
    Ok(Some(Sample { value, weight }))
}

/// A whole number, however it is written: Vector's rates are of 32 bits.
fn weight(rate: Option<Scalar<'_>>) -> Option<u32> {
    let Some(Scalar::Number(number)) = rate else { return None };
    match number {
        Number::Unsigned(integer) => u32::try_from(integer).ok(),
        Number::Signed(integer) => u32::try_from(integer).ok(),
        Number::Literal(literal) => literal.parse().ok().or_else(|| whole(number::double(number))),
        Number::Single(_) | Number::Double(_) => whole(number::double(number)),
    }
}

fn whole(double: f64) -> Option<u32> {
    let is_whole = double.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&double);
    is_whole.then_some(double as u32)
}

/// The totals of a distribution; its quantiles go to `pairs`.
pub(super) fn distribution<'a>(
    distribution: &mut RawDistribution,
    pairs: &mut Vec<Pair<'a>>,
    warnings: &mut Warnings,
) -> Result<Totals<'a>, Rejection> {
    let invalid = |message: &'static str| Rejection::new(Code::InvalidSummary, message);
    if distribution.presence == Presence::WrongType {
        return Err(invalid("expected an object with an array `samples` as `distribution`"));
    }
    if distribution.list != Presence::Here {
        return Err(invalid("expected an array `samples`"));
    }
    let tally = &mut distribution.tally;
    if let Some(fault) = tally.fault {
        return Err(invalid(fault));
    }
    let sum = Value::from_f64(tally.sum).ok_or_else(sum_not_finite)?;
    warnings.skipped_samples = tally.skipped;
    // One of too many samples is rejected further on, after its tags.
    if !is_too_large(tally) {
        quantiles(tally, pairs);
    }
    Ok(Totals { count: Value::Unsigned(tally.count), sum: Some(sum) })
}

#[cold]
fn sum_not_finite() -> Rejection {
    let message = "the sum of `value` times `rate` is too large for a double";
    Rejection::new(Code::NotFinite, message)
}

/// More samples than one metric may have.
pub(super) fn is_too_large(tally: &Tally) -> bool {
    tally.sent > SAMPLES_MAX
}

fn quantiles(tally: &mut Tally, pairs: &mut Vec<Pair<'_>>) {
    let Tally { samples, count, .. } = tally;
    // By total order, so that what is equal is the same, and the order sent makes no difference.
    samples.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
    let mut ascending = samples.iter();
    let (mut passed, mut value) = (0, None);
    for (percent, text) in QUANTILES {
        let place = ((percent * *count + 50) / 100).max(1);
        while passed < place
            && let Some(sample) = ascending.next()
        {
            passed += u64::from(sample.weight);
            value = Some(sample.value);
        }
        let bound = Bound::Shortest(text);
        pairs.extend(value.map(|value| Pair { bound, value: Value::Double(value) }));
    }
}

#[cfg(test)]
mod tests;
