//! Which undelivered records a destination gets next: fresh ones first, the backlog beside them.
//!
//! After an outage new data must not wait behind the backlog. What was committed lately is the live
//! lane, everything older the backlog; the `split` between them is a sequence. When the live lane
//! itself falls behind, the split moves up, and what it leaves behind joins the backlog.

use std::time::Duration;

use super::position::Position;

mod recent;
#[cfg(test)]
mod tests;

pub use recent::Recent;

/// How long a record may wait before it is backlog.
pub const LAG: Duration = Duration::from_secs(2);
/// How old the oldest record is with which a live lane begins; [`LAG`] if none is younger.
pub const FRESH: Duration = Duration::from_millis(500);
/// The most runs of a position ([`Position::runs`]) with which the split still moves up: each move
/// leaves a gap, so this bounds the memory of a destination that never catches up. Beyond it the live
/// lane ages until the backlog has closed a gap.
pub const RUNS_MAX: usize = 1024;

/// In what order a destination gets what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What was committed lately first, and the backlog beside it.
    FreshFirst {
        /// Leases from the live lane for each one from the backlog while both have work; 0 as 1.
        share: u32,
    },
    /// The oldest first.
    Fifo,
}

/// Where a lease comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What was committed lately; everything, in a destination without a backlog or of [`Order::Fifo`].
    Live,
    /// What is older.
    Backlog,
}

/// A stretch of waiting sequences to lease from, from its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its first sequence.
    pub first: u64,
    /// Its last sequence; a lease may end earlier.
    pub last: u64,
    /// Where it lies.
    pub lane: Lane,
    /// Whose turn it is once this was leased.
    turn: u32,
}

/// The state of one destination's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    order: Order,
    /// Where the live lane begins; `None` without a backlog.
    split: Option<u64>,
    /// Leases taken since the backlog had its last one, while both lanes had work.
    turn: u32,
}

impl Default for Order {
    fn default() -> Self {
        Self::FreshFirst { share: 4 }
    }
}

impl Lanes {
    /// No backlog yet.
    pub fn new(order: Order) -> Self {
        Self { order, split: None, turn: 0 }
    }

    /// What to lease next of a log that ends at `head`; `None` when nothing waits. `now` is on the
    /// clock of `recent`.
    ///
    /// It is a proposal and counts for nothing: whoever leases from it says so with [`Self::taken`],
    /// and whoever does not may ask again.
    pub fn pick(
        &mut self,
        position: &Position,
        recent: &Recent,
        head: u64,
        now: Duration,
    ) -> Option<Pick> {
        let Some(oldest) = position.waiting(0, head) else {
            self.split = None;
            return None;
        };
        let pick = |(first, last), lane, turn| Some(Pick { first, last, lane, turn });
        let Order::FreshFirst { share } = self.order else {
            return pick(oldest, Lane::Live, 0);
        };
        let since = |age: Duration| recent.since(now.saturating_sub(age), head + 1);
        // What comes in seldom is fresh for longer.
        let fresh = || Some(since(FRESH)).filter(|first| *first <= head).unwrap_or(since(LAG));
        if self.split.is_none() && oldest.0 < since(LAG) {
            self.split = Some(fresh());
        }
        let Some(mut split) = self.split else {
            return pick(oldest, Lane::Live, 0);
        };
        let is_late = |live: (u64, u64)| live.0 < since(LAG);
        if position.waiting(split, head).is_some_and(is_late) && position.runs() < RUNS_MAX {
            split = fresh();
        }
        let live = position.waiting(split, head);
        let backlog = position.waiting(0, split - 1);
        self.split = backlog.map(|_| split);
        match (live, backlog) {
            (Some(live), Some(backlog)) => {
                let is_live = self.turn < share.max(1);
                if is_live {
                    pick(live, Lane::Live, self.turn + 1)
                } else {
                    pick(backlog, Lane::Backlog, 0)
                }
            }
            // Alone, a lane gets every lease; when the other one has work again, live begins.
            (Some(live), None) => pick(live, Lane::Live, 0),
            (None, Some(backlog)) => pick(backlog, Lane::Backlog, 0),
            (None, None) => None,
        }
    }

    /// A lease was taken from `pick`, the last one given out.
    pub fn taken(&mut self, pick: &Pick) {
        self.turn = pick.turn;
    }
}
