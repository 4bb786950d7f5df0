//! Opening a log: what the files hold, and how far every destination is.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::super::addressee::Addressee;
use super::super::appender::Appender;
use super::super::catalogue::Catalogue;
use super::super::disk::Disk;
use super::super::keeper::Keeper;
use super::super::lanes::{Lanes, Recent};
use super::super::names::{is_ours, set_aside_of};
use super::super::notice::{Notice, OpenError};
use super::super::position::{
    self, Position, PositionFile, Saved, SlotsFault, Tally, destination_of, file_name,
};
use super::super::reader::Reader;
use super::super::recovery::{self, Known, Recovered};
use super::super::segment::Name;
use super::super::state::{Destination, Limits, Phase, Relief, State};
use super::tidy::Stretch;
use super::{Engine, Options};
use crate::queue;

/// What a position file was found to hold.
enum Kept {
    Position(Box<(PositionFile, Saved)>),
    /// Nothing that can be read.
    Lost,
}

impl Engine {
    /// Opens a log, or begins one in an empty directory. What was found in the files that somebody
    /// should know comes with it.
    ///
    /// Nothing is deleted but segments every destination has passed. A full disk does not keep a log
    /// from opening, unless a destination is new.
    pub fn open(disk: Arc<dyn Disk>, options: &Options) -> Result<(Self, Vec<Notice>), OpenError> {
        let names = disk.list().map_err(|cause| failed("listing the directory", cause))?;
        let kept = positions(&*disk, &names)?;
        let recovered = recovery::recover(&*disk, &names, known(&kept))?;
        let Recovered { catalogue, head, certain, totals, attempts, lost, mut notices, empty } =
            recovered;
        let foreign = names.iter().filter(|name| !is_ours(name)).cloned();
        notices.extend(foreign.map(|file| Notice::Foreign { file }));

        let mut state = State {
            phase: Phase::Open,
            stopped_by: None,
            catalogue,
            head,
            certain,
            totals,
            recent: Recent::default(),
            destinations: Vec::new(),
            pending_bytes: 0,
            free_bytes: disk.free_bytes().ok(),
            writing_since: None,
            fault: None,
            wanted_bytes: 0,
            relief: Relief::default(),
            is_moved: false,
            is_unbalanced: false,
            notices,
        };
        let mut keeper = Keeper::default();
        let reader = Reader::new(Arc::clone(&disk));
        let mut setup = Setup {
            disk: &*disk,
            reader: &reader,
            lost: &lost,
            options,
            state: &mut state,
            keeper: &mut keeper,
        };
        setup.add_all(kept)?;
        settle(&reader, &mut state, &lost).map_err(|cause| failed("counting what waits", cause))?;

        let next = Name { first: head + 1, attempt: attempts };
        let sync = options.durability.into();
        let appender = Appender::new(Arc::clone(&disk), sync, options.segment_bytes, next);
        let engine = Self {
            disk,
            limits: Limits { max_bytes: options.max_bytes, min_free_bytes: options.min_free_bytes },
            meters: options.meters.clone(),
            round: Mutex::default(),
            counting: Mutex::default(),
            appender: Mutex::new(appender),
            keeper: Mutex::new(keeper),
            reader,
            state: Mutex::new(state),
        };
        let mut notices = engine.take_notices();
        let missing = notices.iter().filter(|told| matches!(told, Notice::Missing { .. })).count();
        engine.meters.damages.inc_by((lost.len() + missing) as u64);
        // What fails here is tried again, by the first maintenance or at the next start.
        if engine.save().is_ok() {
            for file in &empty {
                recovery::aside::whole(&*engine.disk, file, &mut notices);
            }
            engine.collect().ok();
        }
        let is_aside = |notice: &&Notice| {
            matches!(
                notice,
                Notice::Torn { .. } | Notice::Headless { .. } | Notice::PositionLost { .. }
            )
        };
        engine.meters.set_aside.inc_by(notices.iter().filter(is_aside).count() as u64);
        Ok((engine, notices))
    }
}

fn failed(doing: &str, cause: io::Error) -> OpenError {
    OpenError::Io { directory: String::new(), doing: doing.to_owned(), cause }
}

/// Every position there is.
fn positions(disk: &dyn Disk, names: &[String]) -> Result<BTreeMap<String, Kept>, OpenError> {
    let mut kept = BTreeMap::new();
    for (file, name) in names.iter().filter_map(|file| Some((file, destination_of(file)?))) {
        let read = PositionFile::open(disk, name);
        let read = read.map_err(|cause| failed(&format!("reading {file}"), cause))?;
        let position = match read {
            Ok(position) => Kept::Position(Box::new(position)),
            Err(SlotsFault::Blank | SlotsFault::Damaged) => Kept::Lost,
            Err(SlotsFault::Foreign) => return Err(OpenError::Foreign { file: file.clone() }),
            Err(SlotsFault::Version(version)) => {
                let expected = position::VERSION;
                return Err(OpenError::Version { file: file.clone(), version, expected });
            }
        };
        kept.insert(name.to_owned(), position);
    }
    // One that was set aside and whose successor was not finished is still lost.
    for name in names.iter().filter_map(|file| set_aside_of(file)) {
        match kept.get(name) {
            None => kept.insert(name.to_owned(), Kept::Lost),
            Some(Kept::Position(_) | Kept::Lost) => None,
        };
    }
    Ok(kept)
}

