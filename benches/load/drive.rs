//! The generator: requests at a constant rate whether or not earlier ones were answered, or one after the
//! other on every connection.
//!
//! Open loop: request `n` is due `n / rate` after the start, and its latency counts from there. What
//! is due while every connection is busy waits here, and that wait is part of it, as is every delay of
//! the generator's own: nothing that makes a client wait is left out (no coordinated omission).

use std::net::SocketAddr;
use std::time::Duration;

use super::clock::{now_ns, thread_cpu_ns};
use super::fleet::Fleet;
use super::outcome::{Fate, Outcome};

/// Requests sent before answers are looked at again.
const BURST: usize = 32;

/// How often a run that waits for answers looks whether its time is over.
const LOOK_NS: u64 = 50_000_000;

/// After the last request was sent, how long its answer is waited for.
const PATIENCE_NS: u64 = 60_000_000_000;

/// When requests are due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many a second.
    Open(f64),
    /// As soon as a connection is idle.
    Closed,
}

/// One run.
pub(crate) struct Plan<'r> {
    pub(crate) address: SocketAddr,
    pub(crate) pace: Pace,
    /// Most connections; opened when all open ones are busy.
    pub(crate) connections: usize,
    pub(crate) lasting: Duration,
    /// Whole requests, sent in turn.
    pub(crate) requests: &'r [Vec<u8>],
}

/// Runs it to the end, answers included.
pub(crate) fn run(plan: &Plan<'_>) -> Outcome {
    let mut fleet = Fleet::new(plan.address, plan.connections, plan.requests);
    let mut outcome = Outcome::new();
    let (began, cpu_began) = (now_ns(), thread_cpu_ns());
    let lasting = plan.lasting.as_nanos() as u64;
    // Until here a lack of connections and not the generator made requests wait.
    let mut starved_ns = 0;
    // So many are sent and no more, once the time is over.
    let mut last = u64::MAX;
    loop {
        let now = now_ns() - began;
        outcome.due = due_by(plan.pace, now.min(lasting), outcome.sent);
        let is_over = now >= lasting;
        if is_over && last == u64::MAX {
            // More than a connection can take each are not sent any more: they were due, and are told
            // as such.
            last = match plan.pace {
                Pace::Open(_) => outcome.sent + plan.connections as u64,
                Pace::Closed => outcome.sent,
            };
        }
        for _ in 0..BURST {
            if outcome.sent >= outcome.due.min(last) || !fleet.is_idle_one() {
                break;
            }
            let now = now_ns() - began;
            let due = due_at(plan.pace, outcome.sent, now);
            if due >= starved_ns {
                outcome.lag.record(now.saturating_sub(due));
            }
            if !fleet.send(outcome.sent, due) {
                outcome.count(Fate::NotConnected);
            }
            outcome.sent += 1;
        }
        let is_all_sent = is_over && outcome.sent >= outcome.due.min(last);
        if is_all_sent && fleet.under_way() == 0 || now > lasting + PATIENCE_NS {
            break;
        }
        let is_starved = !fleet.is_idle_one();
        let wait = if is_all_sent || is_starved {
            LOOK_NS
        } else {
            let due = due_at(plan.pace, outcome.sent, now);
            due.min(lasting).saturating_sub(now_ns() - began)
        };
        fleet.poll(wait, |done| outcome.enter(&done, now_ns() - began));
        if is_starved {
            starved_ns = now_ns() - began;
        }
    }
    for _ in 0..fleet.under_way() {
        outcome.count(Fate::Late);
    }
    outcome.closed_idle = fleet.closed_idle;
    outcome.opened = fleet.opened;
    outcome.took = Duration::from_nanos(now_ns() - began);
    outcome.cpu = Duration::from_nanos(thread_cpu_ns() - cpu_began);
    outcome
}

/// How many requests are due by then.
fn due_by(pace: Pace, now_ns: u64, sent: u64) -> u64 {
    match pace {
        Pace::Open(rate) => (now_ns as f64 * rate / 1e9) as u64 + 1,
        Pace::Closed => sent + BURST as u64,
    }
}

/// When request `number` is due.
fn due_at(pace: Pace, number: u64, now_ns: u64) -> u64 {
    match pace {
        Pace::Open(rate) => (number as f64 * 1e9 / rate) as u64,
        Pace::Closed => now_ns,
    }
}

/// Makes waits of this thread end when they should: by default the kernel adds up to 50 us.
pub(crate) fn be_punctual() {
    let slack = std::num::NonZeroU64::MIN;
    rustix::thread::set_current_timer_slack(Some(slack)).expect("a thread may do that");
}
