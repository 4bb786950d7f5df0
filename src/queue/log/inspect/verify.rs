//! Every record read, and the books proved from the files (contract C7).

use std::sync::Arc;

use super::super::super::Totals;
use super::super::position::SlotsFault;
use super::super::segment::Name;
use super::InspectError;
use super::account::{Account, Counter};
use super::view::{Aside, Unused, View, Why};
use super::walk::{End, Event, Kept, Lost, Place};

/// What reading everything has shown.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where the log ends.
    pub end: End,
    /// Records that were read.
    pub records: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// The books of every destination with a position.
    pub accounts: Vec<Account>,
    /// Findings that mean damage.
    pub faults: u64,
}

impl Report {
    /// Nothing is damaged and every book balances.
    pub fn is_sound(&self) -> bool {
        self.faults == 0 && self.accounts.iter().all(Account::is_balanced)
    }
}

/// Something found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Records that cannot be read.
    Lost {
        /// Which, and where.
        lost: Lost,
        /// Destinations that wait for any of them.
        waiting: Vec<Arc<str>>,
    },
    /// Bytes behind the end of the log that nobody was answered about.
    Void(Place),
    /// A segment file that is no part of the log.
    Unused(Unused),
    /// What an earlier start set aside.
    Aside(Aside),
    /// A file that is none of the queue's.
    Foreign(String),
    /// A position that cannot be read.
    Position {
        /// The destination.
        destination: Arc<str>,
        /// Why.
        fault: SlotsFault,
    },
    /// There are records, and no position at all.
    NoPositions,
    /// Totals that do not follow from what came before.
    Totals {
        /// The record they stand in, or the header if the offset is 0.
        place: Place,
        /// The sequence they belong to.
        sequence: u64,
        /// Totals behind the record before.
        before: Totals,
        /// What stands here, without the record itself.
        found: Totals,
    },
    /// A record with another number of tuples than it says.
    Tuples {
        /// The record.
        place: Place,
        /// Its sequence.
        sequence: u64,
        /// What its head says.
        said: u32,
        /// How many there are.
        held: u64,
    },
    /// A position that speaks of another log than this one.
    Disagrees {
        /// The destination.
        destination: Arc<str>,
        /// The sequence both know.
        sequence: u64,
        /// The log's total tuples there, by the position.
        position: u64,
        /// The same by the log.
        log: u64,
    },
}

impl Finding {
    /// Whether something is damaged that should not be, lost or not.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Lost { lost, waiting } => {
                // Without a file they are what was delivered and deleted, unless somebody waits.
                lost.was_acknowledged && (lost.place.is_some() || !waiting.is_empty())
            }
            Self::Void(_) | Self::Aside(_) | Self::Foreign(_) => false,
            Self::Unused(unused) => unused.why == Why::Headless,
            Self::Position { .. }
            | Self::NoPositions
            | Self::Totals { .. }
            | Self::Tuples { .. }
            | Self::Disagrees { .. } => true,
        }
    }
}

/// What whoever waits for the report is told on the way.
pub enum Step<'a> {
    /// Something was found.
    Found(Finding),
    /// This much of this file was read.
    Read {
        /// The file.
        file: &'a Name,
        /// Bytes from its start.
        bytes: u64,
    },
}

/// Reads everything in the files.
pub fn verify(view: &View, tell: &mut dyn FnMut(Step<'_>)) -> Result<Report, InspectError> {
    let mut check = Check::new(view, tell);
    check.directory(view);
    let end = view.walk(1, &mut |event| {
        check.step(event)?;
        Ok(())
    })?;
    let end = end.expect("this visitor never has enough");
    let Check { counters, records, bytes, faults, .. } = check;
    let accounts = counters.into_iter().map(|counter| counter.close(end)).collect();
    Ok(Report { end, records, bytes, accounts, faults })
}

struct Check<'t> {
    tell: &'t mut dyn FnMut(Step<'_>),
    counters: Vec<Counter>,
    names: Vec<Arc<str>>,
    /// The sequence that comes next and the totals before it.
    before: (u64, Totals),
    records: u64,
    bytes: u64,
    faults: u64,
}

