//! The one place that writes records: one group after another, each made durable by one sync.
//!
//! A group never spans two segments, so a request is whole in one file. After a failed write or sync
//! the file is left as it is and never written or synced again: the kernel may have dropped what it
//! could not write, and would report the next sync of it as good. What was not acknowledged goes
//! into a new segment, under the same sequences.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::super::Totals;
use super::disk::{Disk, DiskFile};
use super::group::{Joined, Plan};
use super::record::Identity;
use super::segment::{Footer, HEADER_BYTES, Header, Mark, Name};
use crate::metric::timestamp::Timestamp;

/// About how far apart the marks of a segment are.
pub(super) const MARK_EVERY_BYTES: u64 = 256 << 10;

/// Small groups write zeros up to the next multiple of this behind them, in the same sync. The next
/// groups then overwrite blocks that are allocated already, and their sync has no metadata to
/// commit: measured 1.3 to 1.6 times as many groups a second.
const ZEROS_STEP_BYTES: u64 = 256 << 10;
static ZEROS: [u8; ZEROS_STEP_BYTES as usize] = [0; ZEROS_STEP_BYTES as usize];

/// What a call of [`Appender::write`] did, in order; also when it failed.
#[derive(Debug)]
pub(super) enum Event {
    /// A segment is not written to any more; what it takes with its footer, if it could be given one.
    Closed { first: u64, bytes: Option<u64> },
    /// A group was not written, or not known to be durable; it is tried once more.
    Failed { why: String },
    /// A segment was begun.
    Began { name: Name, header: Header },
    /// A group is durable.
    Grown(Growth),
}

/// The end of a segment after a group.
#[derive(Debug)]
pub(super) struct Growth {
    /// The segment's first sequence.
    pub(super) segment: u64,
    pub(super) last: u64,
    pub(super) totals: Totals,
    pub(super) end: u64,
    pub(super) bytes: u64,
    /// Marks to add.
    pub(super) marks: Vec<Mark>,
}

/// Whether a group waits for the disk (contract C5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    Disk,
    /// The operating system writes when it likes.
    Never,
}

pub(super) struct Appender {
    disk: Arc<dyn Disk>,
    sync: Sync,
    segment_bytes: u64,
    active: Option<Active>,
    /// Names that were given to files at the next sequence: none of them is used again.
    next: Name,
    heads: Vec<u8>,
    /// For the packing of the next group.
    pub(super) joined: Joined,
    /// The step in which zeros are written ahead; 0 for none.
    ahead: u64,
}

/// The segment that is written to.
struct Active {
    name: Name,
    file: Arc<dyn DiskFile>,
    identity: Identity,
    end: u64,
    /// Up to here the file has blocks.
    filled: u64,
    last: u64,
    totals: Totals,
    marks: Vec<Mark>,
}

/// What the first segment that is begun follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    /// Totals before the first record.
    pub(super) totals: Totals,
    /// The highest acknowledged sequence.
    pub(super) certain: u64,
    pub(super) now: Timestamp,
}

impl Appender {
    /// `next`: the first sequence to be written, with an attempt no file has had.
    pub(super) fn new(disk: Arc<dyn Disk>, sync: Sync, segment_bytes: u64, next: Name) -> Self {
        let (heads, joined) = (Vec::new(), Joined::default());
        Self { disk, sync, segment_bytes, active: None, next, heads, joined, ahead: 0 }
    }

    /// Makes a group durable, in one segment, at the second try in a new one. `base` is what it follows. After an error nothing of it
    /// is acknowledged, and the next group may take its sequences.
    pub(super) fn write(
        &mut self,
        group: &Plan<'_>,
        base: Base,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        if self
            .active
            .as_ref()
            .is_some_and(|active| active.is_full(group.bytes(), self.segment_bytes))
        {
            self.seal(events);
        }
        // Nothing of use behind the end of a segment.
        self.ahead = ZEROS_STEP_BYTES.min(self.segment_bytes);
        let Err(error) = self.write_once(group, base, events) else { return Ok(()) };
        events.push(Event::Failed { why: error.to_string() });
        // A new file is the only other chance; it takes no more than it needs.
        self.ahead = 0;
        self.write_once(group, base, events)
    }

    /// Gives the active segment its footer. It is no longer written to, also if that fails: then it
    /// is scanned when the log is opened.
    pub(super) fn seal(&mut self, events: &mut Vec<Event>) {
        let Some(active) = self.active.take() else { return };
        self.next = Name { first: active.last + 1, attempt: 0 };
        let bytes = active.seal(self.sync).ok();
        events.push(Event::Closed { first: active.name.first, bytes });
    }

