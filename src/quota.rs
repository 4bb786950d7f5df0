//! What each source may send, as far as it is limited: requests, metrics and bytes a minute, and series at once.
//!
//! ```text
//! bucket     a minute's worth, refilled evenly; may be in debt
//! session    one body before the guard of series: what it begins is kept only if it is delivered
//!   series     the series of one source, and what is done when they are too many
//!     table      which there are, and when each was last seen: bounded
//!     growth     which names and tags grow, about
//!       sketch     how many different ones, in 64 bytes
//! ```
//!
//! A quota is found by the name of its source. It outlives a reload that keeps that source and takes over
//! changed numbers; series that are known stay known. A source without limits has none, and pays nothing.
//! Nothing of it outlives the process: buckets are full at the start, and the series are learnt anew.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::RandomState;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::config::SourceLimits;

mod bucket;
mod growth;
mod series;
mod session;
mod sketch;
mod table;

use bucket::Bucket;
pub use growth::Growth;
use series::Series;
pub use session::{Intent, Session};
pub use table::SLOT_BYTES;

/// Those of all sources that are limited, by name.
#[derive(Debug, Default)]
pub struct Quotas {
    by_name: RwLock<BTreeMap<Arc<str>, Arc<Quota>>>,
}

/// What one source may send.
pub struct Quota {
    name: Arc<str>,
    rates: Mutex<Rates>,
    series: Mutex<Option<Series>>,
    /// Of this process, so that nobody can make two series look like one.
    keys: RandomState,
    refused: [AtomicU64; Rate::ALL.len()],
}

#[derive(Debug, Default)]
struct Rates([Option<Bucket>; Rate::ALL.len()]);

/// What is counted by the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Requests, and scrapes.
    Requests,
    /// Metrics as sent.
    Metrics,
    /// Bytes of bodies, decompressed.
    Bytes,
}

/// A source sent more than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the source sent more than {quota} {} a minute (`{}` of its [[sources]]): try again in {wait_s} s",
    rate.as_str(),
    rate.setting()
)]
pub struct Over {
    /// Of what.
    pub rate: Rate,
    /// A minute.
    pub quota: u64,
    /// Until the next request passes, rounded up to whole seconds; at least 1.
    pub wait_s: u64,
}

/// How far the series of a source have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub source: Arc<str>,
    /// Known now.
    pub series: u64,
    /// `series` of the source.
    pub limit: u64,
    /// `series_window`
    pub window: Duration,
    /// What has most of them; `None` while there are few, less than 80 % of the limit.
    pub growth: Option<Growth>,
}

impl Rate {
    /// All of them, in the order of the settings.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Metrics, Self::Bytes];

    /// In a sentence, and as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Metrics => "metrics",
            Self::Bytes => "bytes",
        }
    }

    /// The key of `[[sources]]`.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Metrics => "metrics_per_minute",
            Self::Bytes => "bytes_per_minute",
        }
    }

    fn of(self, limits: &SourceLimits) -> Option<NonZeroU64> {
        match self {
            Self::Requests => limits.requests_per_minute,
            Self::Metrics => limits.metrics_per_minute,
            Self::Bytes => limits.bytes_per_minute,
        }
    }
}

impl Quotas {
    /// The quota of this source with these limits, which count from now on, also for requests that run;
    /// `None` where there are none.
    pub fn of(&self, name: &Arc<str>, limits: &SourceLimits) -> Option<Arc<Quota>> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if limits.is_off() {
            by_name.remove(name);
            return None;
        }
        let quota = by_name.entry(Arc::clone(name)).or_insert_with(|| Arc::new(Quota::new(name)));
        quota.take_over(limits);
        Some(Arc::clone(quota))
    }

    /// Forgets those whose names are gone.
    pub fn keep_only(&self, is_known: impl Fn(&str) -> bool) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.retain(|name, _| is_known(name));
    }

    /// The quota of this source, if it has one.
    pub fn get(&self, name: &str) -> Option<Arc<Quota>> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.get(name).map(Arc::clone)
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<Quota>> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.values().map(Arc::clone).collect()
    }

    /// How far series have come, of sources where they are limited.
    pub fn standings(&self, now: Duration) -> Vec<Standing> {
        self.list().iter().filter_map(|quota| quota.standing(now)).collect()
    }
}

impl Quota {
    fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            rates: Mutex::default(),
            series: Mutex::default(),
            keys: RandomState::new(),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Its source.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The limit of this rate; `None` where there is none.
    pub fn per_minute(&self, rate: Rate) -> Option<u64> {
        lock(&self.rates).0[rate as usize].map(|bucket| bucket.per_minute())
    }

    /// Requests and scrapes that were over this rate.
    pub fn refused(&self, rate: Rate) -> u64 {
        self.refused[rate as usize].load(Ordering::Relaxed)
    }

    /// Counts a request, unless it is over one of the rates; then it counts for nothing. `now` is a
    /// monotonic reading, as everywhere here.
    ///
    /// # Errors
    ///
    /// Of metrics or bytes the source owes some, or of requests it has none left.
    pub fn admit(&self, now: Duration) -> Result<(), Over> {
        let outcome = {
            let Rates(buckets) = &mut *lock(&self.rates);
            // First those that take nothing.
            [Rate::Bytes, Rate::Metrics, Rate::Requests].into_iter().try_for_each(|rate| {
                let Some(bucket) = &mut buckets[rate as usize] else { return Ok(()) };
                let passed = match rate {
                    Rate::Requests => bucket.take_one(now),
                    Rate::Metrics | Rate::Bytes => bucket.is_open(now),
                };
                passed.map_err(|wait_s| (rate, bucket.per_minute(), wait_s))
            })
        };
        outcome.map_err(|(rate, quota, wait_s)| {
            self.refused[rate as usize].fetch_add(1, Ordering::Relaxed);
            Over { rate, quota, wait_s }
        })
    }

    /// So much was sent, now that it is known. It may leave a debt: then nothing passes until that is paid.
    pub fn charge(&self, rate: Rate, amount: u64, now: Duration) {
        if let Some(bucket) = &mut lock(&self.rates).0[rate as usize] {
            bucket.charge(amount, now);
        }
    }

    /// A body before the guard of its source's series; `None` where they are not limited.
    pub fn session(self: &Arc<Self>, intent: Intent, now: Duration) -> Option<Session> {
        Session::begin(self, intent, now)
    }

    /// How far series have come; `None` where they are not limited.
    pub fn standing(&self, now: Duration) -> Option<Standing> {
        let mut series = lock(&self.series);
        let series = series.as_mut()?;
        series.advance(now);
        Some(Standing {
            source: Arc::clone(&self.name),
            series: series.used() as u64,
            limit: series.limit() as u64,
            window: series.window(),
            growth: series.is_near().then(|| series.growth()).flatten(),
        })
    }

    fn take_over(&self, limits: &SourceLimits) {
        for rate in Rate::ALL {
            let bucket = &mut lock(&self.rates).0[rate as usize];
            *bucket = rate.of(limits).map(|per_minute| match bucket.take() {
                Some(bucket) => bucket.changed(per_minute),
                None => Bucket::full(per_minute),
            });
        }
        let mut series = lock(&self.series);
        *series = limits.series.map(|most| match series.take() {
            Some(series) => series.changed(most, limits),
            None => Series::new(most, limits),
        });
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("name", &self.name).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
