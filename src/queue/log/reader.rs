//! Reading blocks back for a lease.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::super::Want;
use super::catalogue::{Catalogue, Segment};
use super::disk::{Disk, DiskFile};
use super::record::{Head, Identity};
use super::scan::{Piece, Record, Scanner};
use super::segment::{HEADER_BYTES, Mark, Name};
use super::state::Place;
use crate::metric::timestamp::Timestamp;

/// Segments that are kept open for reading: the two lanes of a few destinations.
const HANDLES_MAX: usize = 8;

/// Bytes between two blocks of one envelope.
const SEPARATOR_BYTES: usize = 2;

/// Opens segments and remembers the last few.
pub(super) struct Reader {
    disk: Arc<dyn Disk>,
    handles: Mutex<Vec<(Name, Arc<dyn DiskFile>)>>,
}

/// Where to read, and how far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    name: Name,
    identity: Identity,
    first: u64,
    last: u64,
    /// Where reading begins: with `first`, or some records before it.
    from: Mark,
    /// Total tuples before that record.
    before: Option<u64>,
    /// Where the committed records end, and the totals there.
    end: u64,
    tuples_at_end: u64,
    want: Want,
}

/// A side of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    Behind,
}

/// What lies at the first sequence that was asked for.
#[derive(Debug)]
pub(super) enum Found {
    /// Blocks, at least one.
    Blocks(Batch),
    /// Records up to `last`, maybe more than were asked for, cannot be read.
    Damage {
        offset: u64,
        last: u64,
        /// Tuples in them, as far as that can be known.
        tuples: u64,
    },
    /// Records up to `last` are for other destinations.
    Others { last: u64 },
}

/// What was read for one lease.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) blocks: Vec<(Head, Bytes)>,
    /// Where its first record begins.
    pub(super) place: Place,
    /// Where the record behind its last one begins.
    pub(super) behind: Place,
    bytes: usize,
    tuples: u32,
}

impl Request {
    pub(super) fn new(
        segment: &Segment,
        first: u64,
        last: u64,
        place: Option<Place>,
        want: Want,
    ) -> Self {
        let start = Mark { sequence: segment.first(), offset: HEADER_BYTES };
        // One that lies before `first`, so that the totals before it are read on the way.
        let earlier = segment.marks.partition_point(|mark| mark.sequence < first);
        let mark = earlier.checked_sub(1).map_or(start, |index| segment.marks[index]);
        // What lies behind the last record of one segment is no place in the next one.
        let place = place.filter(|_| first != segment.first());
        let (from, before) = match place {
            // What follows the last record of a segment is remembered in that segment, and the record
            // itself may be the first of the next one.
            Some(place) if first > start.sequence => {
                (Mark { sequence: first, offset: place.offset }, Some(place.tuples_before))
            }
            _ if mark.sequence == start.sequence => (start, Some(segment.base.tuples)),
            _ => (mark, None),
        };
        Self {
            name: segment.name,
            identity: segment.identity,
            first,
            last: last.min(segment.last),
            from,
            before,
            end: segment.end,
            tuples_at_end: segment.totals.tuples,
            want,
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The file to read.
    pub(super) fn file(&self) -> String {
        self.name.to_string()
    }
}

impl Reader {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, handles: Mutex::new(Vec::new()) }
    }

    /// The first records that were asked for, as many as are wanted, for a destination of this name.
    pub(super) fn read(&self, request: &Request, destination: &str) -> io::Result<Found> {
        let file = self.open(request.name)?;
        let mut scanner = Scanner::new(&*file, request.identity, request.from, request.end);
        let mut before = request.before;
        let mut batch: Option<Batch> = None;
        while let Some(piece) = scanner.next()? {
            match piece {
                Piece::Record(record) if record.head.sequence < request.first => {
                    before = Some(record.head.totals.tuples);
                }
                Piece::Record(record) if record.head.sequence > request.last => break,
                Piece::Record(record) => {
                    let is_ours = record.head.target.as_deref().is_none_or(|to| to == destination);
                    match &mut batch {
                        None if !is_ours => {
                            return Ok(Found::Others { last: record.head.sequence });
                        }
                        None => batch = Some(Batch::begin(record)),
                        Some(batch) if is_ours && batch.has_room(&record.head, request.want) => {
                            batch.add(record);
                        }
                        Some(_) => break,
                    }
                }
                Piece::Damage(damage) if damage.next <= request.first => {
                    before = Some(damage.tuples_before_next);
                }
                _ if batch.is_some() => break,
                Piece::Damage(damage) => {
                    let lost = damage.tuples_before_next.saturating_sub(before.unwrap_or(u64::MAX));
                    let tuples = lost.saturating_sub(tuples_below(&damage.heads, request.first));
                    let (offset, next) = (damage.offset, damage.next);
                    return Ok(Found::Damage { offset, last: next - 1, tuples });
                }
                // The end of what was committed, but not of what was asked for.
                Piece::Tail(tail) => {
                    let lost = request.tuples_at_end.saturating_sub(before.unwrap_or(u64::MAX));
                    let tuples = lost.saturating_sub(tuples_below(&tail.heads, request.first));
                    return Ok(Found::Damage { offset: tail.offset, last: request.last, tuples });
                }
            }
        }
        match batch {
            Some(batch) => Ok(Found::Blocks(batch)),
            // A tail always comes last, so there was a piece that ended this.
            None => Ok(Found::Damage { offset: request.end, last: request.last, tuples: 0 }),
        }
    }

