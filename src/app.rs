//! The composition root: settings to parts, parts to tasks, and their end in order (contract C6.5).

use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::admin::{self, Admin};
use crate::budget::Budget;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::dead_letter;
use crate::forward::{self, Drain};
use crate::http;
use crate::queue::log::LogQueue;
use crate::queue::log::engine::Options;
use crate::queue::log::notice::OpenError;
use crate::queue::memory::MemoryQueue;
use crate::queue::{Destination, Durability, Meters, Queue};
use crate::scrape::{self, Scraper};
use crate::tap::Tap;
use crate::tls::{Keeper, Port, TlsFault};
use crate::traffic::Traffic;

mod announce;
mod ending;
mod epitaph;
mod note;
mod ports;
mod receivers;
pub mod reload;
pub mod signal;

use note::Note;
use ports::Ports;
use receivers::Receivers;
use reload::{Live, Reloader, Upkeep};

pub(crate) use crate::admin::{READ_TIMEOUT as ADMIN_READ_TIMEOUT, whose};
pub(crate) use crate::http::{Heard, Rehearsal, Request};

/// Why the gateway did not start. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ingest address.
    #[error("cannot listen on {listen}, choose another address with `listen` or --listen: {cause}")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The durable queue.
    #[error(transparent)]
    Queue(#[from] OpenError),
    /// The admin address.
    #[error(
        "cannot listen on {listen} for the admin port, choose another address with `admin.listen` \
         (TIDEGATE_ADMIN__LISTEN), or \"off\" for none: {cause}"
    )]
    AdminListen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the operating system says.
        cause: io::Error,
    },
    /// A certificate, its key, or who vouches for clients, of one of the ports.
    #[error("the {} port cannot speak TLS: {fault}", port.as_str())]
    Tls {
        /// Whose.
        port: Port,
        /// What is wrong.
        fault: TlsFault,
    },
    /// Dead letters.
    #[error(transparent)]
    DeadLetters(#[from] dead_letter::OpenError),
    /// Deliveries.
    #[error(transparent)]
    Forward(#[from] forward::StartError),
    /// Scrapes.
    #[error(transparent)]
    Scrape(#[from] scrape::ClientError),
}

/// A running gateway. [`Self::stop`] ends it in order; dropping it leaves the edge running until
/// the runtime ends.
pub struct Gateway {
    addr: SocketAddr,
    config: Config,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    edge: Arc<http::State>,
    queue: Arc<dyn Queue>,
    receivers: Receivers,
    scraper: Scraper,
    admin: Option<Admin>,
    reloading: JoinHandle<()>,
    /// They keep the certificates of the ports fresh.
    _keepers: Vec<Keeper>,
}

/// What became of everything that was accepted, a tuple counted once for each receiver it was meant for.
/// With a durable queue its earlier runs count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Tuples the receivers took.
    pub delivered: u64,
    /// Tuples for them that stay in a durable queue.
    pub queued: u64,
    /// Tuples for them that were damaged on the disk, or expired.
    pub gone: u64,
    /// Tuples that stay for receivers that are not configured.
    pub orphaned: u64,
    /// Tuples that were still in memory.
    pub lost: u64,
}

/// What becomes of the files of a durable queue once the gateway has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// They stay for the next start.
    Kept,
    /// Whoever stops the gateway removes them.
    Removed,
}

