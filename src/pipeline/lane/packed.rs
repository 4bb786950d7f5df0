//! The straight lane for MessagePack; its contract is that of the one for JSON beside it.
//!
//! The two are the same list of members over different grammars: here every length and count stands
//! before what it is of, and numbers are no text.

use super::{KIND, NAME, Seen, TAGS, TIME, VALUE, first, with_flow};
use crate::decode::item;
use crate::decode::msgpack::Plain;
use crate::decode::raw::{RawPair, Scalar};
use crate::metric::value::Value;
use crate::metric::{Flow, Metric, Pair, Shape, Totals};
use crate::normalize::{self, Ordinary, PAIRS_MAX, Profile, Rules, Warnings};

/// Reads one item into `metric`.
#[inline]
pub(in crate::pipeline) fn read<'a>(
    plain: &mut Plain<'a>,
    rules: &mut Rules<'a>,
    metric: &mut Metric<'a>,
) -> Option<Warnings> {
    let mut seen = Seen::default();
    let mut tags = Ordinary::begin(metric);
    let (mut name, mut dt, mut flow, mut shape) = ("", None, Flow::Total, None);
    metric.pairs.clear();
    for _ in 0..plain.map()? {
        if plain.is(b"name") {
            seen.once(NAME)?;
            name = plain.string()?;
        } else if plain.is(b"dt") || plain.is(b"timestamp") {
            seen.once(TIME)?;
            dt = Some(plain.scalar()?);
        } else if plain.is(b"tags") {
            seen.once(TAGS)?;
            read_tags(plain, &mut tags, rules.profile(), metric)?;
        } else if plain.is(b"gauge") {
            seen.once(VALUE)?;
            shape = Some(Shape::Gauge(point(plain)?));
        } else if plain.is(b"counter") {
            seen.once(VALUE)?;
            shape = Some(Shape::Counter(point(plain)?, Flow::Total));
        } else if plain.is(b"histogram") || plain.is(b"aggregated_histogram") {
            seen.once(VALUE)?;
            shape = Some(Shape::Histogram(histogram(plain, metric)?, Flow::Total));
        } else if plain.is(b"summary") || plain.is(b"aggregated_summary") {
            seen.once(VALUE)?;
            shape = Some(Shape::Summary(summary(plain, metric)?, Flow::Total));
        } else if plain.is(b"kind") {
            seen.once(KIND)?;
            flow = if plain.string()? == "incremental" { Flow::Delta } else { Flow::Total };
        } else {
            unread(plain)?;
        }
    }
    metric.shape = with_flow(shape?, flow);
    rules.complete(name, tags, dt, metric)
}

/// Passes a member nobody reads, if its value is plain too. A name that is read can come to this as well,
/// behind a longer header than it needs.
fn unread(plain: &mut Plain<'_>) -> Option<()> {
    if item::is_read(plain.string()?) {
        return None;
    }
    plain.pass_scalar()
}

#[inline]
fn number<'a>(plain: &mut Plain<'a>) -> Option<Scalar<'a>> {
    plain.number().map(Scalar::Number)
}

/// Of texts only: a number would have to be printed.
#[inline]
fn read_tags<'a>(
    plain: &mut Plain<'a>,
    tags: &mut Ordinary<'a>,
    profile: &Profile,
    metric: &mut Metric<'a>,
) -> Option<()> {
    for _ in 0..plain.map()? {
        let key = plain.key()?;
        let value = plain.string()?;
        tags.add((key, value), (key, value), profile, metric)?;
    }
    Some(())
}

/// `{"value":n}`, and n of it.
#[inline]
fn point<'a>(plain: &mut Plain<'a>) -> Option<Value<'a>> {
    (plain.map()? == 1 && plain.is(b"value")).then_some(())?;
    normalize::finite(plain.number()?)
}

fn histogram<'a>(plain: &mut Plain<'a>, metric: &mut Metric<'a>) -> Option<Totals<'a>> {
    const NAMES: (&[u8; 7], &[u8; 11], &[u8; 5]) = (b"buckets", b"upper_limit", b"count");
    series(plain, NAMES, &mut metric.pairs, |pair| normalize::bucket(pair).ok())
}

fn summary<'a>(plain: &mut Plain<'a>, metric: &mut Metric<'a>) -> Option<Totals<'a>> {
    const NAMES: (&[u8; 9], &[u8; 8], &[u8; 5]) = (b"quantiles", b"quantile", b"value");
    // A quantile without a value is worth a warning, which is not given here.
    series(plain, NAMES, &mut metric.pairs, |pair| normalize::quantile(pair).ok().flatten())
}

/// `{"count":n,"sum":n,LIST:[{BOUND:..,VALUE:n},..]}`, members in any order.
#[inline(never)]
fn series<'a, const L: usize, const B: usize, const V: usize>(
    plain: &mut Plain<'a>,
    (list, bound, value): (&[u8; L], &[u8; B], &[u8; V]),
    pairs: &mut Vec<Pair<'a>>,
    judge: impl Fn(&RawPair<'a>) -> Option<Pair<'a>>,
) -> Option<Totals<'a>> {
    let (mut count, mut sum, mut listed) = (None, None, false);
    for _ in 0..plain.map()? {
        if plain.is(b"count") {
            first(count.replace(number(plain)?))?;
        } else if plain.is(b"sum") {
            first(sum.replace(number(plain)?))?;
        } else {
            (!listed && plain.is(list)).then_some(())?;
            listed = true;
            let count = plain.array()?;
            (count as usize <= PAIRS_MAX).then_some(())?;
            for _ in 0..count {
                pairs.push(judge(&pair(plain, bound, value)?)?);
            }
        }
    }
    if listed { normalize::totals(count, sum).ok() } else { None }
}

#[inline]
fn pair<'a, const B: usize, const V: usize>(
    plain: &mut Plain<'a>,
    bound_name: &[u8; B],
    value_name: &[u8; V],
) -> Option<RawPair<'a>> {
    let mut pair = RawPair::default();
    for _ in 0..plain.map()? {
        if plain.is(bound_name) {
            first(pair.bound.replace(plain.scalar()?))?;
        } else {
            plain.is(value_name).then_some(())?;
            first(pair.value.replace(number(plain)?))?;
        }
    }
    Some(pair)
}

#[cfg(test)]
mod tests;
