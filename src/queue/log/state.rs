//! What everybody who uses the log shares, under one lock: what is committed, and how far each
//! destination is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{AppendError, Books, Depth, Totals};
use super::appender::{Event, Growth};
use super::catalogue::{Catalogue, Segment};
use super::group::After;
use super::lanes::{Lanes, Recent};
use super::notice::Notice;
use super::position::{Position, Saved, Tally};
use super::reader::{Batch, Hole};
use super::record::Head;
use crate::metric::timestamp::Timestamp;

/// How far the log is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Nothing more is taken.
    Closed,
    /// Nothing more is leased.
    Ended,
}

/// What there is for one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Something to lease.
    Waiting,
    /// Nothing at the moment: what is on loan may come back, and new entries may come in.
    Nothing,
    /// It has everything there will ever be, or nothing is leased any more.
    Over,
}

pub(super) struct State {
    pub(super) phase: Phase,
    /// Why nothing can be written until the next start: what the writer did last is not known.
    pub(super) stopped_by: Option<Arc<str>>,
    pub(super) catalogue: Catalogue,
    /// The last committed sequence.
    pub(super) head: u64,
    /// The last one known to be acknowledged: `head`, but for a log that was just recovered.
    pub(super) certain: u64,
    pub(super) totals: Totals,
    pub(super) recent: Recent,
    pub(super) destinations: Vec<Destination>,
    /// Bytes of entries that were let in and are not committed yet.
    pub(super) pending_bytes: u64,
    /// Free bytes on the disk when last asked, less what was written since.
    pub(super) free_bytes: Option<u64>,
    /// When the group that is being written was begun.
    pub(super) writing_since: Option<Duration>,
    /// Why the last group failed.
    pub(super) fault: Option<Arc<str>>,
    /// An entry was refused for want of room.
    pub(super) is_pressed: bool,
    pub(super) is_unbalanced: bool,
    /// Found since they were last asked for.
    pub(super) notices: Vec<Notice>,
}

/// One destination, configured or not.
pub(super) struct Destination {
    pub(super) name: Arc<str>,
    /// Whether somebody delivers to it.
    pub(super) is_configured: bool,
    pub(super) position: Position,
    pub(super) lanes: Lanes,
    /// What its file says; deletion goes by this and nothing else.
    pub(super) saved: Saved,
    /// Acknowledged leases since then.
    pub(super) unsaved_acks: u32,
    pub(super) is_dirty: bool,
    pub(super) loans: HashMap<u64, Loan>,
    /// Something of its backlog was damaged: its books may hold tuples that are in no record.
    pub(super) has_holes: bool,
    next_loan: u64,
    /// Since when reading fails at these sequences; bounded.
    failing: HashMap<u64, Duration>,
    /// Where records begin that may be leased next; a bounded cache, by sequence.
    places: HashMap<u64, Place>,
}

/// A lease, as the log remembers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loan {
    pub(super) first: u64,
    pub(super) tuples: u64,
    pub(super) oldest: Timestamp,
    place: Place,
}

/// Where a record begins, and the tuples the log held before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) tuples_before: u64,
}

/// Most bytes of entries that wait for the writer, but for one that is larger. Whoever sent them may
/// be gone, and their memory is accounted for nowhere else while a disk stalls.
const PENDING_BYTES_MAX: u64 = 256 << 20;

/// Most notices that wait for the keeper to tell of them.
const NOTICES_MAX: usize = 64;

/// What the disk cannot read for this long is taken for lost. Less would give up a backlog because a
/// volume was away for a moment; all that time the other lane is delivered, and readiness says so.
const PATIENCE: Duration = Duration::from_mins(1);

/// Entries in [`Destination::places`].
const PLACES_MAX: usize = 256;

