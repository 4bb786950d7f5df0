//! Letters go into the queue once more, for the receiver that refused them.
//!
//! One batch after the other: its intent is written, its entry appended, its end written. Whatever
//! stops this in between is found out from the queue's books, before anything else is replayed.

use std::io;
use std::sync::{Arc, TryLockError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::journal::{Intent, Step};
use super::store::{Outcome, Store, Unfinished};
use super::{DeadLetters, Selection, text};
use crate::clock::Clock;
use crate::queue::{AppendError, Queue};

mod batch;
mod settle;
mod target;

pub(super) use target::Target;

use batch::{Batch, batches};
use target::QueueTarget;

/// How a replay went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that went into the queue. Those of an earlier replay that was cut short are not among
    /// them.
    pub letters: u64,
    /// Whether its time was over before all that were meant were replayed.
    pub is_cut_short: bool,
}

/// Why a replay ended early. Nothing is lost or doubled: what was replayed is no dead letter any
/// more, what remains is still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// One at a time.
    #[error("another replay for this receiver is running: wait for it to end")]
    Busy,
    /// Nobody would deliver them.
    #[error(
        "receiver {receiver} is not configured: its dead letters can be looked at, and replayed once \
         it is configured again"
    )]
    NotConfigured {
        /// Whose letters they are.
        receiver: Arc<str>,
    },
    /// The queue did not take a batch.
    #[error("{replayed} dead letters were replayed, {remaining} remain: {cause}{}", way_out(cause))]
    Refused {
        /// Letters that were replayed.
        replayed: u64,
        /// Letters that were meant and were not.
        remaining: u64,
        /// What the queue says.
        cause: AppendError,
    },
    /// The files could not be read or written.
    #[error("{replayed} dead letters were replayed, then their files failed: {why}")]
    Failed {
        /// Letters that were replayed.
        replayed: u64,
        /// What the operating system says.
        why: Arc<str>,
    },
}

/// What to do where a replay and the queue wait for each other.
fn way_out(cause: &AppendError) -> &'static str {
    match cause {
        AppendError::Full { .. } => {
            "; what fills it may itself wait for a receiver whose dead letters are full: then raise \
             `dead_letters.max_bytes` first"
        }
        _ => "",
    }
}

/// Why it stops.
enum Stop {
    Io(String),
    Queue(AppendError),
}

impl DeadLetters {
    /// Puts the letters that are meant into the queue, for their receiver alone, and takes them out of
    /// the dead letters. Letters that come in meanwhile are not among them. It goes on when nobody waits
    /// for it any more; after `budget` it stops with what it has done, which is at least one batch.
    pub async fn replay(
        self: &Arc<Self>,
        queue: &Arc<dyn Queue>,
        selection: &Selection,
        clock: &Arc<dyn Clock>,
        budget: Option<Duration>,
    ) -> Result<Replayed, ReplayError> {
        let (letters, queue) = (Arc::clone(self), Arc::clone(queue));
        let (selection, clock) = (selection.clone(), Arc::clone(clock));
        let runtime = Handle::current();
        // Not a future that can be dropped: between an append and its end in the journal nobody may
        // look away. And it waits for disks.
        let work = tokio::task::spawn_blocking(move || {
            let target = QueueTarget { queue: &*queue, runtime: Some(runtime) };
            let until = budget.map(|budget| clock.monotonic() + budget);
            letters.replay_into(&target, &selection, &*clock, until)
        });
        work.await.unwrap_or_else(|error| {
            Err(ReplayError::Failed { replayed: 0, why: Arc::from(error.to_string()) })
        })
    }

    pub(super) fn replay_into(
        &self,
        target: &dyn Target,
        selection: &Selection,
        clock: &dyn Clock,
        until: Option<Duration>,
    ) -> Result<Replayed, ReplayError> {
        if !target.serves(&self.receiver) {
            return Err(ReplayError::NotConfigured { receiver: Arc::clone(&self.receiver) });
        }
        let _one = self.alone()?;
        let mut done = Replayed::default();
        let outcome = self.replay_all(target, selection, clock, until, &mut done);
        if outcome.is_ok() {
            self.make_room();
        }
        self.note(&self.lock());
        outcome.map_err(|stop| self.error(selection, done.letters, stop))?;
        Ok(done)
    }

