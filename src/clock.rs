//! Time as a parameter: the wall clock of reception and a monotonic clock for waits.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::metric::timestamp::Timestamp;

/// Where the effectful layers get the time from. The pure core never sees one: it is given readings.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, for `dt` (contract C3) and reception times.
    fn now(&self) -> Timestamp;

    /// Time since some fixed instant; never goes backwards. For rate limits and back-off.
    fn monotonic(&self) -> Duration;
}

/// An instant as the operating system's type, for whoever writes it out as RFC 3339; `None` before 1970
/// and after the year 9999, which cannot be written so.
pub fn system_time(at: Timestamp) -> Option<SystemTime> {
    const SECONDS_MAX: u64 = 253_402_300_799;
    let seconds = u64::try_from(at.seconds()).ok().filter(|seconds| *seconds <= SECONDS_MAX)?;
    Some(UNIX_EPOCH + Duration::new(seconds, at.nanos()))
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts at zero now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix(since.as_secs() as i64, since.subsec_nanos())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until it is moved; for tests and replays.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that reads `now` until told otherwise.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        let nanos = u64::from(state.0.nanos()) + u64::from(by.subsec_nanos());
        let seconds = state.0.seconds() + by.as_secs() as i64 + (nanos / 1_000_000_000) as i64;
        state.0 = Timestamp::from_unix(seconds, (nanos % 1_000_000_000) as u32);
        state.1 += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}