/// The most that any position knows of the log.
fn known(kept: &BTreeMap<String, Kept>) -> Known {
    let mut known = Known::default();
    for kept in kept.values() {
        let Kept::Position(position) = kept else { continue };
        let saved = &position.1;
        known.head = known.head.max(saved.head);
        known.certain = known.certain.max(saved.certain);
        known.totals = known.totals.max(saved.totals);
    }
    known
}

struct Setup<'a> {
    disk: &'a dyn Disk,
    reader: &'a Reader,
    /// What is void or damaged.
    lost: &'a [Stretch],
    options: &'a Options,
    state: &'a mut State,
    keeper: &'a mut Keeper,
}

impl Setup<'_> {
    /// The configured destinations first, in their order; then the others.
    fn add_all(&mut self, mut kept: BTreeMap<String, Kept>) -> Result<(), OpenError> {
        // Records without any position: it was lost, a new receiver is not the first one.
        let are_lost = kept.is_empty() && self.state.catalogue.len() > 0;
        for destination in &self.options.destinations {
            let name = &*destination.name;
            match kept.remove(name) {
                Some(Kept::Position(position)) => {
                    let (file, saved) = *position;
                    self.add(name, saved, file)?;
                }
                Some(Kept::Lost) => self.begin_again(name)?,
                None if are_lost => self.begin_again(name)?,
                None => self.begin(name)?,
            }
        }
        for (name, position) in kept {
            self.state.notices.push(Notice::Orphan { destination: name.clone() });
            match position {
                Kept::Position(position) => {
                    let (file, saved) = *position;
                    self.add(&name, saved, file)?;
                }
                // Else what waits for it would be deleted; only `queue forget` may (contract C5.5).
                Kept::Lost => self.begin_again(&name)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, saved: Saved, file: PositionFile) -> Result<(), OpenError> {
        let mut position = Position::from_saved(&saved);
        // What was committed for it alone since it was saved, it does not know.
        position.add_replayed(self.addressed(name, saved.head)?);
        let destination = self.push(name, position, saved, file);
        // It is saved anew in any case. After a sync that failed, what was read may be nowhere but in the
        // memory of the operating system, which takes it for written; and where the other slot is damaged,
        // the next damage must not meet the last one.
        destination.is_dirty = true;
        Ok(())
    }

    /// Tuples behind a sequence that are for this destination alone.
    fn addressed(&self, name: &str, after: u64) -> Result<u64, OpenError> {
        let tuples = self.reader.addressed(&self.state.catalogue, name, after, self.lost);
        tuples.map_err(|cause| failed("counting what is for one receiver alone", cause))
    }

    /// A position that cannot be read: it gets everything that is kept.
    fn begin_again(&mut self, name: &str) -> Result<(), OpenError> {
        self.state.notices.push(Notice::PositionLost { destination: name.to_owned() });
        let oldest = self.state.catalogue.iter().next();
        let (at, tuples) = oldest
            .map_or((self.state.head + 1, self.state.totals.tuples), |segment| {
                (segment.first(), segment.base.tuples)
            });
        let mut position = Position::begin(at, tuples);
        position.add_replayed(self.addressed(name, at - 1)?);
        let is_there = self.disk.open(&file_name(name)).is_ok();
        if is_there && self.disk.free_bytes().is_ok_and(|free| free < 2 * position::FILE_BYTES) {
            // A full disk has no room for two: nobody can read the old one, so it is written over.
            return self.fill(name, position, |disk, name, saved| {
                let mut file = PositionFile::reuse(disk, name)?;
                file.write(saved)?;
                Ok(file)
            });
        }
        self.set_aside(&file_name(name))?;
        self.create(name, position)
    }

    /// A receiver that is new begins at the tail (contract C5.5).
    fn begin(&mut self, name: &str) -> Result<(), OpenError> {
        self.create(name, Position::begin(self.state.head + 1, self.state.totals.tuples))
    }

    fn create(&mut self, name: &str, position: Position) -> Result<(), OpenError> {
        self.fill(name, position, PositionFile::begin)
    }

    fn fill(
        &mut self,
        name: &str,
        position: Position,
        make: fn(&dyn Disk, &str, &mut Saved) -> io::Result<PositionFile>,
    ) -> Result<(), OpenError> {
        let doing = format!("creating {}", file_name(name));
        let create = || {
            let mut saved = position.save(self.state.head, &|_, _| false);
            saved.certain = self.state.certain;
            saved.totals = self.state.totals;
            saved.max_backlog_bytes = self.configured(name).map_or(0, bound);
            let file = make(self.disk, name, &mut saved)?;
            Ok((file, saved))
        };
        let (file, saved) = create().map_err(|cause| failed(&doing, cause))?;
        self.push(name, position, saved, file);
        Ok(())
    }

    fn push(
        &mut self,
        name: &str,
        position: Position,
        saved: Saved,
        file: PositionFile,
    ) -> &mut Destination {
        let lanes = Lanes::new(self.options.order);
        let configured = self.configured(name);
        let addressee = configured.map_or_else(|| Addressee::of_everything(name), Addressee::from);
        // One that is not configured any more obeys the bound that it had.
        let bound = configured.map_or(saved.max_backlog_bytes, bound);
        let mut destination = Destination::new(addressee, position, lanes, saved);
        destination.suspect_addressed(self.state.head);
        destination.is_configured = configured.is_some();
        destination.max_backlog_bytes = Some(bound).filter(|bytes| *bytes > 0);
        destination.is_dirty = bound != destination.saved.max_backlog_bytes;
        self.keeper.files.push(file);
        self.state.destinations.push_mut(destination)
    }

    fn configured(&self, name: &str) -> Option<&queue::Destination> {
        self.options.destinations.iter().find(|destination| *destination.name == *name)
    }

    /// Renames a position nobody can read, durably: that it was lost is known from this name until
    /// another one is saved.
    fn set_aside(&self, file: &str) -> Result<(), OpenError> {
        let mut outcome = recovery::aside::rename(self.disk, file, "damaged").map(drop);
        if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            outcome = Ok(());
        }
        let outcome = outcome.and_then(|()| self.disk.sync());
        outcome.map_err(|cause| failed(&format!("setting {file} aside"), cause))
    }
}

