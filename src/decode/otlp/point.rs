//! What a data point means, in whichever encoding it came.

use super::any::Bearer;
use super::around::Around;
use super::exponential::Buckets;
use super::{Direction, Kind, Metric, Temporality};
use crate::decode::labelled::{Flaw, Labelled, Reading, Series};
use crate::decode::raw::{PAIRS_KEPT, RawTags, TAGS_KEPT};
use crate::metric::timestamp::Timestamp;
use crate::metric::value::{Bound, Value};
use crate::metric::{Flow, Pair, Shape, Totals};

/// The flag of a point that was due and has no value.
const NO_RECORDED_VALUE: u32 = 1;

const SECOND_NANOS: u64 = 1_000_000_000;

/// A number that need not be one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Amount<'a> {
    #[default]
    Absent,
    /// NaN, infinite, or too large for a double.
    NotFinite,
    Finite(Value<'a>),
}

/// The fields of a data point of any kind, as far as they mean something here.
#[derive(Debug, Default)]
pub(super) struct Point<'a> {
    /// Zero where the sender does not say.
    pub(super) time_unix_nano: u64,
    pub(super) flags: u32,
    /// Its own attributes.
    pub(super) tags: RawTags<'a>,
    /// The keys of those that are no tags.
    unsaid: Vec<&'a str>,
    pub(super) exemplars: u64,
    /// Of a gauge or sum.
    pub(super) value: Amount<'a>,
    pub(super) count: u64,
    pub(super) sum: Amount<'a>,
    pub(super) bounds: Bounds,
    pub(super) counts: Counts,
    pub(super) buckets: Buckets,
    pub(super) quantiles: Quantiles<'a>,
}

/// The bounds between the buckets of a histogram.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    kept: Vec<f64>,
    total: usize,
    /// One was NaN, or not above the one before.
    in_disorder: bool,
    last: Option<f64>,
}

/// The counts of the buckets of a histogram.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kept: Vec<u64>,
    total: usize,
}

/// The quantiles of a summary.
#[derive(Debug, Default)]
pub(super) struct Quantiles<'a> {
    kept: Vec<(f64, Value<'a>)>,
    /// Those without a value.
    skipped: u32,
    /// One was not between 0 and 1.
    out_of_range: bool,
}

impl Amount<'_> {
    pub(super) fn from_f64(double: f64) -> Self {
        Value::from_f64(double).map_or(Self::NotFinite, Self::Finite)
    }
}

impl Bounds {
    #[inline]
    pub(super) fn push(&mut self, bound: f64) {
        self.in_disorder |= bound.is_nan() || self.last.is_some_and(|last| last >= bound);
        self.last = Some(bound);
        self.total += 1;
        if self.kept.len() < PAIRS_KEPT {
            self.kept.push(bound);
        }
    }
}

impl Counts {
    #[inline]
    pub(super) fn push(&mut self, count: u64) {
        self.total += 1;
        if self.kept.len() < PAIRS_KEPT {
            self.kept.push(count);
        }
    }
}

impl<'a> Quantiles<'a> {
    pub(super) fn push(&mut self, quantile: f64, value: Amount<'a>) {
        self.out_of_range |= !(0.0..=1.0).contains(&quantile);
        match value {
            Amount::Finite(value) if self.kept.len() < PAIRS_KEPT => {
                self.kept.push((quantile, value));
            }
            Amount::Finite(_) => {}
            Amount::Absent | Amount::NotFinite => self.skipped += 1,
        }
    }
}

impl<'a> Bearer<'a> for Point<'a> {
    #[inline]
    fn tags(&mut self) -> &mut RawTags<'a> {
        &mut self.tags
    }

    #[inline]
    fn complete(&mut self, key: &'a str, is_said: bool) {
        if is_said {
            return;
        }
        self.tags.forget(key);
        if self.unsaid.len() < TAGS_KEPT {
            self.unsaid.push(key);
        } else {
            // More of these than there may be tags are as much too many.
            self.tags.beyond += TAGS_KEPT;
        }
    }
}

impl<'a> Point<'a> {
    /// Makes ready for another one.
    pub(super) fn clear(&mut self) {
        (self.time_unix_nano, self.flags, self.exemplars, self.count) = (0, 0, 0, 0);
        self.tags.clear();
        self.unsaid.clear();
        (self.value, self.sum) = (Amount::Absent, Amount::Absent);
        self.bounds.kept.clear();
        (self.bounds.total, self.bounds.in_disorder, self.bounds.last) = (0, false, None);
        self.counts.kept.clear();
        self.counts.total = 0;
        self.buckets.clear();
        self.quantiles.kept.clear();
        (self.quantiles.skipped, self.quantiles.out_of_range) = (0, false);
    }