impl<'t> Check<'t> {
    fn new(view: &View, tell: &'t mut dyn FnMut(Step<'_>)) -> Self {
        let readable = view.destinations.iter().filter_map(|destination| {
            let saved = destination.position.as_ref().ok()?;
            Some((Arc::clone(&destination.name), saved))
        });
        let (names, counters) =
            readable.map(|(name, saved)| (Arc::clone(&name), Counter::new(name, saved))).unzip();
        Self {
            tell,
            counters,
            names,
            before: (1, Totals::default()),
            records: 0,
            bytes: 0,
            faults: 0,
        }
    }

    fn found(&mut self, finding: Finding) {
        self.faults += u64::from(finding.is_fault());
        (self.tell)(Step::Found(finding));
    }

    fn directory(&mut self, view: &View) {
        for destination in &view.destinations {
            if let Err(fault) = destination.position {
                let destination = Arc::clone(&destination.name);
                self.found(Finding::Position { destination, fault });
            }
        }
        if view.lacks_positions() {
            self.found(Finding::NoPositions);
        }
        for unused in &view.unused {
            self.found(Finding::Unused(unused.clone()));
        }
        for aside in &view.aside {
            self.found(Finding::Aside(aside.clone()));
        }
        for file in &view.foreign {
            self.found(Finding::Foreign(file.clone()));
        }
    }

    fn step(&mut self, event: Event<'_>) -> Result<(), InspectError> {
        match event {
            Event::Segment(segment) => {
                let place = Place { file: segment.name, offset: 0, bytes: 0 };
                let (first, base) = (segment.first(), segment.header.base);
                self.follow(place, first, base);
                (self.tell)(Step::Read { file: &segment.name, bytes: 0 });
            }
            Event::Record(kept) => self.record(&kept)?,
            Event::Lost(lost) => self.lost(lost),
            Event::Void(place) => self.found(Finding::Void(place)),
        }
        Ok(())
    }

    fn record(&mut self, kept: &Kept<'_>) -> Result<(), InspectError> {
        let (head, bytes) = (kept.head, kept.head.record_bytes());
        let place = Place { file: kept.segment, offset: kept.offset, bytes };
        let own = Totals { tuples: head.tuples_before(), ..head.totals };
        self.follow(place, head.sequence, own);
        self.before = (head.sequence + 1, head.totals);

        let body = kept.body()?;
        // No tuple holds a raw line end, and all but the last have one behind them.
        let there = memchr::memchr_iter(b'\n', &body).count() as u64 + 1;
        if there != u64::from(head.tuples) {
            let (sequence, said) = (head.sequence, head.tuples);
            self.found(Finding::Tuples { place, sequence, said, held: there });
        }
        self.records += 1;
        self.bytes += bytes;
        for index in 0..self.counters.len() {
            self.counters[index].record(kept);
            self.compare(index, kept);
        }
        (self.tell)(Step::Read { file: &kept.segment, bytes: kept.offset + bytes });
        Ok(())
    }

    /// Totals never fall, and tuples rise by those of the records and nothing else. Metrics may: those
    /// of a request that left nothing to keep are counted with the next one.
    fn follow(&mut self, place: Place, sequence: u64, found: Totals) {
        let (next, before) = self.before;
        let is_following = found.accepted >= before.accepted
            && found.rejected >= before.rejected
            && if next == sequence {
                found.tuples == before.tuples
            } else {
                found.tuples >= before.tuples
            };
        if !is_following {
            self.found(Finding::Totals { place, sequence, before, found });
        }
    }

    fn lost(&mut self, lost: Lost) {
        let waits = |(counter, name): (&mut Counter, &Arc<str>)| {
            (counter.lost(&lost) > 0).then(|| Arc::clone(name))
        };
        let waiting: Vec<_> = self.counters.iter_mut().zip(&self.names).filter_map(waits).collect();
        // The next record says what it follows.
        self.before = (0, self.before.1);
        // Records that everybody has go with their segments.
        if lost.place.is_some() || !waiting.is_empty() {
            self.found(Finding::Lost { lost, waiting });
        }
    }

    /// Where a position began and what it knew at its head must be so in this log.
    fn compare(&mut self, index: usize, kept: &Kept<'_>) {
        let (saved, head) = (self.counters[index].saved(), kept.head);
        let known = [
            (saved.began_at, saved.began_tuples, head.tuples_before()),
            (saved.head, saved.totals.tuples, head.totals.tuples),
        ];
        for (sequence, position, log) in known {
            if sequence == head.sequence && position != log {
                let destination = Arc::clone(&self.names[index]);
                self.found(Finding::Disagrees { destination, sequence, position, log });
            }
        }
    }
}
