//! Every letter is listed or was replayed, once, wherever a replay is cut.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::super::index::Index;
use super::super::replay::Target;
use super::super::{DeadLetters, ReplayError, Replayed, Selection};
use super::support::*;
use super::twin::{ENDS, Machine};
use crate::clock::{Clock, ManualClock};
use crate::metric::timestamp::Timestamp;
use crate::queue::log::disk::sim::Fault;
use crate::queue::log::engine::{Engine, Options, cost};
use crate::queue::log::lanes::Order;
use crate::queue::{AppendError, Destination, Durability, Entry, Meters, Want};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000, 0);

impl Target for Engine {
    fn serves(&self, receiver: &str) -> bool {
        receiver == RECEIVER
    }

    fn replayed(&self, _: &str) -> Option<u64> {
        Some(self.books(0).replayed)
    }

    fn append(&self, entry: Entry) -> Result<(), AppendError> {
        assert_eq!((entry.accepted, entry.rejected, entry.received), (0, 0, NOW));
        assert_eq!(entry.target.as_deref(), Some(RECEIVER));
        self.admit(cost(&entry))?;
        self.commit(&[entry], NOW, Duration::ZERO)
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }
}

fn clock() -> ManualClock {
    ManualClock::new(NOW)
}

fn options() -> Options {
    Options {
        destinations: vec![Destination::named(RECEIVER)],
        durability: Durability::Fsync,
        max_bytes: 1 << 20,
        min_free_bytes: 0,
        segment_bytes: 4300,
        order: Order::Fifo,
        meters: Meters::default(),
    }
}

/// Both sides of a machine, if it lives long enough.
pub(super) fn start(machine: &Machine) -> Option<(Engine, DeadLetters)> {
    let [queue, letters] = machine.disks();
    let engine = Engine::open(queue, &options()).ok()?.0;
    let folder = Arc::new(SimFolder::over(letters));
    Some((engine, DeadLetters::over(folder, RECEIVER, 16 << 10).ok()?))
}

pub(super) fn replay(
    engine: &Engine,
    letters: &DeadLetters,
    selection: &Selection,
) -> Result<u64, ReplayError> {
    let replayed = letters.replay_into(engine, selection, &clock(), None)?;
    assert!(!replayed.is_cut_short);
    Ok(replayed.letters)
}

/// What lies in the queue: number of the letter, and the source it has there.
pub(super) fn queued(engine: &Engine) -> Vec<u64> {
    let mut numbers = Vec::new();
    let want = Want { bytes: 4 << 20, tuples: 10_000 };
    while let Some(lease) = engine.lease(0, want, Duration::ZERO).unwrap() {
        for leased in &lease.blocks {
            let text = str::from_utf8(&leased.block.bytes).unwrap();
            let tuples: Vec<&str> = text.split(",\n").collect();
            assert_eq!(tuples.len(), leased.block.tuples as usize);
            for tuple in tuples {
                let number = number(tuple.as_bytes());
                assert_eq!(leased.source, letter(number).source);
                assert_eq!(tuple.as_bytes(), letter(number).tuple);
                numbers.push(number);
            }
        }
    }
    numbers
}

/// Twelve letters in three files, then everything is replayed in two goes; what was taken before the
/// machine stopped.
fn live(machine: &Machine) -> Vec<u64> {
    let mut taken = Vec::new();
    let Some((engine, store)) = start(machine) else { return taken };
    for numbers in [0..1, 1..4, 4..5, 5..8, 8..12] {
        if store.put(&letters(numbers.clone())).is_err() {
            return taken;
        }
        taken.extend(numbers);
    }
    let selection = Selection { source: Some(Arc::from("search")), ..Selection::default() };
    if replay(&engine, &store, &selection).is_ok() {
        drop(replay(&engine, &store, &Selection::default()));
    }
    taken
}

