//! The log's records in order, and what is missing between them.

use std::io;

use bytes::Bytes;

use super::super::super::Totals;
use super::super::disk::DiskFile;
use super::super::record::Head;
use super::super::scan::{Damage, HEADS_MAX, Piece, Record, Scanner, Tail, TailKind};
use super::super::segment::{Footer, HEADER_BYTES, Mark, Name, mark_before};
use super::judge::Judge;
use super::view::{Seal, Segment, View};
use super::{InspectError, Ranges};

/// One step through the log.
pub enum Event<'a> {
    /// A segment begins.
    Segment(&'a Segment),
    /// A record that is part of the log.
    Record(Kept<'a>),
    /// Sequences of the log that cannot be read.
    Lost(Lost),
    /// Bytes behind the log's end that were never acknowledged.
    Void(Place),
}

/// A record that is part of the log.
pub struct Kept<'a> {
    /// What it says about itself.
    pub head: &'a Head,
    /// The file it is in.
    pub segment: Name,
    /// Where it begins in it.
    pub offset: u64,
    /// `None` for one that had to wait for the end of its request.
    pub(super) body: Option<&'a Bytes>,
    pub(super) file: &'a dyn DiskFile,
}

/// Sequences that are part of the log and cannot be read: none of them is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Tuples in them for all destinations; `None` if totals around them contradict each other.
    pub tuples: Option<u64>,
    /// Where they should be; `None` if there is no file for them.
    pub place: Option<Place>,
    /// Whether any of them was acknowledged, as far as can be known.
    pub was_acknowledged: bool,
    /// The heads that can still be read, rising; at most about [`HEADS_MAX`].
    pub heads: Vec<Head>,
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Name,
    /// Where it begins.
    pub offset: u64,
    /// Its length; 0 where sequences are missing between two neighbours.
    pub bytes: u64,
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The last sequence; 0 in an empty log.
    pub head: u64,
    /// Totals there.
    pub totals: Totals,
}

/// Why a walk does not go on.
#[derive(Debug)]
pub enum Stop {
    /// Whoever looked has seen enough.
    Enough,
    /// It cannot.
    Failed(InspectError),
}

impl From<InspectError> for Stop {
    fn from(error: InspectError) -> Self {
        Self::Failed(error)
    }
}

/// What is done with each step.
pub type Visit<'v> = dyn FnMut(Event<'_>) -> Result<(), Stop> + 'v;

impl View {
    /// Visits the log from sequence `from` on. The end, unless the visitor had enough before.
    ///
    /// A record is shown when it is known to be part of the log: at once where it was acknowledged,
    /// else when its request is complete. Memory is a chunk of a file and the heads of one group.
    pub fn walk(&self, from: u64, visit: &mut Visit<'_>) -> Result<Option<End>, InspectError> {
        match Walker::new(from, visit).walk(self) {
            Ok(end) => Ok(Some(end)),
            Err(Stop::Enough) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Where the log ends. Reads the segments that are not sealed.
    pub fn end(&self) -> Result<End, InspectError> {
        // What is sealed has nothing more to say than its footer.
        let from = self
            .segments
            .last()
            .map_or(1, |segment| segment.seal.map_or(segment.first(), |seal| seal.last + 1));
        let end = self.walk(from, &mut |_| Ok(()))?;
        Ok(end.expect("this visitor never has enough"))
    }
}

impl Kept<'_> {
    /// Its tuples, joined by `,\n`.
    pub fn body(&self) -> Result<Bytes, InspectError> {
        if let Some(body) = self.body {
            return Ok(body.clone());
        }
        let mut body = vec![0; self.head.body_bytes as usize];
        let offset = self.offset + self.head.head_bytes() as u64;
        let read = self.file.read_at(offset, &mut body).and_then(|read| {
            if read < body.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
        });
        read.map_err(InspectError::io(self.segment.to_string()))?;
        Ok(body.into())
    }
}

impl Lost {
    /// Tuples of them that a destination still waits for; `Err` with the most it can be where the
    /// files do not tell.
    pub fn tuples_within(&self, ranges: &mut Ranges, destination: &str) -> Result<u64, u64> {
        let sequences = self.last - self.first + 1;
        let waiting = ranges.overlap(self.first, self.last);
        if waiting == 0 {
            return Ok(0);
        }
        if self.heads.len() as u64 == sequences {
            let is_for = |head: &&Head| head.target.as_deref().is_none_or(|to| to == destination);
            let counted = self.heads.iter().filter(is_for);
            let counted = counted.filter(|head| ranges.contains(head.sequence));
            return Ok(counted.map(|head| u64::from(head.tuples)).sum());
        }
        match self.tuples {
            Some(tuples) if waiting == sequences => Ok(tuples),
            tuples => Err(tuples.unwrap_or(u64::MAX)),
        }
    }
}

/// Where a walk is.
pub(super) struct Walker<'v, 'w> {
    visit: &'w mut Visit<'v>,
    /// The sequence that comes next.
    pub(super) next: u64,
    /// Totals before it; `None` where the walk began in the middle.
    totals: Option<Totals>,
    /// What was passed over since the last record.
    passed: Passed,
}

#[derive(Default)]
struct Passed {
    place: Option<Place>,
    was_acknowledged: bool,
    heads: Vec<Head>,
}

impl<'v, 'w> Walker<'v, 'w> {
    fn new(from: u64, visit: &'w mut Visit<'v>) -> Self {
        let next = from.max(1);
        let totals = (next == 1).then(Totals::default);
        Self { visit, next, totals, passed: Passed::default() }
    }

