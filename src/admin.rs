//! The admin port: what the gateway tells about itself, never on the ingest port (contract C9).
//!
//! ```text
//! serve        accept, bounds of a connection, one request each; `whose` refuses those that mean the
//!              gateway of another data directory, `guard` those that come from a web page
//!   route        path and method
//!     reading      one look at the queue, the edge and the receivers; `oldest` is the part of it that
//!                  takes its time
//!       readiness    why the gateway is not ready, for `/readyz`
//!       page         the reading as text, for `/metrics`; its names stand in `names`, its form in `sheet`,
//!                    and `process` is what the operating system adds
//!       receivers    each receiver as JSON, for `/receivers` and `/readyz`
//!       status       everything together, for `/status`; `problems` says what is wrong, worst first
//!     events       the status every second, for `/events`, for as long as somebody listens
//!     assets       the page at `/`, which lives from `/events`; `still` is what it is without scripts
//!     logs         the last lines of the log, for `/logs`
//!     tap          tuples as they are accepted, for `/tap`, for as long as somebody looks
//!   reload     the configuration read again, for POST
//!   forecast     sampled meanwhile: when will there be no room
//!   history      sampled likewise: rates of the last minute, and points of the last hour
//! ```
//!
//! Everything is read when somebody asks; nobody on the way of a metric knows of it. What is told holds
//! no secret, and `/metrics` no client's address and no metric's name either: neither requests nor
//! answers of receivers are quoted there. `/receivers`, and `/readyz` with it, have a receiver's own words
//! with its key taken out, because whoever has to cure a held one needs them; they may name a metric.
//! The page, `/status` and `/events` have those words too, and of what was rejected the last reasons with an
//! item of each as it was sent. `/tap` shows what clients send, and `/logs` what this process wrote to stderr anyway.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config;
use crate::dead_letter::DeadLetters;
use crate::forward::{Attempts, Forwarder, Status};
use crate::http;
use crate::metric::timestamp::Timestamp;
use crate::queue::{Meters, Queue};
use crate::scrape;
use crate::tap::Tap;
use crate::tls::Acceptor;
use crate::traffic::Traffic;

mod assets;
mod codes;
mod content;
mod events;
mod forecast;
mod history;
mod logs;
mod guard;
mod names;
mod oldest;
mod openapi;
mod page;
mod process;
mod readiness;
mod reading;
mod receivers;
mod reload;
mod replay;
mod route;
mod serve;
mod sheet;
mod status;
mod tap;
pub mod whose;

use forecast::Forecast;
use guard::Guard;
use history::{History, Mark};
use oldest::Oldest;
pub use reload::{Asked, Desk, Reloaded};

/// Longest time a request for `/receivers`, `/readyz` or `/metrics` waits for a disk.
pub(crate) use reading::READ_TIMEOUT;

/// What an admin port tells about.
pub struct Parts {
    /// Its books, its room, and whether it works.
    pub queue: Arc<dyn Queue>,
    /// What the queue measures of its own work.
    pub meters: Meters,
    /// The ingest edge.
    pub edge: Arc<http::State>,
    /// Deliveries, at most one for each destination of the queue.
    pub deliveries: Vec<Delivery>,
    /// What became of scrapes.
    pub scrapes: Arc<scrape::Counts>,
    /// The data directory, which need not exist.
    pub data_dir: PathBuf,
    /// Ages and waits.
    pub clock: Arc<dyn Clock>,
    /// What each source sends.
    pub traffic: Arc<Traffic>,
    /// Tuples as they are accepted.
    pub tap: Arc<Tap>,
    /// `admin.allowed_hosts`
    pub allowed_hosts: Vec<String>,
    /// Where the configuration is read again.
    pub reload: Desk,
}

/// What is known of the deliveries to one receiver.
pub struct Delivery {
    /// The receiver's name, which is its destination's in the queue.
    pub name: Arc<str>,
    /// What its configuration says.
    pub facts: Facts,
    /// Its status, live.
    pub status: watch::Receiver<Status>,
    /// Its attempts, live.
    pub attempts: Arc<Attempts>,
    /// What it refused for good.
    pub dead_letters: Arc<DeadLetters>,
}