    /// Fills `next` with what the point says. `before` is whether the last one was of the same metric and
    /// without tags too.
    pub(super) fn measure(
        &self,
        metric: &Metric<'a>,
        around: &Around<'a>,
        before: &mut Bare,
        next: &mut Labelled<'a>,
    ) -> Series {
        next.begin();
        next.name = metric.name;
        next.at = instant(self.time_unix_nano);
        next.reading = self.reading(metric, next);
        if let Reading::Shape(_) = next.reading {
            around.join(&self.tags, &self.unsaid, &mut next.tags);
            *before = Bare::No;
            return Series::Another;
        }
        // Nothing of it is delivered, so its tags are of no interest. A body has room for millions of
        // such points under one resource of many tags, or one metric of a long name.
        match std::mem::replace(before, Bare::Yes) {
            Bare::Yes => Series::Same,
            Bare::No => Series::Another,
        }
    }

    fn reading(&self, metric: &Metric<'a>, next: &mut Labelled<'a>) -> Reading<'a> {
        if self.flags & NO_RECORDED_VALUE != 0 {
            return match metric.kind {
                Kind::Histogram | Kind::Exponential => Reading::StaleHistogram,
                Kind::Gauge | Kind::Sum | Kind::Summary => Reading::Stale,
            };
        }
        let shape = match metric.kind {
            Kind::Gauge => return self.number(Shape::Gauge),
            Kind::Sum => return self.sum(metric),
            Kind::Histogram => self.histogram(metric.temporality, &mut next.pairs),
            Kind::Exponential => self.exponential(metric.temporality, &mut next.pairs),
            Kind::Summary => self.summary(&mut next.pairs),
        };
        next.skipped_quantiles = self.quantiles.skipped;
        next.skipped_sum = self.sum == Amount::NotFinite;
        match shape {
            Ok(shape) => Reading::Shape(shape),
            Err(flaw) => Reading::Unfit(flaw),
        }
    }

    fn number(&self, shape: impl FnOnce(Value<'a>) -> Shape<'a>) -> Reading<'a> {
        match self.value {
            Amount::Finite(value) => Reading::Shape(shape(value)),
            Amount::NotFinite => Reading::NotFinite,
            Amount::Absent => Reading::Unfit(Flaw::NoValue("expected `asDouble` or `asInt`")),
        }
    }

    fn sum(&self, metric: &Metric<'a>) -> Reading<'a> {
        match (metric.temporality, metric.direction) {
            (Temporality::Cumulative, Direction::UpOnly) => {
                self.number(|value| Shape::Counter(value, Flow::Total))
            }
            // It may fall: the value of the moment.
            (Temporality::Cumulative, Direction::Either) => self.number(Shape::Gauge),
            (Temporality::Delta, _) => self.number(|value| Shape::Counter(value, Flow::Delta)),
            (Temporality::Unspecified, _) => Reading::Unfit(Flaw::Value(NO_TEMPORALITY)),
        }
    }

    fn totals(&self) -> Totals<'a> {
        let sum = match self.sum {
            Amount::Finite(sum) => Some(sum),
            Amount::Absent | Amount::NotFinite => None,
        };
        Totals { count: Value::Unsigned(self.count), sum }
    }

    fn histogram(
        &self,
        temporality: Temporality,
        pairs: &mut Vec<Pair<'a>>,
    ) -> Result<Shape<'a>, Flaw> {
        let flow = flow(temporality)?;
        let (bounds, counts) = (&self.bounds, &self.counts);
        let fits = if counts.total == 0 { 0 } else { counts.total - 1 } == bounds.total;
        if !fits {
            let message = "expected one bucket count more than bounds, or none of either";
            return Err(Flaw::Histogram(message));
        }
        if bounds.in_disorder {
            return Err(Flaw::Histogram("expected bounds that rise"));
        }
        let limits = bounds.kept.iter().copied().chain([f64::INFINITY]);
        let buckets = limits.zip(&counts.kept);
        pairs.extend(buckets.map(|(limit, count)| Pair {
            bound: Bound::Double(limit),
            value: Value::Unsigned(*count),
        }));
        if bounds.last == Some(f64::INFINITY) && pairs.len() > bounds.total {
            // Nothing lies above it, and two series of the same bound would be one.
            merge_last(pairs)?;
        }
        Ok(Shape::Histogram(self.totals(), flow))
    }

    fn exponential(
        &self,
        temporality: Temporality,
        pairs: &mut Vec<Pair<'a>>,
    ) -> Result<Shape<'a>, Flaw> {
        let flow = flow(temporality)?;
        self.buckets.pairs(pairs).map_err(Flaw::Histogram)?;
        Ok(Shape::Histogram(self.totals(), flow))
    }

    fn summary(&self, pairs: &mut Vec<Pair<'a>>) -> Result<Shape<'a>, Flaw> {
        if self.quantiles.out_of_range {
            return Err(Flaw::Summary("expected quantiles from 0 to 1"));
        }
        let kept = self.quantiles.kept.iter();
        pairs.extend(kept.map(|&(quantile, value)| Pair { bound: Bound::Double(quantile), value }));
        let mut totals = self.totals();
        if self.sum == Amount::Absent {
            // Unlike that of a histogram it always is there, and zero is not sent.
            totals.sum = Some(Value::Unsigned(0));
        }
        // The protocol's summaries know no deltas.
        Ok(Shape::Summary(totals, Flow::Total))
    }
}

