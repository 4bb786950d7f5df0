//! The bound of a backlog (contract C5.5): a receiver that is dead never stops the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::super::disk::sim::SimDisk;
use super::super::super::notice::{Expiry, Notice};
use super::super::super::state::Relief;
use super::super::{Engine, Options};
use super::filter::{drain, from, only_for};
use super::support::{
    SEGMENT_BYTES, WANT, append, close, entry, fill, numbers, open_with, options, segments,
};
use crate::queue::{Books, Destination, Lease, Sources};

const LIVE: usize = 0;
const DEAD: usize = 1;

const BOUND_BYTES: u64 = 20_000;

pub(super) fn bounded(name: &str, bytes: u64) -> Destination {
    Destination { max_backlog_bytes: Some(bytes), ..Destination::named(name) }
}

fn two(bytes: u64) -> Options {
    Options { destinations: vec![Destination::named("live"), bounded("dead", bytes)], ..options() }
}

fn expired(engine: &Engine) -> Vec<(u64, Expiry)> {
    let of = |notice| match notice {
        Notice::Expired { tuples, why, .. } => (tuples, why),
        other => panic!("{other}"),
    };
    engine.take_notices().into_iter().map(of).collect()
}

/// The writer with its threads makes the round that a commit asks for.
pub(super) fn relieve(engine: &Engine) -> Relief {
    let relief = engine.take_relief();
    if relief != Relief::None {
        engine.maintain().unwrap();
    }
    relief
}

#[test]
fn a_dead_receiver_keeps_its_newest_and_costs_the_other_one_nothing() {
    let disk = SimDisk::new(1);
    let capped = Options { max_bytes: 80_000, ..two(BOUND_BYTES) };
    let (engine, _) = open_with(&disk, &capped);
    let mut got = Vec::new();
    let mut most = 0;
    // Ten times the bound, and no round but those that the commits ask for.
    for number in 0..300 {
        append(&engine, entry(number)).unwrap();
        relieve(&engine);
        got.extend(drain(&disk, &engine, LIVE));
        most = most.max(engine.standing(Duration::ZERO).used_bytes);
    }
    assert_eq!(got, (0..300).collect::<Vec<u64>>());
    assert!(most < BOUND_BYTES + 5_000 + 4 * SEGMENT_BYTES, "{most} bytes on the disk");
    engine.maintain().unwrap();
    let books = engine.books(DEAD);
    let depth = engine.depth(DEAD);
    assert!(books.is_balanced() && books.expired > 200, "{books:?}");
    assert!(depth.bytes <= BOUND_BYTES && depth.bytes > BOUND_BYTES - 1000, "{depth:?}");
    assert!(engine.books(LIVE).is_balanced());
    assert!(
        segments(&disk).len() as u64 <= BOUND_BYTES / SEGMENT_BYTES + 3,
        "{:?}",
        segments(&disk)
    );
    // The oldest went, exactly as many as the books say.
    assert_eq!(drain(&disk, &engine, DEAD), (books.expired..300).collect::<Vec<u64>>());
}

#[test]
fn one_round_tells_once_of_exactly_what_went() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two(BOUND_BYTES));
    fill(&engine, 0..60);
    engine.maintain().unwrap();
    let gone = engine.books(DEAD).expired;
    assert_eq!(expired(&engine), [(gone, Expiry::Bound)]);
    engine.maintain().unwrap();
    assert_eq!((expired(&engine), engine.books(DEAD).expired), (vec![], gone), "at the bound");
    assert_eq!(engine.books(LIVE).expired, 0, "no bound, no expiry");
    // It is on the disk.
    let (engine, _) = open_with(&disk.kill(), &two(BOUND_BYTES));
    assert_eq!(engine.books(DEAD).expired, gone);
}