    fn walk(mut self, view: &View) -> Result<End, Stop> {
        for segment in &view.segments {
            if segment.seal.map_or(segment.limit, |seal| seal.last) < self.next {
                let is_next = |seal: &Seal| seal.last + 1 == self.next;
                self.totals = segment.seal.filter(is_next).map(|seal| seal.totals);
                continue;
            }
            self.segment(view, segment)?;
        }
        // Positions are written after the records they speak of: those records were there.
        let known = view.known;
        self.arrive(known.head.saturating_add(1), known.totals)?;
        let totals = self.totals.unwrap_or(known.totals);
        Ok(End { head: self.next - 1, totals })
    }

    fn segment(&mut self, view: &View, segment: &Segment) -> Result<(), Stop> {
        self.arrive(segment.first(), segment.header.base)?;
        (self.visit)(Event::Segment(segment))?;
        let file = view.file(segment)?;
        match segment.seal {
            Some(seal) => self.sealed(segment, seal, &*file),
            None => Judge::new(segment, &*file).read(self),
        }
    }

    /// Everything up to the footer was acknowledged.
    fn sealed(&mut self, segment: &Segment, seal: Seal, file: &dyn DiskFile) -> Result<(), Stop> {
        let failed = || InspectError::io(segment.name.to_string());
        let mut from = Mark { sequence: segment.first(), offset: HEADER_BYTES };
        if self.next > segment.first() {
            let footer = Footer::read(file, segment.header.identity).map_err(failed())?;
            let marks = footer.map_or_else(Vec::new, |footer| footer.marks);
            from = mark_before(&marks, self.next, from);
        }
        let mut scanner = Scanner::new(file, segment.header.identity, from, seal.end);
        while let Some(piece) = scanner.next().map_err(failed())? {
            match piece {
                Piece::Record(record) => {
                    let Record { head, offset, body } = &record;
                    let kept = Kept {
                        head,
                        segment: segment.name,
                        offset: *offset,
                        body: Some(body),
                        file,
                    };
                    self.keep(kept)?;
                }
                Piece::Damage(damage) => self.pass_damage(segment.name, damage, true),
                Piece::Tail(tail) => self.pass_tail(segment.name, tail),
            }
        }
        self.arrive(seal.last + 1, seal.totals)
    }

    /// A record comes next.
    pub(super) fn keep(&mut self, kept: Kept<'_>) -> Result<(), Stop> {
        let (sequence, totals) = (kept.head.sequence, kept.head.totals);
        if sequence >= self.next {
            // Accepted and rejected metrics of what is missing are nobody's to count.
            self.arrive(sequence, Totals { tuples: kept.head.tuples_before(), ..totals })?;
            (self.visit)(Event::Record(kept))?;
            self.next = sequence + 1;
        }
        self.totals = Some(totals);
        self.passed = Passed::default();
        Ok(())
    }

    /// Whatever is missing in front of `sequence` is lost; `before` are the totals there.
    pub(super) fn arrive(&mut self, sequence: u64, before: Totals) -> Result<(), Stop> {
        if sequence <= self.next {
            return Ok(());
        }
        let Passed { place, was_acknowledged, heads } = std::mem::take(&mut self.passed);
        let tuples = self.totals.and_then(|totals| before.tuples.checked_sub(totals.tuples));
        let (first, last) = (self.next, sequence - 1);
        let was_acknowledged = was_acknowledged || place.is_none();
        self.next = sequence;
        self.totals = Some(before);
        (self.visit)(Event::Lost(Lost { first, last, tuples, place, was_acknowledged, heads }))
    }

    /// Bytes that are no part of the log.
    pub(super) fn void(&mut self, place: Place) -> Result<(), Stop> {
        self.passed = Passed::default();
        (self.visit)(Event::Void(place))
    }

    pub(super) fn pass_damage(&mut self, file: Name, damage: Damage, was_acknowledged: bool) {
        let Damage { offset, bytes, heads, .. } = damage;
        self.pass(Place { file, offset, bytes }, heads, was_acknowledged);
    }

    fn pass_tail(&mut self, file: Name, tail: Tail) {
        // In a sealed segment the records reach up to the footer.
        if tail.kind == TailKind::Torn || tail.bytes > 0 {
            self.pass(Place { file, offset: tail.offset, bytes: tail.bytes }, tail.heads, true);
        }
    }

    /// A stretch without a record that counts, directly behind what was passed before it.
    pub(super) fn pass(&mut self, place: Place, heads: Vec<Head>, was_acknowledged: bool) {
        let passed = &mut self.passed;
        passed.was_acknowledged |= was_acknowledged;
        let room = HEADS_MAX.saturating_sub(passed.heads.len());
        passed.heads.extend(heads.into_iter().take(room));
        match &mut passed.place {
            Some(before) if before.file == place.file => {
                let end = (place.offset + place.bytes).max(before.offset + before.bytes);
                before.bytes = end - before.offset;
            }
            before => *before = Some(place),
        }
    }
}
