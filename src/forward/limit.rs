//! How many deliveries may be in flight at once: as many as the receiver takes without strain
//! (contract C6.4).
//!
//! More while things go well, fewer when they do not: one more per round trip while all of them are in
//! use, half of them when an attempt fails, a tenth fewer when an accepted one takes longer than its
//! kind used to. Only an accepted attempt says anything about latency: a receiver that refuses at
//! once is not a fast one.
//!
//! A round trip is counted in attempts: those that began before the last decrease saw the receiver as
//! it was before, and change nothing. So one outage, however many deliveries it ends, costs one step.

use std::time::Duration;

mod baseline;

use baseline::{Baseline, Verdict};

/// What a failure leaves of the limit.
const FAILED: f64 = 0.5;

/// What a slow attempt leaves of it.
const SLOWED: f64 = 0.9;

/// Kinds of bodies: by powers of four of their bytes, the last for everything larger.
const CLASSES: usize = 13;

/// Adaptive concurrency of one receiver. Pure: time comes in as latencies.
#[derive(Clone, Debug)]
pub struct Limit {
    /// From 1 to `cap`; a fraction is progress towards the next whole one.
    allowed: f64,
    cap: usize,
    /// Attempts of smaller numbers began before the last decrease.
    decreased_before: u64,
    baselines: [Baseline; CLASSES],
}

/// One attempt that ended.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Its number in the order in which attempts began.
    pub number: u64,
    /// The number the next attempt will have.
    pub next: u64,
    /// How it ended.
    pub ended: Ended,
    /// How long it was on the wire.
    pub latency: Duration,
    /// Bytes of its body, as sent.
    pub bytes: usize,
    /// Attempts in flight when it ended, itself included.
    pub in_flight: usize,
}

/// What an attempt says about the receiver's strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Accepted: how fast that was says how well it feels.
    Accepted,
    /// Not answered, or with a plea for patience.
    Failed,
    /// Refused for a reason that has nothing to do with load.
    Refused,
}

impl Limit {
    /// Begins at one; never above `cap` (`receiver.concurrency`), nor below one.
    pub fn new(cap: usize) -> Self {
        Self {
            allowed: 1.0,
            cap: cap.max(1),
            decreased_before: 0,
            baselines: std::array::from_fn(|_| Baseline::default()),
        }
    }

    /// Most deliveries in flight now.
    pub fn now(&self) -> usize {
        // At least 1 and at most the cap, by construction.
        self.allowed as usize
    }

    /// Takes in one attempt.
    pub fn report(&mut self, sample: Sample) {
        match sample.ended {
            Ended::Refused => {}
            Ended::Failed => self.decrease(sample, FAILED),
            Ended::Accepted => {
                match self.baselines[class(sample.bytes)].judge(sample.latency, sample.in_flight) {
                    Verdict::Slow => self.decrease(sample, SLOWED),
                    // Whoever does not use what it has learns nothing about more.
                    Verdict::Usual if sample.in_flight >= self.now() => {
                        self.allowed = (self.allowed + 1.0 / self.allowed).min(self.cap as f64);
                    }
                    Verdict::Usual => {}
                }
            }
        }
    }

    fn decrease(&mut self, sample: Sample, factor: f64) {
        if sample.number >= self.decreased_before {
            self.allowed = (self.allowed * factor).max(1.0);
            self.decreased_before = sample.next;
        }
    }
}

/// Bodies of one class differ by a factor of four at most.
fn class(bytes: usize) -> usize {
    let power = bytes.checked_ilog2().unwrap_or(0) as usize / 2;
    power.min(CLASSES - 1)
}

#[cfg(test)]
mod tests;
