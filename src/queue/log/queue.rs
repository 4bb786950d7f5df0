//! The log as a queue: one thread writes, one keeps order, everybody else waits for them.
//!
//! ```text
//!  append ──► hand-off ──► writer ──► one sync ──► answers        (group commit)
//!                                        │
//!  lease  ◄── reader  ◄── state ◄────────┘
//!  ack    ──► state   ──► keeper ──► positions saved ──► passed segments deleted
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::{
    Account, AppendError, Books, Depth, Durability, Entry, Fate, Lease, Outlet, Pending, Queue,
    ReadError, Standing, Totals, Want,
};
use super::bell::Bell;
use super::desk::{Carried, Desk};
use super::disk::{Access, Disk, Lock, RealDisk, make_directory};
use super::engine::{Engine, Options, cost};
use super::handoff::Handoff;
use super::notice::OpenError;
use super::record::NAME_BYTES_MAX;
use super::segment::HEADER_BYTES;
use crate::clock::Clock;
use crate::encode::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX, Block};
use crate::metric::timestamp::Timestamp;

mod expired;
mod threads;
#[cfg(test)]
mod tests;

use threads::tell;

/// Most bytes one sync makes durable, but for a request that is larger: a group must not keep those
/// behind it waiting for long.
const GROUP_BYTES_MAX: u64 = 16 << 20;

/// Positions are saved at every so many deliveries (contract C5.2), and as [`threads`] says.
const SAVE_ACKS: u32 = 16;

/// What clients are told whose entry the writer let go of: it has stopped.
const UNANSWERED: &str = "the writer let go of the entry: this is a bug, please report it";

/// After a failed read, the next one waits this long.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// Below `data_dir`.
const DIRECTORY: &str = "queue";
const LOCK: &str = "lock";

/// The durable queue. [`Queue::end`] closes it in order. Dropping it waits until what was taken is
/// written, and may deliver the last second's deliveries again.
pub struct LogQueue {
    shared: Arc<Shared>,
    durability: Durability,
    threads: Threads,
    /// Released by the operating system when the process ends, whatever the reason.
    lock: Lock,
}

/// Those that run; held while they are waited for.
type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// One destination's side of a [`LogQueue`].
struct LogOutlet {
    shared: Arc<Shared>,
    index: usize,
}

struct Shared {
    desk: Arc<Desk<Engine>>,
    clock: Arc<dyn Clock>,
    handoff: Handoff<Submission>,
    keeper: Bell,
    /// Why the keeper's last round failed.
    disorder: Mutex<Option<Arc<str>>>,
    /// A group lies in one segment.
    group_bytes_max: u64,
}

/// An entry on its way to the writer.
struct Submission {
    entry: Entry,
    answer: oneshot::Sender<Result<(), AppendError>>,
}

impl LogQueue {
    /// Opens the queue in `data_dir`, or begins one there, and starts its threads. Nobody else may have
    /// it open (contract C5.6). What was found in the files is logged.
    pub fn open(
        data_dir: &Path,
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let directory = data_dir.join(DIRECTORY);
        let failed = |cause| OpenError::Io {
            directory: directory.display().to_string(),
            doing: "opening the directory".to_owned(),
            cause,
        };
        make_directory(data_dir).map_err(failed)?;
        let lock = Lock::take(&Self::lock_file(data_dir))?;
        let disk = Arc::new(RealDisk::open(&directory, Access::ReadWrite).map_err(failed)?);
        Self::start(lock, disk, options, clock).map_err(|error| error.within(&directory))
    }

    /// Leaves a short text in the lock file, for whoever looks for this gateway ([`Lock::read`]).
    pub fn note(&self, text: &str) -> std::io::Result<()> {
        self.lock.note(text)
    }

    /// The file that [`Self::note`] writes to.
    pub fn lock_file(data_dir: &Path) -> PathBuf {
        data_dir.join(LOCK)
    }

    /// The same on a disk that is locked.
    fn start(
        lock: Lock,
        disk: Arc<dyn Disk>,
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (engine, notices) = Engine::open(disk, options)?;
        tell(&notices);

        let destinations = options.destinations.len();
        let shared = Arc::new(Shared {
            desk: Arc::new(Desk::new(engine, destinations)),
            clock,
            handoff: Handoff::new(),
            keeper: Bell::new(),
            disorder: Mutex::default(),
            group_bytes_max: GROUP_BYTES_MAX.min(options.segment_bytes - HEADER_BYTES),
        });
        let queue = Self {
            shared: Arc::clone(&shared),
            durability: options.durability,
            threads: Threads::default(),
            lock,
        };
        queue.spawn("queue-writer", Shared::write)?;
        queue.spawn("queue-keeper", Shared::keep)?;
        Ok(queue)
    }

    fn spawn(&self, name: &str, run: fn(&Shared)) -> Result<(), OpenError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || run(&shared)).map_err(|cause| OpenError::Io {
            directory: DIRECTORY.to_owned(),
            doing: format!("starting the thread {name}"),
            cause,
        })?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

impl Drop for LogQueue {
    /// Waits, because the next holder of the lock must be the only one to write.
    fn drop(&mut self) {
        self.shared.handoff.close();
        self.shared.keeper.close();
        join(&self.threads);
        self.shared.engine().leave();
        self.shared.desk.wake_all();
    }
}

