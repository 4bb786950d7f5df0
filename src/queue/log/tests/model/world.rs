//! The log, its disk and the model, side by side.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

use super::super::super::disk::sim::{Fault, SimDisk};
use super::super::super::engine::{self, Engine, Options};
use super::super::super::lanes::Order;
use super::super::super::notice::Notice;
use super::super::super::segment::Name;
use super::super::super::state::Relief;
use super::damage;
use super::ledger::{Ledger, Seen};
use super::steps::{ALL_SOURCES, End, How, Manners, NAMES, Restart, Setting, Shape, Step, Trouble};
use crate::metric::timestamp::Timestamp;
use crate::queue::{AppendError, Destination, Durability, Entry, Fate, Meters, Sources, Want};

pub(super) struct World {
    setting: Setting,
    disk: SimDisk,
    engine: Engine,
    ledger: Ledger,
    configured: u8,
    manners: [Manners; NAMES.len()],
    second: i64,
    monotonic: Duration,
    /// What happens once the disk has stopped.
    stop: Option<End>,
    /// Faults or a limit were set since all was well.
    is_troubled: bool,
    /// Syncs may fail and lose what they should have written.
    is_lossy: bool,
    is_full: bool,
    /// Nothing was on loan in the last round or since.
    is_relieved: bool,
    /// What was damaged.
    hits: damage::Hits,
    /// Disk calls in the middle of which the machine or the process stopped.
    pub(super) points: u64,
}

const ALL: Want = Want { bytes: usize::MAX, tuples: u32::MAX };
/// A cap that no history comes near.
const CAP_NEVER_BYTES: u64 = 1 << 30;
/// Far more than any step needs: whoever comes here spins.
const CALLS_MAX: u64 = 20_000;

impl World {
    pub(super) fn new(setting: &Setting) -> Self {
        let disk = SimDisk::new(setting.seed);
        let (configured, manners) = (setting.configured, setting.manners);
        let engine = open(&disk, setting, configured, &manners).expect("an empty directory");
        let mut world = Self {
            setting: setting.clone(),
            disk,
            engine,
            ledger: Ledger::default(),
            configured,
            manners,
            second: 1_700_000_000,
            monotonic: Duration::ZERO,
            stop: None,
            is_troubled: false,
            is_lossy: false,
            is_full: false,
            is_relieved: true,
            hits: damage::Hits::default(),
            points: 0,
        };
        world.tell_wants();
        world.inspect();
        world
    }

    pub(super) fn step(&mut self, step: &Step) {
        self.disk.limit_calls(CALLS_MAX);
        match step {
            Step::Commit(shapes) => self.commit(shapes),
            Step::Lease { side, bytes, tuples } => {
                self.lease(*side, Want { bytes: *bytes, tuples: *tuples });
            }
            Step::Ack { side, nth, refused } => {
                if let Some((index, lease)) = self.loan(*side, *nth) {
                    self.ack(index, *side, lease, *refused);
                }
            }
            Step::Release { side, nth } => {
                if let Some((index, lease)) = self.loan(*side, *nth) {
                    self.engine.release(index, lease);
                    self.ledger.released(*side, lease);
                }
            }
            Step::Decide { accepted, rejected } => {
                self.engine.count_decided(*accepted, *rejected);
                self.ledger.decided(*accepted, *rejected);
            }
            Step::Save => self.save(),
            Step::Collect => {
                let outcome = self.engine.collect();
                self.expect_well(&outcome);
            }
            Step::Maintain => self.maintain(),
            Step::Wait { millis } => self.monotonic += Duration::from_millis(*millis),
            Step::Fault { nth, fault } => {
                self.disk.fail_at(*nth, *fault);
                self.is_troubled = true;
                self.is_lossy |= is_lossy(*fault);
            }
            Step::Full { more } => {
                self.disk.limit_bytes(Some(self.disk.used_bytes() + more));
                (self.is_troubled, self.is_full) = (true, true);
            }
            Step::Heal => self.heal(),
            // One at a time: else the next would put it off.
            Step::Stop { .. } if self.stop.is_some() => {}
            Step::Stop { nth, end } => {
                self.disk.stop_at(*nth);
                self.stop = Some(end.clone());
            }
            Step::Restart(restart) => self.restart_in_order(*restart),
        }
        if self.is_lossy {
            self.ledger.shake();
        }
        if self.disk.has_stopped() {
            self.points += 1;
            let end = self.stop.take().expect("it was told to stop");
            self.end(end.how);
            self.come_up(&end.troubles, end.restart);
        }
        self.check();
    }

