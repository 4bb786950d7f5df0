//! The segments that are there, as far as they are committed.

use std::collections::BTreeMap;

use super::super::Totals;
use super::record::Identity;
use super::segment::{HEADER_BYTES, Header, Mark, Name};

/// One segment: what readers and the books need of it without opening the file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    pub(super) identity: Identity,
    /// The last committed sequence; `name.first - 1` before the first one is.
    pub(super) last: u64,
    /// Totals before its first record.
    pub(super) base: Totals,
    /// Totals behind `last`.
    pub(super) totals: Totals,
    /// Where the committed records end.
    pub(super) end: u64,
    /// What it takes from the disk.
    pub(super) bytes: u64,
    /// A record about every 256 KiB, rising.
    pub(super) marks: Vec<Mark>,
    /// Whether records of it are damaged or void: then the file is kept in the end.
    pub(super) has_damage: bool,
    /// Whether it is not written to any more.
    pub(super) is_closed: bool,
    /// Whether it says itself what of it counts; else that follows from the segment behind it.
    pub(super) is_sealed: bool,
}

/// All segments by their first sequence. Their ranges never overlap; they may leave gaps, where every
/// destination had passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue {
    segments: BTreeMap<u64, Segment>,
    bytes: u64,
}

impl Segment {
    pub(super) fn begin(name: Name, header: &Header) -> Self {
        Self {
            name,
            identity: header.identity,
            last: header.first - 1,
            base: header.base,
            totals: header.base,
            end: HEADER_BYTES,
            bytes: HEADER_BYTES,
            marks: Vec::new(),
            has_damage: false,
            is_closed: false,
            is_sealed: false,
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.name.first
    }

    /// About how many bytes the records from `first` to `last` take, as far as they are here.
    pub(super) fn bytes_between(&self, first: u64, last: u64) -> u64 {
        if self.is_empty() || last < self.first() || first > self.last {
            return 0;
        }
        self.offset_of(last.min(self.last) + 1) - self.offset_of(first)
    }

    /// The first sequence behind `first` up to which its records take at least so many bytes.
    pub(super) fn end_of_bytes(&self, first: u64, bytes: u64) -> u64 {
        let (mut low, mut high) = (first, self.last);
        while low < high {
            let middle = low.midpoint(high);
            if self.bytes_between(first, middle) >= bytes {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// About where a record begins: between two marks they are taken to be of one size.
    fn offset_of(&self, sequence: u64) -> u64 {
        let sequence = sequence.clamp(self.first(), self.last + 1);
        let behind = self.marks.partition_point(|mark| mark.sequence <= sequence);
        let start = Mark { sequence: self.first(), offset: HEADER_BYTES };
        let low = behind.checked_sub(1).map_or(start, |index| self.marks[index]);
        let end = Mark { sequence: self.last + 1, offset: self.end };
        let high = self.marks.get(behind).copied().unwrap_or(end);
        let (step, steps) = (sequence - low.sequence, high.sequence - low.sequence);
        let bytes = high.offset.saturating_sub(low.offset);
        low.offset + bytes.saturating_mul(step).checked_div(steps).unwrap_or(0)
    }

    /// Whether no record of it is committed.
    pub(super) fn is_empty(&self) -> bool {
        self.last < self.first()
    }
}

impl Catalogue {
    pub(super) fn insert(&mut self, segment: Segment) {
        self.bytes += segment.bytes;
        let before = self.segments.insert(segment.first(), segment);
        debug_assert!(before.is_none(), "two segments begin at one sequence");
    }

    pub(super) fn remove(&mut self, first: u64) -> Option<Segment> {
        let segment = self.segments.remove(&first)?;
        self.bytes -= segment.bytes;
        Some(segment)
    }

    /// Changes one segment.
    pub(super) fn update(&mut self, first: u64, change: impl FnOnce(&mut Segment)) {
        let Some(segment) = self.segments.get_mut(&first) else { return };
        self.bytes -= segment.bytes;
        change(segment);
        self.bytes += segment.bytes;
    }

    /// None of them is written to any more.
    pub(super) fn close_all(&mut self) {
        self.segments.values_mut().for_each(|segment| segment.is_closed = true);
    }

    /// The segment that holds a committed record of this sequence.
    pub(super) fn holding(&self, sequence: u64) -> Option<&Segment> {
        let (_, segment) = self.segments.range(..=sequence).next_back()?;
        (sequence <= segment.last).then_some(segment)
    }

    /// The first committed sequence at or behind `sequence` that is here.
    pub(super) fn at_or_behind(&self, sequence: u64) -> Option<u64> {
        if self.holding(sequence).is_some() {
            return Some(sequence);
        }
        let mut behind = self.segments.range(sequence..).map(|(_, segment)| segment);
        behind.find(|segment| !segment.is_empty()).map(Segment::first)
    }

    /// Whether every sequence from `first` to `last` is here.
    pub(super) fn covers(&self, first: u64, last: u64) -> bool {
        let mut next = first;
        while next <= last {
            match self.holding(next) {
                Some(segment) => next = segment.last + 1,
                None => return false,
            }
        }
        true
    }

    /// The first segment that begins at or behind `sequence`.
    pub(super) fn beginning_from(&self, sequence: u64) -> Option<&Segment> {
        self.segments.range(sequence..).next().map(|(_, segment)| segment)
    }

    /// The last segment that begins before `sequence` or there.
    pub(super) fn beginning_until(&self, sequence: u64) -> Option<&Segment> {
        self.segments.range(..=sequence).next_back().map(|(_, segment)| segment)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.values()
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    /// What all of them take from the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
