//! What a run of the generator saw.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::answer::Answer;
use super::fleet::Done;

/// Nanoseconds that can be told apart from their like: three digits, up to an hour.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;

/// How a request fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Status(u16),
    /// A 503 that did not say when to come back, which none may be.
    NoRetryAfter,
    /// The connection ended without an answer.
    Unanswered,
    /// No answer while the run waited for one.
    Late,
    /// The socket could not be opened.
    NotConnected,
}

/// Latencies, nanoseconds.
pub(crate) struct Latencies(Histogram<u64>);

/// Everything about one run.
pub(crate) struct Outcome {
    pub(crate) fates: BTreeMap<Fate, u64>,
    /// From the instant a request was due to its answer, 2xx.
    pub(crate) taken: Latencies,
    /// The same of all other answers.
    pub(crate) refused: Latencies,
    /// How late the generator itself sent what it had a connection for.
    pub(crate) lag: Latencies,
    /// Requests that became due.
    pub(crate) due: u64,
    pub(crate) sent: u64,
    pub(crate) closed_idle: u64,
    pub(crate) opened: u64,
    pub(crate) took: Duration,
    /// What the generator's thread ran.
    pub(crate) cpu: Duration,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("sound bounds"))
    }

    pub(crate) fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    pub(crate) fn ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }
}

impl Outcome {
    pub(crate) fn new() -> Self {
        Self {
            fates: BTreeMap::new(),
            taken: Latencies::new(),
            refused: Latencies::new(),
            lag: Latencies::new(),
            due: 0,
            sent: 0,
            closed_idle: 0,
            opened: 0,
            took: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }

    /// Enters a request that ended at `now_ns`.
    pub(crate) fn enter(&mut self, done: &Done, now_ns: u64) {
        let Some(answer) = done.answer else { return self.count(Fate::Unanswered) };
        self.count(Fate::of(answer));
        let latency = now_ns.saturating_sub(done.due_ns);
        let is_taken = (200..300).contains(&answer.status);
        if is_taken { &mut self.taken } else { &mut self.refused }.record(latency);
    }

    pub(crate) fn count(&mut self, fate: Fate) {
        *self.fates.entry(fate).or_default() += 1;
    }

    /// Requests that fared like this.
    pub(crate) fn of(&self, fate: Fate) -> u64 {
        self.fates.get(&fate).copied().unwrap_or(0)
    }

    /// 2xx a second.
    pub(crate) fn taken_per_second(&self) -> f64 {
        self.taken.count() as f64 / self.took.as_secs_f64()
    }

    /// Of a core.
    pub(crate) fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    /// How every request fared, in a line.
    pub(crate) fn fates(&self) -> String {
        let one = |(fate, count): (&Fate, &u64)| format!("{count} x {fate:?}");
        self.fates.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl Fate {
    fn of(answer: Answer) -> Self {
        match answer.status {
            503 if !answer.says_when => Self::NoRetryAfter,
            status => Self::Status(status),
        }
    }
}
