//! One destination's books, counted from the records (contract C7).

use std::sync::Arc;

use super::super::super::Books;
use super::super::position::Saved;
use super::Ranges;
use super::walk::{End, Kept, Lost};
use crate::encode::BLOCK_TUPLES_MAX;
use crate::metric::timestamp::Timestamp;

/// Counts what waits for one destination while the log passes by.
#[derive(Clone, Debug)]
pub struct Counter {
    name: Arc<str>,
    saved: Saved,
    ranges: Ranges,
    /// The same again, because damage asks about sequences in an order of its own.
    ranges_of_lost: Ranges,
    waiting: Waiting,
    lost: Loss,
    /// Tuples for it alone behind the head of its position, which does not know them yet.
    replayed_since: u64,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Records.
    pub records: u64,
    /// Tuples in them.
    pub tuples: u64,
    /// What they take in the files.
    pub bytes: u64,
    /// When the first of them was received.
    pub oldest: Option<Timestamp>,
}

/// What should wait and cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Records.
    pub records: u64,
    /// Tuples in those of which that is known.
    pub tuples: u64,
    /// The most tuples in the others.
    pub unsure: u64,
}

/// One destination's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: Arc<str>,
    /// What the position says, and `queued` as counted.
    pub books: Books,
    /// What is queued.
    pub waiting: Waiting,
    /// Tuples that should wait and cannot be read; the next start counts them as damaged.
    pub lost: u64,
    /// Whether some of them are only known because the books would not balance otherwise.
    pub is_inferred: bool,
}

impl Counter {
    /// A counter that has seen nothing.
    pub fn new(name: Arc<str>, saved: &Saved) -> Self {
        let ranges = Ranges::new(saved.ranges.clone());
        Self {
            name,
            saved: saved.clone(),
            ranges_of_lost: ranges.clone(),
            ranges,
            waiting: Waiting::default(),
            lost: Loss::default(),
            replayed_since: 0,
        }
    }

    /// The first sequence it waits for.
    pub fn first(&self) -> u64 {
        self.saved.low()
    }

    /// The position it counts for.
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Whether a record waits for this destination, and has tuples for it.
    pub fn record(&mut self, kept: &Kept<'_>) -> bool {
        let head = kept.head;
        let is_target = head.target.as_deref() == Some(&*self.name);
        if is_target && head.sequence > self.saved.head {
            self.replayed_since += u64::from(head.tuples);
        }
        let is_for_it = is_target || head.target.is_none();
        if !self.ranges.contains(head.sequence) || !is_for_it {
            return false;
        }
        self.waiting.records += 1;
        self.waiting.tuples += u64::from(head.tuples);
        self.waiting.bytes += head.record_bytes();
        self.waiting.oldest.get_or_insert(head.received);
        true
    }

    /// How many of the lost sequences this destination waits for.
    pub fn lost(&mut self, lost: &Lost) -> u64 {
        let waiting = self.ranges_of_lost.overlap(lost.first, lost.last);
        self.lost.records += waiting;
        match lost.tuples_within(&mut self.ranges_of_lost, &self.name) {
            Ok(tuples) => self.lost.tuples += tuples,
            Err(most) => self.lost.unsure = self.lost.unsure.saturating_add(most),
        }
        // Totals do not tell of records for this destination alone.
        let is_known = lost.heads.len() as u64 == lost.last - lost.first + 1;
        if !is_known && self.saved.replayed + self.replayed_since > 0 {
            let most = waiting.saturating_mul(u64::from(BLOCK_TUPLES_MAX));
            self.lost.unsure = self.lost.unsure.saturating_add(most);
        }
        waiting
    }

    /// Tuples seen for it alone that its position does not know yet.
    pub fn replayed_since(&self) -> u64 {
        self.replayed_since
    }

    /// What waits, as far as it was seen.
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// The books, once the whole log went by.
    pub fn close(self, end: End) -> Account {
        let Saved { began_tuples, replayed, tally, .. } = self.saved;
        let books = Books {
            series: end.totals.tuples.saturating_sub(began_tuples),
            replayed: replayed + self.replayed_since,
            delivered: tally.delivered,
            filtered: tally.filtered,
            queued: self.waiting.tuples,
            dead_lettered: tally.dead_lettered,
            expired: tally.expired,
            damaged: tally.damaged,
            purged: tally.purged,
            lost: 0,
        };
        let mut account = Account {
            name: self.name,
            books,
            waiting: self.waiting,
            lost: self.lost.tuples,
            is_inferred: false,
        };
        // What of a lost stretch was delivered before it was lost, the files no longer say; what the
        // books miss must have waited, if it is no more than was there.
        let missing = u64::try_from(account.off_by()).unwrap_or(0);
        if missing > 0 && missing <= self.lost.unsure {
            account.lost += missing;
            account.is_inferred = true;
        }
        account
    }
}

impl Account {
    /// Tuples that came in and are nowhere; negative where more went than came.
    pub fn off_by(&self) -> i128 {
        let Books { series, replayed, delivered, filtered, queued, .. } = self.books;
        let Books { dead_lettered, expired, damaged, purged, .. } = self.books;
        let sum = |numbers: &[u64]| numbers.iter().map(|number| i128::from(*number)).sum::<i128>();
        sum(&[series, replayed])
            - sum(&[
                delivered,
                filtered,
                queued,
                dead_lettered,
                expired,
                damaged,
                purged,
                self.lost,
            ])
    }

    /// Whether the equation of contract C7 holds, tuples that are lost now counted as damaged.
    pub fn is_balanced(&self) -> bool {
        self.off_by() == 0
    }
}
