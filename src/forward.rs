//! Delivery to one receiver (contract C6): lease -> envelope -> POST -> ack, retry or hold.
//!
//! ```text
//!   outlet ──lease──► session ──part──► envelope ──body──► client ──POST──► receiver
//!     ▲                │   ▲                                 │
//!     │                │   └──── accepted, refused ◄──── outcome
//!     └──── fate ──────┴──► dead letters
//! ```
//!
//! Each of a few workers carries one delivery at a time: what it leased is a session, which posts it
//! whole, or in ever smaller parts where the receiver refuses it. Every attempt passes one gate, which
//! knows whether the receiver flows, is being retried, or holds, and how much it takes at once. A lease
//! ends when every tuple of it was accepted or is a dead letter on the disk; until then a shutdown or
//! a crash begins it again. Nothing is ever dropped here.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{Receiver, Secret};
use crate::dead_letter::DeadLetters;
use crate::queue::Outlet;

mod attempts;
mod blocking;
pub mod backoff;
mod board;
pub mod body;
pub mod client;
pub mod coding;
mod delivery;
pub mod envelope;
mod gate;
mod gathering;
mod key;
mod latency;
pub mod limit;
mod loan;
pub mod outcome;
pub mod pace;
pub mod part;
mod phase;
pub mod retry_after;
pub mod scrub;
pub mod session;
pub mod size;
pub mod status;
pub mod target;
mod worker;

pub use attempts::Attempts;
pub use client::install_crypto;
pub use latency::{Latency, Took};
pub use phase::Drain;
pub use status::{State, Status, Trust};

use backoff::Backoff;
use board::{Board, Tuned};
use client::Client;
pub use client::{ClientError, Connections};
use coding::Coding;
use envelope::{Envelope, HostnameTooLong};
use gate::Gate;
use key::KeyFile;
use limit::Limit;
use loan::Crew;
use pace::Pace;
use phase::{Phase, Stage};
use size::Size;
use target::{Target, TargetError};
use worker::Line;

/// Delivers everything from one outlet to one receiver, in tasks of its own. Dropping it stops them and
/// gives their leases back; [`Self::shutdown`] is the orderly way.
pub struct Forwarder {
    line: Arc<Line>,
    stage: watch::Sender<Stage>,
    workers: usize,
    /// `None` until it runs.
    supervisor: Option<JoinHandle<()>>,
}

/// Why deliveries cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its `url` or its key.
    #[error("receiver {receiver}: {cause}")]
    Target {
        /// Its name.
        receiver: Arc<str>,
        /// What is wrong.
        cause: TargetError,
    },
    /// `hostname`.
    #[error(transparent)]
    Hostname(#[from] HostnameTooLong),
    /// TLS set-up.
    #[error("receiver {receiver}: {cause}")]
    Client {
        /// Its name.
        receiver: Arc<str>,
        /// What is wrong.
        cause: ClientError,
    },
}

impl Forwarder {
    /// Starts delivering at once: [`Self::new`] and [`Self::run`].
    pub fn start(
        receiver: &Receiver,
        hostname: &str,
        outlet: Arc<dyn Outlet>,
        dead_letters: Arc<DeadLetters>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let mut forwarder = Self::new(receiver, hostname, outlet, dead_letters, clock)?;
        forwarder.run();
        Ok(forwarder)
    }

    /// Makes ready for `receiver`, in the name of the gateway's `hostname`; nothing is leased or sent
    /// before [`Self::run`]. Needs a tokio runtime. A receiver that cannot be reached is no error here:
    /// it is retried.
    pub fn new(
        receiver: &Receiver,
        hostname: &str,
        outlet: Arc<dyn Outlet>,
        dead_letters: Arc<DeadLetters>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let name = || Arc::clone(&receiver.name);
        let wrong = |cause| StartError::Target { receiver: name(), cause };
        let target = Target::parse(receiver).map_err(wrong)?;
        let board_url = target.shown().to_owned();
        let client = Client::new(receiver, target);
        let client = client.map_err(|cause| StartError::Client { receiver: name(), cause })?;
        let backoff = Backoff::new(receiver.retry_min, receiver.retry_max);
        let size = Size::default();
        let tuned = Tuned { encoding: receiver.compression, size_bound: size.bound() };
        let board = Board::new(&receiver.name, &board_url, tuned, clock.now());
        board.trusts(client.trust());
        // One more than there can be requests: it is there for fresh tuples when all others keep theirs.
        let workers = receiver.concurrency.max(1) + 1;
        let pace = Pace::new(backoff, receiver.hold_probe);
        let line = Arc::new(Line {
            outlet,
            next_lease: tokio::sync::Mutex::default(),
            dead_letters,
            clock,
            client,
            key_file: Mutex::new(KeyFile::of(receiver).map(Arc::new)),
            envelope: ArcSwap::from_pointee(Envelope::new(hostname)?),
            coding: Coding::new(receiver.compression),
            size: Mutex::new(size),
            backoff,
            hold_probe: receiver.hold_probe,
            gate: Gate::new(pace, Limit::new(receiver.concurrency)),
            crew: Arc::new(Crew::new(workers)),
            board,
            attempts: Arc::default(),
        });
        let stage = watch::Sender::new(Stage::Running);
        Ok(Self { line, stage, workers, supervisor: None })
    }

