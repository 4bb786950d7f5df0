//! Pages of metrics that the gateway fetches itself, from exporters that cannot send.
//!
//! ```text
//! job          one `[[scrape]]`: its targets, and a task for each of them
//!   files        targets named in files, read again when they change
//!   target       an address, the labels of what comes from there, its point of the interval
//!   fetch        one page over HTTP within its bounds: time, bytes, memory
//!   page         the page through the pipeline, and what is said of the scrape itself
//!   lines        how much of it goes into the log
//! change       which jobs there are, while they run
//! counts       what became of scrapes, for the admin port
//! ```
//!
//! A page takes the way of a request's body from there on: the same pipeline, queue, books and budget of
//! memory. Each target has a task of its own with at most one request on the wire, so one that is slow,
//! lies or never ends costs nobody else anything.
//!
//! Nobody waits for an answer to a scrape. Where there is no room for a page it is dropped and counted:
//! the exporter keeps its counters, and the next scrape has the news.
//!
//! A series that is missing from the next page simply ends. StackState has no stale marker, so none is
//! sent; `up` says whether its target could be scraped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::config;
use crate::normalize::Policy;
use crate::queue::Queue;
use crate::tap::Tap;
use crate::traffic::Traffic;

mod change;
mod counts;
mod fetch;
mod files;
mod job;
mod lines;
mod page;
mod target;

pub use change::{Change, Changes, Terms};
pub use counts::{Counts, JobCounts, Outcome};
pub use fetch::ClientError;

use change::Jobs;
use fetch::Names;

/// How often files of targets are looked at.
pub const FILES_EVERY: Duration = Duration::from_secs(5);

/// Pages hold no more than a quarter of the memory of bodies: however many targets lie or stall, clients
/// have the rest.
pub const BUDGET_PARTS: u64 = 4;

/// Entries on their way into the queue at once, more than there can be targets.
const APPENDS_MAX: u32 = 1 << 20;

/// How long the start waits for the first look at them, those of all jobs together.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// What a [`Scraper`] is made of.
pub struct Parts<'c> {
    /// What is fetched.
    pub scrapes: &'c [config::Scrape],
    /// Those that scrapes may belong to.
    pub sources: &'c [config::Source],
    /// What is done to everybody's metrics.
    pub policy: &'c Arc<Policy>,
    /// Most bytes of a page, on the wire and decompressed: `limits.body_bytes`.
    pub body_bytes: usize,
    /// The memory of bodies and tuples, shared with the ingest edge: at most one part in
    /// [`BUDGET_PARTS`] of it is for pages.
    pub budget: Arc<Budget>,
    /// Where the samples go.
    pub queue: Arc<dyn Queue>,
    /// Instants of scrapes, and how long they took.
    pub clock: Arc<dyn Clock>,
    /// How often files of targets are looked at, mostly [`FILES_EVERY`].
    pub files_every: Duration,
    /// What each source sends.
    pub traffic: Arc<Traffic>,
    /// Who looks at tuples as they are accepted.
    pub tap: Arc<Tap>,
}

/// What all jobs have in common.
pub(crate) struct Shared {
    body_bytes: AtomicUsize,
    /// The part of pages.
    pub(crate) budget: Arc<Budget>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Pipelines running at once: as many as cores, they do nothing but compute.
    pub(crate) workers: Arc<Semaphore>,
    /// One permit for each entry on its way into the queue.
    pub(crate) appends: Arc<Semaphore>,
    pub(crate) files_every: Duration,
    pub(crate) counts: Arc<Counts>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) tap: Arc<Tap>,
}

impl Shared {
    /// `limits.body_bytes`
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes.load(Ordering::Relaxed)
    }
}

/// All jobs; they end when it is dropped.
pub struct Scraper {
    jobs: Arc<Jobs>,
    shared: Arc<Shared>,
}

impl Scraper {
    /// Makes all jobs ready, and reads the files that name targets. Nothing is fetched before
    /// [`Self::run`].
    ///
    /// # Errors
    ///
    /// HTTP cannot be set up.
    pub async fn new(parts: Parts<'_>) -> Result<Self, ClientError> {
        let counts = Arc::<Counts>::default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            body_bytes: AtomicUsize::new(parts.body_bytes),
            budget: Arc::new(parts.budget.part(parts.budget.limit() / BUDGET_PARTS)),
            queue: parts.queue,
            clock: parts.clock,
            workers: Arc::new(Semaphore::new(cores)),
            appends: Arc::new(Semaphore::new(APPENDS_MAX as usize)),
            files_every: parts.files_every,
            counts,
            traffic: parts.traffic,
            tap: parts.tap,
        });
        let jobs = Arc::new(Jobs::new(Arc::clone(&shared), Names::of_system()));
        let scraper = Self { jobs, shared };
        let terms = Terms {
            scrapes: parts.scrapes,
            sources: parts.sources,
            policy: parts.policy,
            body_bytes: parts.body_bytes,
        };
        let changes = scraper.changes();
        let change = changes.judge(terms, Instant::now() + FIRST_LOOK).await?;
        changes.take(change, parts.budget.limit());
        Ok(scraper)
    }

    /// The way to change what is fetched, for somebody who does not end it.
    pub fn changes(&self) -> Changes {
        Changes::of(&self.jobs)
    }

    /// Begins to fetch.
    pub fn run(&mut self) {
        let jobs = self.jobs.run();
        if jobs > 0 {
            let targets = self.shared.counts.targets();
            tracing::info!(jobs, targets, "scraping {targets} targets of {jobs} jobs");
        }
    }

    /// What became of scrapes, live.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.shared.counts)
    }

    /// Ends all of it: a scrape that is under way is cut off at once, and an entry that is on its way into
    /// the queue has until `deadline` to get there.
    pub async fn stop(self, deadline: Instant) {
        self.jobs.end().await;
        // It is the queue's disk that takes too long, if anything does; the end of the queue tells.
        let appends = &self.shared.appends;
        timeout_at(deadline, appends.acquire_many(APPENDS_MAX)).await.ok();
        // Whoever was running on another thread just then begins no more.
        appends.close();
    }
}
