//! The log without threads: every step of its life as a call, on whatever disk it is given.
//!
//! Five locks, taken in this order and never another: the round's, held while everything is kept in
//! order; that of counting, held while damage is written off; the appender's, held while a group is
//! written; the keeper's, held while positions are saved; the state's, held for moves in memory only.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::{
    Account, AppendError, Books, Depth, Destination, Durability, Entry, Fate, Meters, ReadError,
    Totals, Want,
};
use super::appender::{Appender, Base, Event, Sync};
use super::disk::Disk;
use super::group::{self, After};
use super::keeper::Keeper;
use super::lanes::Order;
use super::notice::Notice;
use super::position::Tally;
use super::reader::{Found, Others, Reader, Request};
use super::state::{Limits, Look, Phase, Relief, State};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;

mod expiry;
mod leasing;
mod ledger;
mod mishap;
mod open;
#[cfg(test)]
mod tests;
mod tidy;

/// What a log is told when it is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The destinations that are configured, at least one.
    pub destinations: Vec<Destination>,
    /// Whether a group waits for the disk; not [`Durability::Memory`].
    pub durability: Durability,
    /// The cap, `queue.max_bytes`: all segment files together.
    pub max_bytes: u64,
    /// The reserve, `queue.min_free_bytes`.
    pub min_free_bytes: u64,
    /// A segment is closed before it grows beyond this, `queue.segment_bytes`.
    pub segment_bytes: u64,
    /// `queue.order`.
    pub order: Order,
    /// Where it counts its work.
    pub meters: Meters,
}

/// A log on a disk.
pub struct Engine {
    disk: Arc<dyn Disk>,
    limits: Limits,
    meters: Meters,
    round: Mutex<()>,
    counting: Mutex<()>,
    appender: Mutex<Appender>,
    keeper: Mutex<Keeper>,
    reader: Reader,
    state: Mutex<State>,
}

/// Bytes a request takes beside its blocks: heads and names.
const ENTRY_OVERHEAD_BYTES: u64 = 256;

/// What an entry is counted as before it is packed.
pub fn cost(entry: &Entry) -> u64 {
    let bytes = |block: &Block| block.bytes.len() as u64 + ENTRY_OVERHEAD_BYTES;
    entry.blocks.iter().map(bytes).sum()
}

impl Engine {
    /// Whether an entry would be let in now, without a trace.
    pub(super) fn would_take(&self) -> Result<(), AppendError> {
        self.lock().room(&self.limits, 1)
    }

    /// Whether an entry would be let in now.
    pub fn room(&self) -> Result<(), AppendError> {
        self.ask(1, |_| {})
    }

    /// Lets an entry in: its bytes are counted from here until [`Self::commit`] is done with it.
    pub fn admit(&self, bytes: u64) -> Result<(), AppendError> {
        self.ask(bytes, |state| state.pending_bytes += bytes)
    }

    /// Whoever is refused, before a body is read or behind it, makes the keeper look for room: what is
    /// delivered may take it up all the same.
    fn ask(&self, bytes: u64, granted: impl FnOnce(&mut State)) -> Result<(), AppendError> {
        let mut state = self.lock();
        let outcome = state.room(&self.limits, bytes);
        match outcome {
            Ok(()) => granted(&mut state),
            Err(_) => state.wanted_bytes = state.wanted_bytes.max(bytes),
        }
        outcome
    }

    /// An entry that was let in comes no further.
    pub(super) fn give_up(&self, bytes: u64) {
        let mut state = self.lock();
        state.pending_bytes = state.pending_bytes.saturating_sub(bytes);
    }

