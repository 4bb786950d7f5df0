//! What keeps a log in order while it is used: positions saved, passed segments deleted, room made.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use super::super::catalogue::{Catalogue, Segment};
use super::super::keeper::Keeper;
use super::super::position::Saved;
use super::super::recovery::aside;
use super::super::segment::Name;
use super::super::state::{Phase, State};
use super::{Engine, lock};
use crate::queue::Standing;

/// A write that takes longer than this is told of as a fault, though it may still succeed.
const STALL: Duration = Duration::from_secs(5);

/// What is written to see whether the disk takes writes again.
const PROBE: &str = "probe.partial";

/// A stretch of sequences.
pub(super) type Stretch = (u64, u64);

impl Engine {
    /// Saves the positions that changed (contract C5.2). An error leaves them to the next call; the
    /// first one is returned.
    pub fn save(&self) -> io::Result<()> {
        self.save_all(&mut lock(&self.keeper), Which::Changed)
    }

    fn save_all(&self, keeper: &mut Keeper, which: Which) -> io::Result<()> {
        let mut outcome = Ok(());
        for index in 0..keeper.files.len() {
            let Some(mut saved) = self.lock().snapshot(index, which) else { continue };
            let written = keeper.files[index].write(&mut saved);
            let mut state = self.lock();
            let destination = &mut state.destinations[index];
            match written {
                Ok(()) => destination.saved = saved,
                Err(error) => {
                    destination.is_dirty = true;
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }

    /// Deletes segments that every destination has passed by its saved position.
    pub fn collect(&self) -> io::Result<()> {
        self.collect_all(&mut lock(&self.keeper))
    }

    fn collect_all(&self, keeper: &mut Keeper) -> io::Result<()> {
        let candidates = self.lock().deletable();
        let is_past = |segment: &Deletable| {
            let (first, last) = segment.sequences;
            keeper.is_past(first, last)
        };
        if !candidates.iter().all(is_past) {
            // Both halves of every position have to say so.
            self.save_all(keeper, Which::All)?;
        }
        let mut outcome = Ok(());
        for Deletable { name, sequences: (first, last), is_sealed, has_damage } in candidates {
            if !keeper.is_past(first, last) {
                if is_sealed {
                    continue;
                }
                break;
            }
            match self.dispose(name, has_damage) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    outcome = outcome.and(Err(error));
                    if is_sealed {
                        continue;
                    }
                    break;
                }
                _ => {}
            }
            self.reader.forget(name);
            let mut state = self.lock();
            let freed = state.catalogue.remove(first).map_or(0, |segment| segment.bytes);
            state.free_bytes = state.free_bytes.map(|free| free + freed);
            drop(state);
            if !is_sealed {
                // It must not come back without the one behind it.
                self.disk.sync()?;
            }
        }
        outcome
    }

    /// Removes a segment everybody has passed. One in which something could not be read is kept under
    /// another name: what was lost there may be there for somebody who looks again.
    fn dispose(&self, name: Name, has_damage: bool) -> io::Result<()> {
        self.set_aside_before(name)?;
        let file = name.to_string();
        if has_damage && aside::rename(&*self.disk, &file, "damaged").is_ok() {
            return Ok(());
        }
        self.disk.remove(&file)
    }

    /// Sets those aside whose place a segment took, as they failed: once it is gone, they would be taken
    /// for it, because what they hold has sequences that were acknowledged meanwhile.
    fn set_aside_before(&self, name: Name) -> io::Result<()> {
        if name.attempt == 0 {
            return Ok(());
        }
        let names = self.disk.list()?;
        let is_before = |other: &Name| other.first == name.first && other.attempt < name.attempt;
        let mut is_changed = false;
        for before in names.iter().filter_map(|name| Name::parse(name)).filter(is_before) {
            aside::rename(&*self.disk, &before.to_string(), "torn")?;
            is_changed = true;
        }
        if is_changed { self.disk.sync() } else { Ok(()) }
    }

    /// Everything that is to be done now and then, by one thread at a time: what the one counts, the
    /// other must not delete.
    pub(in super::super) fn maintain(&self) -> io::Result<()> {
        let _round = lock(&self.round);
        if let Ok(free) = self.disk.free_bytes() {
            self.lock().free_bytes = Some(free);
        }
        self.reader.tidy();
        self.probe();
        let expired = self.expire();
        let saved = self.save();
        let mut collected = self.collect();
        let wanted = std::mem::take(&mut self.lock().wanted_bytes);
        if wanted > 0 {
            self.retire();
            collected = collected.and(self.collect());
        }
        let (is_given_up, made) = self.make_room(wanted);
        if is_given_up {
            collected = collected.and(self.save()).and(self.collect());
        }
        saved.and(collected).and(expired).and(made)
    }

    /// After a failed group somebody has to find out that the disk works again, also when nobody sends
    /// because the gateway says that it is not ready.
    fn probe(&self) {
        if self.lock().fault.is_none() {
            return;
        }
        let probe = || {
            // Left by a probe that failed half-way.
            self.disk.remove(PROBE).ok();
            let file = self.disk.create(PROBE)?;
            file.write_at(0, &[IoSlice::new(&[0x55; 4096])])?;
            file.sync()?;
            self.disk.remove(PROBE)
        };
        if probe().is_ok() {
            self.lock().fault = None;
        }
    }

    /// Closes the active segment if everything in it is delivered, so that its room is given back.
    fn retire(&self) {
        let mut appender = lock(&self.appender);
        let Some(first) = appender.active() else { return };
        let is_past = {
            let state = self.lock();
            let segment = state.catalogue.iter().find(|segment| segment.first() == first);
            segment.is_some_and(|segment| state.is_past(first, segment.last))
        };
        if is_past {
            let mut events = Vec::new();
            appender.seal(&mut events);
            let mut state = self.lock();
            for event in events {
                state.apply(event);
            }
        }
    }

    /// Nothing more is taken; what is inside can still be leased.
    pub(in super::super) fn close(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
    }

    /// The orderly end: nothing more is leased, positions are saved, the last segment is sealed.
    pub fn end(&self) -> io::Result<()> {
        self.lock().phase = Phase::Ended;
        let mut appender = lock(&self.appender);
        let mut events = Vec::new();
        appender.seal(&mut events);
        for event in events {
            self.lock().apply(event);
        }
        drop(appender);
        self.save()
    }

    /// How full it is, and whether it works.
    pub(in super::super) fn standing(&self, monotonic: Duration) -> Standing {
        let state = self.lock();
        let writing = state.writing_since.map(|since| monotonic.saturating_sub(since));
        let stalled = writing.filter(|took| *took >= STALL).map(|took| {
            Arc::from(format!("the disk has not finished a write for {} s", took.as_secs()))
        });
        let balanced = |index| state.books(index).is_balanced();
        Standing {
            used_bytes: state.catalogue.bytes() + state.pending_bytes,
            spent_bytes: state.spent_bytes(),
            limit_bytes: self.limits.max_bytes,
            disk: state.free_bytes.map(|free| (free, self.limits.min_free_bytes)),
            segments: state.catalogue.len() as u64,
            fault: state.stopped_by.clone().or(stalled).or_else(|| state.fault.clone()),
            is_unbalanced: state.is_unbalanced || !(0..state.destinations.len()).all(balanced),
        }
    }

    /// Counts what waits in the files, and compares it with the books (contract C7). Whether every
    /// destination could be counted; records that move meanwhile make that impossible now and then.
    pub(in super::super) fn check_books(&self) -> io::Result<()> {
        // Not in the head of the loop: the lock would be held until its end.
        let destinations = self.lock().destinations.len();
        for index in 0..destinations {
            let Some((booked, counted)) = self.count(index)? else { continue };
            let mut state = self.lock();
            if counted != booked && !state.destinations[index].has_holes {
                state.unbalance(index, booked, counted);
            }
        }
        Ok(())
    }

    /// Books as damaged what is queued by the books alone: of a hole that could not be told from
    /// others beside it. What cannot be counted now is written off when everything else is delivered.
    pub(super) fn write_off(&self, index: usize) -> io::Result<()> {
        // Held over both steps: two who count at once would write the same off twice.
        let _counting = lock(&self.counting);
        if let Some((booked, counted)) = self.count(index)? {
            let mut state = self.lock();
            let queued = state.books(index).queued;
            let destination = &mut state.destinations[index];
            // Else everything was delivered meanwhile, and it is written off.
            if destination.has_holes {
                destination.position.write_off(booked.saturating_sub(counted).min(queued));
                destination.is_dirty = true;
            }
        }
        Ok(())
    }

    /// Tuples that wait for a destination by the books and by the files, at one moment; `None` where the
    /// files cannot tell. No lock is held while they are read: a disk that is slow to read must not keep
    /// the writer from room.
    fn count(&self, index: usize) -> io::Result<Option<(u64, u64)>> {
        let (stretches, catalogue, booked) = {
            let state = self.lock();
            let position = &state.destinations[index].position;
            // The totals of the log do not know of records for one destination.
            if position.replayed() > 0 {
                return Ok(None);
            }
            let stretches = position.undelivered(state.head).collect::<Vec<_>>();
            (stretches, state.catalogue.clone(), state.books(index).queued)
        };
        let counted = match self.reader.count(&catalogue, &stretches) {
            // Delivered and deleted meanwhile.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && self.has_shrunk(&catalogue) =>
            {
                return Ok(None);
            }
            counted => counted?,
        };
        Ok(counted.map(|counted| (booked, counted)))
    }

    /// Whether any of these segments is not there any more.
    fn has_shrunk(&self, before: &Catalogue) -> bool {
        let state = self.lock();
        let is_gone = |segment: &Segment| !state.catalogue.covers(segment.first(), segment.last);
        before.iter().any(is_gone)
    }
}

/// A segment that everybody has passed.
struct Deletable {
    name: Name,
    sequences: Stretch,
    is_sealed: bool,
    has_damage: bool,
}

/// Which positions to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Changed,
    All,
}

