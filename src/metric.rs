//! The domain: what a metric is, whatever wire it came on.
//!
//! A [`Metric`] is sound by the time it exists: `normalize` made it from an item as sent, or rejected
//! that item. One is filled again for each item of a body and borrows from the body.

pub mod text;
pub mod timestamp;
pub mod value;
pub(crate) mod words;

use timestamp::Timestamp;
use value::{Bound, Value};

/// A named measurement of one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric<'a> {
    /// Sent as it is: no control characters, no reserved prefix (contract C4.6, C4.7).
    pub name: &'a str,
    /// When it was measured.
    pub at: Timestamp,
    /// The host it is from (C4.5).
    pub hostname: &'a str,
    /// Unique keys, save the elements of one array; the source's fixed tags are among them.
    pub tags: Vec<Tag<'a>>,
    /// What was measured.
    pub shape: Shape<'a>,
    /// The buckets or quantiles of [`Shape::Histogram`] and [`Shape::Summary`], in the order sent.
    pub pairs: Vec<Pair<'a>>,
}

/// A tag, sanitised; without a value it is sent as its bare key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// No `:` and no control characters (C4.7).
    pub key: &'a str,
    /// No control characters.
    pub value: Option<&'a str>,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape<'a> {
    /// The value of the moment.
    Gauge(Value<'a>),
    /// A count of events.
    Counter(Value<'a>, Flow),
    /// Counts by bucket; the buckets are [`Metric::pairs`].
    Histogram(Totals<'a>, Flow),
    /// Quantiles of a distribution; the quantiles are [`Metric::pairs`].
    Summary(Totals<'a>, Flow),
}

/// Whether a count runs on or starts anew (C2.1, `kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// A running total: StackState's `counter`.
    Total,
    /// What was added since the last one: StackState's `count`.
    Delta,
    /// What there is at the moment, and may be less at the next: a gauge histogram's. StackState's `gauge`.
    Level,
}

/// How many observations, and what they add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals<'a> {
    /// Not negative.
    pub count: Value<'a>,
    /// Their sum; OpenTelemetry has histograms without one.
    pub sum: Option<Value<'a>>,
}

/// A bucket or a quantile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<'a> {
    /// The upper limit or the quantile.
    pub bound: Bound<'a>,
    /// The bucket's count or the quantile's value.
    pub value: Value<'a>,
}