    /// Makes entries that were let in durable, all of them with one sync or none.
    #[expect(
        clippy::disallowed_methods,
        reason = "measured for a histogram, nothing depends on it"
    )]
    pub fn commit(
        &self,
        entries: &[Entry],
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<(), AppendError> {
        let mut appender = lock(&self.appender);
        let started = Instant::now();
        let after = {
            let mut state = self.lock();
            if let Some(why) = &state.stopped_by {
                return Err(AppendError::Failed { why: Arc::clone(why) });
            }
            state.writing_since = Some(monotonic);
            After { sequence: state.head, certain: state.certain, totals: state.totals }
        };
        let plan = group::pack(entries, after, std::mem::take(&mut appender.joined));
        let base = Base { totals: after.totals, certain: after.certain, now };
        let mut events = Vec::new();
        let outcome = appender.write(&plan, base, &mut events);
        let (written, records) = (plan.bytes(), plan.records);
        appender.joined = plan.joined;

        let mut state = self.lock();
        state.writing_since = None;
        let bytes: u64 = entries.iter().map(cost).sum();
        state.pending_bytes = state.pending_bytes.saturating_sub(bytes);
        for event in events {
            if matches!(event, Event::Failed { .. }) {
                self.meters.commit_failures.inc();
            }
            state.apply(event);
        }
        if let Err(error) = outcome {
            let why: Arc<str> = Arc::from(error.to_string());
            state.fault = Some(Arc::clone(&why));
            return Err(AppendError::Failed { why });
        }
        state.fault = None;
        if let Some(last) = records.last() {
            state.publish(after, &last.head.totals, last.head.sequence, monotonic);
            state.hand_out(&records, after.sequence);
            state.weigh(written, &self.limits);
        }
        drop(state);
        self.meters.commit_seconds.observe(started.elapsed().as_secs_f64());
        self.meters.group_requests.observe(entries.len() as f64);
        self.meters.group_bytes.observe(written as f64);
        Ok(())
    }

    /// Counts metrics of requests that left nothing to append.
    pub fn count_decided(&self, accepted: u64, rejected: u64) {
        let mut state = self.lock();
        state.totals.accepted += accepted;
        state.totals.rejected += rejected;
    }

    /// The blocks of a lease are done with. How many leases were since the position was saved.
    pub fn ack(&self, index: usize, lease: u64, fate: Fate) -> u32 {
        let Fate { delivered, dead_lettered } = fate;
        let mut state = self.lock();
        let tally = Tally { delivered, dead_lettered, ..Tally::default() };
        state.destinations[index].settle(lease, tally);
        state.reconcile(index);
        state.destinations[index].unsaved_acks
    }

    /// The blocks of a lease wait again.
    pub fn release(&self, index: usize, lease: u64) {
        self.lock().destinations[index].release(lease);
    }

    /// What there is for a destination.
    pub(super) fn look(&self, index: usize) -> Look {
        let state = self.lock();
        let destination = &state.destinations[index];
        let position = &destination.position;
        match state.phase {
            Phase::Ended => Look::Over,
            _ if destination.knows_own() => Look::Waiting,
            _ if position.waiting(0, state.head).is_some() => Look::Unsure,
            Phase::Closed if state.pending_bytes == 0 && position.is_drained(state.head) => {
                Look::Over
            }
            Phase::Open | Phase::Closed => Look::Nothing,
        }
    }

    /// When the oldest record that is not delivered was received. What is not for this destination is
    /// passed over.
    pub(super) fn oldest(&self, index: usize) -> Result<Option<Timestamp>, ReadError> {
        let mut at = 0;
        loop {
            let (request, to, lent) = {
                let state = self.lock();
                let destination = &state.destinations[index];
                let lent = destination.loans.values().map(|loan| loan.oldest).min();
                let Some((first, last)) = destination.position.waiting(at, state.head) else {
                    return Ok(lent);
                };
                let Some(segment) = state.catalogue.holding(first) else { return Ok(lent) };
                let place = destination.place(first);
                let request = Request::new(segment, first, last, place, Want::default());
                let request = request.looking();
                (request, destination.addressee.clone(), lent)
            };
            match self.reader.read(&request, &to) {
                Ok(Found::Blocks(batch)) => {
                    return Ok(Some(batch.oldest().min(lent.unwrap_or(batch.oldest()))));
                }
                Ok(Found::Others(others)) => {
                    at = others.last + 1;
                    self.pass(index, request.first(), &others);
                }
                Ok(Found::Damage(_)) => return Ok(lent),
                // Delivered and deleted meanwhile.
                Err(_) if self.lock().catalogue.holding(request.first()).is_none() => {
                    return Ok(lent);
                }
                Err(error) => return Err(read_error(&error)),
            }
        }
    }

    /// Passes records that turned out not to be for a destination, unless somebody was faster. They
    /// were not on loan meanwhile: whoever waits has not been told that nothing does.
    fn pass(&self, index: usize, first: u64, others: &Others) {
        let mut state = self.lock();
        let destination = &mut state.destinations[index];
        if destination.position.waiting(first, others.last) == Some((first, others.last)) {
            destination.position.lend(first, others.last);
            destination.pass_others(first, others);
            state.is_moved = true;
            state.reconcile(index);
        }
    }

    /// Whether records were passed by nobody who leases, since this was last asked.
    pub(super) fn take_moved(&self) -> bool {
        std::mem::take(&mut self.lock().is_moved)
    }

    /// Whether so many bytes more would be let in.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.lock().room(&self.limits, bytes).is_ok()
    }

    /// What the last commits leave to be done for want of room.
    pub(super) fn take_relief(&self) -> Relief {
        std::mem::take(&mut self.lock().relief)
    }

    /// The number of a destination that is configured.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        let state = self.lock();
        state.destinations.iter().position(|known| known.is_configured && *known.name == *name)
    }

    /// Whether an entry that is for one destination alone is for one that is configured: nobody would
    /// deliver it otherwise.
    pub(super) fn has_addressee(&self, entry: &Entry) -> Result<(), AppendError> {
        match &entry.target {
            Some(target) if self.index(target).is_none() => {
                Err(AppendError::Unaddressed { target: Arc::clone(target) })
            }
            _ => Ok(()),
        }
    }

    /// All destinations, those first that are configured.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.lock().destinations.iter().map(|known| Arc::clone(&known.name)).collect()
    }

    /// The books of one destination.
    pub fn books(&self, index: usize) -> Books {
        self.lock().books(index)
    }

    /// What waits for one destination.
    pub fn depth(&self, index: usize) -> Depth {
        self.lock().depth(index)
    }

    /// Bytes that wait for one destination, without what is on loan.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self, index: usize) -> u64 {
        self.lock().waiting_bytes(index)
    }

    /// Both at one moment, of any destination that has a position.
    pub(super) fn account(&self, name: &str) -> Option<Account> {
        let state = self.lock();
        let index = state.destinations.iter().position(|known| *known.name == *name)?;
        Some(Account { books: state.books(index), depth: state.depth(index) })
    }

    /// What came in.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// What was found since the last call, for the log of the program.
    pub(super) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.lock().notices)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn read_error(error: &io::Error) -> ReadError {
    ReadError { why: Arc::from(error.to_string()) }
}

/// No code under these locks panics between two changes that belong together.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Durability> for Sync {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Fsync => Self::Disk,
            Durability::Os | Durability::Memory => Self::Never,
        }
    }
}
