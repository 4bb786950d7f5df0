//! What every request sees: settings, sources, limits and the queue.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use arc_swap::ArcSwap;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::auth::{Sources, TokenUse};
use super::client_addr::Forwarding;
use super::complaints::Complaints;
use super::connection::Patience;
use super::counts::Counts;
use super::problem::{Busy, Problem};
use super::rate_limit::PerIp;
use super::refusals::Refusals;
use crate::budget::{Budget, Grant};
use crate::clock::Clock;
use crate::config;
use crate::normalize::Policy;
use crate::queue::Queue;
use crate::quota::Over;
use crate::tap::Tap;
use crate::tls::Acceptor;
use crate::traffic::Traffic;

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
    /// What each source sends.
    pub traffic: Arc<Traffic>,
    /// Who looks at tuples as they are accepted.
    pub tap: Arc<Tap>,
}

/// What the operator may change of it while it runs.
pub struct Terms<'c> {
    /// Who may send.
    pub sources: &'c [config::Source],
    /// What is done to everybody's metrics.
    pub policy: &'c Arc<Policy>,
    /// `[auth]`
    pub auth: config::Auth,
    /// `[http]`
    pub http: config::Http,
    /// `[limits]`; `connections` has no effect here.
    pub limits: config::Limits,
}

/// The ingest edge's side of the gateway.
pub struct State {
    rules: ArcSwap<Rules>,
    /// `limits.connections`
    connections: usize,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) clock: Arc<dyn Clock>,
    /// Pipelines of large bodies running at once: as many as cores, they do nothing but compute.
    pub(super) workers: Arc<Semaphore>,
    pub(super) counts: Counts,
    budget: Arc<Budget>,
    closing: AtomicBool,
    pub(super) refusals: Refusals,
    pub(super) complaints: Complaints,
    pub(super) traffic: Arc<Traffic>,
    pub(super) tap: Arc<Tap>,
    tls: Option<Acceptor>,
}

/// What the operator may change while the edge runs. A request keeps those it began with.
pub(super) struct Rules {
    pub(super) sources: Arc<Sources>,
    pub(super) http: config::Http,
    pub(super) limits: config::Limits,
    pub(super) nothing_accepted: StatusCode,
    forwarding: Forwarding,
    limiter: Option<Arc<PerIp>>,
    over_limit: StatusCode,
}

impl Rules {
    /// The answer to a source over one of its rates.
    pub(super) fn over_quota(&self, over: Over) -> Problem {
        Problem::OverQuota { status: self.over_limit, over }
    }
}

impl State {
    /// The edge as configured.
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts { sources, policy, auth, http, limits, queue, clock, budget, traffic, tap } =
            parts;
        let connections = limits.connections;
        let terms = Terms { sources, policy, auth, http, limits };
        let rules = Rules::new(terms, None, &clock, &traffic);
        Self {
            rules: ArcSwap::from_pointee(rules),
            connections,
            workers: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
            counts: Counts::default(),
            budget,
            closing: AtomicBool::new(false),
            refusals: Refusals::default(),
            complaints: Complaints::default(),
            traffic,
            tap,
            tls: None,
            queue,
            clock,
        }
    }

    /// From the next request on these are the terms; those that run finish under the ones they began
    /// with. Sources that are kept keep their books, tokens what is known of their use, and the limiter of
    /// clients what it remembers, unless its own numbers change.
    pub fn change(&self, terms: Terms<'_>) {
        let before = self.rules.load_full();
        self.budget.set_limit(terms.limits.memory_bytes);
        self.rules.store(Arc::new(Rules::new(terms, Some(&before), &self.clock, &self.traffic)));
    }

    /// What is known of the tokens that open a source, in the order of the configuration.
    pub fn tokens(&self) -> Vec<TokenUse> {
        self.rules.load().sources.tokens()
    }

    /// The same on a port that speaks TLS, if there is anything to speak it with.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Acceptor>) -> Self {
        self.tls = tls;
        self
    }

    /// What makes its connections secret.
    pub fn tls(&self) -> Option<&Acceptor> {
        self.tls.as_ref()
    }

    /// The rules for a request that begins now.
    pub(super) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// How long a connection may do nothing, from now on.
    pub(super) fn patience(&self) -> Patience {
        let rules = self.rules.load();
        Patience { head: rules.http.header_timeout, idle: rules.http.idle_timeout }
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
        self.budget.limit()
    }

    /// Addresses that the per-IP limit remembers, and how many it may, `limits.limiter_keys`; `None` while
    /// the limit is off.
    pub fn limiter_keys(&self) -> Option<(usize, usize)> {
        let rules = self.rules.load();
        rules.limiter.as_ref().map(|limiter| (limiter.keys(), rules.limits.limiter_keys))
    }

    /// `[limits]` and `[http]` as they are in effect.
    pub fn settings(&self) -> (config::Limits, config::Http) {
        let rules = self.rules.load();
        (rules.limits.clone(), rules.http.clone())
    }

    /// `limits.connections`
    pub fn connections_limit(&self) -> usize {
        self.connections
    }

    /// The per-IP limit; before anything else is looked at (contract C1.9, C1.10).
    pub(super) fn admit(
        &self,
        rules: &Rules,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let Some(limiter) = &rules.limiter else { return Ok(()) };
        if rules.sources.is_unlimited(headers, || self.clock.now()) {
            return Ok(());
        }
        let client = rules.forwarding.client_ip(peer, headers);
        limiter.check(client).map_err(|over| {
            self.counts.over_limit.fetch_add(1, Ordering::Relaxed);
            Problem::OverLimit { status: rules.over_limit, over }
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
        if let Some(limiter) = &self.rules.load().limiter {
            limiter.forget_idle();
        }
    }
}

impl Rules {
    /// Those of these terms, after those `before` if there were any.
    fn new(
        terms: Terms<'_>,
        before: Option<&Self>,
        clock: &Arc<dyn Clock>,
        traffic: &Traffic,
    ) -> Self {
        let Terms { sources, policy, auth, http, limits } = terms;
        let sources = Sources::new(sources, policy, auth, traffic);
        let sources = match before {
            Some(before) => sources.after(&before.sources),
            None => sources,
        };
        let quota = NonZeroU32::new(limits.requests_per_minute);
        let is_same = |before: &&Self| {
            (before.limits.requests_per_minute, before.limits.limiter_keys)
                == (limits.requests_per_minute, limits.limiter_keys)
        };
        let limiter = match before.filter(is_same) {
            Some(before) => before.limiter.clone(),
            None => quota
                .map(|quota| Arc::new(PerIp::new(quota, limits.limiter_keys, Arc::clone(clock)))),
        };
        Self {
            sources: Arc::new(sources),
            nothing_accepted: status(
                http.nothing_accepted_status,
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            forwarding: Forwarding::new(&limits.trusted_proxies, &limits.forwarded_header),
            limiter,
            over_limit: status(limits.over_limit_status, StatusCode::TOO_MANY_REQUESTS),
            http,
            limits,
        }
    }
}

/// Statuses come from a checked configuration; the default stands in for what cannot be.
fn status(number: u16, default: StatusCode) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(default)
}