/// What the configuration says of a receiver; no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its address, without the key.
    pub url: String,
    /// Most requests in flight.
    pub concurrency: usize,
    /// Bytes it may fall behind.
    pub max_backlog_bytes: Option<u64>,
}

impl Delivery {
    /// Of this receiver.
    pub fn of(
        receiver: &config::Receiver,
        forwarder: &Forwarder,
        dead_letters: Arc<DeadLetters>,
    ) -> Self {
        let facts = Facts {
            url: receiver.url.clone(),
            concurrency: receiver.concurrency,
            max_backlog_bytes: receiver.max_backlog_bytes,
        };
        Self {
            name: Arc::clone(&receiver.name),
            facts,
            status: forwarder.status(),
            attempts: forwarder.attempts(),
            dead_letters,
        }
    }
}

/// A running admin port; closed when dropped.
pub struct Admin {
    addr: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl Admin {
    /// Serves on a bound socket, on the runtime it is called in. The queue is open by now.
    pub fn start(listener: TcpListener, parts: Parts) -> io::Result<Self> {
        Self::start_with_tls(listener, parts, None)
    }

    /// The same on a port that speaks TLS, if there is anything to speak it with.
    pub fn start_with_tls(
        listener: TcpListener,
        parts: Parts,
        tls: Option<Acceptor>,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let state = Arc::new(State { tls, ..State::new(parts, addr) });
        // What comes from here on has a beginning to be measured against.
        state.sample();
        let serving = tokio::spawn(serve::serve(listener, Arc::clone(&state)));
        Ok(Self { addr, state, serving })
    }

    /// Where it is served, with the port it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What makes its connections secret.
    pub fn tls(&self) -> Option<&Acceptor> {
        self.state.tls.as_ref()
    }

    /// From here on the gateway is not ready: the first step of its way out (contract C6.5).
    pub fn shutting_down(&self) {
        self.state.is_closing.store(true, Ordering::Relaxed);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What every answer is made of.
struct State {
    queue: Arc<dyn Queue>,
    meters: Meters,
    edge: Arc<http::State>,
    scrapes: Arc<scrape::Counts>,
    destinations: Vec<Destination>,
    directory: whose::Directory,
    guard: Guard,
    clock: Arc<dyn Clock>,
    traffic: Arc<Traffic>,
    tap: Arc<Tap>,
    reload: Desk,
    tls: Option<Acceptor>,
    started: Timestamp,
    started_at: Duration,
    is_closing: AtomicBool,
    forecast: Mutex<Forecast>,
    history: Mutex<History>,
    last_status: status::Last,
}

/// A destination of the queue.
struct Destination {
    name: Arc<str>,
    /// `None` when its receiver left the configuration: nobody reads what waits for it.
    oldest: Option<Oldest>,
    delivery: Option<Delivery>,
}

impl State {
    fn new(parts: Parts, listens: SocketAddr) -> Self {
        let Parts { queue, meters, edge, mut deliveries, scrapes, .. } = parts;
        let Parts { data_dir, clock, traffic, tap, reload, allowed_hosts, .. } = parts;
        let destination = |name: Arc<str>| {
            let oldest = queue.outlet(&name).map(Oldest::of);
            let nth = deliveries.iter().position(|delivery| delivery.name == name);
            let delivery = nth.map(|nth| deliveries.swap_remove(nth));
            Destination { name, oldest, delivery }
        };
        Self {
            destinations: queue.destinations().into_iter().map(destination).collect(),
            directory: whose::Directory::at(data_dir),
            guard: Guard::new(listens.ip(), allowed_hosts),
            started: clock.now(),
            started_at: clock.monotonic(),
            is_closing: AtomicBool::new(false),
            forecast: Mutex::default(),
            history: Mutex::default(),
            last_status: status::Last::default(),
            queue,
            meters,
            edge,
            scrapes,
            clock,
            traffic,
            tap,
            reload,
            tls: None,
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called every few seconds.
    fn sample(&self) {
        let (now, room) = (self.clock.monotonic(), forecast::room(&self.queue.standing()));
        self.forecast.lock().unwrap_or_else(PoisonError::into_inner).sample(now, room);
        let mark = Mark::of(self);
        self.history().sample(mark);
    }
}
