//! The queue in memory: bounded by bytes, lost with the process (`durability = "memory"`).
//!
//! One lock guards all destinations, so the books of one reading always agree; it is held for moves
//! between collections only. Every change that can give a waiter something wakes all waiters of that
//! destination: they are as few as its deliveries in flight, and nothing depends on who wakes first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{
    Account, AppendError, Books, Depth, Durability, Entry, Fate, Lease, Outlet, Pending, Queue,
    ReadError, Standing, Totals, Want,
};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;

mod keep;
mod shelf;
#[cfg(test)]
mod tests;
mod way;

use shelf::{Item, Shelf, freed};
use way::Way;

/// What a block costs besides its bytes: list entries, reference counts, allocator head-room.
/// Without it, a million one-tuple requests would pass the cap by half.
const BLOCK_OVERHEAD_BYTES: u64 = 128;

/// A bounded queue in memory. Blocks are shared between destinations and counted once.
#[derive(Debug)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

/// One destination's side of a [`MemoryQueue`].
#[derive(Debug)]
struct MemoryOutlet {
    shared: Arc<Shared>,
    index: usize,
}

#[derive(Debug)]
struct Shared {
    limit_bytes: u64,
    /// By the same index as [`State::shelves`].
    destinations: Vec<Destination>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Destination {
    wanted: super::Destination,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    used_bytes: u64,
    next_sequence: u64,
    totals: Totals,
    shelves: Vec<Shelf>,
}

/// How far the queue is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closed,
    Ended,
}

impl MemoryQueue {
    /// An empty queue of at most `max_bytes` (`queue.max_bytes`; blocks plus 128 bytes for each) for
    /// these destinations, at least one. Their own bounds count in the same way.
    pub fn new(max_bytes: u64, destinations: Vec<super::Destination>) -> Self {
        assert!(!destinations.is_empty(), "a queue without a destination would lose every entry");
        let state = State {
            phase: Phase::Open,
            used_bytes: 0,
            next_sequence: 0,
            totals: Totals::default(),
            shelves: destinations.iter().map(|_| Shelf::default()).collect(),
        };
        let destinations = destinations
            .into_iter()
            .map(|destination| Destination { wanted: destination, changed: Notify::new() })
            .collect();
        let shared = Shared { limit_bytes: max_bytes, destinations, state: Mutex::new(state) };
        Self { shared: Arc::new(shared) }
    }
}

impl Queue for MemoryQueue {
    fn keep(&self, block: Block) -> Block {
        keep::keep(block)
    }

    /// Resolves at once.
    fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>> {
        Box::pin(std::future::ready(self.shared.append(entry)))
    }

    fn room(&self) -> Result<(), AppendError> {
        self.would_take()
    }

    fn would_take(&self) -> Result<(), AppendError> {
        self.shared.lock().room(self.shared.limit_bytes, 1, &self.shared.destinations)
    }

    fn count_decided(&self, accepted: u64, rejected: u64) {
        let mut state = self.shared.lock();
        state.totals.accepted += accepted;
        state.totals.rejected += rejected;
    }

    fn totals(&self) -> Totals {
        self.shared.lock().totals
    }

    fn standing(&self) -> Standing {
        let state = self.shared.lock();
        let is_unbalanced = state.shelves.iter().any(|shelf| !shelf.books().is_balanced());
        Standing {
            used_bytes: state.used_bytes,
            limit_bytes: self.shared.limit_bytes,
            is_unbalanced,
            ..Standing::default()
        }
    }

    fn disorder(&self) -> Option<Arc<str>> {
        None
    }

    fn destinations(&self) -> Vec<Arc<str>> {
        self.shared.destinations.iter().map(|known| Arc::clone(&known.wanted.name)).collect()
    }

    fn account(&self, destination: &str) -> Option<Account> {
        let index = self.shared.index(destination)?;
        let state = self.shared.lock();
        let inside = &state.shelves[index];
        Some(Account { books: inside.books(), depth: inside.depth() })
    }