/// After the start of the machine each of `taken` is in one of both places once, and so it is after
/// another replay.
pub(super) fn check(machine: &Machine, taken: &[u64], what: &str) {
    let (engine, store) = start(machine).expect(what);
    if store.is_settled() {
        // A start then does nothing more: what was replayed must not take room for ever.
        let files = Index::read(&machine.letters, &mut |_, _| Ok(())).unwrap().files;
        let is_used = files.values().all(|file| file.letters > 0 || file.journals.is_empty());
        assert!(is_used, "{what}: files of replayed letters are left: {files:?}");
    }
    store.settle_now(&engine).unwrap_or_else(|error| panic!("{what}: {error}"));
    let remaining = listed(&machine.letters);
    assert_eq!(store.standing().letters, remaining.len() as u64, "{what}");
    // Copies of the directories, so that looking changes nothing.
    let copy = Machine { queue: machine.queue.copy(), letters: machine.letters.copy() };
    let (looked_at, _) = start(&copy).expect(what);
    let mut all = queued(&looked_at);
    assert_eq!(looked_at.books(0).replayed, all.len() as u64, "{what}");
    assert!(looked_at.books(0).is_balanced(), "{what}");
    all.extend(&remaining);
    once(&all, taken, what);
    replay(&engine, &store, &Selection::default())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((listed(&machine.letters), store.standing().letters), (vec![], 0), "{what}");
    let left = Index::read(&machine.letters, &mut |_, _| Ok(())).unwrap();
    let has_gone = left.files.is_empty() && left.orphans.is_empty();
    assert!(has_gone, "{what}: files of replayed letters go: {left:?}");
    let all = queued(&engine);
    assert_eq!(engine.books(0).replayed, all.len() as u64, "{what}");
    once(&all, taken, what);
}

/// All of `wanted` are there, and nothing twice.
fn once(all: &[u64], wanted: &[u64], what: &str) {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    assert!(sorted.windows(2).all(|two| two[0] != two[1]), "{what}: doubled in {sorted:?}");
    for number in wanted {
        assert!(sorted.contains(number), "{what}: {number} is missing in {sorted:?}");
    }
}

fn crash_everywhere(seeds: std::ops::Range<u64>) {
    for place in [0, 1] {
        for nth in 1.. {
            let mut is_over = false;
            for seed in seeds.clone() {
                for end in ENDS {
                    let what = format!("place {place}, call {nth}, seed {seed}, {end:?}");
                    let mut rng = Rng::with_seed(seed * 1000 + nth);
                    let machine = Machine::new(seed);
                    machine.stop_at(place, nth);
                    let taken = live(&machine);
                    is_over = !machine.has_stopped();
                    let machine = machine.after(end, &mut rng);
                    check(&machine, &taken, &what);
                }
            }
            if is_over {
                break;
            }
        }
    }
}

#[test]
fn a_crash_at_any_call_of_a_replay_loses_and_doubles_nothing() {
    crash_everywhere(0..2);
}

#[test]
fn a_second_crash_in_the_middle_of_finding_out_loses_and_doubles_nothing() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let machine = Machine::new(seed);
        machine.stop_at(rng.usize(..2), rng.u64(1..60));
        let mut taken = live(&machine);
        let mut machine = machine.after(ENDS[rng.usize(..3)], &mut rng);
        for first in (12..).step_by(2).take(rng.usize(1..4)) {
            machine.stop_at(rng.usize(..2), rng.u64(1..12));
            if let Some((engine, store)) = start(&machine) {
                drop(replay(&engine, &store, &Selection::default()));
                if store.put(&letters(first..first + 2)).is_ok() {
                    taken.extend(first..first + 2);
                }
            }
            machine = machine.after(ENDS[rng.usize(..3)], &mut rng);
        }
        check(&machine, &taken, &format!("seed {seed}"));
    }
}