impl State {
    /// Whether every destination has passed these sequences, saved or not.
    fn is_past(&self, first: u64, last: u64) -> bool {
        self.destinations.iter().all(|destination| destination.position.is_past(first, last))
    }

    /// Segments that everybody has passed. One that is not sealed may hold void
    /// records: where they begin is known from the segment behind it, which has to stay as long.
    ///
    /// A backlog is stepped over, however many segments it has: this is asked every few deliveries.
    fn deletable(&self) -> Vec<Deletable> {
        let mut deletable = Vec::new();
        let mut is_needed = false;
        let mut at = 0;
        while let Some(segment) = self.catalogue.beginning_from(at) {
            let (first, last, is_sealed) = (segment.first(), segment.last, segment.is_sealed);
            let positions = self.destinations.iter().map(|destination| &destination.position);
            if let Some(until) = positions.filter_map(|held| held.held_until(first, last)).max() {
                let held = self.catalogue.beginning_until(until).unwrap_or(segment);
                is_needed = !held.is_sealed;
                let Some(next) = until.checked_add(1) else { break };
                at = next;
                continue;
            }
            at = first + 1;
            let is_free = segment.is_closed && !is_needed;
            is_needed = !is_free && !is_sealed;
            if is_free {
                deletable.push(Deletable {
                    name: segment.name,
                    sequences: (first, last),
                    is_sealed,
                    has_damage: segment.has_damage,
                });
            }
        }
        deletable
    }

    fn snapshot(&mut self, index: usize, which: Which) -> Option<Saved> {
        let (head, certain, totals) = (self.head, self.certain, self.totals);
        let destination = &mut self.destinations[index];
        let saved = &destination.saved;
        let has_moved = (saved.head, saved.certain, saved.totals) != (head, certain, totals);
        if which == Which::Changed && !destination.is_dirty && !has_moved {
            return None;
        }
        destination.is_dirty = false;
        destination.unsaved_acks = 0;
        let is_gone = |first, last| !self.catalogue.covers(first, last);
        let mut saved = destination.position.save(head, &is_gone);
        saved.certain = certain;
        saved.totals = totals;
        saved.max_backlog_bytes = destination.max_backlog_bytes.unwrap_or(0);
        Some(saved)
    }
}
