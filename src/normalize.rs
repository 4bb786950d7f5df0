//! Items as sent to metrics as meant, or a rejection with its code (contract C2 to C4).
//!
//! The checks run in the order of C2.4, so the first fault of that list is the one reported,
//! wherever it stood in the item.

use crate::decode::raw::{
    Number, Presence, RawMetric, RawPoint, RawSeries, RawSeriesSet, Scalar, TAGS_USUAL,
};
use crate::metric::text::Texts;
use crate::metric::timestamp::{Diary, Timestamp};
use crate::metric::value::Value;
use crate::metric::{Flow, Metric, Shape};

mod clock;
mod code;
mod distribution;
mod labelled;
mod name;
mod number;
mod policy;
mod series;
mod set;
mod tags;

pub use code::{Code, Rejection};
pub(crate) use labelled::Verdict;
pub use policy::{Outside, Policy, Profile, ReservedAction, ReservedNames, TimePolicy, TupleType};
pub(crate) use series::{JUDGES, bucket, quantile, totals};
pub(crate) use tags::{Ordinary, TAGS_MAX, VALUE_BYTES_MAX as TAG_VALUE_BYTES_MAX};

/// What is worth a warning about an item that was taken (contract C1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// A reserved name was prefixed.
    pub renamed: bool,
    /// `dt` was not understood.
    pub unparsed_dt: Option<Unparsed>,
    /// How many quantiles had no value.
    pub skipped_quantiles: u32,
    /// How many samples of a distribution had no value.
    pub skipped_samples: u32,
    /// Seconds the point lies in the past, where that is outside the window.
    pub too_old_s: Option<u64>,
    /// Seconds the point lies ahead, where that is outside the window.
    pub in_future_s: Option<u64>,
    /// The value was NaN or infinite, which no tuple can hold.
    pub skipped_value: bool,
    /// The sum of a histogram or summary was left out for the same reason.
    pub skipped_sum: bool,
}

/// What became of a `dt` that was not understood (contract C3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparsed {
    /// Its text is the tag `dt`.
    Kept,
    /// It has no text, or `time.keep_unparsed` is off.
    Dropped,
}

impl Warnings {
    /// Nothing to say.
    #[inline]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the items of one body are judged by.
#[derive(Debug)]
pub struct Rules<'a> {
    now: Timestamp,
    profile: &'a Profile,
    texts: Texts<'a>,
    diary: Diary,
    /// So many tags at the start of the last metric are those of [`Self::complete`].
    tags_before: usize,
}

impl<'a> Rules<'a> {
    /// The rules for a body received at `now` from the source of `profile`; `texts` are the body's.
    pub fn new(now: Timestamp, profile: &'a Profile, texts: Texts<'a>) -> Self {
        Self { now, profile, texts, diary: Diary::default(), tags_before: 0 }
    }

