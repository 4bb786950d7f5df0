//! What clients were refused for reasons an operator should hear of, told now and then: one line for
//! thousands of requests, and none while there is nothing to tell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::problem::{Busy, Problem};

/// Time between two lines.
const PAUSE: Duration = Duration::from_mins(1);

/// Why a request was refused; an answer carries it to where answers are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token, or one that opens nothing.
    Token,
    /// Over the per-IP limit.
    Rate,
    /// Over a limit of its source.
    Quota,
    /// The queue is full.
    Queue,
    /// Bodies in flight hold the memory.
    Memory,
}

impl Refusal {
    /// What is worth telling; other problems are the client's own.
    pub(super) fn of(problem: &Problem) -> Option<Self> {
        match problem {
            Problem::Unauthorized { .. } => Some(Self::Token),
            Problem::OverLimit { .. } => Some(Self::Rate),
            Problem::OverQuota { .. } => Some(Self::Quota),
            Problem::Busy(Busy::Queue(_)) => Some(Self::Queue),
            Problem::Busy(Busy::Memory(_)) => Some(Self::Memory),
            _ => None,
        }
    }
}

/// Counts since the last line.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: [AtomicU64; 5],
    told: Mutex<Option<Duration>>,
}

impl Refusals {
    pub(super) fn count(&self, refusal: Refusal) {
        self.counts[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a line if there is something to tell and the last one is long enough ago; `now` is a
    /// monotonic reading.
    pub(super) fn tell(&self, now: Duration) {
        if let Some(text) = self.text(now) {
            tracing::warn!("requests were refused: {text}");
        }
    }

    fn text(&self, now: Duration) -> Option<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        let [token, rate, quota, queue, memory] =
            self.counts.each_ref().map(|count| count.swap(0, Ordering::Relaxed));
        let reasons = [
            (token, "without a known token"),
            (rate, "over the limit of one address (`limits.requests_per_minute`)"),
            (quota, "over a limit of their source (`requests_per_minute` and its like)"),
            (
                queue,
                "because the queue is full (`queue.max_bytes`); the receiver takes less than comes in",
            ),
            (memory, "because others in flight held the memory (`limits.memory_bytes`)"),
        ];
        let told_of = reasons.into_iter().filter(|(count, _)| *count > 0);
        let text: Vec<_> = told_of.map(|(count, why)| format!("{count} {why}")).collect();
        if text.is_empty() {
            return None;
        }
        *told = Some(now);
        Some(text.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::quota::{Over, Rate};

    #[test]
    fn a_source_over_its_limit_is_told_of_whatever_the_number_of_the_answer() {
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            let over = Over { rate: Rate::Metrics, quota: 10, wait_s: 1 };
            let problem = Problem::OverQuota { status, over };
            assert_eq!(Refusal::of(&problem), Some(Refusal::Quota), "{status}");
        }
    }

    #[test]
    fn refusals_are_told_once_a_minute_and_only_if_there_were_any() {
        let refusals = Refusals::default();
        let at = |seconds| refusals.text(Duration::from_secs(seconds));
        assert_eq!(at(0), None);
        refusals.count(Refusal::Token);
        refusals.count(Refusal::Token);
        refusals.count(Refusal::Queue);
        let text = at(5).expect("there is something to tell");
        assert!(text.starts_with("2 without a known token, 1 because the queue is full"), "{text}");
        refusals.count(Refusal::Memory);
        refusals.count(Refusal::Quota);
        assert_eq!(at(64), None, "not yet");
        let text = at(65).expect("there is more to tell");
        assert!(text.starts_with("1 over a limit of their source"), "{text}");
        assert!(text.contains(", 1 because others"), "{text}");
        assert_eq!(at(200), None);
    }
}
