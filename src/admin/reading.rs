//! One look at everything an answer tells of.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::oldest::{Asked, Oldest};
use super::{Facts, Reloaded, State};
use crate::dead_letter;
use crate::forward::Status;
use crate::http;
use crate::metric::timestamp::Timestamp;
use crate::queue::{Account, AppendError, Durability, Meters, ReadError, Standing, Totals};
use crate::quota::Quota;
use crate::scrape;
use crate::spread::Seen;
use crate::tls::Acceptor;
use crate::traffic::Ledger;

/// Longest wait for the queue to read what it holds: a disk that hangs must not keep the answer that
/// would tell of it.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// What readiness depends on.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) now: Timestamp,
    pub(super) is_closing: bool,
    pub(super) room: Result<(), AppendError>,
    pub(super) standing: Standing,
    pub(super) disorder: Option<Arc<str>>,
    pub(super) destinations: Vec<Destination>,
}

/// One destination of the queue.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) name: Arc<str>,
    pub(super) account: Account,
    /// `None` when its receiver left the configuration.
    pub(super) oldest: Option<Result<Option<Timestamp>, ReadError>>,
    pub(super) delivery: Option<Delivery>,
}

/// Its deliveries.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) facts: Facts,
    pub(super) status: Status,
    pub(super) dead_letters: dead_letter::Standing,
    /// Outcome, class of answer, count.
    pub(super) attempts: Vec<(&'static str, &'static str, u64)>,
    /// How long they took; nanoseconds.
    pub(super) latencies: Seen,
    /// Bytes of their bodies on the wire, and before compression.
    pub(super) bytes: (u64, u64),
}

/// What is measured, besides.
pub(super) struct Reading {
    pub(super) health: Health,
    pub(super) totals: Totals,
    pub(super) full_s: Option<f64>,
    pub(super) durability: Durability,
    pub(super) started: Timestamp,
    pub(super) uptime: Duration,
    pub(super) edge: Arc<http::State>,
    pub(super) scrapes: Arc<scrape::Counts>,
    /// Those of sources that are limited, and the monotonic instant of the look.
    pub(super) quotas: Vec<Arc<Quota>>,
    pub(super) at: Duration,
    pub(super) meters: Meters,
    pub(super) reloaded: Reloaded,
    /// What makes the admin port's own connections secret.
    pub(super) tls: Option<Acceptor>,
    /// By source.
    pub(super) traffic: Vec<(Arc<str>, Arc<Ledger>)>,
    pub(super) runtime: Runtime,
}

/// The runtime that requests and deliveries share.
pub(super) struct Runtime {
    pub(super) workers: u64,
    pub(super) tasks: u64,
    pub(super) waiting: u64,
}

impl Runtime {
    /// Of the runtime that asks.
    fn look() -> Self {
        let metrics = Handle::current().metrics();
        Self {
            workers: metrics.num_workers() as u64,
            tasks: metrics.num_alive_tasks() as u64,
            waiting: metrics.global_queue_depth() as u64,
        }
    }
}

impl Health {
    pub(super) async fn of(state: &State) -> Self {
        let by = Instant::now() + READ_TIMEOUT;
        // All are asked before one is waited for: the slow ones share the time they have.
        let ask = |of: &super::Destination| of.oldest.as_ref().map(Oldest::ask);
        let asked: Vec<Option<Asked>> = state.destinations.iter().map(ask).collect();
        let mut destinations = Vec::with_capacity(asked.len());
        for (destination, asked) in state.destinations.iter().zip(asked) {
            let oldest = match asked {
                Some(asked) => Some(asked.answer(by).await),
                None => None,
            };
            destinations.push(Destination::of(destination, oldest, state));
        }
        Self {
            now: state.clock.now(),
            is_closing: state.is_closing.load(Ordering::Relaxed),
            room: state.queue.would_take(),
            standing: state.queue.standing(),
            disorder: state.queue.disorder(),
            destinations,
        }
    }

    /// The self-check of contract C7.
    pub(super) fn is_balanced(&self) -> bool {
        let of = |destination: &Destination| destination.account.books.is_balanced();
        !self.standing.is_unbalanced && self.destinations.iter().all(of)
    }
}

impl Destination {
    fn of(
        destination: &super::Destination,
        oldest: Option<Result<Option<Timestamp>, ReadError>>,
        state: &State,
    ) -> Self {
        Self {
            name: Arc::clone(&destination.name),
            account: state.queue.account(&destination.name).unwrap_or_default(),
            oldest,
            delivery: destination.delivery.as_ref().map(|delivery| Delivery {
                facts: delivery.facts.clone(),
                dead_letters: delivery.dead_letters.standing(),
                status: delivery.status.borrow().clone(),
                attempts: delivery.attempts.read().collect(),
                latencies: delivery.attempts.latencies(),
                bytes: delivery.attempts.bytes(),
            }),
        }
    }
}

impl Reading {
    pub(super) async fn of(state: &State) -> Self {
        let health = Health::of(state).await;
        let forecast = state.forecast.lock().unwrap_or_else(PoisonError::into_inner);
        let at = state.clock.monotonic();
        Self {
            health,
            totals: state.queue.totals(),
            full_s: forecast.full_s(),
            durability: state.queue.durability(),
            started: state.started,
            uptime: at.saturating_sub(state.started_at),
            edge: Arc::clone(&state.edge),
            scrapes: Arc::clone(&state.scrapes),
            quotas: state.traffic.quotas().list(),
            at,
            meters: state.meters.clone(),
            reloaded: state.reload.last(),
            traffic: state.traffic.list(),
            runtime: Runtime::look(),
            tls: state.tls.clone(),
        }
    }
}

/// Seconds from one instant to a later one; zero when a clock was set back between them.
pub(super) fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    let seconds = (later.seconds() - earlier.seconds()) as f64;
    (seconds + (f64::from(later.nanos()) - f64::from(earlier.nanos())) / 1e9).max(0.0)
}