    fn outlet(&self, destination: &str) -> Option<Arc<dyn Outlet>> {
        let index = self.shared.index(destination)?;
        Some(Arc::new(MemoryOutlet { shared: Arc::clone(&self.shared), index }))
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn close(&self) {
        let mut state = self.shared.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.shared.wake_all();
    }

    /// Everything still inside is lost, leased blocks included: nobody can acknowledge them any more.
    fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>> {
        let mut state = self.shared.lock();
        state.phase = Phase::Ended;
        state.used_bytes = 0;
        let books: Vec<Books> = state.shelves.iter_mut().map(Shelf::abandon).collect();
        drop(state);
        self.shared.wake_all();
        let names = self.shared.destinations.iter().map(|known| Arc::clone(&known.wanted.name));
        Box::pin(std::future::ready(names.zip(books).collect()))
    }
}

impl Outlet for MemoryOutlet {
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>> {
        Box::pin(async move {
            loop {
                // Made before the look: it hears every change from here on, polled or not.
                let changed = self.destination().changed.notified();
                if let Some(answer) = self.shared.lock().lease(self.index, want) {
                    return answer;
                }
                changed.await;
            }
        })
    }

    fn ack(&self, lease: Lease, fate: Fate) -> Pending<'_, ()> {
        let mut state = self.shared.lock();
        let freed = state.shelves[self.index].ack(lease.id, fate);
        state.used_bytes = state.used_bytes.saturating_sub(freed);
        drop(state);
        // Whoever waits for the end of a closed queue may have reached it.
        self.destination().changed.notify_waiters();
        Box::pin(std::future::ready(()))
    }

    fn ready(&self) -> Pending<'_, bool> {
        Box::pin(async move {
            loop {
                let changed = self.destination().changed.notified();
                if let Some(answer) = self.shared.lock().look(self.index) {
                    return answer;
                }
                changed.await;
            }
        })
    }

    fn release(&self, lease: Lease) {
        self.shared.lock().shelves[self.index].release(lease.id);
        self.destination().changed.notify_waiters();
    }

    fn depth(&self) -> Depth {
        self.shared.lock().shelves[self.index].depth()
    }

    /// Resolves at once, and never to an error.
    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>> {
        Box::pin(std::future::ready(Ok(self.shared.lock().shelves[self.index].oldest_received())))
    }

    fn books(&self) -> Books {
        self.shared.lock().shelves[self.index].books()
    }
}

impl MemoryOutlet {
    fn destination(&self) -> &Destination {
        &self.shared.destinations[self.index]
    }
}

impl Shared {
    fn append(&self, entry: Entry) -> Result<(), AppendError> {
        let cost = |bytes: usize| bytes as u64 + BLOCK_OVERHEAD_BYTES;
        let cost_bytes: u64 = entry.blocks.iter().map(|block| cost(block.bytes.len())).sum();
        if let Some(target) = entry.target.as_ref().filter(|target| self.index(target).is_none()) {
            return Err(AppendError::Unaddressed { target: Arc::clone(target) });
        }
        let mut state = self.lock();
        state.room(self.limit_bytes, cost_bytes, &self.destinations)?;
        state.make_way(self.limit_bytes, cost_bytes, &self.destinations)?;
        state.used_bytes += cost_bytes;
        state.totals.accepted += entry.accepted;
        state.totals.rejected += entry.rejected;
        let newest = state.next_sequence;
        for block in entry.blocks {
            if entry.target.is_none() {
                state.totals.tuples += u64::from(block.tuples);
            }
            let item = Arc::new(Item {
                sequence: state.next_sequence,
                cost_bytes: cost(block.bytes.len()),
                leased: super::Leased {
                    sequence: state.next_sequence,
                    source: Arc::clone(&entry.source),
                    received: entry.received,
                    block,
                },
            });
            state.next_sequence += 1;
            for (shelf, destination) in state.shelves.iter_mut().zip(&self.destinations) {
                match Way::of(&destination.wanted, entry.target.as_deref(), &entry.source) {
                    Way::Past => {}
                    Way::Filtered => shelf.pass(&item),
                    Way::In => shelf.push(Arc::clone(&item), entry.target.is_some()),
                }
            }
            let freed_bytes = freed(item);
            state.used_bytes = state.used_bytes.saturating_sub(freed_bytes);
        }
        let mut freed_bytes = 0;
        for (shelf, destination) in state.shelves.iter_mut().zip(&self.destinations) {
            // Only older ones, and only behind new ones: an entry that is larger than the bound has its
            // chance until the next one comes.
            let bound = destination.wanted.max_backlog_bytes.filter(|_| shelf.has_since(newest));
            freed_bytes += bound.map_or(0, |bytes| shelf.expire(bytes, newest));
        }
        state.used_bytes = state.used_bytes.saturating_sub(freed_bytes);
        drop(state);
        for destination in &self.destinations {
            if Way::of(&destination.wanted, entry.target.as_deref(), &entry.source) == Way::In {
                destination.changed.notify_waiters();
            }
        }
        Ok(())
    }

