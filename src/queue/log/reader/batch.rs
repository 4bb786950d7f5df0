//! What one read has gathered: blocks for a lease, or a run of records that are for others.

use bytes::Bytes;

use super::super::super::Want;
use super::super::addressee::{Addressee, Belongs, Sorted};
use super::super::record::Head;
use super::super::scan::Record;
use super::super::state::Place;
use crate::metric::timestamp::Timestamp;

/// Bytes between two blocks of one envelope.
const SEPARATOR_BYTES: usize = 2;

/// Most bytes of others' records that are read for one lease: somebody waits for it.
const PASSED_BYTES_MAX: u64 = 16 << 20;

/// What was read for one lease.
#[derive(Debug)]
pub(in super::super) struct Batch {
    pub(in super::super) blocks: Vec<(Head, Bytes)>,
    /// Where its first record begins.
    pub(in super::super) place: Place,
    /// Where the record behind its last one begins.
    pub(in super::super) behind: Place,
    /// Its last sequence, which may be another destination's.
    pub(in super::super) last: u64,
    /// The next record of this destination, where one was met.
    pub(in super::super) next: Option<u64>,
    /// What was passed over inside.
    passed: Sorted,
    passed_bytes: u64,
    bytes: usize,
    tuples: u32,
}

/// Records one behind the other that are not for a destination.
#[derive(Debug)]
pub(in super::super) struct Others {
    /// The last of them.
    pub(in super::super) last: u64,
    /// Where the record behind it begins.
    pub(in super::super) behind: Place,
    /// The next record, if it was met and is for this destination.
    pub(in super::super) next: Option<u64>,
    passed: Sorted,
}

impl Batch {
    pub(super) fn begin(record: Record) -> Self {
        let Record { head, offset, body } = record;
        Self {
            place: Place { offset, tuples_before: head.tuples_before() },
            behind: behind(&head, offset),
            last: head.sequence,
            next: None,
            passed: Sorted::default(),
            passed_bytes: 0,
            bytes: body.len(),
            tuples: head.tuples,
            blocks: vec![(head, body)],
        }
    }

    /// Takes the next record in, or passes it over; `false` when it is to stay out.
    pub(super) fn take(&mut self, record: Record, to: &Addressee, want: Want) -> bool {
        let Record { head, offset, body } = record;
        let belongs = to.of(&head);
        let is_taken = if belongs == Belongs::Own {
            self.next = Some(head.sequence);
            self.has_room(&head, want)
        } else {
            self.passed_bytes < PASSED_BYTES_MAX
        };
        if !is_taken {
            return false;
        }
        self.next = None;
        self.last = head.sequence;
        self.behind = behind(&head, offset);
        if belongs == Belongs::Own {
            self.bytes += SEPARATOR_BYTES + body.len();
            self.tuples += head.tuples;
            self.blocks.push((head, body));
        } else {
            self.passed.add(belongs, &head);
            self.passed_bytes += head.record_bytes();
        }
        true
    }

    fn has_room(&self, head: &Head, want: Want) -> bool {
        let bytes = self.bytes + SEPARATOR_BYTES + head.body_bytes as usize;
        bytes <= want.bytes && self.tuples.saturating_add(head.tuples) <= want.tuples
    }

    pub(in super::super) fn first(&self) -> u64 {
        self.blocks[0].0.sequence
    }

    /// Tuples between its blocks that the destination's filter leaves out.
    pub(in super::super) fn filtered(&self) -> u64 {
        self.passed.filtered
    }

    /// When the oldest of its records was received.
    pub(in super::super) fn oldest(&self) -> Timestamp {
        let received = self.blocks.iter().map(|(head, _)| head.received);
        received.min().expect("a batch holds a block")
    }
}

impl Others {
    pub(super) fn begin(record: &Record, belongs: Belongs) -> Self {
        let Record { head, offset, .. } = record;
        let mut passed = Sorted::default();
        passed.add(belongs, head);
        Self { last: head.sequence, behind: behind(head, *offset), next: None, passed }
    }

    /// Passes the next record over; `false` when it is the destination's.
    pub(super) fn take(&mut self, record: &Record, to: &Addressee) -> bool {
        let Record { head, offset, .. } = record;
        let belongs = to.of(head);
        if belongs == Belongs::Own {
            self.next = Some(head.sequence);
            return false;
        }
        self.passed.add(belongs, head);
        self.last = head.sequence;
        self.behind = behind(head, *offset);
        true
    }

    /// Tuples in them that the destination's filter leaves out.
    pub(in super::super) fn filtered(&self) -> u64 {
        self.passed.filtered
    }
}

/// Where the record behind this one begins.
fn behind(head: &Head, offset: u64) -> Place {
    Place { offset: offset + head.record_bytes(), tuples_before: head.totals.tuples }
}