/// As it is saved: 0 for none.
fn bound(destination: &queue::Destination) -> u64 {
    destination.max_backlog_bytes.map_or(0, |bytes| bytes.max(1))
}

/// Marks as done what no destination can get any more, because it is not there, and books the tuples
/// of it as damaged: as many as the books have more than the files (contract C7).
fn settle(reader: &Reader, state: &mut State, lost: &[Stretch]) -> io::Result<()> {
    let mut missing = uncovered(&state.catalogue, state.head);
    missing.extend_from_slice(lost);
    for index in 0..state.destinations.len() {
        let booked = state.books(index).queued;
        let position = &mut state.destinations[index].position;
        let mut gone: Vec<Stretch> = Vec::new();
        let mut rest = position.clone();
        for (first, last) in &missing {
            while let Some((first, last)) = rest.waiting(*first, *last) {
                rest.pass(first, last, Tally::default());
                gone.push((first, last));
            }
        }
        let stretches: Vec<Stretch> = rest.undelivered(state.head).collect();
        let replayed = position.replayed() > 0;
        // What cannot be told from damage beside it stays queued until it is met.
        let counted = reader.count(&state.catalogue, &stretches)?;
        let mut damaged = if replayed {
            // The totals of the log do not know what waits for this destination alone.
            reader.count(&state.catalogue, &gone)?.unwrap_or(0)
                + missing_tuples(&state.catalogue, state.head, state.totals.tuples, &gone)
        } else {
            counted.map_or(0, |counted| booked.saturating_sub(counted))
        };
        let wrong = counted.filter(|counted| *counted > booked || gone.is_empty() && damaged > 0);
        if let Some(counted) = wrong.filter(|_| !replayed) {
            state.unbalance(index, booked, counted);
        }
        let destination = &mut state.destinations[index];
        destination.has_holes |= !gone.is_empty() || counted.is_none();
        for (first, last) in gone {
            destination.position.pass(first, last, Tally { damaged, ..Tally::default() });
            destination.is_dirty = true;
            damaged = 0;
            let missing = Notice::Missing { sequences: (first, last) };
            let is_here = lost.iter().any(|(from, to)| *from <= first && last <= *to);
            if !is_here && !state.notices.contains(&missing) {
                state.notices.push(missing);
            }
        }
    }
    Ok(())
}

/// Tuples for every destination in stretches that no segment holds, as far as the segments around
/// them tell.
fn missing_tuples(catalogue: &Catalogue, head: u64, total: u64, stretches: &[Stretch]) -> u64 {
    let is_whole = |&(first, last): &Stretch| stretches.contains(&(first, last));
    let gaps = uncovered(catalogue, head).into_iter().filter(is_whole);
    let tuples = |(first, last): Stretch| {
        let before = catalogue.iter().take_while(|segment| segment.first() < first).last();
        let behind = catalogue.iter().find(|segment| segment.first() > last);
        let behind = behind.map_or(total, |segment| segment.base.tuples);
        behind.saturating_sub(before.map_or(0, |segment| segment.totals.tuples))
    };
    gaps.map(tuples).sum()
}

/// Sequences up to `head` that no segment holds.
fn uncovered(catalogue: &Catalogue, head: u64) -> Vec<Stretch> {
    let mut gaps = Vec::new();
    let mut next = 1;
    for segment in catalogue.iter().filter(|segment| !segment.is_empty()) {
        if segment.first() > next {
            gaps.push((next, segment.first() - 1));
        }
        next = segment.last + 1;
    }
    if next <= head {
        gaps.push((next, head));
    }
    gaps
}
