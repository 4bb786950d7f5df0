//! Who has more waiting than it may, and what of it goes (contract C5.5).

use super::super::catalogue::Segment;
use super::{Limits, State};

/// What the commits since it was last asked leave to be done for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Relief {
    /// Nothing that could not wait for the keeper's next round.
    #[default]
    None,
    /// Somebody is over its bound, or near the cap there is something to delete: the keeper is to have its round now.
    Soon,
    /// So is the cap near: at the latest before a group is written that might not fit.
    Now,
}

/// Bytes over a bound from which it is not left to the next round: a round writes positions, and not
/// each commit is to cause one.
const SLACK_BYTES_MIN: u64 = 1 << 20;

/// Waiting records of one segment.
#[derive(Clone, Debug)]
pub(in super::super) struct Surplus {
    pub(in super::super) segment: Segment,
    pub(in super::super) first: u64,
    pub(in super::super) last: u64,
}

/// A segment that is given up for room.
#[derive(Clone, Debug)]
pub(in super::super) struct Sacrifice {
    pub(in super::super) segment: Segment,
    /// Those who wait for something in it.
    pub(in super::super) holders: Vec<usize>,
}

impl State {
    /// Counts a commit against the bounds. Only where all that was committed since the last count could
    /// have reached one is it counted anew.
    pub(in super::super) fn weigh(&mut self, written: u64, limits: &Limits) {
        let mut relief = Relief::None;
        for index in 0..self.destinations.len() {
            let destination = &mut self.destinations[index];
            let Some(bound) = destination.max_backlog_bytes else { continue };
            let slack = (bound / 8).max(SLACK_BYTES_MIN).min(limits.max_bytes / 16);
            let most = bound.saturating_add(slack);
            let at_most = destination.backlog_bytes_max.saturating_add(written);
            destination.backlog_bytes_max = at_most;
            if at_most > most {
                let bytes = self.waiting_bytes(index);
                let is_over = bytes > most;
                // A round takes it down to its bound. Where it cannot, as the disk does not let it, each
                // commit would ask for another one.
                self.destinations[index].backlog_bytes_max = if is_over { bound } else { bytes };
                if is_over {
                    relief = Relief::Soon;
                }
            }
        }
        let used = self.catalogue.bytes() + self.pending_bytes;
        let is_tight = used > limits.max_bytes / 4 * 3;
        if is_tight && (relief == Relief::Soon || self.sacrifice(limits, 0, &[]).is_some()) {
            relief = Relief::Now;
        } else if relief == Relief::None && limits.is_near(used) && self.passed_bytes() > 0 {
            relief = Relief::Soon;
        }
        self.relief = self.relief.max(relief);
    }

    /// The oldest records that wait, from sequence `at` on, and are too many for a destination's bound; as
    /// many as it takes, of one segment.
    ///
    /// What is on loan does not count: else the loans of a receiver that is well would cost it what
    /// waits behind them.
    pub(in super::super) fn surplus(&self, index: usize, mut at: u64) -> Option<Surplus> {
        let bound = self.destinations[index].max_backlog_bytes?;
        let excess = self.waiting_bytes(index).checked_sub(bound).filter(|excess| *excess > 0)?;
        let position = &self.destinations[index].position;
        loop {
            let (first, last) = position.waiting(at, self.head)?;
            let Some(segment) = self.catalogue.holding(first) else {
                // Passed by whoever leases next: there are no bytes to gain.
                at = self.catalogue.at_or_behind(first)?;
                continue;
            };
            let last = last.min(segment.last).min(segment.end_of_bytes(first, excess));
            return Some(Surplus { segment: segment.clone(), first, last });
        }
    }

    /// Bytes that wait for a destination, without what is on loan.
    pub(in super::super) fn waiting_bytes(&self, index: usize) -> u64 {
        let lent = self.destinations[index].position.lent();
        let bytes = |(first, last)| {
            self.catalogue.holding(first).map_or(0, |segment| segment.bytes_between(first, last))
        };
        self.depth(index).bytes.saturating_sub(lent.map(bytes).sum())
    }

