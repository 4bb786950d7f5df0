//! The closed list of what can be wrong with an item (contract C2.4).

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// Rejection and warning codes: a closed list (contract C2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A broken NDJSON line.
    InvalidJson,
    /// The item is not an object.
    NotAnObject,
    /// No `name`.
    MissingName,
    /// `name` is empty, too long, not a string, or reserved while `reserved_names.action = "reject"`.
    InvalidName,
    /// Only a sketch is present: what is in it means nothing without its mapping.
    UnsupportedKind,
    /// More than one of gauge, counter, histogram, summary, set, distribution.
    MultipleValues,
    /// None of them, or one without its `value`.
    MissingValue,
    /// A value of the wrong type.
    InvalidValue,
    /// A value, or the sum of a distribution: null, NaN, infinite, or too large for a double.
    NotFinite,
    /// Any fault inside a histogram.
    InvalidHistogram,
    /// Any fault inside a summary or distribution.
    InvalidSummary,
    /// Any fault inside the tags.
    InvalidTags,
    /// Too many buckets, quantiles, samples or bytes of tags.
    TooLarge,
    /// Older than `time.max_age`; a warning unless `time.outside = "reject"`.
    TooOld,
    /// Further ahead than `time.max_future`; a warning unless `time.outside = "reject"`.
    InFuture,
    /// It would begin one series more than the source may have; a warning where a tag was taken off for
    /// that. Last of all: what is rejected for anything else begins no series.
    TooManySeries,
    /// Warning: a reserved name was prefixed.
    Renamed,
    /// Warning: `dt` was not understood; reception time is used.
    UnparsedDt,
    /// Warning: a quantile, or a sample of a distribution, without a value was left out.
    SkippedQuantile,
    /// Warning: a sample that is NaN or infinite was left out; Prometheus and OpenTelemetry have such.
    SkippedValue,
}

impl Code {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The whole list, in the order of the contract.
    pub const ALL: [Self; 20] = [
        Self::InvalidJson,
        Self::NotAnObject,
        Self::MissingName,
        Self::InvalidName,
        Self::UnsupportedKind,
        Self::MultipleValues,
        Self::MissingValue,
        Self::InvalidValue,
        Self::NotFinite,
        Self::InvalidHistogram,
        Self::InvalidSummary,
        Self::InvalidTags,
        Self::TooLarge,
        Self::TooOld,
        Self::InFuture,
        Self::TooManySeries,
        Self::Renamed,
        Self::UnparsedDt,
        Self::SkippedQuantile,
        Self::SkippedValue,
    ];

    /// What an item can be rejected for.
    pub fn rejections() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|code| *code <= Self::TooManySeries)
    }

    /// What can be worth a warning.
    pub fn warnings() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|code| *code >= Self::TooOld)
    }

    /// As reports and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::MissingName => "missing_name",
            Self::InvalidName => "invalid_name",
            Self::UnsupportedKind => "unsupported_kind",
            Self::MultipleValues => "multiple_values",
            Self::MissingValue => "missing_value",
            Self::InvalidValue => "invalid_value",
            Self::NotFinite => "not_finite",
            Self::InvalidHistogram => "invalid_histogram",
            Self::InvalidSummary => "invalid_summary",
            Self::InvalidTags => "invalid_tags",
            Self::TooLarge => "too_large",
            Self::TooOld => "too_old",
            Self::InFuture => "in_future",
            Self::TooManySeries => "too_many_series",
            Self::Renamed => "renamed",
            Self::UnparsedDt => "unparsed_dt",
            Self::SkippedQuantile => "skipped_quantile",
            Self::SkippedValue => "skipped_value",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_order() {
        for (nth, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, nth);
        }
        assert_eq!(Code::rejections().count(), 16);
        assert_eq!(Code::warnings().count(), 7);
        let both: Vec<_> = Code::warnings().filter(|code| *code <= Code::TooManySeries).collect();
        assert_eq!(both, [Code::TooOld, Code::InFuture, Code::TooManySeries]);
    }
}
