//! Reading blocks back for a lease.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::super::Want;
use super::addressee::{Addressee, Belongs, Sorted};
use super::catalogue::{Catalogue, Segment};
use super::disk::{Disk, DiskFile};
use super::lanes::Lane;
use super::record::{Head, Identity};
use super::scan::{CHUNK_BYTES, Damage, Medium, Piece, Pool, Record, Scanner, Tail};
use super::segment::{HEADER_BYTES, Mark, Name};
use super::state::Place;

mod ahead;
mod batch;
mod hole;

use ahead::Ahead;
pub(super) use batch::{Batch, Others};
pub(super) use hole::Hole;

/// Segments that are kept open for reading: the two lanes of a few destinations.
const HANDLES_MAX: usize = 8;

/// Bytes read in one go by whoever looks for one record.
const LOOK_BYTES: usize = 64 << 10;

/// Opens segments and remembers the last few.
pub(super) struct Reader {
    disk: Arc<dyn Disk>,
    handles: Mutex<Vec<(Name, Arc<dyn DiskFile>)>>,
    pool: Arc<Pool>,
    ahead: Ahead,
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
    /// Where the committed records end, the last one and the totals there.
    end: u64,
    last_committed: u64,
    tuples_at_end: u64,
    /// `None` to find the first one of the destination, and no more.
    want: Option<Want>,
    medium: Medium,
    /// Where the destination's next lease is going to begin behind this one; `None` if nobody knows.
    lane: Option<Lane>,
}

/// What lies at the first sequence that was asked for.
#[derive(Debug)]
pub(super) enum Found {
    /// Blocks, at least one.
    Blocks(Batch),
    /// Records that cannot be read: the first one that was asked for, and maybe more than were.
    Damage(Hole),
    /// Records that are not for it.
    Others(Others),
}

/// What stands where the first sequence should that is asked for.
enum Arrival {
    /// It, or a later one.
    Record(Record),
    Hole(Hole),
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
            last_committed: segment.last,
            tuples_at_end: segment.totals.tuples,
            want: Some(want),
            medium: Medium::Away,
            lane: None,
        }
    }

    /// The same for a lane of the destination: what is read and does not fit waits for its next lease.
    pub(super) fn of_lane(self, lane: Lane) -> Self {
        Self { lane: Some(lane), ..self }
    }

    /// The same, taking what cannot be read for lost.
    pub(super) fn giving_up(self) -> Self {
        Self { medium: Medium::Damaged, ..self }
    }

    /// The same for whoever wants to know of the first record that is for it, and of no other.
    pub(super) fn looking(self) -> Self {
        Self { want: None, ..self }
    }

    pub(super) fn is_giving_up(&self) -> bool {
        self.medium == Medium::Damaged
    }

    /// The last sequence that was asked for.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Passes what lies before the first sequence that is asked for.
    fn approach(&self, scanner: &mut Scanner<'_>) -> io::Result<Arrival> {
        let mut before = self.before;
        let mut expected = self.from.sequence;
        while let Some(piece) = scanner.next()? {
            match piece {
                Piece::Record(Record { head, .. }) if head.sequence < self.first => {
                    before = Some(head.totals.tuples);
                    expected = head.sequence + 1;
                }
                Piece::Damage(damage) if damage.next <= self.first => {
                    before = Some(damage.tuples_before_next);
                    expected = damage.next;
                }
                Piece::Record(record) => return Ok(Arrival::Record(record)),
                Piece::Damage(damage) => {
                    return Ok(Arrival::Hole(Hole::of_damage(damage, before)));
                }
                // The end of what was committed, but not of what was asked for.
                Piece::Tail(tail) => {
                    let (last, behind) = (self.last_committed, self.tuples_at_end);
                    return Ok(Arrival::Hole(Hole::of_tail(tail, expected, before, last, behind)));
                }
            }
        }
        Err(io::Error::other("the scan of a segment ended without its tail"))
    }

    /// The next record that was asked for, if it can be read.
    fn follow(&self, scanner: &mut Scanner<'_>) -> io::Result<Option<Record>> {
        Ok(match scanner.next()? {
            Some(Piece::Record(record)) if record.head.sequence <= self.last => Some(record),
            _ => None,
        })
    }

    /// The file to read.
    pub(super) fn file(&self) -> String {
        self.name.to_string()
    }
}

