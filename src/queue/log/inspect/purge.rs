//! Throwing away what waits for a destination, in a queue nobody else works on.
//!
//! The caller holds the lock of the data directory (contract C5.6).

use std::io;
use std::sync::Arc;

use super::super::disk::Disk;
use super::super::names::set_aside_of;
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

/// What is known when throwing away failed.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Looking at the queue failed.
    #[error("nothing was thrown away: {0}")]
    Inspect(#[from] InspectError),
    /// The position cannot be read.
    #[error("nothing was thrown away: the position of {name} cannot be used: {fault}")]
    Position {
        /// The destination.
        name: Arc<str>,
        /// Why.
        fault: SlotsFault,
    },
    /// The new position may be on the disk, or not.
    #[error(
        "{file} could not be saved: {source}. Whether it was thrown away is not known: check the disk \
         and the space on it, then run this again"
    )]
    Unsure {
        /// The position.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The new position is in one half of its file.
    #[error(
        "it was thrown away, but {file} could be saved in one of its halves only: {source}. Were that \
         half damaged before the gateway saves the other one, it would be delivered after all: check \
         the disk"
    )]
    Half {
        /// The position.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What is known when forgetting failed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// One of its files is still there.
    #[error("{name} was not forgotten: {cause}")]
    Kept {
        /// The destination.
        name: String,
        /// Which file, and why.
        cause: InspectError,
    },
    /// Its files are gone, as long as the machine runs.
    #[error(
        "{name} is forgotten, but the directory could not be synced: {source}. If the machine stops \
         now, it may be back: check the disk, and look with `tidegate queue ls`"
    )]
    Unsynced {
        /// The destination.
        name: String,
        /// What the operating system says.
        source: io::Error,
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
        let file_name = file_name(&self.name);
        file.write(&mut next)
            .map_err(|source| PurgeError::Unsure { file: file_name.clone(), source })?;
        file.write(&mut next).map_err(|source| PurgeError::Half { file: file_name, source })
    }
}

/// Takes a destination's position away, durably, and what was set aside of it because nobody could
/// read it. The position goes last: after an error it is still there.
pub fn forget(disk: &dyn Disk, name: &str) -> Result<(), ForgetError> {
    let kept = |cause| ForgetError::Kept { name: name.to_owned(), cause };
    let files = disk.list().map_err(|cause| kept(InspectError::io("the directory")(cause)))?;
    let position = file_name(name);
    let partial = format!("{position}.partial");
    let aside = files.iter().filter(|file| set_aside_of(file) == Some(name) || **file == partial);
    for file in aside.chain([&position]) {
        match disk.remove(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(kept(InspectError::io(file)(error)));
            }
            _ => {}
        }
    }
    disk.sync().map_err(|source| ForgetError::Unsynced { name: name.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::super::super::disk::sim::{Fault, SimDisk};
    use super::*;

    fn disk() -> SimDisk {
        let disk = SimDisk::new(1);
        let mut saved = Position::begin(1, 0).save(0, &|_, _| false);
        PositionFile::begin(&disk, "default", &mut saved).unwrap();
        disk
    }

    #[test]
    fn a_purge_that_fails_says_what_is_known() {
        let wanted = [
            (1, "nothing was thrown away: default.pos: "),
            (2, "Whether it was thrown away is not known"),
            (3, "Whether it was thrown away is not known"),
            (4, "it was thrown away, but default.pos could be saved in one of its halves only"),
            (5, "it was thrown away, but default.pos could be saved in one of its halves only"),
        ];
        for (nth, wanted) in wanted {
            let disk = disk();
            let plan = Plan {
                name: "default".into(),
                waiting: Waiting::default(),
                runs: vec![Run { first: 1, last: 2, tuples: 0 }],
                seen: End { head: 2, ..End::default() },
                replayed_since: 0,
            };
            disk.fail_at(nth, Fault::IO);
            let error = plan.carry_out(&disk).unwrap_err().to_string();
            assert!(error.contains(wanted), "{nth}: {error}");
            let is_done = PositionFile::open(&disk, "default").unwrap().unwrap().1.low() == 3;
            assert!(is_done || nth < 4, "{nth}");
            assert!(!is_done || nth > 1, "{nth}");
        }
    }

    #[test]
    fn forgetting_that_fails_says_what_is_known() {
        for (nth, wanted) in [
            (1, "default was not forgotten: default.pos: "),
            (2, "default is forgotten, but the directory could not be synced"),
        ] {
            let disk = disk();
            disk.fail_at(nth, Fault::IO);
            let error = forget(&disk, "default").unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
            assert_eq!(disk.open("default.pos").is_ok(), nth == 1);
        }
        forget(&disk(), "nobody").unwrap();
    }
}
