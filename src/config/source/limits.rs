//! What one source may send; all of it without limit unless somebody says so.

use std::num::NonZeroU64;

use crate::config::section::Section;

/// The limits of one `[[sources]]` entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLimits {
    /// Requests a minute, from all its addresses together. Default: no limit.
    pub requests_per_minute: Option<NonZeroU64>,
    /// Metrics a minute, as sent. Default: no limit.
    pub metrics_per_minute: Option<NonZeroU64>,
    /// Bytes of bodies a minute, decompressed. Default: no limit.
    pub bytes_per_minute: Option<NonZeroU64>,
    /// Series at once: names with their tags, as sent. Default: no limit.
    pub series: Option<NonZeroU64>,
    /// What happens to a new series beyond that. Default [`OverSeries::Reject`].
    pub over_series: OverSeries,
}

/// What happens to a metric that would begin one series too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverSeries {
    /// It is rejected as `too_many_series`.
    #[default]
    Reject,
    /// It loses the tag whose values grow.
    Strip,
}

impl SourceLimits {
    pub(super) fn read(_section: &mut Section<'_>) -> Self {
        Self::default()
    }
}