    /// The log's total tuples on one side of a committed record of this segment. Damage counts as what
    /// is still there: it is on the inner side of whoever asks for both ends of a stretch.
    pub(super) fn tuples_at(
        &self,
        segment: &Segment,
        sequence: u64,
        side: Side,
    ) -> io::Result<u64> {
        match side {
            Side::Before if sequence == segment.first() => return Ok(segment.base.tuples),
            Side::Behind if sequence == segment.last => return Ok(segment.totals.tuples),
            _ => {}
        }
        let request = Request::new(segment, sequence, sequence, None, Want::default());
        let file = self.open(segment.name)?;
        let mut scanner = Scanner::new(&*file, request.identity, request.from, request.end);
        let mut before = request.before.unwrap_or(segment.base.tuples);
        while let Some(piece) = scanner.next()? {
            match (piece, side) {
                (Piece::Record(Record { head, .. }), _) if head.sequence < sequence => {
                    before = head.totals.tuples;
                }
                (Piece::Record(Record { head, .. }), Side::Before) if head.sequence == sequence => {
                    return Ok(head.tuples_before());
                }
                (Piece::Record(Record { head, .. }), Side::Behind) if head.sequence == sequence => {
                    return Ok(head.totals.tuples);
                }
                (Piece::Damage(damage), _) if damage.next <= sequence => {
                    before = damage.tuples_before_next;
                }
                (Piece::Damage(damage), Side::Behind) => return Ok(damage.tuples_before_next),
                (Piece::Tail(_), Side::Behind) => return Ok(segment.totals.tuples),
                (_, Side::Before) | (Piece::Record(_), Side::Behind) => return Ok(before),
            }
        }
        Ok(before)
    }

    /// Tuples in the records of these stretches, as the files say.
    pub(super) fn count(&self, catalogue: &Catalogue, stretches: &[(u64, u64)]) -> io::Result<u64> {
        let mut counted = 0;
        for segment in catalogue.iter().filter(|segment| !segment.is_empty()) {
            for (first, last) in stretches {
                let (first, last) = ((*first).max(segment.first()), (*last).min(segment.last));
                if first <= last {
                    let behind = self.tuples_at(segment, last, Side::Behind)?;
                    let before = self.tuples_at(segment, first, Side::Before)?;
                    counted += behind.saturating_sub(before);
                }
            }
        }
        Ok(counted)
    }

    fn open(&self, name: Name) -> io::Result<Arc<dyn DiskFile>> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = handles.iter().position(|(known, _)| *known == name) {
            let handle = handles.remove(index);
            handles.push(handle);
        } else {
            if handles.len() >= HANDLES_MAX {
                handles.remove(0);
            }
            handles.push((name, self.disk.open(&name.to_string())?));
        }
        Ok(Arc::clone(&handles[handles.len() - 1].1))
    }

    /// Lets go of a segment that is deleted, so that its space is given back.
    pub(super) fn forget(&self, name: Name) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|(known, _)| *known != name);
    }
}

/// Tuples of damaged records before `first`, where their heads can still be read.
fn tuples_below(heads: &[Head], first: u64) -> u64 {
    let below = heads.iter().filter(|head| head.sequence < first && head.target.is_none());
    below.map(|head| u64::from(head.tuples)).sum()
}

impl Batch {
    fn begin(record: Record) -> Self {
        let Record { head, offset, body } = record;
        Self {
            place: Place { offset, tuples_before: head.tuples_before() },
            behind: behind(&head, offset),
            bytes: body.len(),
            tuples: head.tuples,
            blocks: vec![(head, body)],
        }
    }

    fn has_room(&self, head: &Head, want: Want) -> bool {
        let bytes = self.bytes + SEPARATOR_BYTES + head.body_bytes as usize;
        bytes <= want.bytes && self.tuples.saturating_add(head.tuples) <= want.tuples
    }

    fn add(&mut self, record: Record) {
        let Record { head, offset, body } = record;
        self.behind = behind(&head, offset);
        self.bytes += SEPARATOR_BYTES + body.len();
        self.tuples += head.tuples;
        self.blocks.push((head, body));
    }

    pub(super) fn first(&self) -> u64 {
        self.blocks[0].0.sequence
    }

    /// When the oldest of its records was received.
    pub(super) fn oldest(&self) -> Timestamp {
        let received = self.blocks.iter().map(|(head, _)| head.received);
        received.min().expect("a batch holds a block")
    }

    pub(super) fn last(&self) -> u64 {
        self.blocks[self.blocks.len() - 1].0.sequence
    }
}

/// Where the record behind this one begins.
fn behind(head: &Head, offset: u64) -> Place {
    Place { offset: offset + head.record_bytes(), tuples_before: head.totals.tuples }
}
