//! What every request sees: settings, sources, limits and the queue.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use hyper::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::auth::Sources;
use super::client_addr::Forwarding;
use super::complaints::Complaints;
use super::counts::Counts;
use super::problem::{Busy, Problem};
use super::rate_limit::PerIp;
use super::refusals::Refusals;
use crate::budget::{Budget, Grant};
use crate::clock::Clock;
use crate::config;
use crate::normalize::Policy;
use crate::queue::Queue;

/// What a [`State`] is made of.
pub struct Parts<'c> {
    /// Who may send.
    pub sources: &'c [config::Source],
    /// What is done to everybody's metrics.
    pub policy: &'c Arc<Policy>,
    /// `[auth]`
    pub auth: config::Auth,
    /// `[http]`
    pub http: config::Http,
    /// `[limits]`
    pub limits: config::Limits,
    /// Where accepted metrics go.
    pub queue: Arc<dyn Queue>,
    /// Reception times, and the limiter's time.
    pub clock: Arc<dyn Clock>,
    /// The memory of bodies and tuples, `limits.memory_bytes`; others may have their share of it.
    pub budget: Arc<Budget>,
}

/// The ingest edge's side of the gateway.
pub struct State {
    pub(super) sources: Arc<Sources>,
    pub(super) http: config::Http,
    pub(super) limits: config::Limits,
    pub(super) nothing_accepted: StatusCode,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) clock: Arc<dyn Clock>,
    /// Pipelines of large bodies running at once: as many as cores, they do nothing but compute.
    pub(super) workers: Arc<Semaphore>,
    pub(super) counts: Counts,
    budget: Arc<Budget>,
    forwarding: Forwarding,
    limiter: Option<PerIp>,
    over_limit: StatusCode,
    closing: AtomicBool,
    pub(super) refusals: Refusals,
    pub(super) complaints: Complaints,
}

impl State {
    /// The edge as configured.
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts { sources, policy, auth, http, limits, queue, clock, budget } = parts;
        let quota = NonZeroU32::new(limits.requests_per_minute);
        Self {
            sources: Arc::new(Sources::new(sources, policy, auth)),
            nothing_accepted: status(
                http.nothing_accepted_status,
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            workers: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
            counts: Counts::default(),
            budget,
            forwarding: Forwarding::new(&limits.trusted_proxies, &limits.forwarded_header),
            limiter: quota.map(|quota| PerIp::new(quota, limits.limiter_keys, Arc::clone(&clock))),
            over_limit: status(limits.over_limit_status, StatusCode::TOO_MANY_REQUESTS),
            closing: AtomicBool::new(false),
            refusals: Refusals::default(),
            complaints: Complaints::default(),
            http,
            limits,
            queue,
            clock,
        }
    }

    /// What the edge has seen.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes of `limits.memory_bytes` in use.
    pub fn memory_used(&self) -> u64 {
        self.budget.used()
    }

    /// `limits.memory_bytes`
    pub fn memory_limit(&self) -> u64 {
        self.limits.memory_bytes
    }

    /// `limits.connections`
    pub fn connections_limit(&self) -> usize {
        self.limits.connections
    }

    /// The per-IP limit; before anything else is looked at (contract C1.9, C1.10).
    pub(super) fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.sources.is_unlimited(headers) {
            return Ok(());
        }
        let client = self.forwarding.client_ip(peer, headers);
        limiter.check(client).map_err(|over| {
            self.counts.over_limit.fetch_add(1, Ordering::Relaxed);
            Problem::OverLimit { status: self.over_limit, over }
        })
    }

    /// Whether a body is worth reading, and the memory to begin with (contract C1.12).
    pub(super) fn capacity(&self) -> Result<Grant, Problem> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(Problem::Busy(Busy::ShuttingDown));
        }
        self.queue.room()?;
        Ok(self.budget.grant()?)
    }

    /// From here on, requests are turned away.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Forgets what need not be remembered, and tells what should be known; to be called now and then.
    pub(super) fn tidy(&self) {
        self.refusals.tell(self.clock.monotonic());
        self.complaints.tell(self.clock.monotonic());
        if let Some(limiter) = &self.limiter {
            limiter.forget_idle();
        }
    }
}

/// Statuses come from a checked configuration; the default stands in for what cannot be.
fn status(number: u16, default: StatusCode) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(default)
}
