//! The closed list of what can be wrong with an item (contract C2.4).

use std::borrow::Cow;

use serde::Serialize;

/// Rejection and warning codes: a closed list (contract C2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A broken NDJSON line.
    InvalidJson,
    /// The item is not an object.
    NotAnObject,
    /// No `name`.
    MissingName,
    /// `name` is empty, too long, not a string, or reserved while `reserved_names.action = "reject"`.
    InvalidName,
    /// Only a set, distribution or sketch is present.
    UnsupportedKind,
    /// More than one of gauge, counter, histogram, summary.
    MultipleValues,
    /// None of them, or one without its `value`.
    MissingValue,
    /// A value of the wrong type.
    InvalidValue,
    /// Null, NaN, infinite, or too large for a double.
    NotFinite,
    /// Any fault inside a histogram.
    InvalidHistogram,
    /// Any fault inside a summary.
    InvalidSummary,
    /// Any fault inside the tags.
    InvalidTags,
    /// Too many buckets, quantiles or bytes of tags.
    TooLarge,
    /// Older than `time.max_age`; a warning unless `time.outside = "reject"`.
    TooOld,
    /// Further ahead than `time.max_future`; a warning unless `time.outside = "reject"`.
    InFuture,
    /// Warning: a reserved name was prefixed.
    Renamed,
    /// Warning: `dt` was not understood; reception time is used.
    UnparsedDt,
    /// Warning: a quantile without a value was left out.
    SkippedQuantile,
}

/// Why one item is not taken; the rest of the body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What kind of fault.
    pub code: Code,
    /// What was wrong, which limit or setting, what to do.
    pub message: Cow<'static, str>,
}

impl Rejection {
    #[cold]
    pub(crate) fn new(code: Code, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }

    #[cold]
    pub(crate) fn because(code: Code, message: String) -> Self {
        Self { code, message: Cow::Owned(message) }
    }
}
