//! A stretch of a segment in which records are damaged, and how many tuples they held.

use super::super::record::Head;
use super::super::scan::{Damage, Tail};

/// Damaged records, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Hole {
    /// Where it begins in the file.
    pub(in super::super) offset: u64,
    /// The first and the last of them.
    first: u64,
    pub(in super::super) last: u64,
    /// Total tuples before the first one, if what lies there was read.
    before: Option<u64>,
    /// Total tuples behind the last one.
    behind: u64,
    /// Those of which only the body is damaged, rising.
    heads: Vec<Head>,
}

impl Hole {
    pub(super) fn of_damage(damage: Damage, before: Option<u64>) -> Self {
        let Damage { offset, expected, next, tuples_before_next, heads, .. } = damage;
        Self { offset, first: expected, last: next - 1, before, behind: tuples_before_next, heads }
    }

    /// `first`: what should have stood there; `last` and `behind`: where the committed records end.
    pub(super) fn of_tail(
        tail: Tail,
        first: u64,
        before: Option<u64>,
        last: u64,
        behind: u64,
    ) -> Self {
        Self { offset: tail.offset, first, last, before, behind, heads: tail.heads }
    }

    /// The total tuples before one of its records, or before the one behind it. They are known where
    /// all heads on one side of it can be read.
    pub(super) fn tuples_before(&self, sequence: u64) -> Option<u64> {
        let split = self.heads.partition_point(|head| head.sequence < sequence);
        let (below, above) = self.heads.split_at(split);
        if let Some(before) = self.before
            && below.len() as u64 == sequence - self.first
        {
            return Some(before + tuples(below));
        }
        let is_complete = above.len() as u64 == self.last + 1 - sequence;
        is_complete.then(|| self.behind.saturating_sub(tuples(above)))
    }

    /// Tuples in a part of it, those for every destination; `None` if they cannot be told from those
    /// in the rest of it.
    pub(in super::super) fn tuples(&self, first: u64, last: u64) -> Option<u64> {
        Some(self.tuples_before(last + 1)?.saturating_sub(self.tuples_before(first)?))
    }

    /// Tuples in a part of it that are for this destination alone, as far as their heads can be read.
    pub(in super::super) fn tuples_for(&self, destination: &str, first: u64, last: u64) -> u64 {
        let within = self.heads.iter().filter(|head| (first..=last).contains(&head.sequence));
        let own = within.filter(|head| head.target.as_deref() == Some(destination));
        own.map(|head| u64::from(head.tuples)).sum()
    }
}

/// Tuples for every destination.
fn tuples(heads: &[Head]) -> u64 {
    let shared = heads.iter().filter(|head| head.target.is_none());
    shared.map(|head| u64::from(head.tuples)).sum()
}