    /// The segment to give up first while the log is near its cap, or has no room for the `wanted` bytes
    /// of an entry that was refused: one that nobody holds but those who give way, and among those the
    /// one for whose sake the fewest do ([`Self::ranks`]), the oldest first. Not one of `spared`, which
    /// are named by their first sequence; nor one of which something is on loan: it could not go.
    pub(in super::super) fn sacrifice(
        &self,
        limits: &Limits,
        wanted: u64,
        spared: &[u64],
    ) -> Option<Sacrifice> {
        // The cap alone: whatever else refuses entries is not cured by giving data up.
        let used = self.catalogue.bytes() + self.pending_bytes;
        if !limits.is_near(used.saturating_add(wanted)) {
            return None;
        }
        let left = used - self.passed_bytes();
        let ranks = self.ranks();
        let loans = self.destinations.iter().flat_map(|known| known.position.lent());
        let loans: Vec<(u64, u64)> = loans.collect();
        let ranked = self.catalogue.iter().filter_map(|segment| {
            let is_lent = |lent: &(u64, u64)| lent.0 <= segment.last && segment.first() <= lent.1;
            let is_free = segment.is_closed && !loans.iter().any(is_lent);
            let is_free = is_free && !spared.contains(&segment.first());
            let rank = if is_free { self.rank(segment, &ranks) } else { None };
            rank.map(|rank| (rank, segment))
        });
        let ranked: Vec<(usize, &Segment)> = ranked.collect();
        let gain: u64 = ranked.iter().map(|(_, segment)| segment.bytes).sum();
        // Nobody gives anything up for an entry that would not fit all the same.
        let is_too_large = (left - gain).saturating_add(wanted) > limits.max_bytes;
        let is_wanting = left.saturating_add(wanted) > limits.max_bytes && !is_too_large;
        if !limits.is_near(left) && !is_wanting {
            return None;
        }
        let (_, segment) = ranked.into_iter().min_by_key(|(rank, _)| *rank)?;
        let holders = (0..ranks.len()).filter(|index| self.holds(*index, segment)).collect();
        Some(Sacrifice { segment: segment.clone(), holders })
    }

    /// In what order destinations give way; `None` for those who never do. First those that nobody
    /// delivers to, then those who pin more than their bound. Then whoever has a bound, and pins most:
    /// several who are dead stop the others as little as one, also where each keeps to its bound and
    /// what they hold together is the cap. One without a bound is the only receiver there is.
    fn ranks(&self) -> Vec<Option<usize>> {
        let indices = 0..self.destinations.len();
        let pinned: Vec<u64> = indices.clone().map(|index| self.pinned_bytes(index)).collect();
        let rank = |index: usize| {
            let destination = &self.destinations[index];
            if !destination.is_configured {
                return Some(0);
            }
            let bound = destination.max_backlog_bytes?;
            if pinned[index] > bound {
                return Some(1);
            }
            let key = |other: usize| (pinned[other], other);
            Some(2 + indices.clone().filter(|other| key(*other) > key(index)).count())
        };
        indices.clone().map(rank).collect()
    }

    /// The rank of the last one to give way of those who hold a segment, if all of them do and something
    /// of it waits.
    fn rank(&self, segment: &Segment, ranks: &[Option<usize>]) -> Option<usize> {
        let (first, last) = (segment.first(), segment.last);
        let mut highest = None;
        let mut does_wait = false;
        for (index, destination) in self.destinations.iter().enumerate() {
            let position = &destination.position;
            if !self.holds(index, segment) {
                continue;
            }
            does_wait |= position.waiting(first, last).is_some();
            highest = highest.max(Some(ranks[index]?));
        }
        highest.filter(|_| does_wait)
    }

    /// What can be deleted, once the positions are saved.
    fn passed_bytes(&self) -> u64 {
        let passed = self.catalogue.iter().filter(|segment| {
            let holds = |index| self.holds(index, segment);
            segment.is_closed && !(0..self.destinations.len()).any(holds)
        });
        passed.map(|segment| segment.bytes).sum()
    }

    /// Bytes in use before the oldest record that waits for anybody, and those taken ahead of records to
    /// come.
    pub(in super::super) fn spent_bytes(&self) -> u64 {
        let lows = self.destinations.iter().map(|destination| destination.position.low());
        let oldest = lows.min().unwrap_or(u64::MAX);
        let held = self.catalogue.iter().rev().take_while(|segment| segment.last >= oldest);
        let held: u64 = held.map(|segment| segment.bytes_between(oldest, segment.last)).sum();
        self.catalogue.bytes().saturating_sub(held)
    }

    /// What a destination keeps of the disk: be it by a few records in many segments.
    fn pinned_bytes(&self, index: usize) -> u64 {
        let pinned = self.catalogue.iter().filter(|segment| self.holds(index, segment));
        pinned.map(|segment| segment.bytes).sum()
    }

    /// Whether a segment cannot go because of this destination.
    fn holds(&self, index: usize, segment: &Segment) -> bool {
        !self.destinations[index].position.is_past(segment.first(), segment.last)
    }
}

impl Limits {
    /// Whether so many bytes in use leave little below the cap.
    fn is_near(&self, used: u64) -> bool {
        used + self.max_bytes / 16 > self.max_bytes
    }
}
