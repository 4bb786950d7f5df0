//! What became of tuples, counted (contract C7).

use std::ops::{AddAssign, SubAssign};

use super::super::super::Books;

/// Tuples, by what became of them. Those of a record that was meant for another destination are in
/// no class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted by the destination.
    pub delivered: u64,
    /// Not meant for it, by its filter.
    pub filtered: u64,
    /// Refused by it for good, and kept elsewhere.
    pub dead_lettered: u64,
    /// Too old for its backlog's bound.
    pub expired: u64,
    /// Lost to damage on the disk.
    pub damaged: u64,
    /// Thrown away by the operator.
    pub purged: u64,
}

impl Tally {
    /// All classes together.
    pub fn total(&self) -> u64 {
        self.classes().iter().sum()
    }

    /// The classes, in the order they have in a file.
    pub(super) fn classes(&self) -> [u64; 6] {
        let Self { delivered, filtered, dead_lettered, expired, damaged, purged } = *self;
        [delivered, filtered, dead_lettered, expired, damaged, purged]
    }

    /// The mirror of [`Self::classes`].
    pub(super) fn of_classes(classes: [u64; 6]) -> Self {
        let [delivered, filtered, dead_lettered, expired, damaged, purged] = classes;
        Self { delivered, filtered, dead_lettered, expired, damaged, purged }
    }

    /// The books of a destination of which this became: what is in no class yet is queued. A tally
    /// beyond what came in leaves books that do not balance, for the self-check to see.
    pub(super) fn books(&self, series: u64, replayed: u64) -> Books {
        Books {
            series,
            replayed,
            delivered: self.delivered,
            filtered: self.filtered,
            queued: (series + replayed).saturating_sub(self.total()),
            dead_lettered: self.dead_lettered,
            expired: self.expired,
            damaged: self.damaged,
            purged: self.purged,
            lost: 0,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.filtered += other.filtered;
        self.dead_lettered += other.dead_lettered;
        self.expired += other.expired;
        self.damaged += other.damaged;
        self.purged += other.purged;
    }
}

/// Takes away what was added before.
impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        self.delivered -= other.delivered;
        self.filtered -= other.filtered;
        self.dead_lettered -= other.dead_lettered;
        self.expired -= other.expired;
        self.damaged -= other.damaged;
        self.purged -= other.purged;
    }
}