#[test]
fn the_loans_of_a_receiver_that_is_well_cost_it_nothing_that_waits() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two(3_000));
    fill(&engine, 0..4);
    let lease = engine.lease(DEAD, WANT, Duration::ZERO).unwrap().unwrap();
    assert_eq!(numbers(&lease), [0, 1, 2, 3]);
    fill(&engine, 4..7);
    engine.maintain().unwrap();
    assert_eq!(engine.books(DEAD).expired, 0, "what is on loan and what waits are twice the bound");
    fill(&engine, 7..10);
    engine.maintain().unwrap();
    assert_eq!(engine.books(DEAD).expired, 3, "what waits alone is more");
    engine.ack(DEAD, lease.id, lease.delivered());
    assert!(engine.books(DEAD).is_balanced());
    assert_eq!(drain(&disk, &engine, DEAD), [7, 8, 9]);
    engine.close();
    assert_eq!(engine.look(DEAD), super::super::super::state::Look::Over);
}

/// A round would change nothing, and each one writes positions.
#[test]
fn what_is_over_the_bound_on_loan_alone_asks_for_no_round_at_each_commit() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &Options { max_bytes: 160_000, ..two(3_000) });
    fill(&engine, 0..20);
    let leases = std::iter::from_fn(|| engine.lease(DEAD, WANT, Duration::ZERO).unwrap());
    let leases: Vec<Lease> = leases.collect();
    relieve(&engine);
    let most = 3_000 + 160_000 / 16;
    assert!(engine.depth(DEAD).bytes > most, "over the bound and its slack");
    let mut asked = 0;
    for number in 20..60 {
        append(&engine, entry(number)).unwrap();
        asked += u32::from(relieve(&engine) != Relief::None);
    }
    assert!((1..=4).contains(&asked), "{asked} times for 40 commits");
    assert!(engine.books(DEAD).expired >= 20, "{:?}", engine.books(DEAD));
    for lease in leases {
        engine.ack(DEAD, lease.id, lease.delivered());
    }
    assert!(engine.books(DEAD).is_balanced());
}

/// The keeper's round and the one that the writer makes for room: what one of them counts, the other
/// must not delete.
#[test]
fn two_who_make_room_at_once_stand_in_nobodys_way() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two(3_000));
    let is_over = AtomicBool::new(false);
    let mut got = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    engine.maintain().unwrap();
                }
            });
        }
        for number in 0..800 {
            append(&engine, entry(number)).unwrap();
            let lease = engine.lease(LIVE, WANT, Duration::ZERO).unwrap().unwrap();
            got.extend(numbers(&lease));
            engine.ack(LIVE, lease.id, lease.delivered());
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(got, (0..800).collect::<Vec<u64>>());
    engine.maintain().unwrap();
    let books = engine.books(DEAD);
    assert!(books.is_balanced() && books.expired > 780, "{books:?}");
    let told: u64 = expired(&engine).into_iter().map(|(tuples, _)| tuples).sum();
    assert_eq!(told, books.expired);
}

#[test]
fn only_its_own_expire_and_what_is_for_it_alone_counts_too() {
    let disk = SimDisk::new(1);
    let picky =
        Destination { sources: Sources::Only(vec!["wanted".into()]), ..bounded("dead", 6_000) };
    let picky = Options { destinations: vec![Destination::named("live"), picky], ..options() };
    let (engine, _) = open_with(&disk, &picky);
    append(&engine, from("wanted", 0)).unwrap();
    append(&engine, only_for("dead", from("other", 1))).unwrap();
    append(&engine, only_for("live", from("other", 2))).unwrap();
    for number in 3..30 {
        append(&engine, from(["wanted", "other"][number as usize % 2], number)).unwrap();
    }
    engine.maintain().unwrap();
    let left = drain(&disk, &engine, DEAD);
    let wanted: Vec<u64> = [0, 1].into_iter().chain((4..30).step_by(2)).collect();
    assert!(wanted.ends_with(&left) && !left.is_empty(), "{left:?} of {wanted:?}");
    let (delivered, all) = (left.len() as u64, wanted.len() as u64);
    let expected = Books {
        series: 28,
        replayed: 1,
        delivered,
        expired: all - delivered,
        filtered: 29 - all,
        ..Books::default()
    };
    assert_eq!(engine.books(DEAD), expected);
}