    /// What the operator chose for the body's source.
    pub fn profile(&self) -> &'a Profile {
        self.profile
    }

    /// Whether the texts of the item to be judged next are tame, from a reader that looked.
    #[inline]
    pub(crate) fn tell_tame(&mut self, tame: bool) {
        self.texts = self.texts.of_item(tame);
    }

    /// Judges one item and fills `metric` from it.
    pub fn normalize(
        &mut self,
        raw: &mut RawMetric<'a>,
        metric: &mut Metric<'a>,
    ) -> Result<Warnings, Rejection> {
        let mut warnings = Warnings::default();
        self.tags_before = 0;
        if !raw.is_object {
            return Err(Rejection::new(Code::NotAnObject, "expected a metric object"));
        }
        metric.name = name::normalize(raw.name, self.profile, self.texts, &mut warnings)?;
        metric.shape = shape(raw, metric, &mut warnings)?;
        let tag_bytes = tags::normalize(&mut raw.tags, self.profile, self.texts, metric)?;
        too_large(raw, tag_bytes)?;
        let dt = raw.dt.as_ref().or(raw.timestamp.as_ref());
        self.clock(dt, self.texts, metric, &mut warnings)?;
        Ok(warnings)
    }

    /// For the tags of an item that is read straight into the metric the last item was read into.
    #[inline]
    pub(crate) fn ordinary_tags(&mut self, metric: &mut Metric<'a>) -> Ordinary<'a> {
        Ordinary::behind(std::mem::take(&mut self.tags_before), metric)
    }

    /// [`Self::normalize`] for an item that was read straight into `metric`, which has its shape and pairs
    /// and, by way of `tags` ([`Self::ordinary_tags`]), its own tags; `None` where [`Self::normalize`] would reject it.
    #[inline]
    pub(crate) fn complete(
        &mut self,
        name: &'a str,
        tags: Ordinary<'a>,
        dt: Option<Scalar<'a>>,
        metric: &mut Metric<'a>,
    ) -> Option<Warnings> {
        debug_assert!(metric.pairs.len() <= PAIRS_MAX, "the lane takes no more");
        let mut warnings = Warnings::default();
        let name = Some(Scalar::Text(name));
        let own_tags = tags.count();
        // What is read straight is plain, whatever the rest of the body is.
        let texts = self.texts.of_item(true);
        metric.name = name::normalize(name, self.profile, texts, &mut warnings).ok()?;
        if tags.finish(self.profile, metric) > TAGS_BYTES_MAX {
            return None;
        }
        self.clock(dt.as_ref(), texts, metric, &mut warnings).ok()?;
        // A `dt` that is kept takes the place of a tag.
        self.tags_before = if warnings.unparsed_dt.is_none() { own_tags } else { 0 };
        Some(warnings)
    }

    #[inline]
    fn clock(
        &mut self,
        dt: Option<&Scalar<'a>>,
        texts: Texts<'a>,
        metric: &mut Metric<'a>,
        warnings: &mut Warnings,
    ) -> Result<(), Rejection> {
        metric.at = self.now;
        let Some(dt) = dt else { return Ok(()) };
        if let Some(at) = clock::parse(dt, &mut self.diary) {
            metric.at = at;
            clock::judge(at, self.now, self.profile, warnings)
        } else {
            clock::unparsed(*dt, self.profile, texts, metric, warnings);
            Ok(())
        }
    }
}

/// A JSON number as a value; `None` when it is too large for a double.
#[inline]
pub(crate) fn value(literal: &str) -> Option<Value<'_>> {
    number::finite(Number::Literal(literal))
}

/// A number as a value; `None` when it is NaN, infinite or too large for a double.
#[inline]
pub(crate) fn finite(number: Number<'_>) -> Option<Value<'_>> {
    number::finite(number)
}

/// The one value of the item.
fn shape<'a>(
    raw: &mut RawMetric<'a>,
    metric: &mut Metric<'a>,
    warnings: &mut Warnings,
) -> Result<Shape<'a>, Rejection> {
    metric.pairs.clear();
    let flow = match raw.kind {
        Some(Scalar::Text("incremental")) => Flow::Delta,
        _ => Flow::Total,
    };
    only_one(raw)?;
    if raw.gauge.presence.is_there() {
        return point(&raw.gauge, "gauge").map(Shape::Gauge);
    }
    if raw.counter.presence.is_there() {
        return point(&raw.counter, "counter").map(|value| Shape::Counter(value, flow));
    }
    let Some(all) = raw.series() else { return Err(missing_value()) };
    if let Some(histogram) = here(&all.histogram, &all.aggregated_histogram) {
        let totals = series::histogram(histogram, &mut metric.pairs)?;
        return Ok(Shape::Histogram(totals, flow));
    }
    if let Some(summary) = here(&all.summary, &all.aggregated_summary) {
        let totals = series::summary(summary, &mut metric.pairs, warnings)?;
        return Ok(Shape::Summary(totals, flow));
    }
    if all.set.presence().is_there() {
        return set::size(all.set).map(Shape::Gauge);
    }
    // `only_one` saw it: nothing else is left.
    let distribution = &mut raw.series_mut().distribution;
    let totals = distribution::distribution(distribution, &mut metric.pairs, warnings)?;
    Ok(Shape::Summary(totals, flow))
}

#[cold]
fn missing_value() -> Rejection {
    let message = "expected one of `gauge`, `counter`, `histogram`, `summary`";
    Rejection::new(Code::MissingValue, message)
}

