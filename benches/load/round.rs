//! One stretch of requests, one after the other over each connection, and what they cost the gateway.

use std::time::Duration;

use crate::drive::{self, Pace, Plan};
use crate::outcome::Outcome;
use crate::serving::Serving;

/// What was measured.
pub(crate) struct Round {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
}

/// Sends as fast as answers come.
pub(crate) fn send(
    gateway: &Serving,
    connections: usize,
    requests: &[Vec<u8>],
    lasting: Duration,
) -> Outcome {
    let (address, pace) = (gateway.address(), Pace::Closed);
    drive::run(&Plan { address, pace, connections, lasting, requests })
}

/// The same, measured.
pub(crate) fn measure(
    gateway: &Serving,
    connections: usize,
    requests: &[Vec<u8>],
    lasting: Duration,
) -> Round {
    let before = gateway.cpu();
    let outcome = send(gateway, connections, requests, lasting);
    let cpu = gateway.cpu().saturating_sub(before);
    Round {
        cpu_us: cpu.as_secs_f64() * 1e6 / outcome.taken.count().max(1) as f64,
        per_second: outcome.taken_per_second(),
        p99_ms: outcome.taken.ms(0.99),
    }
}