    /// Delivers from now on; again does nothing.
    pub fn run(&mut self) {
        self.supervisor.get_or_insert_with(|| {
            let phase = Phase::new(self.stage.subscribe());
            tokio::spawn(worker::supervise(Arc::clone(&self.line), phase, self.workers))
        });
    }

    /// What [`Changes::take`] changes of this forwarder while it runs.
    pub fn changes(&self) -> Changes {
        Changes(Arc::clone(&self.line))
    }

    /// The receiver's status, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.line.board.subscribe()
    }

    /// How every attempt ended; goes on counting while this forwarder lives.
    pub fn attempts(&self) -> Arc<Attempts> {
        Arc::clone(&self.line.attempts)
    }

    /// Delivers what `drain` says until `deadline` (contract C6.5) and stops; how many tuples remain
    /// undelivered in the outlet. With [`Drain::InFlight`] nothing that waits is tried any more. With
    /// [`Drain::All`] it is tried at once, then every half second; when the receiver refuses, or asks for a
    /// longer pause, so that no attempt is possible before the deadline any more, this returns early.
    ///
    /// A request cut off by the deadline may have arrived: its tuples are counted as remaining.
    pub async fn shutdown(mut self, drain: Drain, deadline: Instant) -> u64 {
        // In this order: a worker that hears of the end first would find its next attempt behind the
        // deadline, and give up.
        if drain == Drain::All {
            self.line.gate.hurry();
        }
        self.stage.send_replace(Stage::Draining { what: drain, deadline });
        if let Some(supervisor) = &mut self.supervisor
            && let Err(error) = supervisor.await
        {
            tracing::error!(receiver.name = self.line.board.name(), "deliveries ended: {error}");
        }
        self.line.outlet.depth().tuples
    }
}

/// The way to change a forwarder that somebody else holds, and ends.
#[derive(Clone)]
pub struct Changes(Arc<Line>);

/// A change that has been judged and cannot fail any more.
pub struct Change {
    key: Option<(Secret, Option<KeyFile>)>,
    envelope: Envelope,
}

impl Changes {
    /// From `before` to `after`: the key and where it is read from, and the gateway's `hostname`. The other
    /// settings stay what they were.
    ///
    /// # Errors
    ///
    /// What [`Forwarder::new`] refuses as well.
    pub fn judge(
        before: &Receiver,
        after: &Receiver,
        hostname: &str,
    ) -> Result<Change, StartError> {
        let is_same = before.api_key == after.api_key && before.api_key_file == after.api_key_file;
        let wrong = |cause| StartError::Target { receiver: Arc::clone(&after.name), cause };
        Target::parse(&Receiver { api_key: after.api_key.clone(), ..before.clone() })
            .map_err(wrong)?;
        let key = (!is_same).then(|| (after.api_key.clone(), KeyFile::of(after)));
        Ok(Change { key, envelope: Envelope::new(hostname)? })
    }

    /// Other certificates, another proxy, another `connect_timeout`; the rest of `after` is not looked at. The
    /// files are read again. Nothing changes yet.
    ///
    /// # Errors
    ///
    /// What cannot be used.
    pub async fn judge_connections(&self, after: &Receiver) -> Result<Connections, ClientError> {
        self.0.client.prepare(after).await
    }

    /// Connects with them from now on. What is on the wire is not disturbed.
    pub fn take_connections(&self, connections: Connections) {
        self.0.client.adopt(connections);
        self.0.board.trusts(self.0.client.trust());
        self.0.gate.retry_now();
    }

    /// Makes it, from the next delivery on.
    pub fn take(&self, change: Change) {
        if let Some((key, file)) = change.key {
            self.0.change_key(&key, file);
        }
        self.0.envelope.store(Arc::new(change.envelope));
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.abort();
        }
    }
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarder")
            .field("receiver", &self.line.board.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::{ClientTls, Compression, Proxy, Receiver, ReceiverAuth, Secret};
    use crate::queue::Sources;

    /// A receiver with the defaults of the configuration.
    pub(super) fn receiver(url: &str, key: &str) -> Receiver {
        Receiver {
            name: "default".into(),
            sources: Sources::All,
            max_backlog_bytes: None,
            url: url.to_owned(),
            api_key: Secret::new(key.to_owned()),
            api_key_file: None,
            auth: ReceiverAuth::Query,
            compression: Compression::Deflate,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            concurrency: 4,
            retry_min: Duration::from_millis(200),
            retry_max: Duration::from_mins(1),
            hold_probe: Duration::from_secs(30),
            tls: ClientTls::default(),
            proxy: Proxy::Environment,
        }
    }
}