    fn ack(&mut self, index: usize, side: usize, lease: u64, refused: u64) {
        let tuples = self.ledger.loan_tuples(side, lease);
        let dead_lettered = tuples * refused / 4;
        let delivered = tuples - dead_lettered;
        self.engine.ack(index, lease, Fate { delivered, dead_lettered });
        self.ledger.acked(side, lease, dead_lettered);
    }

    /// Everything that is left is delivered, and nothing of it ever comes again.
    pub(super) fn finish(&mut self) {
        self.heal();
        for side in self.sides().collect::<Vec<_>>() {
            while let Some(lease) = self.ledger.sides[side].nth_loan(0) {
                self.ack(self.index(side), side, lease, 0);
            }
            while self.lease(side, Want { bytes: 3000, tuples: 20 }) {
                let lease = self.ledger.sides[side].nth_loan(0).expect("it was just lent");
                self.ack(self.index(side), side, lease, 0);
            }
        }
        self.check();
        self.restart_in_order(Restart::default());
        self.save();
        self.engine.collect().expect("all is well");
        self.check();
        let is_complete = (0..NAMES.len())
            .all(|side| !self.ledger.sides[side].has_begun || self.sides().any(|one| one == side));
        let files = self.disk.files();
        // A power cut in the middle of setting a file aside may leave both of its names.
        let is_aside = |name: &str| files.contains_key(&format!("{name}@0.torn"));
        let segments = files.keys().filter(|name| Name::parse(name).is_some() && !is_aside(name));
        let sizes: Vec<_> = files.iter().map(|(name, bytes)| (name, bytes.len())).collect();
        assert!(!is_complete || segments.count() <= 1, "segments of what all have got: {sizes:?}");
    }

    // -- steps --

