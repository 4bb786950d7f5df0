//! OpenTelemetry's metrics requests, in protobuf and in JSON.
//!
//! Each encoding has a reader that walks resources, scopes and metrics in place and fills one [`Point`]
//! again and again; what a point means is decided once, in `point`. Nothing of the request is built.
//!
//! What becomes of what OpenTelemetry has:
//!
//! | sent | delivered |
//! |---|---|
//! | gauge, sum that is cumulative and may fall | `gauge` |
//! | sum that is cumulative and monotonic | `counter` |
//! | sum of deltas | `count` |
//! | histogram | a series by bucket with `upper_limit`, `_sum`, `_count` (contract C4.3); deltas as `count` |
//! | exponential histogram | the same; empty buckets are left out |
//! | summary | a gauge by quantile, `_sum`, `_count` (C4.4) |
//! | temporality unspecified or unknown | rejected: the protocol forbids to send it |
//! | no recorded value (flag 1) | accepted, nothing delivered |
//! | exemplars, unit, description | accepted and counted, not delivered |
//! | minimum, maximum, start time | read past |
//!
//! Attributes become tags under their own names, those of the point before those of its scope before
//! those of its resource where keys are equal; the scope itself is `otel.scope.name` and
//! `otel.scope.version`. An array is one tag by element; an empty text is a tag with an empty value, and
//! an attribute without a value a tag that is its key alone (C2.3). What cannot be a tag, a map, bytes, an
//! array in an array, is left out, as an array without elements is; it takes the place of what it stands
//! before all the same.
//!
//! What a resource or a scope says beyond C2.3 and C2.4 is left out too, attribute by attribute: a key
//! that is empty or longer than 255 bytes, a value longer than 4,096, an array of more than 128 elements,
//! and of many or large ones those that do not fit beside the point's own, 128 tags and 16 KiB together.
//! It would cost everything that the resource sends. A point's own attributes are judged as any tags.

mod any;
mod around;
mod exponential;
mod json;
mod point;
mod protobuf;

pub(crate) use json::Json;
use point::Point;
pub(crate) use protobuf::Protobuf;

/// What the points of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// What a point's count or sum runs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Temporality {
    /// Or a number that this protocol does not have.
    #[default]
    Unspecified,
    /// From the last point.
    Delta,
    /// From a start that stays.
    Cumulative,
}

/// Whether a sum can fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Direction {
    #[default]
    Either,
    /// `is_monotonic`
    UpOnly,
}

/// What is common to the points of a metric.
#[derive(Clone, Copy, Debug)]
struct Metric<'a> {
    name: &'a str,
    kind: Kind,
    temporality: Temporality,
    direction: Direction,
}

impl Default for Metric<'_> {
    fn default() -> Self {
        Self {
            name: "",
            kind: Kind::Gauge,
            temporality: Temporality::default(),
            direction: Direction::default(),
        }
    }
}

impl Temporality {
    /// A number of the enumeration.
    fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

impl From<bool> for Direction {
    fn from(is_monotonic: bool) -> Self {
        if is_monotonic { Self::UpOnly } else { Self::Either }
    }
}
