//! A destination that wants some sources only, and records for one destination alone.

use std::time::Duration;

use super::super::super::disk::sim::SimDisk;
use super::super::super::segment::HEADER_BYTES;
use super::super::super::state::Look;
use super::super::cost;
use super::super::{Engine, Options};
use super::support::{
    CALLS_MAX, NOW, WANT, append, close, entry, numbers, open_with, options, segments, sized,
};
use crate::queue::{Books, Depth, Destination, Entry, Fate, Lease, Sources, Want};

/// Everything goes to `all`; `some` wants the source `wanted` alone.
pub(super) fn two() -> Options {
    let some = only("some", &["wanted"]);
    Options { destinations: vec![Destination::named("all"), some], ..options() }
}

fn only(name: &str, sources: &[&str]) -> Destination {
    let sources = sources.iter().map(|source| (*source).into()).collect();
    Destination { sources: Sources::Only(sources), ..Destination::named(name) }
}

const ALL: usize = 0;
const SOME: usize = 1;

pub(super) fn from(source: &str, number: u64) -> Entry {
    Entry { source: source.into(), ..entry(number) }
}

pub(super) fn only_for(target: &str, entry: Entry) -> Entry {
    Entry { target: Some(target.into()), ..entry }
}

fn lease(engine: &Engine, index: usize) -> Option<Lease> {
    engine.lease(index, WANT, Duration::ZERO).unwrap()
}

pub(super) fn drain(disk: &SimDisk, engine: &Engine, index: usize) -> Vec<u64> {
    disk.limit_calls(CALLS_MAX);
    let mut got = Vec::new();
    while let Some(lease) = lease(engine, index) {
        got.extend(numbers(&lease));
        engine.ack(index, lease.id, lease.delivered());
    }
    disk.limit_calls(u64::MAX / 2);
    assert!(engine.books(index).is_balanced(), "{:?}", engine.books(index));
    got
}

#[test]
fn sources_that_take_turns_make_one_lease_and_are_counted_apart() {
    let disk = SimDisk::new(1);
    let one_segment = Options { segment_bytes: 1 << 20, ..two() };
    let (engine, _) = open_with(&disk, &one_segment);
    for number in 0..20 {
        append(&engine, from(["wanted", "other"][number as usize % 2], number)).unwrap();
    }
    let lease = lease(&engine, SOME).unwrap();
    assert_eq!(numbers(&lease), (0..20).step_by(2).collect::<Vec<u64>>());
    assert_eq!(engine.books(SOME), Books { series: 20, queued: 20, ..Books::default() });
    engine.release(SOME, lease.id);
    assert_eq!(engine.books(SOME).queued, 20, "what was only passed is forgotten with its lease");
    assert_eq!(drain(&disk, &engine, SOME).len(), 10);
    let expected = Books { series: 20, delivered: 10, filtered: 10, ..Books::default() };
    assert_eq!(engine.books(SOME), expected);
    assert_eq!(drain(&disk, &engine, ALL).len(), 20);
}

#[test]
fn a_lease_ends_before_the_record_that_does_not_fit_whatever_lies_between() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &Options { segment_bytes: 1 << 20, ..two() });
    for (number, source) in ["wanted", "other", "other", "wanted", "other"].iter().enumerate() {
        append(&engine, from(source, number as u64)).unwrap();
    }
    let one = Want { tuples: 1, ..WANT };
    let first = engine.lease(SOME, one, Duration::ZERO).unwrap().unwrap();
    assert_eq!(numbers(&first), [0]);
    assert_eq!(engine.look(SOME), Look::Waiting, "it was met, so it is known");
    let second = engine.lease(SOME, one, Duration::ZERO).unwrap().unwrap();
    assert_eq!((numbers(&second), second.blocks[0].sequence), (vec![3], 4));
    assert_eq!(engine.look(SOME), Look::Nothing);
    engine.ack(SOME, second.id, second.delivered());
    engine.ack(SOME, first.id, first.delivered());
    assert_eq!(engine.books(SOME).filtered, 3);
    assert_eq!(engine.depth(SOME).blocks, 0);
}

