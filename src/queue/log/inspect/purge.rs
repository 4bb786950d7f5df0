//! Throwing away what waits for a destination, in a queue nobody else works on.
//!
//! The caller holds the lock of the data directory (contract C5.6).

use std::sync::Arc;

use super::super::disk::Disk;
use super::super::position::{Position, PositionFile, SlotsFault, Tally, file_name};
use super::InspectError;
use super::account::{Counter, Waiting};
use super::view::View;
use super::walk::{End, Event, Kept, Stop};
use crate::metric::timestamp::Timestamp;

/// What would go.
#[derive(Clone, Debug)]
pub struct Plan {
    name: Arc<str>,
    /// Everything it counts: records, tuples, bytes, since when.
    pub waiting: Waiting,
    /// Runs of records with their tuples, rising.
    runs: Vec<Run>,
    /// The log's end as far as it was read.
    seen: End,
    /// Tuples for the destination alone that its position does not know yet.
    replayed_since: u64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    tuples: u64,
}

/// Why a position was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Looking at the queue failed.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The position cannot be read.
    #[error("the position of {name} cannot be used: {fault}")]
    Position {
        /// The destination.
        name: Arc<str>,
        /// Why.
        fault: SlotsFault,
    },
}

/// What waits for a destination and was received before `before`, up to the first record that was
/// not; everything if there is no such bound. `None` if its position cannot be read.
///
/// Records that cannot be read stay: the next start counts them as damaged.
pub fn plan(
    view: &View,
    name: &str,
    before: Option<Timestamp>,
) -> Result<Option<Plan>, InspectError> {
    let Some(saved) = view.saved(name) else { return Ok(None) };
    let name: Arc<str> = name.into();
    let mut counter = Counter::new(Arc::clone(&name), saved);
    let mut ranges = super::Ranges::new(saved.ranges.clone());
    let mut runs: Vec<Run> = Vec::new();
    let mut seen = End { head: saved.head, totals: saved.totals };
    view.walk(saved.low().min(saved.head.saturating_add(1)), &mut |event| {
        let Event::Record(kept) = event else { return Ok(()) };
        let is_waiting = ranges.contains(kept.head.sequence);
        if is_waiting && before.is_some_and(|before| kept.head.received >= before) {
            return Err(Stop::Enough);
        }
        let tuples = if counter.record(&kept) { kept.head.tuples } else { 0 };
        if is_waiting {
            extend(&mut runs, &kept, tuples);
        }
        if kept.head.sequence > seen.head {
            seen = End { head: kept.head.sequence, totals: kept.head.totals };
        }
        Ok(())
    })?;
    let (waiting, replayed_since) = (counter.waiting(), counter.replayed_since());
    Ok(Some(Plan { name, waiting, runs, seen, replayed_since }))
}

fn extend(runs: &mut Vec<Run>, kept: &Kept<'_>, tuples: u32) {
    let (sequence, tuples) = (kept.head.sequence, u64::from(tuples));
    match runs.last_mut() {
        Some(run) if run.last + 1 == sequence => {
            run.last = sequence;
            run.tuples += tuples;
        }
        _ => runs.push(Run { first: sequence, last: sequence, tuples }),
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Counts it as purged in the destination's position, durably. The segments go when a gateway
    /// starts and every destination has passed them.
    ///
    /// The head of the position moves along: sequences that are done must not be used a second time,
    /// also if the records behind them are lost before the next start.
    pub fn carry_out(&self, disk: &dyn Disk) -> Result<(), PurgeError> {
        let opened = PositionFile::open(disk, &self.name);
        let opened = opened.map_err(InspectError::io(file_name(&self.name)))?;
        let fault = |fault| PurgeError::Position { name: Arc::clone(&self.name), fault };
        let (mut file, saved) = opened.map_err(fault)?;
        let mut position = Position::from_saved(&saved);
        position.add_replayed(self.replayed_since);
        for run in &self.runs {
            let tally = Tally { purged: run.tuples, ..Tally::default() };
            position.pass(run.first, run.last, tally);
        }
        let mut next = position.save(self.seen.head, &|_, _| false);
        next.certain = saved.certain;
        next.totals = self.seen.totals;
        // Metrics of requests that left nothing in the log are known to the position alone.
        next.totals.accepted = next.totals.accepted.max(saved.totals.accepted);
        next.totals.rejected = next.totals.rejected.max(saved.totals.rejected);
        next.max_backlog_bytes = saved.max_backlog_bytes;
        // Into both slots: one that is damaged later must not bring back what was thrown away.
        let failed = || InspectError::io(file_name(&self.name));
        file.write(&mut next).map_err(failed())?;
        file.write(&mut next).map_err(failed())?;
        Ok(())
    }
}

/// Takes a destination's position away, durably.
pub fn forget(disk: &dyn Disk, name: &str) -> Result<(), InspectError> {
    let file = file_name(name);
    disk.remove(&file).map_err(InspectError::io(file))?;
    disk.sync().map_err(InspectError::io("the directory"))
}
