//! What everybody who uses the log shares, under one lock: what is committed, and how far each
//! destination is.

use std::sync::Arc;
use std::time::Duration;

use super::super::{AppendError, Books, Depth, Totals};
use super::appender::{Event, Growth};
use super::catalogue::{Catalogue, Segment};
use super::group::{After, Planned};
use super::lanes::Recent;
use super::notice::Notice;

mod backlog;
mod destination;

pub(super) use backlog::{Relief, Sacrifice, Surplus};
pub(super) use destination::{Destination, Place};

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
    /// Records of which it is not known whether any is for it: whoever reads them finds out.
    Unsure,
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
    /// Bytes of the largest entry that was refused since the last round; 0 if none was.
    pub(super) wanted_bytes: u64,
    /// What the last commit leaves to be done for want of room.
    pub(super) relief: Relief,
    /// Records were passed by nobody who leases: whoever waits for the end may have reached it.
    pub(super) is_moved: bool,
    pub(super) is_unbalanced: bool,
    /// Found since they were last asked for.
    pub(super) notices: Vec<Notice>,
}

/// Most bytes of entries that wait for the writer, but for one that is larger. Whoever sent them may
/// be gone, and their memory is accounted for nowhere else while a disk stalls.
const PENDING_BYTES_MAX: u64 = 256 << 20;

/// Most notices that wait for the keeper to tell of them.
const NOTICES_MAX: usize = 64;

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
        // Requests that left nothing may have been counted meanwhile, so these are added and not set.
        self.totals.tuples += totals.tuples - after.totals.tuples;
        self.totals.accepted += totals.accepted - after.totals.accepted;
        self.totals.rejected += totals.rejected - after.totals.rejected;
        self.recent.note(at, after.sequence + 1);
    }

    /// Tells every destination what was committed behind `after`.
    pub(super) fn hand_out(&mut self, plan: &[Planned<'_>], after: u64) {
        for destination in &mut self.destinations {
            destination.meet(plan, after);
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