#[test]
fn a_destination_that_has_everything_passes_what_is_not_for_it_at_once_and_pins_nothing() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    for number in 0..40 {
        append(&engine, from("other", number)).unwrap();
        assert_eq!(engine.look(SOME), Look::Nothing, "nobody is woken for it");
    }
    assert_eq!(engine.books(SOME), Books { series: 40, filtered: 40, ..Books::default() });
    drain(&disk, &engine, ALL);
    engine.maintain().unwrap();
    assert!(segments(&disk).len() <= 1, "{:?}", segments(&disk));
    append(&engine, from("wanted", 41)).unwrap();
    assert_eq!(engine.look(SOME), Look::Waiting);
}

#[test]
fn after_a_start_a_look_passes_what_is_not_for_it_and_says_whether_anything_is() {
    for (wanted_at, look) in [(None, Look::Nothing), (Some(17), Look::Waiting)] {
        let disk = SimDisk::new(1);
        // Everything waits: it was not filtered when it came in.
        let before = Options {
            destinations: vec![Destination::named("all"), Destination::named("some")],
            ..options()
        };
        let (engine, _) = open_with(&disk, &before);
        for number in 0..24 {
            let source = if Some(number) == wanted_at { "wanted" } else { "other" };
            append(&engine, from(source, number)).unwrap();
        }
        let disk = close(&disk, engine);
        let (engine, _) = open_with(&disk, &two());
        assert_eq!(engine.look(SOME), Look::Unsure);
        let oldest = engine.oldest(SOME).unwrap();
        assert_eq!(oldest, wanted_at.map(|number| from("wanted", number).received));
        disk.limit_calls(CALLS_MAX);
        engine.peek(SOME, Duration::ZERO).unwrap();
        assert_eq!(engine.look(SOME), look);
        assert_eq!(engine.books(SOME).filtered, wanted_at.unwrap_or(24));
        assert_eq!(drain(&disk, &engine, SOME), Vec::from_iter(wanted_at));
        drain(&disk, &engine, ALL);
        engine.maintain().unwrap();
        assert_eq!(segments(&disk), Vec::<String>::new());
        engine.close();
        assert_eq!(engine.look(SOME), Look::Over);
    }
}

/// How many tuples it held stood in its head alone.
#[test]
fn what_was_damaged_beyond_counting_is_written_off_also_when_the_last_is_passed_by_a_question() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    append(&engine, only_for("some", from("other", 1))).unwrap();
    append(&engine, from("wanted", 2)).unwrap();
    for number in 3..=12 {
        append(&engine, from("other", number)).unwrap();
    }
    let disk = close(&disk, engine);
    disk.flip(&segments(&disk)[0], HEADER_BYTES + 8, 1);
    let (engine, _) = open_with(&disk, &two());
    let lease = lease(&engine, SOME).unwrap();
    assert_eq!(numbers(&lease), [2]);
    engine.ack(SOME, lease.id, lease.delivered());
    assert_eq!(engine.look(SOME), Look::Unsure, "the other segments were not looked at");
    assert_eq!(engine.oldest(SOME), Ok(None));
    let expected = Books {
        series: 11,
        replayed: 1,
        delivered: 1,
        filtered: 10,
        damaged: 1,
        ..Books::default()
    };
    assert_eq!((engine.books(SOME), engine.depth(SOME)), (expected, Depth::default()));
}

#[test]
fn a_look_costs_no_lane_its_turn_and_lends_nothing() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    append(&engine, from("wanted", 1)).unwrap();
    let disk = close(&disk, engine);
    let (engine, _) = open_with(&disk, &two());
    for _ in 0..3 {
        engine.peek(SOME, Duration::ZERO).unwrap();
        assert_eq!((engine.look(SOME), engine.depth(SOME).blocks), (Look::Waiting, 1));
    }
    assert_eq!(drain(&disk, &engine, SOME), [1]);
}