fn only_one(raw: &RawMetric<'_>) -> Result<(), Rejection> {
    let points = [raw.gauge.presence, raw.counter.presence];
    let series = raw.series().into_iter().flat_map(RawSeriesSet::presences);
    match points.into_iter().chain(series).filter(|presence| presence.is_there()).count() {
        1 => Ok(()),
        0 if raw.sketch.is_there() => Err(Rejection::new(
            Code::UnsupportedKind,
            "`sketch` is not supported; send a gauge, counter, histogram or summary",
        )),
        0 => Err(missing_value()),
        _ => Err(multiple_values(raw)),
    }
}

#[cold]
fn multiple_values(raw: &RawMetric<'_>) -> Rejection {
    let is_vectors = raw
        .series()
        .is_some_and(|all| all.set.presence().is_there() || all.distribution.presence.is_there());
    let message = if is_vectors {
        "a `set` or `distribution` beside another value; send an item for each"
    } else {
        "more than one of `gauge`, `counter`, `histogram`, `summary`; send an item for each"
    };
    Rejection::new(Code::MultipleValues, message)
}

fn here<'r, 'a>(
    plain: &'r RawSeries<'a>,
    aggregated: &'r RawSeries<'a>,
) -> Option<&'r RawSeries<'a>> {
    [plain, aggregated].into_iter().find(|series| series.presence.is_there())
}

/// The value of a gauge or counter.
fn point<'a>(point: &RawPoint<'a>, kind: &str) -> Result<Value<'a>, Rejection> {
    let wrong_type =
        || Rejection::because(Code::InvalidValue, format!("expected a number as `{kind}.value`"));
    if point.presence == Presence::WrongType {
        let message = format!("expected an object with a `value` as `{kind}`");
        return Err(Rejection::because(Code::InvalidValue, message));
    }
    match point.value {
        Some(Scalar::Number(number)) => number::finite(number).ok_or_else(|| not_finite(kind)),
        Some(Scalar::Bool(bool)) => Ok(Value::Literal(if bool { "1" } else { "0" })),
        Some(Scalar::Null) => Err(not_finite(kind)),
        Some(_) => Err(wrong_type()),
        None => Err(Rejection::because(
            Code::MissingValue,
            format!("expected a member `value` in `{kind}`"),
        )),
    }
}

#[cold]
fn not_finite(kind: &str) -> Rejection {
    let message = format!("`{kind}.value` is null, NaN, infinite or too large for a double");
    Rejection::because(Code::NotFinite, message)
}

/// Most buckets or quantiles, and most bytes of tags, as sent (C2.4).
pub(crate) const PAIRS_MAX: usize = 1_024;
pub(crate) const TAGS_BYTES_MAX: usize = 16 << 10;

fn too_large(raw: &RawMetric<'_>, tag_bytes: usize) -> Result<(), Rejection> {
    let mut series = raw.series().into_iter().flat_map(RawSeriesSet::each);
    if series.any(|series| series.pairs.len() > PAIRS_MAX) {
        return Err(pairs_too_large());
    }
    if raw.series().is_some_and(|all| distribution::is_too_large(&all.distribution.tally)) {
        let message = "more than 65,536 samples; split them over several metrics";
        return Err(Rejection::new(Code::TooLarge, message));
    }
    if tag_bytes > TAGS_BYTES_MAX {
        return Err(tags_too_large());
    }
    Ok(())
}

#[cold]
fn pairs_too_large() -> Rejection {
    let message = "more than 1,024 buckets or quantiles; split them over several metrics";
    Rejection::new(Code::TooLarge, message)
}

#[cold]
fn tags_too_large() -> Rejection {
    Rejection::new(Code::TooLarge, "keys and values of the tags are over 16 KiB together")
}

impl Metric<'_> {
    /// A [`Self::blank`] one that takes the tags of an ordinary metric without growing.
    #[inline]
    pub(crate) fn with_room() -> Self {
        Self { tags: Vec::with_capacity(TAGS_USUAL), ..Self::blank() }
    }

    /// A metric to be filled by [`normalize`].
    pub fn blank() -> Self {
        Self {
            name: "",
            at: Timestamp::from_unix(0, 0),
            hostname: "",
            tags: Vec::new(),
            shape: Shape::Gauge(Value::Unsigned(0)),
            pairs: Vec::new(),
        }
    }
}
