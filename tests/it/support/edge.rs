//! The ingest edge on a port of its own, with a clock that stands still and a [`Ledger`] behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tidegate::budget::Budget;
use tidegate::clock::ManualClock;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::Policy;
use tidegate::tls::{Acceptor, Port};
use tidegate::{config, http};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ledger::Ledger;

/// Longer than anything here takes on a loaded machine; only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Token of the source that [`Settings::default`] has.
pub(crate) const TOKEN: &str = "a-token";

/// One metric that every configuration takes without a word.
pub(crate) const METRIC: &str = r#"{"name":"room.temp","gauge":{"value":21.5}}"#;

pub(crate) struct Settings {
    pub(crate) sources: Vec<config::Source>,
    pub(crate) auth: config::Auth,
    pub(crate) http: config::Http,
    pub(crate) limits: config::Limits,
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    pub(crate) grace: Duration,
    pub(crate) tls: Option<config::ServerTls>,
}

impl Default for Settings {
    /// The contract's numbers, without the rate limit and with time-outs no test reaches by chance.
    fn default() -> Self {
        Self {
            sources: vec![source("main", TOKEN)],
            auth: config::Auth { unauthorized_status: 403 },
            http: config::Http {
                nothing_accepted_status: 422,
                header_timeout: PATIENCE,
                idle_timeout: PATIENCE,
                body_timeout: PATIENCE,
                body_min_rate: 1024,
                drain_timeout: Duration::from_secs(2),
                help_url: config::HELP_URL.into(),
            },
            limits: config::Limits {
                requests_per_minute: 0,
                over_limit_status: 429,
                limiter_keys: 1000,
                trusted_proxies: Vec::new(),
                forwarded_header: "x-forwarded-for".to_owned(),
                body_bytes: 20 << 20,
                expanded_bytes: 128 << 20,
                memory_bytes: 256 << 20,
                connections: 1000,
            },
            policy: Policy::default(),
            now: Timestamp::from_unix(1_700_000_000, 0),
            grace: PATIENCE,
            tls: None,
        }
    }
}

pub(crate) fn source(name: &str, token: &str) -> config::Source {
    let sha256 = Sha256::digest(token).into();
    config::Source::plain(name, vec![config::Token { key: "token", sha256, expires: None }])
}

pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) queue: Arc<Ledger>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) state: Arc<http::State>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Edge {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let Settings { sources, auth, http, limits, policy, now, grace, tls } = settings;
        let queue = Ledger::new();
        let budget = Arc::new(Budget::new(limits.memory_bytes));
        let clock = Arc::new(ManualClock::new(now));
        let state = http::State::new(http::Parts {
            sources: &sources,
            policy: &Arc::new(policy),
            auth,
            http,
            limits,
            queue: queue.clone(),
            clock: clock.clone(),
            budget,
            traffic: Arc::default(),
            tap: Arc::default(),
        });
        let tls = tls.map(|tls| Acceptor::new(Port::Ingest, &tls).unwrap());
        let state = Arc::new(state.with_tls(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let served = tokio::spawn(http::serve(listener, Arc::clone(&state), shutdown, grace));
        Self { address, queue, clock, state, stop: Some(stop), served }
    }

    /// Begins the shutdown.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the shutdown is complete.
    pub(crate) async fn stopped(&mut self) {
        timeout(PATIENCE, &mut self.served).await.expect("the edge stops").unwrap();
    }

    /// Ends the task that serves, as a panic in it would.
    pub(crate) async fn abort(&mut self) {
        self.served.abort();
        let ended = timeout(PATIENCE, &mut self.served).await.expect("the task ends");
        assert!(ended.unwrap_err().is_cancelled());
    }

    /// Waits until `what` holds.
    pub(crate) async fn until(&self, what: impl Fn(&Self) -> bool) {
        let poll = async {
            while !what(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, poll).await.expect("the state is reached");
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state.counts().connections.load(std::sync::atomic::Ordering::SeqCst)
    }
}
