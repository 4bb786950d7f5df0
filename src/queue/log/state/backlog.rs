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
    /// So is the cap near: before anything else is written.
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
    /// Whether one of them keeps to its bound, or has none: it is not configured.
    pub(in super::super) is_last_resort: bool,
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
                let bytes = self.depth(index).bytes;
                let is_over = bytes > most;
                // A round takes it down to its bound. Where it cannot, as all of it is on loan, each
                // commit would ask for another one.
                self.destinations[index].backlog_bytes_max = if is_over { bound } else { bytes };
                if is_over {
                    relief = Relief::Soon;
                }
            }
        }
        let used = self.catalogue.bytes() + self.pending_bytes;
        let is_tight = used > limits.max_bytes / 4 * 3;
        if is_tight && (relief == Relief::Soon || self.sacrifice(limits, false).is_some()) {
            relief = Relief::Now;
        } else if relief == Relief::None && limits.is_near(used) && self.passed_bytes() > 0 {
            relief = Relief::Soon;
        }
        self.relief = self.relief.max(relief);
    }

    /// The oldest records that wait and are too many for a destination's bound; as many as it takes, of
    /// one segment.
    pub(in super::super) fn surplus(&self, index: usize) -> Option<Surplus> {
        let bound = self.destinations[index].max_backlog_bytes?;
        let excess = self.depth(index).bytes.checked_sub(bound).filter(|excess| *excess > 0)?;
        let position = &self.destinations[index].position;
        let mut at = 0;
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

    /// The oldest segment that keeps the log near its cap for nobody's sake but theirs who have to give
    /// way: whose bound is below what they pin, be it a few records in many segments; and those nobody
    /// delivers to, once an entry was refused (`is_pressed`).
    pub(in super::super) fn sacrifice(
        &self,
        limits: &Limits,
        is_pressed: bool,
    ) -> Option<Sacrifice> {
        // The cap alone: whatever else refuses entries is not cured by giving data up.
        let used = self.catalogue.bytes() + self.pending_bytes;
        if !limits.is_near(used) || !limits.is_near(used - self.passed_bytes()) {
            return None;
        }
        let gives_way: Vec<bool> =
            (0..self.destinations.len()).map(|index| self.gives_way(index, is_pressed)).collect();
        if !gives_way.contains(&true) {
            return None;
        }
        self.catalogue.iter().filter(|segment| segment.is_closed).find_map(|segment| {
            let mut holders = (0..gives_way.len()).filter(|index| self.holds(*index, segment));
            let holders: Option<Vec<usize>> =
                holders.by_ref().map(|index| gives_way[index].then_some(index)).collect();
            let waits = |index: &usize| {
                let position = &self.destinations[*index].position;
                position.waiting(segment.first(), segment.last).is_some()
            };
            let holders = holders.filter(|holders| holders.iter().any(waits))?;
            let is_last_resort = holders.iter().any(|index| !self.is_over(*index));
            Some(Sacrifice { segment: segment.clone(), holders, is_last_resort })
        })
    }

    /// What can be deleted, once the positions are saved.
    fn passed_bytes(&self) -> u64 {
        let passed = self.catalogue.iter().filter(|segment| {
            let holds = |index| self.holds(index, segment);
            segment.is_closed && !(0..self.destinations.len()).any(holds)
        });
        passed.map(|segment| segment.bytes).sum()
    }

    fn gives_way(&self, index: usize, is_pressed: bool) -> bool {
        is_pressed && !self.destinations[index].is_configured || self.is_over(index)
    }

    /// Whether it keeps more of the disk than it may have waiting.
    fn is_over(&self, index: usize) -> bool {
        let Some(bound) = self.destinations[index].max_backlog_bytes else { return false };
        let pinned = self.catalogue.iter().filter(|segment| self.holds(index, segment));
        pinned.map(|segment| segment.bytes).sum::<u64>() > bound
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
