//! What lies in a queue for one destination: waiting, given back, or on loan.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::super::{Books, Depth, Fate, Lease, Leased, Want};
use crate::metric::timestamp::Timestamp;

/// Bytes between two blocks of one envelope.
const SEPARATOR_BYTES: usize = 2;

/// One block, shared by the shelves of all destinations that still owe an answer about it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) sequence: u64,
    pub(super) cost_bytes: u64,
    pub(super) leased: Leased,
}

/// One destination's blocks, and its books.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Never leased so far, oldest first.
    fresh: VecDeque<Arc<Item>>,
    /// Leased once and given back. Each is older than all of `fresh`, which is leased from the front.
    returned: BTreeMap<u64, Arc<Item>>,
    /// On loan, by lease.
    loans: HashMap<u64, Vec<Arc<Item>>>,
    next_lease: u64,
    depth: Depth,
    /// What the blocks in it cost, those on loan included.
    cost_bytes: u64,
    /// What those cost that are on loan.
    lent_bytes: u64,
    series: u64,
    replayed: u64,
    delivered: u64,
    dead_lettered: u64,
    filtered: u64,
    expired: u64,
    lost: u64,
}

impl Shelf {
    /// `is_replay`: put in for this destination alone, and counted apart (contract C7).
    pub(super) fn push(&mut self, item: Arc<Item>, is_replay: bool) {
        let block = &item.leased.block;
        self.depth.blocks += 1;
        self.depth.tuples += u64::from(block.tuples);
        self.depth.bytes += block.bytes.len() as u64;
        self.cost_bytes += item.cost_bytes;
        let counter = if is_replay { &mut self.replayed } else { &mut self.series };
        *counter += u64::from(block.tuples);
        self.fresh.push_back(item);
    }

    /// One that the filter leaves out.
    pub(super) fn pass(&mut self, item: &Item) {
        let tuples = u64::from(item.leased.block.tuples);
        self.series += tuples;
        self.filtered += tuples;
    }

    /// Gives up the oldest blocks that wait, until those cost at most `bytes`; none from sequence
    /// `newest` on. What is on loan does not count: else the loans of a receiver that is well would cost
    /// it what waits behind them. The cost of those no other destination waits for.
    pub(super) fn expire(&mut self, bytes: u64, newest: u64) -> u64 {
        let mut freed_bytes = 0;
        while self.waiting_bytes() > bytes
            && self.oldest().is_some_and(|item| item.sequence < newest)
        {
            freed_bytes += self.give_up_oldest();
        }
        freed_bytes
    }

    /// Gives up the oldest block that waits; its cost, unless another destination waits for it.
    pub(super) fn give_up_oldest(&mut self) -> u64 {
        let Some(item) = self.take_oldest() else { return 0 };
        self.expired += u64::from(item.leased.block.tuples);
        self.forget(item)
    }

    /// Whether a block from sequence `newest` on was put in.
    pub(super) fn has_since(&self, newest: u64) -> bool {
        self.fresh.back().is_some_and(|item| item.sequence >= newest)
    }

    /// What the blocks cost that wait.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.cost_bytes - self.lent_bytes
    }

    /// What the blocks cost that are on loan.
    pub(super) fn lent_bytes(&self) -> u64 {
        self.lent_bytes
    }

    /// The oldest blocks that fit, at least one; `None` when nothing waits.
    pub(super) fn lease(&mut self, want: Want) -> Option<Lease> {
        let mut items: Vec<Arc<Item>> = Vec::new();
        let (mut bytes, mut tuples) = (0_usize, 0_u32);
        while let Some(next) = self.oldest() {
            let block = &next.leased.block;
            let separator = if items.is_empty() { 0 } else { SEPARATOR_BYTES };
            bytes = bytes.saturating_add(block.bytes.len() + separator);
            tuples = tuples.saturating_add(block.tuples);
            if !items.is_empty() && (bytes > want.bytes || tuples > want.tuples) {
                break;
            }
            items.extend(self.take_oldest());
        }
        if items.is_empty() {
            return None;
        }
        let id = self.next_lease;
        self.next_lease += 1;
        let blocks = items.iter().map(|item| item.leased.clone()).collect();
        self.lent_bytes += cost_bytes(&items);
        self.loans.insert(id, items);
        Some(Lease { id, blocks })
    }

    /// Forgets the blocks of a lease; the cost of those no other destination waits for.
    pub(super) fn ack(&mut self, lease: u64, fate: Fate) -> u64 {
        let mut freed_bytes = 0;
        // Nothing is found when the queue ended meanwhile: these tuples were already counted as lost.
        let Some(items) = self.loans.remove(&lease) else { return 0 };
        self.delivered += fate.delivered;
        self.dead_lettered += fate.dead_lettered;
        self.lent_bytes -= cost_bytes(&items);
        for item in items {
            freed_bytes += self.forget(item);
        }
        freed_bytes
    }

    /// A block that is done with.
    fn forget(&mut self, item: Arc<Item>) -> u64 {
        let block = &item.leased.block;
        self.depth.blocks -= 1;
        self.depth.tuples -= u64::from(block.tuples);
        self.depth.bytes -= block.bytes.len() as u64;
        self.cost_bytes -= item.cost_bytes;
        freed(item)
    }

    pub(super) fn release(&mut self, lease: u64) {
        let items = self.loans.remove(&lease).unwrap_or_default();
        self.lent_bytes -= cost_bytes(&items);
        self.returned.extend(items.into_iter().map(|item| (item.sequence, item)));
    }

    /// Gives up on everything inside; the final books.
    pub(super) fn abandon(&mut self) -> Books {
        self.lost += self.depth.tuples;
        self.depth = Depth::default();
        (self.cost_bytes, self.lent_bytes) = (0, 0);
        self.fresh = VecDeque::new();
        self.returned = BTreeMap::new();
        self.loans = HashMap::new();
        self.books()
    }

    /// Whether something could be leased.
    pub(super) fn is_waiting(&self) -> bool {
        self.oldest().is_some()
    }

    /// Neither waiting nor on loan.
    pub(super) fn is_empty(&self) -> bool {
        self.depth.blocks == 0
    }

    pub(super) fn depth(&self) -> Depth {
        self.depth
    }

    pub(super) fn books(&self) -> Books {
        Books {
            series: self.series,
            replayed: self.replayed,
            delivered: self.delivered,
            filtered: self.filtered,
            expired: self.expired,
            dead_lettered: self.dead_lettered,
            queued: self.depth.tuples,
            lost: self.lost,
            ..Books::default()
        }
    }

    /// When the oldest block here was received, those on loan included.
    pub(super) fn oldest_received(&self) -> Option<Timestamp> {
        let waiting = self.oldest().map(|item| item.leased.received);
        let lent = self.loans.values().flatten().map(|item| item.leased.received);
        lent.chain(waiting).min()
    }

    fn oldest(&self) -> Option<&Arc<Item>> {
        self.returned.values().next().or_else(|| self.fresh.front())
    }

    fn take_oldest(&mut self) -> Option<Arc<Item>> {
        match self.returned.pop_first() {
            Some((_, item)) => Some(item),
            None => self.fresh.pop_front(),
        }
    }
}

fn cost_bytes(items: &[Arc<Item>]) -> u64 {
    items.iter().map(|item| item.cost_bytes).sum()
}

/// What letting go of a block gives back: its cost, unless another destination waits for it.
pub(super) fn freed(item: Arc<Item>) -> u64 {
    Arc::into_inner(item).map_or(0, |last| last.cost_bytes)
}
