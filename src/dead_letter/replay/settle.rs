//! What became of a replay that nobody saw end.

use std::sync::Arc;

use super::super::journal::Intent;
use super::super::spans::Spans;
use super::super::store::{Outcome, Unfinished};
use super::super::{DeadLetters, Selection};
use super::batch::batches;
use super::target::{QueueTarget, Target};
use super::{ReplayError, Stop};
use crate::metric::timestamp::Timestamp;
use crate::queue::{AppendError, Durability, Queue};

impl DeadLetters {
    /// Finds out what became of a replay that an earlier process did not finish, and takes away what one
    /// has left. To be called once the queue is open; every replay does it too. Blocks.
    pub fn settle(&self, queue: &dyn Queue) -> Result<(), ReplayError> {
        // With a queue in memory nothing is written before the first letter, or replay.
        if queue.durability() == Durability::Memory || self.is_settled() {
            return Ok(());
        }
        self.settle_now(&QueueTarget { queue, runtime: None })
    }

    /// Whether no earlier process left a replay, or its files, half way.
    pub(in super::super) fn is_settled(&self) -> bool {
        let store = self.lock();
        store.index.open_intents().is_empty() && !store.index.has_leftovers()
    }

    pub(in super::super) fn settle_now(&self, target: &dyn Target) -> Result<(), ReplayError> {
        let _one = self.alone()?;
        let settled = self.settle_with(target);
        self.note(&self.lock());
        settled.map_err(|stop| self.error(&Selection::default(), 0, stop))
    }

    /// Writes the end of every intent that has none.
    pub(super) fn settle_with(&self, target: &dyn Target) -> Result<(), Stop> {
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
        let at = Timestamp::from_unix(seconds, nanos);
        let batch = batches(letters).next();
        let batch = batch.filter(|batch| u64::from(batch.tuples) == intent.tuples);
        let batch = batch.ok_or_else(|| Stop::Io("letters of a replay are damaged".to_owned()))?;
        target.append(batch.entry(&self.receiver, at)).map_err(Stop::Queue)
    }
}
