//! What waits for whom, without reading all of it.

use std::sync::Arc;

use super::super::position::{Saved, SlotsFault};
use super::super::segment::{HEADER_BYTES, Name};
use super::InspectError;
use super::account::Counter;
use super::view::{Segment, View};
use super::walk::{End, Event, Stop};
use crate::metric::timestamp::Timestamp;

/// The whole queue at a glance.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Where the log ends.
    pub end: End,
    /// Destinations by name.
    pub destinations: Vec<Line>,
    /// Segments of the log, in order.
    pub segments: Vec<Extent>,
}

/// One destination.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: Arc<str>,
    /// What waits for it, or why that is not known.
    pub queued: Result<Queued, SlotsFault>,
}

/// What waits for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Tuples, by the books.
    pub tuples: u64,
    /// Records.
    pub records: u64,
    /// What these take in the files.
    pub bytes: u64,
    /// When the first of them was received.
    pub oldest: Option<Timestamp>,
    /// Which they are.
    pub ranges: Vec<(u64, u64)>,
}

/// One segment of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its file.
    pub name: Name,
    /// The file's size.
    pub bytes: u64,
    /// The first sequence.
    pub first: u64,
    /// The last one; `first - 1` where there is none.
    pub last: u64,
    /// Tuples for all destinations in it.
    pub tuples: u64,
    /// Whether it has its footer.
    pub is_sealed: bool,
    /// Records that are missing or damaged in it, as far as this was seen: sealed segments are not
    /// read here.
    pub lost: u64,
    /// Bytes at its end that nobody was answered about.
    pub void_bytes: u64,
}

/// Reads what is not sealed, and the places where what waits begins and ends.
pub fn survey(view: &View) -> Result<Survey, InspectError> {
    let (segments, end) = extents(view)?;
    let mut destinations = Vec::new();
    for destination in &view.destinations {
        let queued = match &destination.position {
            Ok(saved) => Ok(queued(view, &destination.name, saved, end)?),
            Err(fault) => Err(*fault),
        };
        destinations.push(Line { name: Arc::clone(&destination.name), queued });
    }
    Ok(Survey { end, destinations, segments })
}

/// Runs of open segments are walked, sealed ones are taken at their footer's word.
fn extents(view: &View) -> Result<(Vec<Extent>, End), InspectError> {
    let mut extents: Vec<Extent> = view.segments.iter().map(Extent::of).collect();
    for (index, segment) in view.segments.iter().enumerate() {
        if segment.seal.is_some() {
            continue;
        }
        let (mut is_here, base) = (false, segment.header.base.tuples);
        let extent = &mut extents[index];
        view.walk(segment.first(), &mut |event| {
            match event {
                Event::Segment(entered) if is_here || entered.name != segment.name => {
                    return Err(Stop::Enough);
                }
                Event::Segment(_) => is_here = true,
                Event::Record(kept) => {
                    extent.last = kept.head.sequence;
                    extent.tuples = kept.head.totals.tuples.saturating_sub(base);
                }
                Event::Lost(lost) if lost.place.is_some_and(|at| at.file == segment.name) => {
                    extent.lost += lost.last - lost.first + 1;
                    extent.last = lost.last;
                }
                Event::Void(place) => extent.void_bytes = place.bytes,
                Event::Lost(_) => {}
            }
            Ok(())
        })?;
    }
    Ok((extents, view.end()?))
}

impl Extent {
    fn of(segment: &Segment) -> Self {
        let (first, base) = (segment.first(), segment.header.base.tuples);
        Self {
            name: segment.name,
            bytes: segment.bytes,
            first,
            last: segment.seal.map_or(first - 1, |seal| seal.last),
            tuples: segment.seal.map_or(0, |seal| seal.totals.tuples.saturating_sub(base)),
            is_sealed: segment.seal.is_some(),
            lost: 0,
            void_bytes: 0,
        }
    }
}

fn queued(view: &View, name: &Arc<str>, saved: &Saved, end: End) -> Result<Queued, InspectError> {
    let ranges: Vec<_> = saved.undelivered(end.head).collect();
    let series = end.totals.tuples.saturating_sub(saved.began_tuples);
    let mut bytes = 0;
    for segment in &view.segments {
        for &(first, last) in &ranges {
            bytes += bytes_within(view, segment, first, last)?;
        }
    }
    Ok(Queued {
        tuples: (series + saved.replayed).saturating_sub(saved.tally.total()),
        records: ranges.iter().map(|(first, last)| last - first + 1).sum(),
        bytes,
        oldest: oldest(view, name, saved)?,
        ranges,
    })
}

/// What the records from `first` to `last` take in a segment. Only its ends are read where it is
/// sealed.
fn bytes_within(
    view: &View,
    segment: &Segment,
    first: u64,
    last: u64,
) -> Result<u64, InspectError> {
    let seal = segment.seal;
    let segment_last = seal.map_or(segment.limit, |seal| seal.last);
    if last < segment.first() || first > segment_last {
        return Ok(0);
    }
    match seal {
        Some(seal) if first <= segment.first() && last >= seal.last => Ok(seal.end - HEADER_BYTES),
        _ => counted(view, segment, first, last),
    }
}

fn counted(view: &View, segment: &Segment, first: u64, last: u64) -> Result<u64, InspectError> {
    let mut bytes = 0;
    let from = first.max(segment.first());
    view.walk(from, &mut |event| {
        match event {
            Event::Segment(entered) if entered.name != segment.name => return Err(Stop::Enough),
            Event::Record(kept) if kept.head.sequence > last => return Err(Stop::Enough),
            Event::Record(kept) => bytes += kept.head.record_bytes(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(bytes)
}

fn oldest(view: &View, name: &Arc<str>, saved: &Saved) -> Result<Option<Timestamp>, InspectError> {
    let mut counter = Counter::new(Arc::clone(name), saved);
    let from = counter.first();
    view.walk(from, &mut |event| match event {
        Event::Record(kept) if counter.record(&kept) => Err(Stop::Enough),
        _ => Ok(()),
    })?;
    Ok(counter.waiting().oldest)
}