impl Reader {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, handles: Mutex::default(), pool: Arc::default(), ahead: Ahead::default() }
    }

    /// The first records that were asked for, as many as are wanted, for a destination. Those that are
    /// not for it are passed over: sources that take turns must not make tiny leases.
    pub(super) fn read(&self, request: &Request, to: &Addressee) -> io::Result<Found> {
        let file = self.open(request.name)?;
        let mut scanner = self.scanner(&*file, request);
        let known = self.ahead.find(request.name, request.from.offset);
        let is_known = !known.is_empty();
        scanner.begin_with(known);
        let mut found = Self::gather(request, &mut scanner, to)?;
        if is_known && matches!(found, Found::Damage(_)) {
            // The file is asked itself before anything is called lost: memory may be what is damaged.
            scanner = self.scanner(&*file, request);
            found = Self::gather(request, &mut scanner, to)?;
        }
        if let (Some(lane), Some(_)) = (request.lane, request.want) {
            let (behind, bytes) = match &found {
                Found::Blocks(Batch { behind, .. }) | Found::Others(Others { behind, .. }) => {
                    (behind.offset, scanner.ahead(behind.offset))
                }
                Found::Damage(_) => (0, Bytes::new()),
            };
            self.ahead.keep((&to.name, lane), (request.name, behind), bytes);
        }
        Ok(found)
    }

    fn scanner<'f>(&self, file: &'f dyn DiskFile, request: &Request) -> Scanner<'f> {
        let Request { identity, from, end, .. } = *request;
        let chunk_bytes = if request.want.is_some() { CHUNK_BYTES } else { LOOK_BYTES };
        let mut scanner = Scanner::with_chunk(file, identity, from, end, chunk_bytes);
        scanner.take_the_unreadable_for(request.medium);
        scanner.read_into(&self.pool);
        scanner
    }

    fn gather(request: &Request, scanner: &mut Scanner<'_>, to: &Addressee) -> io::Result<Found> {
        let record = match request.approach(scanner)? {
            Arrival::Hole(hole) => return Ok(Found::Damage(hole)),
            Arrival::Record(Record { head, .. }) if head.sequence > request.last => {
                return Err(io::Error::other("the scan of a segment passed what was asked for"));
            }
            Arrival::Record(record) => record,
        };
        match to.of(&record.head) {
            Belongs::Own => {
                let mut batch = Batch::begin(record);
                let Some(want) = request.want else { return Ok(Found::Blocks(batch)) };
                while let Some(record) = request.follow(scanner)? {
                    if !batch.take(record, to, want) {
                        break;
                    }
                }
                Ok(Found::Blocks(batch))
            }
            belongs => {
                let mut others = Others::begin(&record, belongs);
                while let Some(record) = request.follow(scanner)? {
                    if !others.take(&record, to) {
                        break;
                    }
                }
                Ok(Found::Others(others))
            }
        }
    }

    /// The log's total tuples before a sequence of this segment, or behind its last one; `None` where
    /// damage leaves that open.
    pub(super) fn tuples_before(
        &self,
        segment: &Segment,
        sequence: u64,
    ) -> io::Result<Option<u64>> {
        if sequence == segment.first() {
            return Ok(Some(segment.base.tuples));
        }
        if sequence > segment.last {
            return Ok(Some(segment.totals.tuples));
        }
        let request = Request::new(segment, sequence, sequence, None, Want::default());
        let request = request.giving_up().looking();
        let file = self.open(segment.name)?;
        let mut scanner = self.scanner(&*file, &request);
        Ok(match request.approach(&mut scanner)? {
            Arrival::Record(Record { head, .. }) => Some(head.tuples_before()),
            Arrival::Hole(hole) => hole.tuples_before(sequence),
        })
    }

    /// Tuples for every destination in the records of these stretches, as the files say, those in
    /// damaged records included; `None` where damage leaves that open.
    pub(super) fn count(
        &self,
        catalogue: &Catalogue,
        stretches: &[(u64, u64)],
    ) -> io::Result<Option<u64>> {
        let mut counted = Some(0);
        for segment in catalogue.iter().filter(|segment| !segment.is_empty()) {
            for (first, last) in stretches {
                let (first, last) = ((*first).max(segment.first()), (*last).min(segment.last));
                if first <= last {
                    let behind = self.tuples_before(segment, last + 1)?;
                    let before = self.tuples_before(segment, first)?;
                    let tuples = behind.zip(before).map(|(behind, before)| behind - before);
                    counted = counted.zip(tuples).map(|(counted, tuples)| counted + tuples);
                }
            }
        }
        Ok(counted)
    }

    /// What the records from `first` to `last` of a segment are to a destination, as far as their heads
    /// can be read.
    pub(super) fn sort(
        &self,
        segment: &Segment,
        (first, last): (u64, u64),
        to: &Addressee,
    ) -> io::Result<Sorted> {
        let mut sorted = Sorted::default();
        self.heads(segment, (first, last), &mut |head| sorted.add(to.of(head), head))?;
        Ok(sorted)
    }

    /// Tuples in records behind a sequence that are for one destination alone, those included of which
    /// only the body is damaged, but none in `void` stretches.
    pub(super) fn addressed(
        &self,
        catalogue: &Catalogue,
        destination: &str,
        after: u64,
        void: &[(u64, u64)],
    ) -> io::Result<u64> {
        let is_void = |head: &Head| {
            void.iter().any(|(first, last)| (*first..=*last).contains(&head.sequence))
        };
        let mut tuples = 0;
        for segment in catalogue.iter().filter(|segment| segment.last > after) {
            self.heads(segment, (after + 1, segment.last), &mut |head| {
                if head.target.as_deref() == Some(destination) && !is_void(head) {
                    tuples += u64::from(head.tuples);
                }
            })?;
        }
        Ok(tuples)
    }

    /// Every head of a stretch of a segment that can be read, those of damaged bodies included.
    fn heads(
        &self,
        segment: &Segment,
        (first, last): (u64, u64),
        visit: &mut dyn FnMut(&Head),
    ) -> io::Result<()> {
        let request = Request::new(segment, first, last, None, Want::default()).giving_up();
        let file = self.open(segment.name)?;
        let mut scanner = self.scanner(&*file, &request);
        while let Some(piece) = scanner.next()? {
            let heads = match piece {
                Piece::Record(Record { head, .. }) => vec![head],
                Piece::Damage(Damage { heads, .. }) | Piece::Tail(Tail { heads, .. }) => heads,
            };
            if heads.first().is_some_and(|head| head.sequence > last) {
                break;
            }
            heads
                .iter()
                .filter(|head| (first..=last).contains(&head.sequence))
                .for_each(&mut *visit);
        }
        Ok(())
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
        drop(handles);
        self.ahead.forget(name);
    }

    /// Lets go of memory that was not used since the last call.
    pub(super) fn tidy(&self) {
        self.ahead.age();
        self.pool.trim();
    }
}
