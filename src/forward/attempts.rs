//! How every attempt to deliver ended, counted: a closed table of what was decided and why, how long it took
//! and what went over the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::latency::Latency;
use super::outcome::{Failure, Outcome, Reply, classify};
use crate::spread::{Durations, Seen};

/// Attempts since the start, by outcome and by class of answer.
#[derive(Debug, Default)]
pub struct Attempts {
    counts: [AtomicU64; LABELS.len()],
    latency: Latency,
    latencies: Durations,
    sent_bytes: AtomicU64,
    raw_bytes: AtomicU64,
}

/// What one attempt took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expense {
    /// From its first byte to the end of its answer.
    pub(super) latency: Duration,
    /// Of its body, as it is on the wire.
    pub(super) sent_bytes: usize,
    /// Of its body, before compression.
    pub(super) raw_bytes: usize,
}

/// Every pair there can be: what it meant for the delivery (contract C6.2), and what came back.
const LABELS: [(&str, &str); 12] = [
    ("done", "2xx"),
    ("retry", "4xx"),
    ("retry", "5xx"),
    ("retry", "timeout"),
    ("retry", "connect"),
    ("retry", "broken"),
    ("split", "4xx"),
    ("step_down", "4xx"),
    ("halve", "4xx"),
    ("hold", "3xx"),
    ("hold", "4xx"),
    // 1xx, and what is no status at all.
    ("hold", "other"),
];

impl Attempts {
    pub(super) fn count(&self, reply: Reply, expense: Expense) {
        let label = label(reply);
        let slot = LABELS.iter().position(|known| *known == label);
        self.counts[slot.expect("the table has every pair")].fetch_add(1, Ordering::Relaxed);
        self.latency.add(expense.latency);
        self.latencies.took(expense.latency);
        // Without a connection nothing was sent.
        if !matches!(reply, Reply::Failed(Failure::Connect)) {
            self.sent_bytes.fetch_add(expense.sent_bytes as u64, Ordering::Relaxed);
            self.raw_bytes.fetch_add(expense.raw_bytes as u64, Ordering::Relaxed);
        }
    }

    /// How long attempts took, whatever their end, in the steps of `/metrics`; nanoseconds.
    pub fn latencies(&self) -> Seen {
        self.latencies.read()
    }

    /// Bytes of their bodies on the wire, and before compression; of those that had a connection, also
    /// where it broke on the way.
    pub fn bytes(&self) -> (u64, u64) {
        (self.sent_bytes.load(Ordering::Relaxed), self.raw_bytes.load(Ordering::Relaxed))
    }

    /// The same in finer steps, for whoever looks at the last minute.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Outcome, class of answer, attempts: `done`, `retry`, `split`, `step_down`, `halve` or `hold`; `2xx` to `5xx`, `timeout`,
    /// `connect` (no connection came up), `broken` (it ended before the answer) or `other`.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let counts = LABELS.into_iter().zip(&self.counts);
        counts.map(|((outcome, answer), count)| (outcome, answer, count.load(Ordering::Relaxed)))
    }
}

fn label(reply: Reply) -> (&'static str, &'static str) {
    let outcome = match classify(reply) {
        Outcome::Done => "done",
        Outcome::Retry { .. } => "retry",
        Outcome::Split => "split",
        Outcome::StepDown => "step_down",
        Outcome::Halve => "halve",
        Outcome::Hold => "hold",
    };
    let answer = match reply {
        Reply::Answered { status: 200..=299, .. } => "2xx",
        Reply::Answered { status: 300..=399, .. } => "3xx",
        Reply::Answered { status: 400..=499, .. } => "4xx",
        Reply::Answered { status: 500..=599, .. } => "5xx",
        Reply::Answered { .. } => "other",
        Reply::Failed(Failure::Timeout) => "timeout",
        Reply::Failed(Failure::Connect) => "connect",
        Reply::Failed(Failure::Broken) => "broken",
    };
    (outcome, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_its_row() {
        let attempts = Attempts::default();
        let failures = [Failure::Timeout, Failure::Connect, Failure::Broken].map(Reply::Failed);
        let statuses = [0, 100, 200, 204, 301, 400, 401, 408, 413, 415, 422, 429, 500, 599, 600];
        let answered =
            |status| Reply::Answered { status, retry_after: None, names_encoding: false };
        let statuses = statuses.map(answered);
        for reply in failures.into_iter().chain(statuses) {
            let latency = Duration::from_millis(3);
            attempts.count(reply, Expense { latency, sent_bytes: 10, raw_bytes: 100 });
        }
        let seen: Vec<_> = attempts.read().map(|(_, _, count)| count).collect();
        assert_eq!(seen, [2, 2, 2, 1, 1, 1, 1, 1, 2, 1, 1, 3]);
        assert_eq!(attempts.latencies().sum, 18 * 3_000_000);
        // All but the one without a connection.
        assert_eq!(attempts.bytes(), (170, 1700));
    }
}