impl State {
    /// Whether `more` bytes may come in.
    pub(super) fn room(&self, limits: &Limits, more: u64) -> Result<(), AppendError> {
        if self.phase != Phase::Open {
            return Err(AppendError::Closed);
        }
        if let Some(why) = &self.stopped_by {
            return Err(AppendError::Failed { why: Arc::clone(why) });
        }
        let pending = self.pending_bytes;
        if pending > 0 && pending.saturating_add(more) > PENDING_BYTES_MAX {
            return Err(AppendError::Behind { pending });
        }
        let used = self.catalogue.bytes() + pending;
        if used.saturating_add(more) > limits.max_bytes {
            return Err(AppendError::Full { used, limit: limits.max_bytes });
        }
        let reserve = limits.min_free_bytes;
        match self.free_bytes {
            Some(free) if free < reserve.saturating_add(pending + more) => {
                Err(AppendError::Reserve { free, reserve })
            }
            _ => Ok(()),
        }
    }

    /// Takes over what the appender did.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            // Told of once, until a group was written again.
            Event::Failed { why } if self.fault.is_none() && self.notices.len() < NOTICES_MAX => {
                self.fault = Some(Arc::from(why.as_str()));
                self.notices.push(Notice::Unwritten { why });
            }
            Event::Failed { .. } => {}
            Event::Began { name, header } => self.catalogue.insert(Segment::begin(name, &header)),
            Event::Closed { first, bytes } => self.catalogue.update(first, |segment| {
                segment.bytes = bytes.unwrap_or(segment.bytes);
                segment.is_closed = true;
                segment.is_sealed = bytes.is_some();
            }),
            Event::Grown(growth) => self.grow(growth),
        }
    }

    fn grow(&mut self, growth: Growth) {
        let Growth { segment, last, totals, end, bytes, marks } = growth;
        let mut grown = 0;
        self.catalogue.update(segment, |segment| {
            grown = bytes.saturating_sub(segment.bytes);
            segment.last = last;
            segment.totals = totals;
            segment.end = end;
            segment.bytes = bytes;
            segment.marks.extend(marks);
        });
        self.free_bytes = self.free_bytes.map(|free| free.saturating_sub(grown));
    }

    /// A group that followed `after` is committed up to a record with these totals.
    pub(super) fn publish(&mut self, after: After, totals: &Totals, last: u64, at: Duration) {
        (self.head, self.certain) = (last, last);
        // Rejections may have been counted meanwhile, so these are added and not set.
        self.totals.tuples += totals.tuples - after.totals.tuples;
        self.totals.accepted += totals.accepted - after.totals.accepted;
        self.totals.rejected += totals.rejected - after.totals.rejected;
        self.recent.note(at, after.sequence + 1);
    }

    /// Books a committed record that is for one destination alone.
    pub(super) fn address(&mut self, head: &Head) {
        let Some(target) = &head.target else { return };
        let addressee = self.destinations.iter_mut().find(|known| known.name == *target);
        if let Some(destination) = addressee {
            destination.position.add_replayed(u64::from(head.tuples));
        }
    }

    /// Once a destination has everything, nothing can be queued for it: what its books still say is in
    /// records whose damage left no trace of their number of tuples.
    pub(super) fn reconcile(&mut self, index: usize) {
        let booked = self.books(index).queued;
        let destination = &mut self.destinations[index];
        if booked == 0 || !destination.position.is_drained(self.head) {
            return;
        }
        destination.position.write_off(booked);
        destination.is_dirty = true;
        if std::mem::take(&mut destination.has_holes) || destination.position.replayed() > 0 {
            return;
        }
        self.unbalance(index, booked, 0);
    }

    /// The books say that `booked` tuples wait for a destination, the files that `counted` do.
    pub(super) fn unbalance(&mut self, index: usize, booked: u64, counted: u64) {
        let destination = self.destinations[index].name.to_string();
        self.is_unbalanced = true;
        self.notices.push(Notice::Unbalanced { destination, booked, counted });
    }

    /// The books of one destination.
    pub(super) fn books(&self, index: usize) -> Books {
        self.destinations[index].position.books(self.totals.tuples)
    }

    /// What waits for one destination, loans included.
    pub(super) fn depth(&self, index: usize) -> Depth {
        let position = &self.destinations[index].position;
        let mut depth = Depth { tuples: self.books(index).queued, ..Depth::default() };
        let mut segments = self.catalogue.iter().peekable();
        for (first, last) in position.undelivered(self.head) {
            depth.blocks += last - first + 1;
            while let Some(segment) = segments.peek() {
                depth.bytes += segment.bytes_between(first, last);
                if segment.last >= last {
                    break;
                }
                segments.next();
            }
        }
        depth
    }
}