#[test]
fn a_failing_disk_loses_and_doubles_nothing() {
    for fault in [Fault::IO, Fault::IO_PART, Fault::NO_SPACE, Fault::NO_SPACE_PART] {
        for place in [0, 1] {
            for nth in 1..50 {
                let what = format!("{fault:?} at call {nth} of place {place}");
                let mut rng = Rng::with_seed(nth);
                let machine = Machine::new(nth);
                let (engine, store) = start(&machine).unwrap();
                let taken: Vec<u64> = (0..12).collect();
                store.put(&letters(0..4)).unwrap();
                store.put(&letters(4..12)).unwrap();
                [&machine.queue, &machine.letters][place].fail_at(nth, fault);
                let first = replay(&engine, &store, &Selection::default());
                // With every end at every state: before anybody tries again, and after.
                for end in ENDS {
                    let copy =
                        Machine { queue: machine.queue.copy(), letters: machine.letters.copy() };
                    check(&copy.after(end, &mut rng), &taken, &what);
                }
                if let Err(error) = first {
                    let (done, remaining) = progress(&error);
                    assert_eq!(engine.books(0).replayed, done, "{what}: {error}");
                    if let Some(remaining) = remaining {
                        assert_eq!(done + remaining, 12, "{what}: {error}");
                    }
                    replay(&engine, &store, &Selection::default()).unwrap();
                }
                assert_eq!(store.standing().letters, 0, "{what}");
                check(&machine.after(ENDS[nth as usize % 3], &mut rng), &taken, &what);
            }
        }
    }
}

fn progress(error: &ReplayError) -> (u64, Option<u64>) {
    match error {
        ReplayError::Refused { replayed, remaining, .. } => (*replayed, Some(*remaining)),
        ReplayError::Failed { replayed, .. } => (*replayed, None),
        other => panic!("{other}"),
    }
}

#[test]
fn only_what_is_meant_is_replayed_in_order_and_by_source() {
    let machine = Machine::new(1);
    let (engine, store) = start(&machine).unwrap();
    store.put(&letters(0..7)).unwrap();
    let since = Some(Timestamp::from_unix(1_700_000_003, 0));
    let source = Some(Arc::from("checkout"));
    let selection = Selection { since, source, status: Some(400) };
    assert_eq!(replay(&engine, &store, &selection), Ok(2));
    assert_eq!(listed(&machine.letters), [0, 1, 2, 4, 5]);
    assert_eq!(replay(&engine, &store, &selection), Ok(0), "they are no dead letters any more");
    assert_eq!(queued(&engine), [3, 6]);
    assert_eq!(replay(&engine, &store, &Selection::default()), Ok(5));
    assert_eq!(queued(&engine), [0, 1, 4, 2, 5]);
    assert_eq!(machine.letters.files().len(), 0);
}

#[test]
fn a_batch_holds_ten_thousand_tuples_or_a_mebibyte() {
    let machine = Machine::new(1);
    let options = Options { max_bytes: 64 << 20, segment_bytes: 16 << 20, ..options() };
    let engine = Engine::open(machine.queue.handle(), &options).unwrap().0;
    let store = open(&machine.letters);
    let mut many = letters(0..20_003);
    for letter in &mut many {
        letter.source = Arc::from("one");
    }
    store.put(&many).unwrap();
    let mut long = letters([30_000, 30_001, 30_002]);
    for letter in &mut long {
        letter.source = Arc::from("two");
        letter.tuple = format!("[\"{}\"]", "x".repeat(600 << 10)).into();
    }
    store.put(&long).unwrap();
    assert_eq!(replay(&engine, &store, &Selection::default()), Ok(20_006));
    let want = Want { bytes: 1, tuples: 1 };
    let mut sizes = Vec::new();
    while let Some(lease) = engine.lease(0, want, Duration::ZERO).unwrap() {
        sizes.extend(lease.blocks.iter().map(|leased| leased.block.tuples));
    }
    assert_eq!(sizes, [10_000, 10_000, 3, 1, 1, 1]);
}