/// Whether the last point was handed out without tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bare {
    #[default]
    No,
    Yes,
}

const NO_TEMPORALITY: &str =
    "expected an aggregation temporality, 1 (delta) or 2 (cumulative); it must not be left out";

fn flow(temporality: Temporality) -> Result<Flow, Flaw> {
    match temporality {
        Temporality::Cumulative => Ok(Flow::Total),
        Temporality::Delta => Ok(Flow::Delta),
        Temporality::Unspecified => Err(Flaw::Histogram(NO_TEMPORALITY)),
    }
}

/// Makes one bucket of the last two.
fn merge_last(pairs: &mut Vec<Pair<'_>>) -> Result<(), Flaw> {
    if let Some(Pair { value: Value::Unsigned(above), .. }) = pairs.pop()
        && let Some(Pair { value: Value::Unsigned(count), .. }) = pairs.last_mut()
    {
        let sum = count.checked_add(above);
        *count = sum.ok_or(Flaw::Histogram("the counts of the buckets pass 64 bits"))?;
    }
    Ok(())
}

/// Every number is an instant, the last in 2554, but the one that means none.
fn instant(time_unix_nano: u64) -> Option<Timestamp> {
    let (seconds, nanos) = (time_unix_nano / SECOND_NANOS, time_unix_nano % SECOND_NANOS);
    (time_unix_nano != 0).then(|| Timestamp::from_unix(seconds as i64, nanos as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(point: &Point<'static>, metric: Metric<'static>) -> Labelled<'static> {
        let mut next = Labelled::blank();
        point.measure(&metric, &Around::default(), &mut Bare::No, &mut next);
        next
    }

    fn metric(kind: Kind, temporality: Temporality, direction: Direction) -> Metric<'static> {
        Metric { name: "m", kind, temporality, direction }
    }

    fn pairs(measured: &Labelled<'_>) -> Vec<(String, String)> {
        let text = |value: &Value<'_>| match value {
            Value::Unsigned(count) => count.to_string(),
            other => format!("{other:?}"),
        };
        measured.pairs.iter().map(|pair| (pair.bound.to_string(), text(&pair.value))).collect()
    }

    #[test]
    fn temporality_and_direction_decide_what_a_sum_is() {
        use {Direction::*, Temporality::*};
        let five = Value::Signed(5);
        let point = Point { value: Amount::Finite(five), ..Point::default() };
        for (temporality, direction, shape) in [
            (Cumulative, UpOnly, Some(Shape::Counter(five, Flow::Total))),
            (Cumulative, Either, Some(Shape::Gauge(five))),
            (Delta, UpOnly, Some(Shape::Counter(five, Flow::Delta))),
            (Delta, Either, Some(Shape::Counter(five, Flow::Delta))),
            (Unspecified, UpOnly, None),
            (Unspecified, Either, None),
        ] {
            let expected =
                shape.map_or(Reading::Unfit(Flaw::Value(NO_TEMPORALITY)), Reading::Shape);
            let measured = measured(&point, metric(Kind::Sum, temporality, direction));
            assert_eq!(measured.reading, expected, "{temporality:?} {direction:?}");
        }
        // Others know no direction, and a gauge and a summary no temporality either.
        for kind in [Kind::Histogram, Kind::Exponential] {
            let measured = measured(&point, metric(kind, Unspecified, Either));
            assert_eq!(measured.reading, Reading::Unfit(Flaw::Histogram(NO_TEMPORALITY)));
        }
        let gauge = measured(&point, metric(Kind::Gauge, Unspecified, Either));
        assert_eq!(gauge.reading, Reading::Shape(Shape::Gauge(five)));
    }

    #[test]
    fn buckets_and_bounds_have_to_fit() {
        let check = |bounds: &[f64], counts: &[u64], expected: Option<&[(&str, &str)]>| {
            let mut point = Point::default();
            for bound in bounds {
                point.bounds.push(*bound);
            }
            for count in counts {
                point.counts.push(*count);
            }
            let delta = metric(Kind::Histogram, Temporality::Delta, Direction::Either);
            let measured = measured(&point, delta);
            let sound =
                matches!(measured.reading, Reading::Shape(Shape::Histogram(_, Flow::Delta)));
            assert_eq!(sound, expected.is_some(), "{bounds:?} {counts:?}");
            if let Some(expected) = expected {
                let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
                let expected: Vec<_> = expected.iter().map(owned).collect();
                assert_eq!(pairs(&measured), expected, "{bounds:?} {counts:?}");
            }
        };
        check(&[], &[], Some(&[]));
        check(&[], &[7], Some(&[("+Inf", "7")]));
        check(&[0.1, 5.0], &[1, 0, 2], Some(&[("0.1", "1"), ("5", "0"), ("+Inf", "2")]));
        check(&[1.0, f64::INFINITY], &[1, 2, 0], Some(&[("1", "1"), ("+Inf", "2")]));
        check(&[1.0, f64::INFINITY], &[1, 2, 5], Some(&[("1", "1"), ("+Inf", "7")]));
        check(&[f64::INFINITY], &[2, 5], Some(&[("+Inf", "7")]));
        check(&[f64::INFINITY], &[u64::MAX, 1], None);
        check(&[f64::NEG_INFINITY], &[1, 2], Some(&[("-Inf", "1"), ("+Inf", "2")]));
        check(&[1.0], &[], None);
        check(&[1.0], &[1], None);
        check(&[1.0], &[1, 2, 3], None);
        check(&[1.0, 1.0], &[1, 2, 3], None);
        check(&[2.0, 1.0], &[1, 2, 3], None);
        check(&[f64::NAN], &[1, 2], None);
    }

    #[test]
    fn a_disorder_among_bounds_that_are_not_kept_shows() {
        let mut point = Point::default();
        (0..5_000).for_each(|bound| point.bounds.push(f64::from(bound)));
        (0..5_001).for_each(|count| point.counts.push(count));
        let cumulative = metric(Kind::Histogram, Temporality::Cumulative, Direction::Either);
        let sound = measured(&point, cumulative);
        assert_eq!(sound.pairs.len(), PAIRS_KEPT);
        assert!(matches!(sound.reading, Reading::Shape(_)));
        point.bounds.push(7.0);
        point.counts.push(1);
        assert!(matches!(measured(&point, cumulative).reading, Reading::Unfit(_)));
    }

    #[test]
    fn quantiles_without_a_value_are_left_out() {
        let mut point = Point { count: 3, sum: Amount::NotFinite, ..Point::default() };
        point.quantiles.push(0.5, Amount::Finite(Value::Unsigned(1)));
        point.quantiles.push(0.9, Amount::NotFinite);
        let summary = metric(Kind::Summary, Temporality::Unspecified, Direction::Either);
        let read = measured(&point, summary);
        let totals = Totals { count: Value::Unsigned(3), sum: None };
        assert_eq!(read.reading, Reading::Shape(Shape::Summary(totals, Flow::Total)));
        assert_eq!(pairs(&read), [("0.5".to_owned(), "1".to_owned())]);
        assert_eq!((read.skipped_quantiles, read.skipped_sum), (1, true));
        point.quantiles.push(1.5, Amount::Absent);
        assert!(matches!(measured(&point, summary).reading, Reading::Unfit(Flaw::Summary(_))));
    }

    #[test]
    fn what_delivers_nothing_needs_no_tags_and_is_judged_once_a_metric() {
        let gauge = Metric { name: "m", ..Metric::default() };
        let mut before = Bare::default();
        let mut next = Labelled::blank();
        let mut around = Around::default();
        around.end_scope("scope", "");
        let mut step = |point: &Point<'static>| {
            let series = point.measure(&gauge, &around, &mut before, &mut next);
            (series, next.tags.tags.len(), next.reading)
        };
        let value = Point { value: Amount::Finite(Value::Unsigned(1)), ..Point::default() };
        let shape = Reading::Shape(Shape::Gauge(Value::Unsigned(1)));
        let stale = Point { flags: 3, value: value.value, ..Point::default() };
        let nan = Point { value: Amount::NotFinite, ..Point::default() };
        let nothing = Reading::Unfit(Flaw::NoValue("expected `asDouble` or `asInt`"));
        assert_eq!(step(&value), (Series::Another, 1, shape));
        assert_eq!(step(&stale), (Series::Another, 0, Reading::Stale));
        assert_eq!(step(&nan), (Series::Same, 0, Reading::NotFinite));
        assert_eq!(step(&Point::default()), (Series::Same, 0, nothing));
        assert_eq!(step(&value), (Series::Another, 1, shape));
        assert_eq!(step(&Point::default()), (Series::Another, 0, nothing));
    }

    #[test]
    fn no_time_is_none_and_every_other_number_is_one() {
        assert_eq!(instant(0), None);
        assert_eq!(instant(1), Some(Timestamp::from_unix(0, 1)));
        let last = Timestamp::from_unix(18_446_744_073, 709_551_615);
        assert_eq!(instant(u64::MAX), Some(last));
    }
}
