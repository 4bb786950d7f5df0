//! What a queue measures of its own work. Names and help texts are given where they are registered.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// Clones share their numbers.
#[derive(Clone, Debug)]
pub struct Meters {
    /// Seconds from the first write of a group to the end of its sync.
    pub commit_seconds: Histogram,
    /// Requests answered by one sync.
    pub group_requests: Histogram,
    /// Bytes written before one sync.
    pub group_bytes: Histogram,
    /// Groups that could not be written or synced at the first try.
    pub commit_failures: Counter,
    /// Stretches of damage met in the files, each counted once.
    pub damages: Counter,
    /// What recovery set aside: torn ends of files, and files nobody can read.
    pub set_aside: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        let doubling = |from: f64, steps: i32| (0..steps).map(move |n| from * 2_f64.powi(n));
        Self {
            commit_seconds: Histogram::new(doubling(0.000_125, 16)),
            group_requests: Histogram::new(doubling(1.0, 12)),
            group_bytes: Histogram::new(doubling(1024.0, 16)),
            commit_failures: Counter::default(),
            damages: Counter::default(),
            set_aside: Counter::default(),
        }
    }
}