    fn commit(&mut self, shapes: &[Shape]) {
        self.second += 1;
        let mut entries = Vec::new();
        for shape in shapes {
            let received = Timestamp::from_unix(self.second, entries.len() as u32);
            let entry = self.ledger.add(shape, received);
            match self.engine.admit(engine::cost(&entry)) {
                Ok(()) => entries.push(entry),
                Err(AppendError::Full { .. }) if self.makes_room_for(&entry, &entries) => {
                    entries.push(entry);
                }
                Err(AppendError::Full { .. } | AppendError::Reserve { .. }) => {
                    self.ledger.refused();
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        if entries.is_empty() {
            return;
        }
        let now = Timestamp::from_unix(self.second, 0);
        match self.engine.commit(&entries, now, self.monotonic) {
            Ok(()) => self.ledger.acknowledged(entries.len()),
            outcome => self.expect_well(&outcome),
        }
        // As the writer does.
        if self.setting.is_crowded && self.engine.take_relief() != Relief::None {
            self.maintain();
        }
    }

    /// Where all have a bound no entry is refused if room can be made for it, and none at all that fits
    /// what is kept free. Whether it was let in at the second try.
    fn makes_room_for(&mut self, entry: &Entry, before: &[Entry]) -> bool {
        let is_lent = self.sides().any(|side| self.ledger.sides[side].nth_loan(0).is_some());
        if !self.setting.is_crowded || is_lent {
            return false;
        }
        let max = self.setting.max_bytes;
        let all: u64 = before.iter().chain([entry]).map(engine::cost).sum();
        // Sequences have as many digits in every name.
        let files = self.disk.files();
        let mut segments = files.iter().filter(|(name, _)| Name::parse(name).is_some());
        let active = segments.next_back().map_or(0, |(_, bytes)| bytes.len() as u64);
        let is_kept_free = self.is_relieved && all <= max / 16 && active <= max / 16 * 15;
        assert!(!is_kept_free, "{all} bytes were refused that are kept free");
        // Those before it would take the room.
        if !before.is_empty() || active + all > max {
            return false;
        }
        self.maintain();
        let admitted = self.engine.admit(engine::cost(entry));
        assert!(admitted.is_ok(), "room can be made for {all} bytes: {admitted:?}");
        true
    }

    /// Leases; whether there was anything.
    fn lease(&mut self, side: usize, want: Want) -> bool {
        if self.sides().all(|one| one != side) {
            return false;
        }
        let lease = self.engine.lease(self.index(side), want, self.monotonic);
        let lease = lease.expect("what was opened can be read");
        let books = self.engine.books(self.index(side));
        assert_eq!(lease.is_some(), self.ledger.has_waiting(side), "{side}: {books:?}");
        if let Some(lease) = &lease {
            self.is_relieved = false;
            self.ledger.lent(side, lease, want);
        }
        lease.is_some()
    }

    fn loan(&self, side: usize, nth: usize) -> Option<(usize, u64)> {
        let lease = self.ledger.sides[side].nth_loan(nth)?;
        Some((self.index(side), lease))
    }

    fn save(&mut self) {
        let outcome = self.engine.save();
        if outcome.is_ok() {
            self.ledger.saved(sides(self.configured));
        }
        self.expect_well(&outcome);
    }

    fn heal(&mut self) {
        self.disk.heal();
        self.disk.limit_bytes(None);
        self.stop = None;
        (self.is_troubled, self.is_lossy, self.is_full) = (false, false, false);
        // What was refused for want of room asks for it.
        self.maintain();
    }

    /// A round of the keeper: whoever is over its bound goes down to it, by its oldest, and nobody else.
    fn maintain(&mut self) {
        let depths: Vec<u64> =
            self.sides().map(|side| self.engine.depth(self.index(side)).bytes).collect();
        let outcome = self.engine.maintain();
        self.expect_well(&outcome);
        self.is_relieved = self.sides().all(|side| self.ledger.sides[side].nth_loan(0).is_none());
        for (side, before) in self.sides().collect::<Vec<_>>().into_iter().zip(depths) {
            let books = self.engine.books(self.index(side));
            let expired = books.expired - self.ledger.sides[side].books.expired;
            let bound = self.manners[side].bound.unwrap_or(u64::MAX);
            let is_capped = self.setting.max_bytes < CAP_NEVER_BYTES;
            assert!(expired == 0 || before > bound || is_capped && bound < u64::MAX, "{side}");
            if expired == 0 || self.disk.has_stopped() {
                self.ledger.sides[side].may_expire |= expired > 0;
                continue;
            }
            let left = self.look_at_all(side);
            let depth = self.engine.depth(self.index(side));
            let waiting = self.engine.waiting_bytes(self.index(side));
            assert!(waiting <= bound || left.is_empty() || outcome.is_err(), "{side}: {depth:?}");
            // Near the cap it is by segments, and those go that nobody else waits for.
            self.ledger.expired(side, &left, expired, !is_capped);
        }
    }

    /// Nothing may fail on a disk that is well.
    fn expect_well<E: std::fmt::Debug>(&self, outcome: &Result<(), E>) {
        let is_excused = self.is_troubled || self.disk.has_stopped();
        assert!(outcome.is_ok() || is_excused, "on a healthy disk: {outcome:?}");
    }

    // -- ends and beginnings --

    fn restart_in_order(&mut self, restart: Restart) {
        let outcome = self.engine.end();
        self.expect_well(&outcome);
        if outcome.is_ok() {
            self.ledger.saved(sides(self.configured));
        }
        if !self.disk.has_stopped() {
            self.end(How::Kill);
            self.come_up(&[], restart);
        }
    }

    fn end(&mut self, how: How) {
        self.disk = match how {
            How::Kill => self.disk.kill(),
            How::PowerCut { seed } => self.disk.crash(&mut Rng::with_seed(seed)),
        };
        self.ledger.crashed();
    }

    fn come_up(&mut self, troubles: &[Trouble], restart: Restart) {
        if let Some(flip) = restart.flip {
            let cost = damage::flip(&self.disk, flip, &mut self.hits);
            self.ledger.excused.extend(cost.record);
            for id in cost.requests {
                self.ledger.voidable.extend(self.ledger.siblings(id));
            }
            if let Some(side) = cost.side {
                self.ledger.sides[side].may_repeat = true;
            }
        }
        // A new destination needs room for its position.
        if let Some(configured) = restart.configured.filter(|_| !self.is_full) {
            self.configured = configured;
        }
        let here: Vec<usize> = self.sides().collect();
        for side in (0..NAMES.len()).filter(|side| !here.contains(side)) {
            // The bound that it had, maybe a while ago.
            let is_bounded =
                self.manners[side].bound.is_some() || self.setting.max_bytes < CAP_NEVER_BYTES;
            self.ledger.sides[side].may_expire |= is_bounded;
        }
        if let Some(manners) = restart.manners {
            for side in here {
                self.manners[side] = manners[side];
            }
        }
        self.tell_wants();
        for trouble in troubles {
            self.fail_to_come_up(trouble);
        }
        self.is_troubled = self.is_full;
        self.is_lossy = false;
        self.stop = None;
        self.go_on();
    }

    fn tell_wants(&mut self) {
        let here: Vec<usize> = self.sides().collect();
        for side in 0..NAMES.len() {
            let is_here = here.contains(&side);
            self.ledger.sides[side].wants(if is_here {
                self.manners[side].sources
            } else {
                ALL_SOURCES
            });
        }
    }

    fn open(&self) -> Result<Engine, String> {
        open(&self.disk, &self.setting, self.configured, &self.manners)
    }

    fn go_on(&mut self) {
        self.disk.limit_calls(CALLS_MAX);
        self.engine = self.open().expect("a healthy disk");
        self.inspect();
    }

    fn fail_to_come_up(&mut self, trouble: &Trouble) {
        let how = match trouble {
            Trouble::End { how } => {
                self.go_on();
                return self.end(*how);
            }
            Trouble::Stop { nth, how } => {
                self.disk.stop_at(*nth);
                *how
            }
            Trouble::Fault { nth, fault } => {
                if is_lossy(*fault) {
                    self.ledger.shake();
                }
                self.disk.fail_at(*nth, *fault);
                How::Kill
            }
        };
        self.disk.limit_calls(CALLS_MAX);
        let outcome = self.open();
        self.points += u64::from(self.disk.has_stopped());
        let is_excused = self.disk.has_stopped() || matches!(trouble, Trouble::Fault { .. });
        if let Err(error) = outcome {
            assert!(is_excused, "it does not open: {error}");
        }
        self.end(how);
    }

    /// Takes everything, gives it back, and compares it with the model.
    fn inspect(&mut self) {
        let mut seen = Vec::new();
        for side in self.sides().collect::<Vec<_>>() {
            let ids = self.look_at_all(side);
            seen.push(Seen { side, ids, books: self.engine.books(self.index(side)) });
        }
        self.ledger.reopened(&seen, self.engine.totals());
    }

    /// What there is to lease for a destination.
    fn look_at_all(&self, side: usize) -> BTreeSet<usize> {
        let index = self.index(side);
        let (mut ids, mut leases) = (BTreeSet::new(), Vec::new());
        let lease = || self.engine.lease(index, ALL, self.monotonic).expect("it can be read");
        while let Some(lease) = lease() {
            for leased in &lease.blocks {
                for id in self.ledger.read(side, leased) {
                    assert!(ids.insert(id), "tuple {id} twice");
                }
            }
            leases.push(lease.id);
        }
        for lease in leases {
            self.engine.release(index, lease);
        }
        ids
    }

    fn check(&mut self) {
        let standing = self.engine.standing(self.monotonic);
        assert!(!standing.is_unbalanced);
        assert_eq!(self.engine.totals(), self.ledger.totals);
        for notice in self.engine.take_notices() {
            assert!(!matches!(notice, Notice::Unbalanced { .. }), "{notice}");
        }
        for side in self.sides() {
            let books = self.engine.books(self.index(side));
            assert!(books.is_balanced(), "{side}: {books:?}");
            self.ledger.check_books(side, books);
            let depth = self.engine.depth(self.index(side));
            assert_eq!(depth.tuples, books.queued, "{side}");
            assert!((depth.blocks == 0) <= (books.queued == 0), "{side}: {depth:?}");
        }
    }

    fn sides(&self) -> impl Iterator<Item = usize> + use<> {
        sides(self.configured)
    }

    fn index(&self, side: usize) -> usize {
        self.engine.index(NAMES[side]).expect("it is configured")
    }
}

fn sides(configured: u8) -> impl Iterator<Item = usize> {
    (0..NAMES.len()).filter(move |side| *side == 0 || configured & (1 << (side - 1)) != 0)
}

fn is_lossy(fault: Fault) -> bool {
    fault == Fault::IO_PART || fault == Fault::NO_SPACE_PART
}

fn destination(side: usize, manners: Manners) -> Destination {
    let wanted = (0..3).filter(|source| manners.sources & (1 << source) != 0);
    let wanted = wanted.map(|source| format!("source-{source}").into()).collect();
    let sources = if manners.sources == ALL_SOURCES { Sources::All } else { Sources::Only(wanted) };
    Destination { sources, max_backlog_bytes: manners.bound, ..Destination::named(NAMES[side]) }
}

fn open(
    disk: &SimDisk,
    setting: &Setting,
    configured: u8,
    manners: &[Manners; NAMES.len()],
) -> Result<Engine, String> {
    let options = Options {
        destinations: sides(configured).map(|side| destination(side, manners[side])).collect(),
        durability: if setting.is_os { Durability::Os } else { Durability::Fsync },
        max_bytes: setting.max_bytes,
        min_free_bytes: 0,
        segment_bytes: setting.segment_bytes,
        order: if setting.is_fifo { Order::Fifo } else { Order::FreshFirst { share: 4 } },
        meters: Meters::default(),
    };
    let (engine, notices) = Engine::open(disk.handle(), &options).map_err(|e| e.to_string())?;
    for notice in notices {
        let is_bad = matches!(notice, Notice::Unbalanced { .. } | Notice::Foreign { .. });
        assert!(!is_bad, "{notice}");
    }
    Ok(engine)
}
