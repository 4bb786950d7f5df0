//! How every attempt to deliver ended, counted: a closed table of what was decided and why.

use std::sync::atomic::{AtomicU64, Ordering};

use super::latency::Latency;
use super::outcome::{Failure, Outcome, Reply, classify};

/// Attempts since the start, by outcome and by class of answer.
#[derive(Debug, Default)]
pub struct Attempts {
    counts: [AtomicU64; LABELS.len()],
    latency: Latency,
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
    pub(super) fn count(&self, reply: Reply) {
        let label = label(reply);
        let slot = LABELS.iter().position(|known| *known == label);
        self.counts[slot.expect("the table has every pair")].fetch_add(1, Ordering::Relaxed);
    }

    /// How long attempts took, whatever came of them.
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
            attempts.count(reply);
        }
        let seen: Vec<_> = attempts.read().map(|(_, _, count)| count).collect();
        assert_eq!(seen, [2, 2, 2, 1, 1, 1, 1, 1, 2, 1, 1, 3]);
    }
}