impl Queue for LogQueue {
    fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>> {
        Box::pin(async move {
            check(&entry)?;
            self.shared.engine().has_addressee(&entry)?;
            let bytes = cost(&entry);
            self.shared.engine().admit(bytes)?;
            let (answer, answered) = oneshot::channel();
            if let Err(submission) = self.shared.handoff.push(Submission { entry, answer }) {
                drop(submission);
                self.shared.desk.give_up(bytes);
                // Closed it is, or the writer has stopped: then that is why.
                return Err(self.shared.engine().room().err().unwrap_or(AppendError::Closed));
            }
            // Whoever does not wait for the answer is as good as one who does not hear it: the entry
            // is on its way.
            let unanswered = || Err(AppendError::Failed { why: Arc::from(UNANSWERED) });
            answered.await.unwrap_or_else(|_| unanswered())
        })
    }

    fn room(&self) -> Result<(), AppendError> {
        self.shared.engine().room()
    }

    fn would_take(&self) -> Result<(), AppendError> {
        self.shared.engine().would_take()
    }

    fn count_decided(&self, accepted: u64, rejected: u64) {
        self.shared.engine().count_decided(accepted, rejected);
    }

    fn totals(&self) -> Totals {
        self.shared.engine().totals()
    }

    fn standing(&self) -> Standing {
        self.shared.engine().standing(self.shared.clock.monotonic())
    }

    fn disorder(&self) -> Option<Arc<str>> {
        self.shared.disorder().clone()
    }

    fn destinations(&self) -> Vec<Arc<str>> {
        self.shared.engine().names()
    }

    fn account(&self, destination: &str) -> Option<Account> {
        self.shared.engine().account(destination)
    }

    fn outlet(&self, destination: &str) -> Option<Arc<dyn Outlet>> {
        let index = self.shared.engine().index(destination)?;
        Some(Arc::new(LogOutlet { shared: Arc::clone(&self.shared), index }))
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn close(&self) {
        self.shared.desk.close();
    }

    /// What was taken is written, positions are saved. Nothing is lost. It ends even if nobody waits for
    /// it any more; a second call waits for the first one.
    fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>> {
        Box::pin(async move {
            self.close();
            self.shared.handoff.close();
            self.shared.keeper.close();
            let (shared, threads) = (Arc::clone(&self.shared), Arc::clone(&self.threads));
            let ending = tokio::task::spawn_blocking(move || {
                join(&threads);
                if let Err(error) = shared.desk.end() {
                    tracing::warn!(
                        "the queue's positions were not saved: {error}; the last deliveries are repeated after the next start"
                    );
                }
            });
            ending.await.ok();
            let names = self.shared.engine().names().into_iter().enumerate();
            names.map(|(index, name)| (name, self.shared.engine().books(index))).collect()
        })
    }
}

impl Outlet for LogOutlet {
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>> {
        Box::pin(self.shared.desk.lease(self.index, move || self.read(want)))
    }

    fn ack(&self, lease: Lease, fate: Fate) -> Pending<'_, ()> {
        let unsaved = self.shared.desk.ack(self.index, lease.id, fate);
        if unsaved >= SAVE_ACKS {
            self.shared.keeper.ring();
        }
        Box::pin(std::future::ready(()))
    }

    fn ready(&self) -> Pending<'_, bool> {
        Box::pin(self.shared.desk.ready(self.index, move || self.peek()))
    }

    fn release(&self, lease: Lease) {
        self.shared.desk.release(self.index, lease.id);
    }

    fn depth(&self) -> Depth {
        self.shared.engine().depth(self.index)
    }

    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>> {
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                let oldest = shared.engine().oldest(index);
                shared.wake_if_moved();
                oldest
            });
            read.await.unwrap_or_else(|error| Err(ReadError { why: Arc::from(error.to_string()) }))
        })
    }

    fn books(&self) -> Books {
        self.shared.engine().books(self.index)
    }
}

impl LogOutlet {
    /// Reads to know whether there is anything to lease. What it passes stays passed, also when nobody
    /// waits for it any more.
    async fn peek(&self) -> Result<(), ReadError> {
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        let peek =
            tokio::task::spawn_blocking(move || shared.desk.peek(index, shared.clock.monotonic()));
        peek.await.unwrap_or_else(|_| Err(ending()))
    }

    /// Reads for a lease where that may take its time. Whoever drops this lets the read finish; what it
    /// lends goes back.
    async fn read(&self, want: Want) -> Option<Carried<Engine>> {
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        let read = tokio::task::spawn_blocking(move || {
            shared.desk.read(index, want, shared.clock.monotonic())
        });
        match read.await.unwrap_or_else(|_| Err(ending())) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("{error}; trying again");
                tokio::time::sleep(READ_PAUSE).await;
                None
            }
        }
    }
}

impl Shared {
    fn engine(&self) -> &Engine {
        self.desk.ledger()
    }

    /// Whoever waits for the end may have reached it without anybody's lease.
    fn wake_if_moved(&self) {
        if self.engine().take_moved() {
            self.desk.wake_all();
        }
    }

    fn disorder(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.disorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A runtime that is ending does not begin new reads.
fn ending() -> ReadError {
    ReadError { why: Arc::from("the gateway is ending") }
}

/// Waits until all of them have ended.
fn join(threads: &Threads) {
    for thread in threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // One that died of a bug has said so itself.
        drop(thread.join());
    }
}

/// A block beyond its bounds could be written and not be read back.
fn check(entry: &Entry) -> Result<(), AppendError> {
    let is_sound = |block: &Block| {
        (1..=BLOCK_BYTES_MAX).contains(&block.bytes.len())
            && (1..=BLOCK_TUPLES_MAX).contains(&block.tuples)
    };
    let has_name = (1..=NAME_BYTES_MAX).contains(&entry.source.len());
    if has_name && !entry.blocks.is_empty() && entry.blocks.iter().all(is_sound) {
        return Ok(());
    }
    Err(AppendError::Failed { why: Arc::from("an entry is out of bounds: this is a bug") })
}
