//! One destination: its progress, its loans, and what is remembered to read less.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::addressee::{Addressee, Belongs, Sorted};
use super::super::group::Planned;
use super::super::lanes::Lanes;
use super::super::position::{Position, Saved, Tally};
use super::super::reader::{Batch, Hole, Others};
use crate::metric::timestamp::Timestamp;

/// One destination, configured or not.
pub(in super::super) struct Destination {
    pub(in super::super) name: Arc<str>,
    /// Which records are for it.
    pub(in super::super) addressee: Addressee,
    /// Bytes that may wait for it (contract C5.5).
    pub(in super::super) max_backlog_bytes: Option<u64>,
    /// Bytes that waited for it when they were last added up, and all that was committed since.
    pub(in super::super) backlog_bytes_max: u64,
    /// Whether somebody delivers to it.
    pub(in super::super) is_configured: bool,
    pub(in super::super) position: Position,
    pub(in super::super) lanes: Lanes,
    /// What its file says; deletion goes by this and nothing else.
    pub(in super::super) saved: Saved,
    /// Acknowledged leases since then.
    pub(in super::super) unsaved_acks: u32,
    pub(in super::super) is_dirty: bool,
    pub(in super::super) loans: HashMap<u64, Loan>,
    /// Something of its backlog was damaged: its books may hold tuples that are in no record.
    pub(in super::super) has_holes: bool,
    next_loan: u64,
    /// Records behind this sequence are none of them for it alone.
    last_addressed: u64,
    /// Since when reading fails at these sequences; bounded.
    failing: HashMap<u64, Duration>,
    /// A record that is known to be for it, if it still waits.
    own: Option<u64>,
    /// Where records begin that may be leased next; a bounded cache, by sequence.
    places: HashMap<u64, Place>,
}

/// A lease, as the log remembers it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Loan {
    pub(in super::super) first: u64,
    pub(in super::super) tuples: u64,
    /// Tuples between them that its filter leaves out.
    filtered: u64,
    pub(in super::super) oldest: Timestamp,
    place: Place,
}

/// Where a record begins, and the tuples the log held before it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Place {
    pub(in super::super) offset: u64,
    pub(in super::super) tuples_before: u64,
}

/// What the disk cannot read for this long is taken for lost. Less would give up a backlog because a
/// volume was away for a moment; all that time the other lane is delivered, and readiness says so.
const PATIENCE: Duration = Duration::from_mins(1);

/// Entries in [`Destination::places`].
const PLACES_MAX: usize = 256;

impl Destination {
    pub(in super::super) fn new(
        addressee: Addressee,
        position: Position,
        lanes: Lanes,
        saved: Saved,
    ) -> Self {
        Self {
            name: Arc::clone(&addressee.name),
            addressee,
            max_backlog_bytes: None,
            // Not known before it is added up.
            backlog_bytes_max: u64::MAX,
            is_configured: true,
            position,
            lanes,
            saved,
            unsaved_acks: 0,
            is_dirty: false,
            loans: HashMap::new(),
            has_holes: false,
            next_loan: 0,
            last_addressed: 0,
            failing: HashMap::new(),
            own: None,
            places: HashMap::new(),
        }
    }

    /// Whether a record waits that is known to be for it.
    pub(in super::super) fn knows_own(&self) -> bool {
        self.own.is_some_and(|own| self.position.waiting(own, own).is_some())
    }

    /// This record was found to be for it.
    pub(in super::super) fn note_own(&mut self, sequence: Option<u64>) {
        self.own = sequence.or(self.own);
    }

