//! Letters go into the queue once more, for the receiver that refused them.
//!
//! One batch after the other: its intent is written, its entry appended, its end written. Whatever
//! stops this in between is found out from the queue's books, before anything else is replayed.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, TryLockError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;

use super::index::Placed;
use super::journal::{Intent, Step};
use super::spans::Spans;
use super::store::{Outcome, Store, Unfinished};
use super::{DeadLetters, Selection, text};
use crate::clock::Clock;
use crate::encode::{BLOCK_TUPLES_MAX, Block};
use crate::queue::{AppendError, Durability, Entry, Queue};

/// Most bytes of one batch; one tuple alone may be larger.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// As [`Block`] joins tuples.
const SEPARATOR: &[u8] = b",\n";

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
    #[error("{replayed} dead letters were replayed, {remaining} remain: {cause}")]
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

/// The queue as a replay needs it; without a runtime in the proof.
pub(super) trait Target {
    /// Whether somebody delivers to this receiver.
    fn serves(&self, receiver: &str) -> bool;

    /// What its books have as replayed.
    fn replayed(&self, receiver: &str) -> Option<u64>;

    fn append(&self, entry: Entry) -> Result<(), AppendError>;

    fn durability(&self) -> Durability;
}

/// Letters of one source that go in as one entry.
struct Batch {
    source: Arc<str>,
    spans: Spans,
    tuples: u32,
    bytes: BytesMut,
}

/// Why it stops.
enum Stop {
    Io(String),
    Queue(AppendError),
}

impl DeadLetters {
    /// Finds out what became of a replay that an earlier process did not finish. To be called once the
    /// queue is open; every replay does it too. Blocks.
    pub fn settle(&self, queue: &dyn Queue) -> Result<(), ReplayError> {
        let _one = self.alone()?;
        // With a queue in memory nothing is written before the first letter, or replay.
        if queue.durability() == Durability::Memory || self.lock().index.open_intents().is_empty() {
            return Ok(());
        }
        let target = QueueTarget { queue, runtime: None };
        let settled = self.settle_with(&target);
        self.note(&self.lock());
        settled.map_err(|stop| self.error(&Selection::default(), 0, stop))
    }

    /// Puts the letters that are meant into the queue, for their receiver alone, and takes them out of
    /// the dead letters. Letters that come in meanwhile are not among them. It goes on when nobody waits
    /// for it any more; after `budget` it stops with what it has done.
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
                if until.is_some_and(|until| clock.monotonic() >= until) {
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

    /// Writes the end of every intent that has none.
    fn settle_with(&self, target: &dyn Target) -> Result<(), Stop> {
        self.lock().ready().map_err(Stop::Io)?;
        self.lock().resolve_doubt()?;
        loop {
            let Some(unfinished) = self.lock().unfinished.last().cloned() else { break };
            let Unfinished { number, intent, outcome } = unfinished;
            let is_appended = match outcome {
                Outcome::Appended => true,
                Outcome::NotAppended => false,
                Outcome::Found => self.is_in(target, &intent)?,
                Outcome::Unknown => {
                    self.append_again(target, number, &intent)?;
                    true
                }
            };
            self.lock().finish(is_appended)?;
        }
        Ok(self.lock().collect()?)
    }

    /// Whether the entry of an earlier process's intent is in the queue.
    fn is_in(&self, target: &dyn Target, intent: &Intent) -> Result<bool, Stop> {
        let receiver = &self.receiver;
        if intent.durability == Durability::Memory.as_str()
            || target.durability() == Durability::Memory
        {
            // What a queue in memory had is gone with its process.
            return Ok(false);
        }
        let Some(now) = target.replayed(receiver) else {
            return Err(Stop::Queue(AppendError::Failed {
                why: Arc::from("it has no position of this receiver"),
            }));
        };
        let after = intent.replayed_before.saturating_add(intent.tuples);
        if now != intent.replayed_before && now != after {
            // The queue's position was lost or is another one.
            tracing::warn!(
                %receiver,
                letters = intent.tuples,
                "a replay of dead letters was cut short and the queue does not tell whether it has \
                 them: they stay dead letters, and may be delivered twice when they are replayed"
            );
        }
        Ok(now == after)
    }

    /// The queue failed to write an entry, so it may be on its disk. The same entry again takes its
    /// place, any other might come beside it.
    fn append_again(&self, target: &dyn Target, number: u32, intent: &Intent) -> Result<(), Stop> {
        let mut spans = Spans::default();
        spans.add_all(&intent.spans);
        let mut letters = self.lock().live(number)?;
        letters.retain(|placed| spans.has(placed.at.0));
        let (seconds, nanos) = intent.at;
        let at = crate::metric::timestamp::Timestamp::from_unix(seconds, nanos);
        let batch = batches(letters).next();
        let batch = batch.filter(|batch| u64::from(batch.tuples) == intent.tuples);
        let batch = batch.ok_or_else(|| Stop::Io("letters of a replay are damaged".to_owned()))?;
        target.append(batch.entry(&self.receiver, at)).map_err(Stop::Queue)
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

impl Batch {
    fn entry(self, receiver: &Arc<str>, now: crate::metric::timestamp::Timestamp) -> Entry {
        Entry {
            source: self.source,
            received: now,
            blocks: vec![Block { bytes: self.bytes.freeze(), tuples: self.tuples }],
            target: Some(Arc::clone(receiver)),
            // They were counted when they came in.
            accepted: 0,
            rejected: 0,
        }
    }

    fn fits(&self, tuple: &Bytes) -> bool {
        self.tuples < BLOCK_TUPLES_MAX
            && self.bytes.len() + SEPARATOR.len() + tuple.len() <= BATCH_BYTES_MAX
    }
}

/// Letters of one file as entries: each of one source, in the order they were refused.
fn batches(letters: Vec<Placed>) -> impl Iterator<Item = Batch> {
    let mut rest: VecDeque<Placed> = letters.into();
    std::iter::from_fn(move || {
        let source = Arc::clone(&rest.front()?.letter.source);
        let mut batch =
            Batch { source, spans: Spans::default(), tuples: 0, bytes: BytesMut::new() };
        let mut is_full = false;
        rest.retain(|Placed { at, letter }| {
            if is_full || letter.source != batch.source {
                return true;
            }
            if batch.tuples > 0 && !batch.fits(&letter.tuple) {
                is_full = true;
                return true;
            }
            if batch.tuples > 0 {
                batch.bytes.extend_from_slice(SEPARATOR);
            }
            batch.bytes.extend_from_slice(&letter.tuple);
            batch.tuples += 1;
            batch.spans.add(at.0..at.1);
            false
        });
        Some(batch)
    })
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// The queue itself.
struct QueueTarget<'q> {
    queue: &'q dyn Queue,
    /// To wait on; `None` where nothing is appended.
    runtime: Option<Handle>,
}

impl Target for QueueTarget<'_> {
    fn serves(&self, receiver: &str) -> bool {
        self.queue.outlet(receiver).is_some()
    }

    fn replayed(&self, receiver: &str) -> Option<u64> {
        Some(self.queue.account(receiver)?.books.replayed)
    }

    fn append(&self, entry: Entry) -> Result<(), AppendError> {
        let Some(runtime) = &self.runtime else {
            let why = Arc::from("the entry has to be appended again: replay once more");
            return Err(AppendError::Failed { why });
        };
        runtime.block_on(self.queue.append(entry))
    }

    fn durability(&self) -> Durability {
        self.queue.durability()
    }
}