/// The bounds of C5.5.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_bytes: u64,
    pub(super) min_free_bytes: u64,
}

impl Segment {
    /// About how many bytes the records from `first` to `last` take, as far as they are here.
    fn bytes_between(&self, first: u64, last: u64) -> u64 {
        if self.is_empty() || last < self.first() || first > self.last {
            return 0;
        }
        if first <= self.first() && last >= self.last {
            return self.end;
        }
        // Records of one segment are taken to be of one size: the figure is for people.
        let (first, last) = (first.max(self.first()), last.min(self.last));
        let share = (last - first + 1) as f64 / (self.last - self.first() + 1) as f64;
        (self.end as f64 * share) as u64
    }
}

impl Destination {
    pub(super) fn new(name: Arc<str>, position: Position, lanes: Lanes, saved: Saved) -> Self {
        Self {
            name,
            is_configured: true,
            position,
            lanes,
            saved,
            unsaved_acks: 0,
            is_dirty: false,
            loans: HashMap::new(),
            has_holes: false,
            next_loan: 0,
            failing: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// Reading at this sequence failed.
    pub(super) fn note_failure(&mut self, sequence: u64, at: Duration) {
        if self.failing.len() >= PLACES_MAX {
            self.failing.clear();
        }
        self.failing.entry(sequence).or_insert(at);
    }

    /// Reading at this sequence came to an end, one or the other.
    pub(super) fn note_success(&mut self, sequence: u64) -> Option<Duration> {
        self.failing.remove(&sequence)
    }

    /// Whether reading at this sequence has failed for so long that it will not succeed any more.
    pub(super) fn has_lost(&self, sequence: u64, now: Duration) -> bool {
        self.failing.get(&sequence).is_some_and(|since| now.saturating_sub(*since) >= PATIENCE)
    }

    pub(super) fn place(&self, sequence: u64) -> Option<Place> {
        self.places.get(&sequence).copied()
    }

    fn remember(&mut self, sequence: u64, place: Place) {
        if self.places.len() >= PLACES_MAX {
            self.places.clear();
        }
        self.places.insert(sequence, place);
    }

    /// A loan of what was read; its name.
    pub(super) fn open_loan(&mut self, batch: &Batch) -> u64 {
        let id = self.next_loan;
        self.next_loan += 1;
        self.places.remove(&batch.first());
        self.remember(batch.last() + 1, batch.behind);
        let heads = || batch.blocks.iter().map(|(head, _)| head);
        let loan = Loan {
            first: batch.first(),
            tuples: heads().map(|head| u64::from(head.tuples)).sum(),
            oldest: batch.oldest(),
            place: batch.place,
        };
        self.loans.insert(id, loan);
        id
    }

    /// A loan for reading ended in nothing: up to `last`, which may be behind it, there is nothing for
    /// this destination to get.
    pub(super) fn pass_loan(&mut self, first: u64, last: u64, tally: Tally) {
        self.position.release(first);
        let mut tally = Some(tally);
        while let Some((first, end)) = self.position.waiting(first, last) {
            self.position.pass(first, end, tally.take().unwrap_or_default());
        }
        self.is_dirty = true;
    }

    /// A loan for reading ended in a hole, of which everything that waits is lost. Whether its tuples
    /// could be booked; otherwise they count as queued.
    pub(super) fn pass_hole(&mut self, first: u64, hole: &Hole) -> bool {
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

    pub(super) fn settle(&mut self, id: u64, tally: Tally) {
        // Nothing is found when the log ended meanwhile.
        let Some(loan) = self.loans.remove(&id) else { return };
        debug_assert_eq!(loan.tuples, tally.total(), "a lease is settled whole");
        self.position.settle(loan.first, tally);
        self.unsaved_acks += 1;
        self.is_dirty = true;
    }

    pub(super) fn release(&mut self, id: u64) {
        let Some(loan) = self.loans.remove(&id) else { return };
        self.position.release(loan.first);
        self.remember(loan.first, loan.place);
    }
}
