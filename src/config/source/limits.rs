//! What one source may send; all of it without limit unless somebody says so.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::config::section::Section;

/// The limits of one `[[sources]]` entry.
///
/// The rates are buckets: a whole minute's worth at once, refilled evenly, full at the start. Over one of
/// them a request is answered 429, or what `limits.over_limit_status` says, and a scrape is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Requests a minute, from all its addresses together; dry runs and scrapes count. 0 to 1,000,000;
    /// default 0 = no limit.
    pub requests_per_minute: Option<NonZeroU64>,
    /// Metrics a minute, as sent, taken or not. 0 to 1,000,000,000; default 0 = no limit. They are counted
    /// when a body was read, so the last body may go beyond it: what is too much is waited for, up to
    /// ten minutes.
    pub metrics_per_minute: Option<NonZeroU64>,
    /// Bytes of bodies a minute, decompressed, whatever becomes of them. 0 to 1 TiB; default 0 = no limit. As
    /// with metrics, a body larger than a minute's worth passes once, and is waited for; none is refused
    /// for the length it declares.
    pub bytes_per_minute: Option<NonZeroU64>,
    /// Series at once: names with their own tags, before histograms and summaries are unfolded. 0 to
    /// 10,000,000; default 0 = no limit. Costs 18 bytes of memory for each and up to 256 KiB for what
    /// grows. With `strip` there may be an eighth more, at least one: those that lost a tag.
    pub series: Option<NonZeroU64>,
    /// A series that was not seen for so long, and a sixteenth of that at most, is forgotten. 1 min to 7 d;
    /// default 1 h. At least a few times the longest pause between two values of a series.
    pub series_window: Duration,
    /// What happens to a metric that would begin a series beyond `series`: `reject` (default), as
    /// `too_many_series`, or `strip`: it loses the tag whose values grow, with a warning. That is one with at
    /// least 16 values and a sixteenth of `series`, and half as many as any other; where a metric has none
    /// of these it is rejected.
    pub over_series: OverSeries,
}

/// What happens to a metric that would begin one series too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverSeries {
    /// It is rejected as `too_many_series`.
    #[default]
    Reject,
    /// It loses the tag whose values grow, which is worth a warning `too_many_series`.
    Strip,
}

const WINDOW: Duration = Duration::from_hours(1);
const WINDOW_MIN: Duration = Duration::from_mins(1);
const WINDOW_MAX: Duration = Duration::from_hours(7 * 24);

const REQUESTS_MAX: u64 = 1_000_000;
const METRICS_MAX: u64 = 1_000_000_000;
const SERIES_MAX: u64 = 10_000_000;

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            metrics_per_minute: None,
            bytes_per_minute: None,
            series: None,
            series_window: WINDOW,
            over_series: OverSeries::default(),
        }
    }
}

impl SourceLimits {
    /// Whether nothing of it is limited.
    pub fn is_off(&self) -> bool {
        let rates = [self.requests_per_minute, self.metrics_per_minute, self.bytes_per_minute];
        self.series.is_none() && rates.iter().all(Option::is_none)
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let overs = [("reject", OverSeries::Reject), ("strip", OverSeries::Strip)];
        let mut number = |key, most| NonZeroU64::new(section.number(key, 0, 0..=most));
        let requests_per_minute = number("requests_per_minute", REQUESTS_MAX);
        let metrics_per_minute = number("metrics_per_minute", METRICS_MAX);
        let series = number("series", SERIES_MAX);
        let limits = Self {
            requests_per_minute,
            metrics_per_minute,
            bytes_per_minute: NonZeroU64::new(section.size("bytes_per_minute", 0, 0..=1 << 40)),
            series,
            series_window: section.duration("series_window", WINDOW, WINDOW_MIN..=WINDOW_MAX),
            over_series: section.choice("over_series", OverSeries::Reject, &overs),
        };
        for key in ["series_window", "over_series"] {
            if series.is_none() && limits != Self::default() && section.is_written(key) {
                let name = section.name(key);
                section.warn(format!("`{name}` has no effect without `series`"));
            }
        }
        limits
    }
}
