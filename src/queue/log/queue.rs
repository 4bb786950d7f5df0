//! The log as a queue: one thread writes, one keeps order, everybody else waits for them.
//!
//! ```text
//!  append ──► hand-off ──► writer ──► one sync ──► answers        (group commit)
//!                                        │
//!  lease  ◄── reader  ◄── state ◄────────┘
//!  ack    ──► state   ──► keeper ──► positions saved ──► passed segments deleted
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::super::{
    AppendError, Books, Depth, Durability, Entry, Lease, Outlet, Pending, Queue, ReadError,
    Standing, Totals, Want,
};
use super::bell::Bell;
use super::disk::{Access, Lock, RealDisk};
use super::engine::{Engine, Options, cost};
use super::handoff::Handoff;
use super::notice::{Notice, OpenError};
use super::segment::HEADER_BYTES;
use crate::clock::Clock;
use crate::encode::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX};
use crate::metric::timestamp::Timestamp;

/// Most bytes one sync makes durable, but for a request that is larger: a group must not keep those
/// behind it waiting for long.
const GROUP_BYTES_MAX: u64 = 16 << 20;

/// Positions are saved this often, or at every so many deliveries (contract C5.2).
const SAVE_EVERY: Duration = Duration::from_secs(1);
const SAVE_ACKS: u32 = 16;

/// The books are counted against the files this often.
const CHECK_EVERY: u32 = 60;

/// After a failed read, the next one waits this long.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// Below `data_dir`.
const DIRECTORY: &str = "queue";
const LOCK: &str = "lock";

/// The durable queue. [`Queue::end`] closes it in order; dropping it keeps what was acknowledged and
/// may deliver the last second's deliveries again.
pub struct LogQueue {
    shared: Arc<Shared>,
    durability: Durability,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Released by the operating system when the process ends, whatever the reason.
    _lock: Lock,
}

/// One destination's side of a [`LogQueue`].
struct LogOutlet {
    shared: Arc<Shared>,
    index: usize,
}

struct Shared {
    engine: Engine,
    clock: Arc<dyn Clock>,
    handoff: Handoff<Submission>,
    keeper: Bell,
    /// A group lies in one segment.
    group_bytes_max: u64,
    /// By destination.
    changed: Vec<Notify>,
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
        std::fs::create_dir_all(data_dir).map_err(failed)?;
        let lock = Lock::take(&data_dir.join(LOCK))?;
        let disk = Arc::new(RealDisk::open(&directory, Access::ReadWrite).map_err(failed)?);
        let opened = Engine::open(disk, options);
        let (engine, notices) = opened.map_err(|error| error.within(&directory))?;
        tell(&notices);

        let destinations = options.destinations.len();
        let shared = Arc::new(Shared {
            engine,
            clock,
            handoff: Handoff::new(),
            keeper: Bell::new(),
            group_bytes_max: GROUP_BYTES_MAX.min(options.segment_bytes - HEADER_BYTES),
            changed: (0..destinations).map(|_| Notify::new()).collect(),
        });
        let queue = Self {
            shared: Arc::clone(&shared),
            durability: options.durability,
            threads: Mutex::default(),
            _lock: lock,
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
    /// Waits for what is being written: behind the lock that is let go of now, whoever takes it next
    /// must be alone in the directory.
    fn drop(&mut self) {
        self.shared.handoff.close();
        self.shared.keeper.close();
        for thread in self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread that died of a bug has said so itself.
            drop(thread.join());
        }
    }
}

impl Queue for LogQueue {
    fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>> {
        Box::pin(async move {
            check(&entry)?;
            let bytes = cost(&entry);
            self.shared.engine.admit(bytes).inspect_err(|_| self.shared.keeper.ring())?;
            let (answer, answered) = oneshot::channel();
            if let Err(submission) = self.shared.handoff.push(Submission { entry, answer }) {
                drop(submission);
                self.shared.engine.give_up(bytes);
                return Err(AppendError::Closed);
            }
            answered.await.unwrap_or(Err(AppendError::Closed))
        })
    }

    fn room(&self) -> Result<(), AppendError> {
        self.shared.engine.room()
    }

    fn count_rejected(&self, metrics: u64) {
        self.shared.engine.count_rejected(metrics);
    }

    fn totals(&self) -> Totals {
        self.shared.engine.totals()
    }

    fn standing(&self) -> Standing {
        self.shared.engine.standing(self.shared.clock.monotonic())
    }

    fn destinations(&self) -> Vec<Arc<str>> {
        self.shared.engine.names()
    }

    fn outlet(&self, destination: &str) -> Option<Arc<dyn Outlet>> {
        let index = self.shared.engine.index(destination)?;
        Some(Arc::new(LogOutlet { shared: Arc::clone(&self.shared), index }))
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn close(&self) {
        self.shared.engine.close();
        self.shared.wake_all();
    }

    /// What was taken is written, positions are saved. Nothing is lost.
    fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>> {
        Box::pin(async move {
            self.close();
            self.shared.handoff.close();
            self.shared.keeper.close();
            let threads: Vec<JoinHandle<()>> =
                self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
            let shared = Arc::clone(&self.shared);
            let ending = tokio::task::spawn_blocking(move || {
                // A thread that died of a bug has said so itself.
                for thread in threads {
                    drop(thread.join());
                }
                if let Err(error) = shared.engine.end() {
                    tracing::warn!(
                        "the queue's positions were not saved: {error}; the last deliveries are repeated after the next start"
                    );
                }
            });
            ending.await.ok();
            self.shared.wake_all();
            let names = self.shared.engine.names().into_iter().enumerate();
            names.map(|(index, name)| (name, self.shared.engine.books(index))).collect()
        })
    }
}

impl Outlet for LogOutlet {
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>> {
        Box::pin(async move {
            loop {
                // Made before the look: it hears every change from here on, polled or not.
                let changed = self.shared.changed[self.index].notified();
                if self.shared.engine.has_waiting(self.index) {
                    match self.read(want).await {
                        Ok(Some(lease)) => return Some(lease),
                        Ok(None) => {}
                        Err(error) => {
                            tracing::error!("{error}; trying again");
                            tokio::time::sleep(READ_PAUSE).await;
                            continue;
                        }
                    }
                } else if self.shared.engine.is_over(self.index) {
                    return None;
                }
                changed.await;
            }
        })
    }