    /// These records were committed, behind a record `after`. What is not for it is passed at once if
    /// nothing else waits: a destination that has everything stays so, and pins no segment. Behind
    /// others it waits, because each gap in what waits is remembered for as long as it lasts.
    pub(super) fn meet(&mut self, plan: &[Planned<'_>], after: u64) {
        for Planned { head, .. } in plan.iter().filter(|record| record.head.target.is_some()) {
            if self.addressee.of(head) == Belongs::Own {
                self.position.add_replayed(u64::from(head.tuples));
                self.last_addressed = head.sequence;
            }
        }
        let is_behind = self.position.waiting(0, after).is_some();
        if is_behind && self.knows_own() {
            return;
        }
        let mut passed = Sorted::default();
        let others = plan.iter().map(|record| &record.head).take_while(|head| {
            let belongs = self.addressee.of(head);
            passed.add(belongs, head);
            belongs != Belongs::Own
        });
        let last_other = others.last().map(|head| head.sequence);
        let own = plan.iter().find(|record| self.addressee.of(&record.head) == Belongs::Own);
        self.note_own(own.map(|record| record.head.sequence));
        if let Some(last) = last_other.filter(|_| !is_behind) {
            let tally = Tally { filtered: passed.filtered, ..Tally::default() };
            self.position.pass(after + 1, last, tally);
            self.is_dirty = true;
        }
    }

    /// Whether a record from this sequence on may be for it alone: the totals of the log do not know
    /// of those.
    pub(in super::super) fn may_be_addressed(&self, sequence: u64) -> bool {
        self.position.replayed() > 0 && sequence <= self.last_addressed
    }

    /// Any record up to this sequence may be for it alone.
    pub(in super::super) fn suspect_addressed(&mut self, last: u64) {
        self.last_addressed = last;
    }

    /// Reading at this sequence failed.
    pub(in super::super) fn note_failure(&mut self, sequence: u64, at: Duration) {
        if self.failing.len() >= PLACES_MAX {
            self.failing.clear();
        }
        self.failing.entry(sequence).or_insert(at);
    }

    /// Reading at this sequence came to an end, one or the other.
    pub(in super::super) fn note_success(&mut self, sequence: u64) -> Option<Duration> {
        self.failing.remove(&sequence)
    }

    /// Whether reading at this sequence has failed for so long that it will not succeed any more.
    pub(in super::super) fn has_lost(&self, sequence: u64, now: Duration) -> bool {
        self.failing.get(&sequence).is_some_and(|since| now.saturating_sub(*since) >= PATIENCE)
    }

    pub(in super::super) fn place(&self, sequence: u64) -> Option<Place> {
        self.places.get(&sequence).copied()
    }

    fn remember(&mut self, sequence: u64, place: Place) {
        if self.places.len() >= PLACES_MAX {
            self.places.clear();
        }
        self.places.insert(sequence, place);
    }

    /// A loan of what was read; its name.
    pub(in super::super) fn open_loan(&mut self, batch: &Batch) -> u64 {
        let id = self.next_loan;
        self.next_loan += 1;
        self.places.remove(&batch.first());
        self.remember(batch.last + 1, batch.behind);
        self.note_own(batch.next);
        let heads = || batch.blocks.iter().map(|(head, _)| head);
        let loan = Loan {
            first: batch.first(),
            tuples: heads().map(|head| u64::from(head.tuples)).sum(),
            filtered: batch.filtered(),
            oldest: batch.oldest(),
            place: batch.place,
        };
        self.loans.insert(id, loan);
        id
    }

    /// A loan for reading has met records that are not for it.
    pub(in super::super) fn pass_others(&mut self, first: u64, others: &Others) {
        let tally = Tally { filtered: others.filtered(), ..Tally::default() };
        self.pass_loan(first, others.last, tally);
        self.remember(others.last + 1, others.behind);
        self.note_own(others.next);
    }

    /// A loan for reading has met a record that is for it, and was only to look.
    pub(in super::super) fn put_back(&mut self, first: u64) {
        self.position.release(first);
        self.note_own(Some(first));
    }

    /// A loan for reading ended in nothing: up to `last`, which may be behind it, there is nothing for
    /// this destination to get.
    pub(in super::super) fn pass_loan(&mut self, first: u64, last: u64, tally: Tally) {
        self.position.release(first);
        let mut tally = Some(tally);
        while let Some((first, end)) = self.position.waiting(first, last) {
            self.position.pass(first, end, tally.take().unwrap_or_default());
        }
        self.is_dirty = true;
    }

    /// A loan for reading ended in a hole, of which everything that waits is lost. Whether its tuples
    /// could be booked; otherwise they count as queued.
    pub(in super::super) fn pass_hole(&mut self, first: u64, hole: &Hole) -> bool {
        self.position.release(first);
        let mut is_booked = true;
        while let Some((first, last)) = self.position.waiting(first, hole.last) {
            let shared = hole.tuples(first, last);
            is_booked &= shared.is_some();
            let damaged = shared.unwrap_or(0) + hole.tuples_for(&self.name, first, last);
            self.position.pass(first, last, Tally { damaged, ..Tally::default() });
        }
        self.has_holes |= !is_booked;
        self.is_dirty = true;
        is_booked
    }

    pub(in super::super) fn settle(&mut self, id: u64, tally: Tally) {
        // Nothing is found when the log ended meanwhile.
        let Some(loan) = self.loans.remove(&id) else { return };
        debug_assert_eq!(loan.tuples, tally.total(), "a lease is settled whole");
        let tally = Tally { filtered: loan.filtered, ..tally };
        self.position.settle(loan.first, tally);
        self.unsaved_acks += 1;
        self.is_dirty = true;
    }

    pub(in super::super) fn release(&mut self, id: u64) {
        let Some(loan) = self.loans.remove(&id) else { return };
        self.position.release(loan.first);
        self.remember(loan.first, loan.place);
        self.note_own(Some(loan.first));
    }
}