#[test]
fn one_that_is_not_configured_any_more_obeys_the_bound_it_had() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two(BOUND_BYTES));
    fill(&engine, 0..10);
    let disk = close(&disk, engine);
    let alone = Options { destinations: vec![Destination::named("live")], ..options() };
    let (engine, _) = open_with(&disk, &alone);
    fill(&engine, 10..60);
    engine.maintain().unwrap();
    let account = engine.account("dead").unwrap();
    assert!(account.depth.bytes <= BOUND_BYTES && account.books.is_balanced(), "{account:?}");
    assert_eq!(expired(&engine), [(account.books.expired, Expiry::Orphan)]);
    // Twice, so that it is still known.
    let (engine, _) = open_with(&close(&disk, engine), &alone);
    fill(&engine, 60..100);
    engine.maintain().unwrap();
    assert!(engine.account("dead").unwrap().depth.bytes <= BOUND_BYTES);
}

#[test]
fn a_bound_that_is_changed_or_taken_away_holds_from_the_next_start_on() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &two(BOUND_BYTES));
    fill(&engine, 0..10);
    let disk = close(&disk, engine);
    let (engine, _) = open_with(&disk, &two(2_000));
    engine.maintain().unwrap();
    assert!(engine.depth(DEAD).bytes <= 2_000);
    let disk = close(&disk, engine);
    let free = Options {
        destinations: vec![Destination::named("live"), Destination::named("dead")],
        ..options()
    };
    let (engine, _) = open_with(&disk, &free);
    fill(&engine, 10..40);
    engine.maintain().unwrap();
    let before = engine.books(DEAD).expired;
    drop(engine);
    // Not saved by an orderly end.
    let alone = Options { destinations: vec![Destination::named("live")], ..options() };
    let (engine, _) = open_with(&disk.kill(), &alone);
    engine.maintain().unwrap();
    assert_eq!(engine.account("dead").unwrap().books.expired, before);
}

/// Little waits, in every segment some: by bytes it is far below its bound.
#[test]
fn a_receiver_that_pins_segments_with_a_few_records_each_gives_way_at_the_cap() {
    let disk = SimDisk::new(1);
    let picky = Destination {
        sources: Sources::Only(vec!["wanted".into()]),
        ..bounded("dead", BOUND_BYTES)
    };
    let options = Options {
        destinations: vec![Destination::named("live"), picky],
        max_bytes: 64_000,
        ..options()
    };
    let (engine, _) = open_with(&disk, &options);
    let mut loans = Vec::new();
    for number in 0..115 {
        let source = if number % 4 == 0 { "wanted" } else { "other" };
        append(&engine, from(source, number)).unwrap();
        relieve(&engine);
        drain(&disk, &engine, LIVE);
        // It gets every other one of its own, then it dies.
        if number >= 104 {
            loans.drain(..).for_each(|lease| engine.release(DEAD, lease));
        } else if let Some(lease) = engine.lease(DEAD, WANT, Duration::ZERO).unwrap() {
            match number % 8 {
                0 => loans.push(lease.id),
                _ => _ = engine.ack(DEAD, lease.id, lease.delivered()),
            }
        }
    }
    let books = engine.books(DEAD);
    assert!(books.is_balanced() && books.expired > 0, "{books:?}");
    let gone = expired(&engine);
    assert!(gone.iter().all(|(_, why)| *why == Expiry::Cap), "{gone:?}");
    assert_eq!(gone.iter().map(|(tuples, _)| tuples).sum::<u64>(), books.expired);
    assert_eq!(engine.books(LIVE), Books { series: 115, delivered: 115, ..Books::default() });
}
