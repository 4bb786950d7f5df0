//! How measurements spread over ranges: counted in plain atomics, so that a request pays two additions and
//! no lock, and read by whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper limits of durations, nanoseconds: from 50 us to 30 s.
pub const DURATIONS_NS: [u64; 18] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// Upper limits of sizes, bytes: from 256 to 16 MiB, each four times the one before.
pub const SIZES_BYTES: [u64; 9] =
    [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// Longest duration that is added to a sum. The wall clock measures some, and one that is set must not
/// spoil the mean of a whole day.
const DURATION_MAX: Duration = Duration::from_mins(10);

/// Measurements by the smallest of `N` limits that they do not pass.
#[derive(Debug)]
pub struct Spread<const N: usize> {
    limits: &'static [u64; N],
    counts: [AtomicU64; N],
    /// Those above every limit.
    over: AtomicU64,
    sum: AtomicU64,
}

/// What was measured until somebody looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Of all measurements.
    pub sum: u64,
    /// Each limit, and how many lie below it and above the one before.
    pub within: Vec<(u64, u64)>,
    /// How many lie above all of them.
    pub over: u64,
}

/// Durations, in nanoseconds.
pub type Durations = Spread<{ DURATIONS_NS.len() }>;

/// Sizes, in bytes.
pub type Sizes = Spread<{ SIZES_BYTES.len() }>;

impl<const N: usize> Spread<N> {
    /// Nothing yet; the limits rise.
    pub fn over(limits: &'static [u64; N]) -> Self {
        debug_assert!(limits.is_sorted(), "limits rise");
        Self {
            limits,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            over: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Takes in one measurement.
    pub fn add(&self, measured: u64) {
        let slot = self.limits.partition_point(|limit| *limit < measured);
        self.counts.get(slot).unwrap_or(&self.over).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(measured, Ordering::Relaxed);
    }

    /// What was measured so far.
    pub fn read(&self) -> Seen {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Seen {
            sum: read(&self.sum),
            within: self.limits.iter().copied().zip(self.counts.iter().map(read)).collect(),
            over: read(&self.over),
        }
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::over(&DURATIONS_NS)
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::over(&SIZES_BYTES)
    }
}

impl Durations {
    /// Takes in one duration; one of more than ten minutes counts as ten.
    pub fn took(&self, duration: Duration) {
        self.add(duration.min(DURATION_MAX).as_nanos() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_counts_below_the_first_limit_it_does_not_pass() {
        let spread = Spread::over(&[10, 100]);
        for measured in [0, 10, 11, 100, 101, 5000] {
            spread.add(measured);
        }
        let seen = Seen { sum: 5222, within: vec![(10, 2), (100, 2)], over: 2 };
        assert_eq!(spread.read(), seen);
    }

    #[test]
    fn a_clock_that_was_set_spoils_no_sum() {
        let durations = Durations::default();
        durations.took(Duration::from_secs(40));
        durations.took(Duration::from_hours(9000));
        let seen = durations.read();
        assert_eq!((seen.over, seen.sum), (2, 640_000_000_000));
    }
}
