//! Items as sent to metrics as meant, or a rejection with its code (contract C2 to C4).
//!
//! The checks run in the order of C2.4, so the first fault of that list is the one reported,
//! wherever it stood in the item.

use crate::decode::raw::{Presence, RawMetric, RawPoint, RawSeries, Scalar, TAGS_USUAL};
use crate::metric::text::Texts;
use crate::metric::timestamp::Timestamp;
use crate::metric::value::Value;
use crate::metric::{Flow, Metric, Shape};

mod clock;
mod code;
mod name;
mod number;
mod policy;
mod series;
mod tags;

pub use code::{Code, Rejection};
pub use policy::{Outside, Policy, Profile, ReservedAction, ReservedNames, TimePolicy, TupleType};
pub(crate) use series::JUDGES;

/// What is worth a warning about an item that was taken (contract C1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// A reserved name was prefixed.
    pub renamed: bool,
    /// `dt` was not understood.
    pub unparsed_dt: Option<Unparsed>,
    /// How many quantiles had no value.
    pub skipped_quantiles: u32,
    /// Seconds the point lies in the past, where that is outside the window.
    pub too_old_s: Option<u64>,
    /// Seconds the point lies ahead, where that is outside the window.
    pub in_future_s: Option<u64>,
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

/// Judges one item of the body `texts` are of, and fills `metric` from it.
pub fn normalize<'a>(
    raw: &mut RawMetric<'a>,
    now: Timestamp,
    profile: &'a Profile,
    texts: Texts<'a>,
    metric: &mut Metric<'a>,
) -> Result<Warnings, Rejection> {
    let mut warnings = Warnings::default();
    if !raw.is_object {
        return Err(Rejection::new(Code::NotAnObject, "expected a metric object"));
    }
    metric.name = name::normalize(raw.name, profile, texts, &mut warnings)?;
    metric.shape = shape(raw, metric, &mut warnings)?;
    let tag_bytes = tags::normalize(&mut raw.tags, profile, texts, metric)?;
    too_large(raw, tag_bytes)?;
    clock::normalize(raw, now, profile, texts, metric, &mut warnings)?;
    Ok(warnings)
}

/// The one value of the item.
fn shape<'a>(
    raw: &RawMetric<'a>,
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
    if let Some(histogram) = here(&raw.histogram, &raw.aggregated_histogram) {
        let totals = series::histogram(histogram, &mut metric.pairs)?;
        return Ok(Shape::Histogram(totals, flow));
    }
    if let Some(summary) = here(&raw.summary, &raw.aggregated_summary) {
        let totals = series::summary(summary, &mut metric.pairs, warnings)?;
        return Ok(Shape::Summary(totals, flow));
    }
    Err(Rejection::new(Code::MissingValue, MISSING_VALUE))
}

const MISSING_VALUE: &str = "expected one of `gauge`, `counter`, `histogram`, `summary`";

fn only_one(raw: &RawMetric<'_>) -> Result<(), Rejection> {
    let there = [
        raw.gauge.presence,
        raw.counter.presence,
        raw.histogram.presence,
        raw.aggregated_histogram.presence,
        raw.summary.presence,
        raw.aggregated_summary.presence,
    ];
    match there.into_iter().filter(|presence| presence.is_there()).count() {
        1 => Ok(()),
        0 => Err(match raw.unsupported.into_iter().flatten().next() {
            Some(kind) => Rejection::because(
                Code::UnsupportedKind,
                format!("`{kind}` is not supported; send a gauge, counter, histogram or summary"),
            ),
            None => Rejection::new(Code::MissingValue, MISSING_VALUE),
        }),
        _ => Err(Rejection::new(
            Code::MultipleValues,
            "more than one of `gauge`, `counter`, `histogram`, `summary`; send an item for each",
        )),
    }
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
const PAIRS_MAX: usize = 1_024;
const TAGS_BYTES_MAX: usize = 16 << 10;

fn too_large(raw: &RawMetric<'_>, tag_bytes: usize) -> Result<(), Rejection> {
    let series = [&raw.histogram, &raw.aggregated_histogram, &raw.summary, &raw.aggregated_summary];
    if series.into_iter().any(|series| series.pairs.len() > PAIRS_MAX) {
        let message = "more than 1,024 buckets or quantiles; split them over several metrics";
        return Err(Rejection::new(Code::TooLarge, message));
    }
    if tag_bytes > TAGS_BYTES_MAX {
        let message = "keys and values of the tags are over 16 KiB together";
        return Err(Rejection::new(Code::TooLarge, message));
    }
    Ok(())
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