#[test]
fn what_was_filtered_stays_so_over_a_crash_and_a_new_filter_judges_what_waits() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    for number in 0..4 {
        append(&engine, from("other", number)).unwrap();
    }
    append(&engine, from("wanted", 4)).unwrap();
    append(&engine, from("other", 5)).unwrap();
    engine.save().unwrap();
    let disk = disk.kill();
    let changed = Options {
        destinations: vec![Destination::named("all"), only("some", &["other"])],
        ..two()
    };
    let (engine, _) = open_with(&disk, &changed);
    assert_eq!(engine.books(SOME).filtered, 4);
    assert_eq!(drain(&disk, &engine, SOME), [5]);
    let expected = Books { series: 6, delivered: 1, filtered: 5, ..Books::default() };
    assert_eq!(engine.books(SOME), expected);
}

#[test]
fn a_record_for_one_alone_reaches_it_through_its_filter_and_nobody_else() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    append(&engine, only_for("some", from("other", 1))).unwrap();
    append(&engine, from("wanted", 2)).unwrap();
    append(&engine, only_for("all", from("wanted", 3))).unwrap();
    append(&engine, from("other", 4)).unwrap();
    assert_eq!(drain(&disk, &engine, SOME), [1, 2]);
    let some = Books { series: 2, replayed: 1, delivered: 2, filtered: 1, ..Books::default() };
    assert_eq!(engine.books(SOME), some);
    assert_eq!(engine.oldest(ALL).unwrap(), Some(entry(2).received));
    assert_eq!(drain(&disk, &engine, ALL), [2, 3, 4]);
    let all = Books { series: 2, replayed: 1, delivered: 3, ..Books::default() };
    assert_eq!(engine.books(ALL), all);
    assert_eq!(engine.totals().tuples, 2);
}

/// Neither shares a record with the other, though they come from one source.
#[test]
fn what_is_for_one_alone_is_packed_apart_and_counted_once_over_crashes() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    let group = [
        sized(1, 100),
        only_for("some", sized(2, 100)),
        sized(3, 100),
        only_for("some", sized(4, 100)),
        only_for("all", sized(5, 100)),
    ];
    let group = group.map(|entry| Entry { source: "wanted".into(), ..entry });
    for entry in &group {
        engine.admit(cost(entry)).unwrap();
    }
    engine.commit(&group, NOW, Duration::ZERO).unwrap();
    let check = |engine: &Engine| {
        let replayed = [engine.books(ALL).replayed, engine.books(SOME).replayed];
        assert_eq!((replayed, engine.totals().tuples), ([1, 2], 2));
        assert!((0..2).all(|index| engine.books(index).is_balanced()));
    };
    check(&engine);
    // Before and after the position knows of them.
    let disk = disk.kill();
    let (engine, _) = open_with(&disk, &two());
    check(&engine);
    engine.save().unwrap();
    let disk = disk.kill();
    let (engine, _) = open_with(&disk, &two());
    check(&engine);
    assert_eq!(drain(&disk, &engine, SOME), [1, 3, 2, 4]);
    assert_eq!(drain(&disk, &engine, ALL), [1, 3, 5]);
}

#[test]
fn an_entry_for_nobody_who_is_configured_is_refused() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    drop(engine);
    // `some` has a position, and nobody delivers to it.
    let (engine, _) = open_with(
        &disk.kill(),
        &Options { destinations: vec![Destination::named("all")], ..two() },
    );
    for name in ["some", "nobody"] {
        let error = engine.has_addressee(&only_for(name, entry(1))).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the queue has no receiver called {name}: configure it first")
        );
    }
    engine.has_addressee(&only_for("all", entry(1))).unwrap();
    engine.has_addressee(&entry(1)).unwrap();
}

#[test]
fn what_a_receiver_refused_for_good_is_counted_apart_and_stays_so_over_a_crash() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two());
    for number in 0..6 {
        append(&engine, from(["wanted", "other"][number as usize % 2], number)).unwrap();
    }
    let lease = lease(&engine, SOME).unwrap();
    let dead_lettered = lease.tuples() - 1;
    engine.ack(SOME, lease.id, Fate { delivered: 1, dead_lettered });
    let books = engine.books(SOME);
    assert!(books.is_balanced() && books.delivered == 1, "{books:?}");
    assert_eq!((books.dead_lettered, books.filtered), (dead_lettered, lease.tuples()), "{books:?}");
    engine.save().unwrap();
    let (engine, _) = open_with(&disk.kill(), &two());
    assert_eq!(engine.books(SOME), books);
}