#[test]
fn a_full_queue_says_what_was_replayed_and_what_remains() {
    let machine = Machine::new(1);
    let engine = Engine::open(machine.queue.handle(), &Options { max_bytes: 9000, ..options() });
    let engine = engine.unwrap().0;
    let store = open(&machine.letters);
    let mut long = letters(0..12);
    for letter in &mut long {
        letter.tuple = format!("[\"m{}\",\"{}\"]", letter.sequence, "x".repeat(900)).into();
    }
    store.put(&long).unwrap();
    let error = replay(&engine, &store, &Selection::default()).unwrap_err();
    let ReplayError::Refused { replayed, remaining, cause: AppendError::Full { .. } } = error
    else {
        panic!("{error}");
    };
    assert_eq!((replayed, remaining), (8, 4));
    assert_eq!(store.standing().letters, 4);
    let text = error.to_string();
    assert!(text.starts_with("8 dead letters were replayed, 4 remain: queue is full ("), "{text}");
    assert!(text.contains("then raise `dead_letters.max_bytes` first"), "{text}");
    // And again: nothing is doubled.
    replay(&engine, &store, &Selection::default()).unwrap_err();
    assert_eq!((engine.books(0).replayed, store.standing().letters), (8, 4));
}

#[test]
fn letters_that_come_in_during_a_replay_are_not_among_those_that_are_meant() {
    struct Refusing<'s> {
        engine: &'s Engine,
        store: &'s DeadLetters,
    }
    impl Target for Refusing<'_> {
        fn serves(&self, receiver: &str) -> bool {
            self.engine.serves(receiver)
        }
        fn replayed(&self, receiver: &str) -> Option<u64> {
            self.engine.replayed(receiver)
        }
        fn append(&self, entry: Entry) -> Result<(), AppendError> {
            let next = 100 + 10 * self.engine.books(0).replayed;
            self.store.put(&letters(next..next + 3)).unwrap();
            let busy = replay(self.engine, self.store, &Selection::default());
            assert_eq!(busy, Err(ReplayError::Busy));
            self.engine.append(entry)
        }
        fn durability(&self) -> Durability {
            Durability::Fsync
        }
    }
    let machine = Machine::new(1);
    let (engine, store) = start(&machine).unwrap();
    store.put(&letters(0..6)).unwrap();
    let target = Refusing { engine: &engine, store: &store };
    let replayed = store.replay_into(&target, &Selection::default(), &clock(), None);
    assert_eq!(replayed, Ok(Replayed { letters: 6, is_cut_short: false }));
    assert_eq!(store.standing().letters, 9);
    assert_eq!(listed(&machine.letters).len(), 9);
}

#[test]
fn a_replay_whose_time_is_over_says_so_and_goes_on_the_next_time() {
    let machine = Machine::new(1);
    let (engine, store) = start(&machine).unwrap();
    store.put(&letters(0..6)).unwrap();
    let clock = clock();
    let until = Some(clock.monotonic());
    let all = Selection::default();
    // However little time there is, it goes on: one batch, of one source, each time.
    for is_cut_short in [true, true, false] {
        let replayed = store.replay_into(&engine, &all, &clock, until).unwrap();
        assert_eq!(replayed, Replayed { letters: 2, is_cut_short });
    }
    assert_eq!(replay(&engine, &store, &all), Ok(0));
}

#[test]
fn a_file_is_read_as_often_for_many_batches_as_for_one() {
    let reads = |sources: u64| {
        let machine = Machine::new(1);
        let (engine, store) = start(&machine).unwrap();
        let mut all = letters(0..12);
        for letter in &mut all {
            letter.source = Arc::from(format!("source{}", letter.at.seconds() as u64 % sources));
        }
        store.put(&all).unwrap();
        let reads = || machine.letters.calls() - machine.letters.operations();
        let before = reads();
        assert_eq!(replay(&engine, &store, &Selection::default()), Ok(12));
        reads() - before
    };
    assert_eq!(reads(12), reads(1));
}

#[test]
fn letters_of_a_receiver_that_is_not_configured_are_not_replayed() {
    let machine = Machine::new(1);
    let (engine, _) = start(&machine).unwrap();
    let folder = Arc::new(SimFolder::of(&machine.letters));
    let store = DeadLetters::over(folder, "old", CAP).unwrap();
    store.put(&letters(0..1)).unwrap();
    let error = replay(&engine, &store, &Selection::default()).unwrap_err();
    assert!(matches!(error, ReplayError::NotConfigured { .. }), "{error}");
    assert_eq!(listed(&machine.letters), [0]);
}
