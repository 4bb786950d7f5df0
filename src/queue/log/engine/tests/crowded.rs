//! Several who hold the log together: no entry is refused for the sake of those who have a bound
//! (contract C5.5), whatever the bounds add up to and whatever cannot be read.

use std::time::Duration;

use super::super::super::disk::sim::SimDisk;
use super::super::super::lanes::Order;
use super::super::super::notice::{Expiry, Notice};
use super::super::{Engine, Options, cost};
use super::backlog::{bounded, relieve};
use super::filter::{drain, from, only_for};
use super::support::{
    NOW, WANT, append, close, entry, fill, numbers, open_with, options, segments, sized,
};
use crate::queue::{AppendError, Books, Destination, Sources};

const CAP_BYTES: u64 = 80_000;

fn capped(destinations: Vec<Destination>) -> Options {
    Options { destinations, max_bytes: CAP_BYTES, ..options() }
}

fn only(source: &str, bytes: u64) -> Destination {
    Destination { sources: Sources::Only(vec![source.into()]), ..bounded(source, bytes) }
}

/// Appends, and makes the rounds that the commits ask for.
fn feed(engine: &Engine, source: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        engine.room().unwrap_or_else(|error| panic!("{number}: {error}"));
        append(engine, from(source, number)).unwrap_or_else(|error| panic!("{number}: {error}"));
        relieve(engine);
    }
}

/// Fresh first: one left the old half behind, the other one pins the new half. Each keeps to its bound.
#[test]
fn two_who_hold_the_log_together_shut_it_for_nobody() {
    for bound in [CAP_BYTES / 4 * 3, CAP_BYTES / 16 * 15, CAP_BYTES] {
        let disk = SimDisk::new(1);
        let receivers = ["old", "new", "live"].map(|name| bounded(name, bound)).into();
        let order = Order::FreshFirst { share: u32::MAX };
        let (engine, _) = open_with(&disk, &Options { order, ..capped(receivers) });
        let mut got = Vec::new();
        for number in 0..300 {
            let now = Duration::from_secs(if number < 45 { 0 } else { 10 + number });
            let new = entry(number);
            engine.admit(cost(&new)).unwrap_or_else(|error| panic!("{bound}, {number}: {error}"));
            engine.commit(&[new], NOW, now).unwrap();
            relieve(&engine);
            let takers: &[usize] = match number {
                0..45 => &[1, 2],
                45..88 => &[0, 2],
                _ => &[2],
            };
            for taker in takers {
                let lease = engine.lease(*taker, WANT, now).unwrap().unwrap();
                assert_eq!(numbers(&lease), [number]);
                engine.ack(*taker, lease.id, lease.delivered());
                got.extend((*taker == 2).then_some(number));
            }
        }
        assert_eq!(got, (0..300).collect::<Vec<u64>>(), "bound {bound}");
        let live = Books { series: 300, delivered: 300, ..Books::default() };
        assert_eq!(engine.books(2), live, "bound {bound}");
        for index in 0..2 {
            let books = engine.books(index);
            assert!(books.is_balanced() && books.expired > 0, "bound {bound}: {books:?}");
        }
        let kept_bytes = engine.depth(0).bytes.max(engine.depth(1).bytes);
        assert!(kept_bytes > CAP_BYTES / 2, "bound {bound}: no more than it takes, {kept_bytes}");
    }
}

#[test]
fn three_who_are_dead_take_what_comes_and_give_up_their_oldest() {
    let disk = SimDisk::new(1);
    let names = ["a", "b", "c"];
    let receivers = names.map(|name| only(name, CAP_BYTES)).into();
    let (engine, _) = open_with(&disk, &capped(receivers));
    for number in 0..300 {
        feed(&engine, names[number as usize % 3], number..number + 1);
    }
    for index in 0..3 {
        let books = engine.books(index);
        assert!(books.is_balanced() && books.expired > 0, "{books:?}");
        let left = drain(&disk, &engine, index);
        let newest: Vec<u64> = (0..300).filter(|number| number % 3 == index as u64).collect();
        assert!(!left.is_empty() && newest.ends_with(&left), "{left:?}");
    }
}