    fn ack(&self, lease: Lease) -> Pending<'_, ()> {
        let unsaved = self.shared.engine.ack(self.index, lease.id);
        if unsaved >= SAVE_ACKS {
            self.shared.keeper.ring();
        }
        // Whoever waits for the end of a closed queue may have reached it.
        self.shared.changed[self.index].notify_waiters();
        Box::pin(std::future::ready(()))
    }

    fn release(&self, lease: Lease) {
        self.shared.engine.release(self.index, lease.id);
        self.shared.changed[self.index].notify_waiters();
    }

    fn depth(&self) -> Depth {
        self.shared.engine.depth(self.index)
    }

    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>> {
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || shared.engine.oldest(index));
            read.await.unwrap_or_else(|error| Err(ReadError { why: Arc::from(error.to_string()) }))
        })
    }

    fn books(&self) -> Books {
        self.shared.engine.books(self.index)
    }
}

impl LogOutlet {
    /// Reads for a lease where that may take its time. A lease nobody waits for any more goes back.
    async fn read(&self, want: Want) -> Result<Option<Lease>, ReadError> {
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        let (answer, answered) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let outcome = shared.engine.lease(index, want, shared.clock.monotonic());
            let is_lease = matches!(outcome, Ok(Some(_)));
            let unheard = answer.send(outcome).err();
            if let Some(Ok(Some(lease))) = unheard {
                shared.engine.release(index, lease.id);
            }
            if is_lease {
                // More may be left than fitted.
                shared.changed[index].notify_waiters();
            }
        });
        let why = || ReadError { why: Arc::from("the read ended by a bug") };
        answered.await.unwrap_or_else(|_| Err(why()))
    }
}

impl Shared {
    /// The writer: group after group.
    fn write(&self) {
        while let Some(mut gathered) = self.handoff.take() {
            while !gathered.is_empty() {
                let rest = gathered.split_off(group_len(&gathered, self.group_bytes_max));
                self.commit(std::mem::replace(&mut gathered, rest));
            }
        }
    }

    fn commit(&self, group: Vec<Submission>) {
        let (entries, answers): (Vec<Entry>, Vec<_>) =
            group.into_iter().map(|submission| (submission.entry, submission.answer)).unzip();
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let outcome = self.engine.commit(&entries, now, monotonic);
        for answer in answers {
            // A client that is gone does not hear it; its metrics are in all the same.
            answer.send(outcome.clone()).ok();
        }
        match outcome {
            Ok(()) => self.wake_all(),
            Err(error) => tracing::error!("{error}; the requests were answered with 503"),
        }
    }

    /// The keeper: saves, deletes, makes room.
    fn keep(&self) {
        let mut rounds = 0;
        let mut last_error = None;
        while self.keeper.wait(SAVE_EVERY) {
            let mut outcome = self.engine.maintain();
            rounds += 1;
            if rounds % CHECK_EVERY == 0 {
                outcome = outcome.and(self.engine.check_books());
            }
            tell(&self.engine.take_notices());
            // Once, not every second.
            let error = outcome.err().map(|error| error.to_string());
            if let (Some(error), true) = (&error, error != last_error) {
                tracing::error!(
                    "the queue's directory cannot be kept in order: {error}; trying again"
                );
            }
            last_error = error;
        }
    }

    fn wake_all(&self) {
        self.changed.iter().for_each(Notify::notify_waiters);
    }
}

/// How many of these make the next group; at least one.
fn group_len(gathered: &[Submission], bytes_max: u64) -> usize {
    let mut bytes = 0;
    let fits = |submission: &&Submission| {
        bytes += cost(&submission.entry);
        bytes <= bytes_max
    };
    gathered.iter().take_while(fits).count().max(1)
}

/// A block beyond its bounds could be written and not be read back.
fn check(entry: &Entry) -> Result<(), AppendError> {
    let is_sound = |block: &crate::encode::Block| {
        (1..=BLOCK_BYTES_MAX).contains(&block.bytes.len())
            && (1..=BLOCK_TUPLES_MAX).contains(&block.tuples)
    };
    let has_name = (1..=255).contains(&entry.source.len());
    if has_name && !entry.blocks.is_empty() && entry.blocks.iter().all(is_sound) {
        return Ok(());
    }
    Err(AppendError::Failed { why: Arc::from("an entry is out of bounds: this is a bug") })
}

fn tell(notices: &[Notice]) {
    for notice in notices {
        match notice {
            Notice::Torn { .. } | Notice::Foreign { .. } | Notice::Orphan { .. } => {
                tracing::warn!("{notice}");
            }
            _ => tracing::error!("{notice}"),
        }
    }
}
