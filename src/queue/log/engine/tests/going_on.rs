//! Days in the life of a log after which it must not have changed for the worse.

use std::time::Duration;

use fastrand::Rng;

use super::super::super::disk::sim::SimDisk;
use super::super::{Engine, Options};
use super::support::{
    SEGMENT_BYTES, append, close, deliver_one, drain, entry, fill, lease, open, open_with, options,
    segments, sized, try_deliver_one,
};
use crate::encode::BLOCK_BYTES_MAX;
use crate::queue::{AppendError, Totals};

fn used(engine: &Engine) -> u64 {
    engine.standing(Duration::ZERO).used_bytes
}

fn bytes_of_segments(disk: &SimDisk) -> u64 {
    let files = disk.files();
    segments(disk).iter().map(|name| files[name].len() as u64).sum()
}

#[test]
fn the_bytes_in_use_after_a_crash_are_those_of_the_files_and_end_at_nothing() {
    for nth in 1..60 {
        let disk = SimDisk::new(nth);
        let (engine, _) = open(&disk);
        fill(&engine, 1..=6);
        disk.stop_at(nth);
        for number in 7..=12 {
            append(&engine, entry(number)).ok();
            try_deliver_one(&engine);
            engine.maintain().ok();
        }
        let is_power_cut = nth % 2 == 1;
        let disk = if is_power_cut { disk.crash(&mut Rng::with_seed(nth)) } else { disk.kill() };
        let (engine, _) = open(&disk);
        assert_eq!(used(&engine), bytes_of_segments(&disk), "stopped at call {nth}");
        drain(&disk, &engine);
        engine.maintain().unwrap();
        assert_eq!((used(&engine), bytes_of_segments(&disk)), (0, 0), "stopped at call {nth}");
        fill(&engine, 100..=112);
        assert_eq!(used(&engine), bytes_of_segments(&disk));
    }
}

#[test]
fn what_is_delivered_is_told_apart_from_what_waits_while_its_segment_is_written_to() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &Options { segment_bytes: 1 << 20, ..options() });
    let held = || {
        let standing = engine.standing(Duration::ZERO);
        standing.used_bytes - standing.spent_bytes
    };
    let mut before = used(&engine);
    for number in 1..=20 {
        fill(&engine, [number]);
        assert!(held() >= 700, "it waits");
        deliver_one(&engine);
        engine.maintain().unwrap();
        assert_eq!(held(), 0, "nothing waits");
        assert!(used(&engine) >= before, "the segment stays");
        before = used(&engine);
    }
    assert!(before >= 20 * 700, "{before}");
    fill(&engine, 21..=30);
    assert!((7_000..10_000).contains(&held()), "{}", held());
    // One that is not delivered holds all behind it.
    let first = lease(&engine, 1).unwrap();
    drain(&disk, &engine);
    assert!((7_000..10_000).contains(&held()), "{}", held());
    engine.ack(0, first.id, first.delivered());
    assert_eq!(held(), 0);
}

#[test]
fn requests_that_left_nothing_are_kept_with_the_next_entry_or_position() {
    type Keep = fn(&SimDisk, Engine) -> SimDisk;
    let ways: [(Keep, u64); 3] = [
        (
            |disk, engine| {
                append(&engine, entry(2)).unwrap();
                disk.crash(&mut Rng::with_seed(1))
            },
            2,
        ),
        (
            |disk, engine| {
                engine.save().unwrap();
                disk.crash(&mut Rng::with_seed(1))
            },
            1,
        ),
        (close, 1),
    ];
    for (keep, entries) in ways {
        let disk = SimDisk::new(1);
        let (engine, _) = open(&disk);
        fill(&engine, [1]);
        engine.count_decided(3, 2);
        let disk = keep(&disk, engine);
        let (engine, _) = open(&disk);
        let wanted = Totals { tuples: entries, accepted: entries + 3, rejected: 2 };
        assert_eq!(engine.totals(), wanted);
    }
}

#[test]
fn what_was_let_in_and_never_written_does_not_count_for_ever() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, [1]);
    let before = used(&engine);
    disk.fail_all_from(1, super::super::super::disk::sim::Fault::NO_SPACE);
    for _ in 0..100 {
        append(&engine, entry(2)).unwrap_err();
    }
    engine.admit(500).unwrap();
    engine.give_up(500);
    assert_eq!(used(&engine), before);
}

#[test]
fn an_entry_larger_than_a_segment_goes_through_whole() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=2);
    append(&engine, sized(3, BLOCK_BYTES_MAX)).unwrap();
    let mut parts = sized(4, 3 * SEGMENT_BYTES as usize);
    parts.blocks.push(parts.blocks[0].clone());
    append(&engine, parts).unwrap();
    fill(&engine, 5..=6);
    assert!(segments(&disk).len() >= 4, "{:?}", segments(&disk));
    let disk = disk.crash(&mut Rng::with_seed(1));
    let (engine, _) = open(&disk);
    let delivered: Vec<u64> =
        std::iter::repeat_with(|| deliver_one(&engine)).take(7).flatten().collect();
    assert_eq!(delivered, [1, 2, 3, 4, 4, 5, 6]);
}

#[test]
fn an_entry_that_can_never_fit_is_refused_alone() {
    let capped = Options { max_bytes: 600_000, ..options() };
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &capped);
    fill(&engine, [1]);
    for _ in 0..3 {
        let refused = append(&engine, sized(2, 700_000)).unwrap_err();
        assert!(matches!(refused, AppendError::Full { limit: 600_000, .. }), "{refused:?}");
        engine.maintain().unwrap();
        engine.room().unwrap();
    }
    fill(&engine, 3..=4);
    assert_eq!(drain(&disk, &engine), [1, 3, 4]);
}

#[test]
fn files_go_while_the_log_is_used_and_what_they_held_is_not_sent_again() {
    let disk = SimDisk::new(1);
    let (mut disk, mut engine) = (disk.clone(), open(&disk).0);
    for number in 1..=300 {
        fill(&engine, [number]);
        assert_eq!(deliver_one(&engine), [number]);
        engine.maintain().unwrap();
        assert!(segments(&disk).len() <= 2, "after {number}: {:?}", segments(&disk));
        if number % 50 == 0 {
            disk = close(&disk, engine);
            engine = open(&disk).0;
        }
    }
    assert_eq!(engine.books(0).delivered, 300);
}

#[test]
fn a_long_outage_is_delivered_from_its_first_hour_on() {
    let mut disk = SimDisk::new(1);
    let mut sent = Vec::new();
    for hour in 0..24_u64 {
        let (engine, notices) = open(&disk);
        assert_eq!(notices, [], "hour {hour}");
        let numbers = hour * 10..hour * 10 + 10;
        sent.extend(numbers.clone());
        fill(&engine, numbers);
        // A delivery that is tried and comes back.
        let lease = super::support::lease(&engine, 7).unwrap();
        engine.release(0, lease.id);
        engine.maintain().unwrap();
        disk = match hour % 3 {
            0 => close(&disk, engine),
            1 => disk.kill(),
            // Torn tails are another story: everything here was acknowledged.
            _ => disk.crash(&mut Rng::with_seed(hour)),
        };
    }
    let (engine, _) = open(&disk);
    assert_eq!(drain(&disk, &engine), sent);
    let books = engine.books(0);
    assert_eq!((books.series, books.delivered), (240, 240));
}