/// One that is larger than what is kept free: the round that its refusal asks for makes room.
#[test]
fn a_large_entry_is_refused_once_at_most_and_one_that_cannot_fit_costs_nothing() {
    let disk = SimDisk::new(1);
    let receivers = vec![bounded("a", CAP_BYTES / 2), bounded("b", CAP_BYTES)];
    let (engine, _) = open_with(&disk, &capped(receivers));
    feed(&engine, "test", 0..98);
    let before = engine.books(1);
    append(&engine, sized(1000, 2 * CAP_BYTES as usize)).unwrap_err();
    engine.maintain().unwrap();
    assert_eq!(engine.books(1), before, "nothing is given up in vain");
    let large = sized(1000, 30_000);
    assert!(matches!(append(&engine, large.clone()), Err(AppendError::Full { .. })));
    engine.maintain().unwrap();
    append(&engine, large).unwrap();
    assert!(engine.books(1).expired > before.expired);
}

/// As after `[receiver]` became `[[receivers]]`: nobody is called `default` any more.
#[test]
fn one_without_a_bound_that_nobody_delivers_to_gives_way_before_an_entry_is_refused() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &capped(vec![Destination::named("default")]));
    fill(&engine, 0..60);
    let disk = close(&disk, engine);
    let receivers = vec![bounded("a", CAP_BYTES / 2), bounded("b", CAP_BYTES / 2)];
    let (engine, _) = open_with(&disk, &capped(receivers));
    for number in 60..300 {
        feed(&engine, "test", number..number + 1);
        for index in 0..2 {
            assert_eq!(drain(&disk, &engine, index), [number]);
        }
    }
    let books = engine.account("default").unwrap().books;
    assert!(books.is_balanced() && books.expired > 200, "{books:?}");
    let is_orphan = |notice: &Notice| match notice {
        Notice::Expired { why, .. } => *why == Expiry::Orphan,
        other => panic!("{other}"),
    };
    assert!(engine.take_notices().iter().all(is_orphan), "nobody else has given way");
}

#[test]
fn a_segment_that_is_not_there_stops_no_expiry() {
    // Whole, it goes without being read, unless what is in it has to be sorted.
    for (dead, is_read) in [(bounded("test", 20_000), false), (only("test", 20_000), true)] {
        let disk = SimDisk::new(1);
        let receivers = vec![Destination::named("live"), dead];
        let (engine, _) = open_with(&disk, &Options { destinations: receivers, ..options() });
        // It has had one for itself alone: the totals do not tell of those, but of all behind it.
        append(&engine, only_for("test", entry(1000))).unwrap();
        assert_eq!(drain(&disk, &engine, 1), [1000]);
        fill(&engine, 0..40);
        disk.handle().remove(&segments(&disk)[1]).unwrap();
        assert_eq!(engine.maintain().is_err(), is_read);
        let (books, depth) = (engine.books(1), engine.depth(1));
        assert!(books.is_balanced() && books.expired > 0, "{books:?}");
        assert!(depth.bytes <= 20_000, "{depth:?}");
        // In the middle of the surplus, and at its end.
        fill(&engine, 40..100);
        assert_eq!(engine.maintain().is_err(), is_read);
        assert!(engine.depth(1).bytes <= 20_000, "{:?}", engine.depth(1));
    }
}

#[test]
fn a_segment_that_is_not_there_shuts_nobody_out_at_the_cap() {
    let disk = SimDisk::new(1);
    let receivers = vec![only("a", CAP_BYTES), only("b", CAP_BYTES)];
    let (engine, _) = open_with(&disk, &capped(receivers));
    for number in 0..40 {
        feed(&engine, ["a", "b"][number as usize % 2], number..number + 1);
    }
    disk.handle().remove(&segments(&disk)[0]).unwrap();
    for number in 40..200 {
        append(&engine, from(["a", "b"][number as usize % 2], number)).unwrap();
        if engine.take_relief() > super::super::super::state::Relief::None {
            engine.maintain().ok();
        }
    }
    assert!(engine.books(0).expired > 0 && engine.books(0).is_balanced());
}

#[test]
fn whoever_only_looks_reads_no_further_than_the_first_record_for_it() {
    let disk = SimDisk::new(1);
    let options = Options {
        destinations: vec![Destination::named("all"), only("wanted", 1 << 30)],
        segment_bytes: 8 << 20,
        ..options()
    };
    let (engine, _) = open_with(&disk, &options);
    append(&engine, from("wanted", 0)).unwrap();
    for number in 1..40 {
        append(&engine, sized(number, 100_000)).unwrap();
    }
    let disk = close(&disk, engine);
    let (engine, _) = open_with(&disk, &options);
    disk.unreadable(&segments(&disk)[0], 3_000_000..3_100_000);
    assert_eq!(engine.oldest(1), Ok(Some(entry(0).received)));
    engine.peek(1, Duration::ZERO).unwrap();
    engine.lease(1, WANT, Duration::ZERO).unwrap_err();
}