    fn index(&self, destination: &str) -> Option<usize> {
        self.destinations.iter().position(|known| *known.wanted.name == *destination)
    }

    fn wake_all(&self) {
        for destination in &self.destinations {
            destination.changed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether `cost_bytes` more fit below the cap, or would as soon as those with a bound gave way.
    fn room(
        &self,
        limit_bytes: u64,
        cost_bytes: u64,
        destinations: &[Destination],
    ) -> Result<(), AppendError> {
        if self.phase != Phase::Open {
            return Err(AppendError::Closed);
        }
        let (mut kept_bytes, mut can_give_way) = (0, false);
        for (shelf, destination) in self.shelves.iter().zip(destinations) {
            // They may be the same blocks.
            kept_bytes = kept_bytes.max(match destination.wanted.max_backlog_bytes {
                Some(_) => shelf.lent_bytes(),
                None => shelf.waiting_bytes() + shelf.lent_bytes(),
            });
            can_give_way |= destination.wanted.max_backlog_bytes.is_some() && shelf.is_waiting();
        }
        let used = if can_give_way { kept_bytes } else { self.used_bytes };
        if used.saturating_add(cost_bytes) > limit_bytes {
            return Err(AppendError::Full { used: self.used_bytes, limit: limit_bytes });
        }
        Ok(())
    }

    /// Makes room for `cost_bytes`: those with a bound give up their oldest, whoever has most waiting
    /// first. Several who are dead stop the others as little as one (contract C5.5), also where each
    /// keeps to its bound.
    fn make_way(
        &mut self,
        limit_bytes: u64,
        cost_bytes: u64,
        destinations: &[Destination],
    ) -> Result<(), AppendError> {
        while self.used_bytes.saturating_add(cost_bytes) > limit_bytes {
            let gives_way = |(shelf, destination): &(&mut Shelf, &Destination)| {
                destination.wanted.max_backlog_bytes.is_some() && shelf.is_waiting()
            };
            let shelves = self.shelves.iter_mut().zip(destinations).filter(gives_way);
            let Some((largest, _)) = shelves.max_by_key(|(shelf, _)| shelf.waiting_bytes()) else {
                return Err(AppendError::Full { used: self.used_bytes, limit: limit_bytes });
            };
            self.used_bytes = self.used_bytes.saturating_sub(largest.give_up_oldest());
        }
        Ok(())
    }

    /// Whether something can be leased, or never again; `None` when it is worth waiting.
    fn look(&self, index: usize) -> Option<bool> {
        let destination = &self.shelves[index];
        match self.phase {
            Phase::Ended => Some(false),
            _ if destination.is_waiting() => Some(true),
            Phase::Closed if destination.is_empty() => Some(false),
            Phase::Open | Phase::Closed => None,
        }
    }

    /// A lease, `Some(None)` when there will never be one again, `None` when it is worth waiting.
    #[expect(clippy::option_option, reason = "the inner one is the answer, the outer one is time")]
    fn lease(&mut self, index: usize, want: Want) -> Option<Option<Lease>> {
        if self.phase == Phase::Ended {
            return Some(None);
        }
        let destination = &mut self.shelves[index];
        match destination.lease(want) {
            Some(lease) => Some(Some(lease)),
            None if self.phase == Phase::Closed && destination.is_empty() => Some(None),
            None => None,
        }
    }
}