impl Gateway {
    /// Builds the parts and starts them, on the runtime it is called in. Clients are answered from
    /// the moment this returns.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::start_with(config, clock, Upkeep::default()).await
    }

    /// The same, for a gateway that can be changed while it runs.
    pub async fn start_with(
        config: Config,
        clock: Arc<dyn Clock>,
        upkeep: Upkeep,
    ) -> Result<Self, StartError> {
        let listen = config.listen;
        let refuse = |cause| StartError::Listen { listen, cause };
        let listener = http::Door::listen(listen).map_err(refuse)?;
        let addr = listener.local_addr().map_err(refuse)?;
        // Bound before anything runs, served once the queue is open.
        let admin_listener = bind_admin(config.admin.listen).await?;

        let tls = Ports::of(&config, &clock)?;
        let meters = Meters::default();
        let (queue, log) = open_queue(&config, &meters, &clock).await?;
        let backlog = announce::Backlog::of(&config, &*queue);
        let mut receivers = Receivers::new(&config, &queue, &clock).await?;

        let common = Common::of(&config, &queue, &clock);
        let mut scraper = common.scraper(&config).await?;
        let edge = common.edge(&config);
        let Common { traffic, tap, .. } = common;
        let acceptors = tls.ingest.iter().chain(&tls.admin).cloned().collect();
        let edge = Arc::new(edge.with_tls(tls.ingest));
        let (reloader, desk) = Reloader::new(upkeep, clock.now());
        let mut live = Live {
            edge: Arc::clone(&edge),
            scrapes: scraper.changes(),
            deliveries: receivers.changes(),
            tls: acceptors,
            traffic: Arc::clone(&traffic),
            clock: Arc::clone(&clock),
            level: reloader.level(),
            note: None,
        };
        let admin = admin_listener.map(|(listen, listener)| {
            let parts = admin::Parts {
                queue: Arc::clone(&queue),
                meters,
                edge: Arc::clone(&edge),
                deliveries: receivers.deliveries(),
                scrapes: scraper.counts(),
                data_dir: config.data_dir.clone(),
                clock,
                traffic,
                tap,
                reload: desk,
                allowed_hosts: config.admin.allowed_hosts.clone(),
            };
            let started = Admin::start_with_tls(listener, parts, tls.admin);
            started.map_err(|cause| StartError::AdminListen { listen, cause })
        });
        let admin = admin.transpose()?;
        live.note = log.map(|log| Note { log, admin: admin.as_ref().map(Admin::addr) });
        if let Some(note) = &live.note {
            note.write(config.admin.tls.as_ref());
        }
        // Nothing fails from here on.
        receivers.run();
        let (stop, serving) = open(listener, &edge, config.shutdown.grace);
        announce::started(addr, admin.as_ref().map(Admin::addr), &config, &backlog);
        scraper.run();
        let reloading = tokio::spawn(reloader.run(config.clone(), live));
        Ok(Self {
            addr,
            config,
            stop,
            serving,
            edge,
            queue,
            receivers,
            scraper,
            admin,
            reloading,
            _keepers: tls.keepers,
        })
    }

    /// Where clients send to, with the port it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the gateway tells about itself, with the port it got; `None` when that is off.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::addr)
    }

    /// What the edge has seen.
    pub fn edge(&self) -> &http::State {
        &self.edge
    }

    /// Ends it in order, within `shutdown.grace`: not ready any more, nothing is scraped, no new connections,
    /// running requests finish, then deliveries. Only the queue in memory is emptied as far as that time goes; a durable one keeps
    /// what was not on its way. A disk that hangs gets that time once more, at least 5 s.
    pub async fn stop(self) -> Ended {
        self.stop_before(Afterwards::Kept).await
    }

    /// The same, with a word on what becomes of the queue, for the log.
    pub async fn stop_before(self, afterwards: Afterwards) -> Ended {
        if let Some(admin) = &self.admin {
            admin.shutting_down();
        }
        // Before anything ends, and not in the middle of a change.
        self.reloading.abort();
        self.reloading.await.ok();
        let grace = self.config.shutdown.grace;
        let deadline = Instant::now() + grace;
        announce::stopping(grace, receivers::backlog(&self.config, &*self.queue));
        let drain = match self.queue.durability() {
            Durability::Memory => Drain::All,
            Durability::Fsync | Durability::Os => Drain::InFlight,
        };
        // Together: one slow upload must not use up the time in which deliveries could succeed. Those on
        // the wire, that is; what waits for another attempt gets it now only where the queue cannot keep it.
        let delivering = self.receivers.shutdown(drain, deadline);
        let serving = async {
            self.stop.send(()).ok();
            let ((), served) = tokio::join!(self.scraper.stop(deadline), self.serving);
            // The edge may have ended by itself, by a bug; the rest is done all the same.
            if let Err(error) = served {
                tracing::error!(%error, "the edge ended abnormally");
            }
            self.queue.close();
        };
        let ((), last) = tokio::join!(serving, delivering);
        let books = ending::end(&self.queue, grace).await;
        let ended = ending::sum(&books, &last);
        epitaph::ended(&ending::Story { ended, books, last }, afterwards, &self.config);
        // Until here it could be asked how far the end has come.
        drop(self.admin);
        ended
    }
}