    /// The first sequence of the segment that is written to.
    pub(super) fn active(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.name.first)
    }

    fn write_once(
        &mut self,
        group: &Plan<'_>,
        base: Base,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let mut heads = std::mem::take(&mut self.heads);
        heads.clear();
        let outcome = self.try_write(group, base, &mut heads, events);
        self.heads = heads;
        if outcome.is_err() {
            self.abandon(events);
        }
        outcome
    }

    fn try_write(
        &mut self,
        group: &Plan<'_>,
        base: Base,
        heads: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let mut begun = None;
        if self.active.is_none() {
            let (active, header) = self.begin(base)?;
            heads.extend_from_slice(&header.encode());
            begun = Some((active.name, header));
            self.active = Some(active);
        }
        let active = self.active.as_mut().expect("it was there, or was begun just now");
        let growth = active.write(group, heads, self.ahead, self.sync)?;
        if let Some((name, header)) = begun {
            if self.sync == Sync::Disk {
                self.disk.sync()?;
            }
            events.push(Event::Began { name, header });
        }
        active.last = growth.last;
        active.totals = growth.totals;
        active.end = growth.end;
        active.marks.extend_from_slice(&growth.marks);
        events.push(Event::Grown(growth));
        Ok(())
    }

    /// A new file; its header is written with the first group.
    fn begin(&mut self, base: Base) -> io::Result<(Active, Header)> {
        let name = self.next;
        self.next.attempt += 1;
        let file = self.disk.create(&name.to_string())?;
        let header = Header {
            identity: Identity(fastrand::u64(..)),
            first: name.first,
            certain: base.certain,
            created: base.now.seconds(),
            base: base.totals,
        };
        let active = Active {
            name,
            file,
            identity: header.identity,
            end: 0,
            filled: 0,
            last: name.first - 1,
            totals: base.totals,
            marks: Vec::new(),
        };
        Ok((active, header))
    }

    /// Leaves the active file for good. One without an acknowledged record holds nothing of worth and
    /// goes, if the disk lets it; otherwise recovery sees that a later segment takes its place.
    pub(super) fn abandon(&mut self, events: &mut Vec<Event>) {
        let Some(active) = self.active.take() else { return };
        if active.last < active.name.first {
            self.disk.remove(&active.name.to_string()).ok();
        } else {
            self.next = Name { first: active.last + 1, attempt: 0 };
            events.push(Event::Closed { first: active.name.first, bytes: None });
        }
    }
}

impl Active {
    fn is_full(&self, more_bytes: u64, segment_bytes: u64) -> bool {
        self.last >= self.name.first && self.end + more_bytes > segment_bytes
    }

    /// Writes the group behind what `heads` begins with, which is a header or nothing.
    fn write(
        &mut self,
        group: &Plan<'_>,
        heads: &mut Vec<u8>,
        ahead: u64,
        sync: Sync,
    ) -> io::Result<Growth> {
        let mut cuts = Vec::with_capacity(group.records.len());
        let mut marks = Vec::new();
        let mut offset = self.end + heads.len() as u64;
        let mut marked = self.marks.last().copied();
        for record in &group.records {
            if marked.is_none_or(|mark| offset >= mark.offset + MARK_EVERY_BYTES) {
                let mark = Mark { sequence: record.head.sequence, offset };
                marks.push(mark);
                marked = Some(mark);
            }
            record.head.encode(self.identity, group.body(record), heads);
            cuts.push(heads.len());
            offset += record.head.record_bytes();
        }
        let mut parts = Vec::with_capacity(2 * group.records.len() + 1);
        let mut from = 0;
        for (record, cut) in group.records.iter().zip(cuts) {
            parts.push(IoSlice::new(&heads[from..cut]));
            parts.push(IoSlice::new(group.body(record)));
            from = cut;
        }
        let zeros = self.zeros_behind(offset, ahead);
        parts.push(IoSlice::new(&ZEROS[..zeros]));
        self.file.write_at(self.end, &parts)?;
        if sync == Sync::Disk {
            self.file.sync()?;
        }
        self.filled = self.filled.max(offset + zeros as u64);
        let last = &group.records.last().expect("a group has records").head;
        Ok(Growth {
            segment: self.name.first,
            last: last.sequence,
            totals: last.totals,
            end: offset,
            bytes: self.filled,
            marks,
        })
    }

    /// How many zeros to write behind a group that ends at `end`, in steps of `ahead`.
    fn zeros_behind(&self, end: u64, ahead: u64) -> usize {
        let group_bytes = end - self.end;
        if end <= self.filled || group_bytes >= ahead {
            return 0;
        }
        (end.next_multiple_of(ahead) - end) as usize
    }

    /// The size of the file with its footer.
    fn seal(&self, sync: Sync) -> io::Result<u64> {
        let (end, totals) = (self.end, self.totals);
        let footer = Footer { last: self.last, totals, end, marks: self.marks.clone() };
        let footer = footer.encode(self.identity);
        let bytes = end + footer.len() as u64;
        self.file.write_at(end, &[IoSlice::new(&footer)])?;
        // What was filled ahead goes: a footer is found at the end of its file.
        self.file.set_len(bytes)?;
        if sync == Sync::Disk {
            self.file.sync()?;
        }
        Ok(bytes)
    }
}

const _: () = assert!(HEADER_BYTES < ZEROS_STEP_BYTES);