    fn replay_all(
        &self,
        target: &dyn Target,
        selection: &Selection,
        clock: &dyn Clock,
        until: Option<Duration>,
        done: &mut Replayed,
    ) -> Result<(), Stop> {
        if !self.lock().has_files() {
            return Ok(());
        }
        self.settle_with(target)?;
        let ends = self.lock().ends();
        for (number, end) in ends {
            let mut letters = self.lock().live(number)?;
            letters.retain(|placed| placed.at.1 <= end && selection.has(&placed.letter));
            for batch in batches(letters) {
                // At least one: what it takes to find it is paid again by whoever asks again.
                let is_over = until.is_some_and(|until| clock.monotonic() >= until);
                if is_over && done.letters > 0 {
                    done.is_cut_short = true;
                    return Ok(());
                }
                self.replay_batch(target, number, batch, clock, done)?;
                self.note(&self.lock());
            }
            self.lock().collect()?;
        }
        Ok(())
    }

    /// What was replayed gives its room back, also where something else is left in its file.
    fn make_room(&self) {
        let mut store = self.lock();
        if let Err(error) = store.compact() {
            let receiver = &self.receiver;
            tracing::warn!(%receiver, %error, "what is left of dead letters takes more room than it needs");
            // What that left is in the way of the next replay.
            store.collect().ok();
        }
    }

    fn replay_batch(
        &self,
        target: &dyn Target,
        number: u32,
        batch: Batch,
        clock: &dyn Clock,
        done: &mut Replayed,
    ) -> Result<(), Stop> {
        let (now, tuples) = (clock.now(), u64::from(batch.tuples));
        let durability = target.durability().as_str().to_owned();
        let before = target.replayed(&self.receiver).ok_or_else(|| {
            Stop::Io("the queue has no position of this receiver: this is a bug".to_owned())
        })?;
        {
            let mut store = self.lock();
            let intent = Intent {
                id: store.next_id(number),
                spans: batch.spans.to_pairs(),
                tuples,
                replayed_before: before,
                durability,
                at: text::pair(now),
            };
            let written = store.record(number, &Step::Intent(intent.clone()));
            // Also if it failed: it may be there.
            store.unfinished.push(Unfinished { number, intent, outcome: Outcome::NotAppended });
            written?;
        }
        let appended = target.append(batch.entry(&self.receiver, now));
        let mut store = self.lock();
        let unfinished = store.unfinished.last_mut().expect("it was begun above");
        match appended {
            Ok(()) => {
                unfinished.outcome = Outcome::Appended;
                done.letters += tuples;
                Ok(store.finish(true)?)
            }
            Err(cause @ AppendError::Failed { .. }) => {
                unfinished.outcome = Outcome::Unknown;
                Err(Stop::Queue(cause))
            }
            Err(cause) => {
                // What cannot be written now is written before the next replay.
                store.finish(false).ok();
                Err(Stop::Queue(cause))
            }
        }
    }

    fn alone(&self) -> Result<std::sync::MutexGuard<'_, ()>, ReplayError> {
        match self.replaying.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(ReplayError::Busy),
        }
    }

    fn error(&self, selection: &Selection, replayed: u64, stop: Stop) -> ReplayError {
        match stop {
            Stop::Io(why) => ReplayError::Failed { replayed, why: Arc::from(why) },
            Stop::Queue(cause) => {
                let remaining = self.lock().count(selection).unwrap_or(0);
                ReplayError::Refused { replayed, remaining, cause }
            }
        }
    }
}

impl Store {
    /// Where each file ends now.
    fn ends(&self) -> Vec<(u32, u64)> {
        let with_letters = self.index.files.iter().filter(|(_, file)| file.letters > 0);
        with_letters.map(|(number, file)| (*number, file.bytes)).collect()
    }

    fn next_id(&self, number: u32) -> u64 {
        let unfinished = self.unfinished.iter().filter(|unfinished| unfinished.number == number);
        let above = unfinished.map(|unfinished| unfinished.intent.id + 1).max().unwrap_or(0);
        self.index.files.get(&number).map_or(0, |file| file.verdict.next_id).max(above)
    }

    /// How many letters are meant.
    fn count(&self, selection: &Selection) -> io::Result<u64> {
        let mut count = 0;
        for (number, _) in self.ends() {
            let meant = self.live(number)?;
            count += meant.iter().filter(|placed| selection.has(&placed.letter)).count() as u64;
        }
        Ok(count)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}