/// Serves clients until it is told to stop.
fn open(
    listener: TcpListener,
    edge: &Arc<http::State>,
    grace: Duration,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        // A gateway that was dropped is over as well.
        stopped.await.ok();
    };
    (stop, tokio::spawn(http::serve(listener, Arc::clone(edge), shutdown, grace)))
}

/// What the two ways in have in common.
struct Common {
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    budget: Arc<Budget>,
    traffic: Arc<Traffic>,
    tap: Arc<Tap>,
}

impl Common {
    fn of(config: &Config, queue: &Arc<dyn Queue>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            queue: Arc::clone(queue),
            clock: Arc::clone(clock),
            budget: Arc::new(Budget::new(config.limits.memory_bytes)),
            traffic: Arc::default(),
            tap: Arc::default(),
        }
    }

    fn edge(&self, config: &Config) -> http::State {
        http::State::new(http::Parts {
            sources: &config.sources,
            policy: &config.policy,
            auth: config.auth,
            http: config.http.clone(),
            limits: config.limits.clone(),
            queue: Arc::clone(&self.queue),
            clock: Arc::clone(&self.clock),
            budget: Arc::clone(&self.budget),
            traffic: Arc::clone(&self.traffic),
            tap: Arc::clone(&self.tap),
        })
    }

    async fn scraper(&self, config: &Config) -> Result<Scraper, scrape::ClientError> {
        let parts = scrape::Parts {
            scrapes: &config.scrapes,
            sources: &config.sources,
            policy: &config.policy,
            body_bytes: config.limits.body_bytes,
            budget: Arc::clone(&self.budget),
            queue: Arc::clone(&self.queue),
            clock: Arc::clone(&self.clock),
            files_every: scrape::FILES_EVERY,
            traffic: Arc::clone(&self.traffic),
            tap: Arc::clone(&self.tap),
        };
        Scraper::new(parts).await
    }
}

/// The queue, and the same once more where it is a log.
async fn open_queue(
    config: &Config,
    meters: &Meters,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Queue>, Option<Arc<LogQueue>>), StartError> {
    let destinations = config.receivers.iter().map(config::Receiver::destination).collect();
    if config.queue.durability == Durability::Memory {
        return Ok((Arc::new(MemoryQueue::new(config.queue.max_bytes, destinations)), None));
    }
    let options = log_options(&config.queue, destinations, meters);
    let (data_dir, clock) = (config.data_dir.clone(), Arc::clone(clock));
    // It reads what a crash left: not on a thread that others wait for.
    let open = move || LogQueue::open(&data_dir, &options, clock);
    let opened = tokio::task::spawn_blocking(open).await;
    let log = opened.unwrap_or_else(|error| resume_unwind(error.into_panic()))?;
    let log = Arc::new(log);
    Ok((Arc::clone(&log) as Arc<dyn Queue>, Some(log)))
}

/// How the durable queue of these settings is opened.
pub(crate) fn log_options(
    queue: &config::Queue,
    destinations: Vec<Destination>,
    meters: &Meters,
) -> Options {
    Options {
        destinations,
        durability: queue.durability,
        max_bytes: queue.max_bytes,
        min_free_bytes: queue.min_free_bytes,
        segment_bytes: queue.segment_bytes,
        order: queue.order,
        meters: meters.clone(),
    }
}

async fn bind_admin(
    listen: Option<SocketAddr>,
) -> Result<Option<(SocketAddr, TcpListener)>, StartError> {
    let Some(listen) = listen else { return Ok(None) };
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|cause| StartError::AdminListen { listen, cause })?;
    Ok(Some((listen, listener)))
}
