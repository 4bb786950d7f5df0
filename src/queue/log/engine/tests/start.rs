//! Starts after an unlucky end.

use std::collections::BTreeMap;
use std::io::IoSlice;

use crate::queue::Destination;
use fastrand::Rng;

use super::super::super::disk::Disk;
use super::super::super::disk::sim::{Call, SimDisk};
use super::super::super::notice::Notice;
use super::super::super::position::SLOT_BYTES;
use super::super::super::record::MAGIC;
use super::super::Options;
use super::support::{
    append, close, deliver_one, drain, entry, fill, lease, numbers, open, open_with, options,
    segments, try_deliver_one, with_position_of,
};

#[test]
fn a_finished_segment_deleted_before_its_position_was_saved_does_not_loop_at_start() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=12);
    let disk = close(&disk, engine);
    let gone = segments(&disk)[0].clone();
    let (engine, _) = open(&disk);
    let first: Vec<u64> = (0..4).flat_map(|_| deliver_one(&engine)).collect();
    assert_eq!(first, [1, 2, 3, 4]);
    // The deletion reaches the disk, the position does not.
    drop(engine);
    let disk = disk.kill();
    disk.remove(&gone).unwrap();

    let (engine, notices) = open(&disk);
    assert!(segments(&disk)[0].starts_with("00000000000000000005-"), "four records are gone");
    assert_eq!(notices, [Notice::Missing { sequences: (1, 4) }]);
    assert_eq!(drain(&disk, &engine), (5..=12).collect::<Vec<u64>>());
    assert_eq!(engine.books(0).damaged, 4, "what nobody knows the fate of is not called delivered");
    let (_, notices) = open(&close(&disk, engine));
    assert_eq!(notices, [], "told once");
}

#[test]
fn a_segment_is_deleted_only_once_both_halves_of_its_position_are_safe() {
    let mut stops = 0;
    for nth in 1.. {
        let disk = SimDisk::new(nth);
        let (engine, _) = open(&disk);
        fill(&engine, 1..=12);
        disk.stop_at(nth);
        for _ in 0..6 {
            try_deliver_one(&engine);
            engine.maintain().ok();
        }
        let is_over = !disk.has_stopped();
        for seed in 0..6 {
            let disk = disk.copy().crash(&mut Rng::with_seed(seed));
            for half in [100, 8292] {
                let disk = disk.copy();
                disk.flip("default.pos", half, 1);
                let (engine, notices) = open(&disk);
                // The write that was cut off may have torn the other half.
                let is_missing = |notice: &Notice| matches!(notice, Notice::Missing { .. });
                assert!(!notices.iter().any(is_missing), "stopped at call {nth}: {notices:?}");
                let delivered = drain(&disk, &engine);
                assert!(delivered.ends_with(&[7, 8, 9, 10, 11, 12]), "{delivered:?}");
                assert_eq!(engine.books(0).damaged, 0);
            }
        }
        stops += 1;
        if is_over {
            assert!(segments(&disk)[0].starts_with("00000000000000000005-"), "one was deleted");
            break;
        }
    }
    assert!(stops > 10, "{stops} stops");
}

#[test]
fn a_segment_stays_while_its_position_has_no_room_to_say_that_it_was_passed() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    // Two segments to a gap, and more gaps than a position can hold.
    let is_delivered = |number: &u64| number % 8 != 1;
    fill(&engine, 1..=560);
    for number in 1..=560 {
        let lease = lease(&engine, 1).unwrap();
        if is_delivered(&number) {
            engine.ack(0, lease.id, lease.delivered());
        }
    }
    for _ in 0..3 {
        engine.maintain().unwrap();
    }
    assert!(segments(&disk).len() < 140, "{} segments", segments(&disk).len());
    drop(engine);
    let (disk, mut expected) = (disk.kill(), (1..=560).collect::<Vec<u64>>());
    let (engine, notices) = open(&disk);
    assert_eq!(notices, []);
    let delivered = drain(&disk, &engine);
    expected.retain(|number| !is_delivered(number) || delivered.contains(number));
    assert_eq!(delivered, expected, "some twice, none lost");
    assert_eq!(engine.books(0).damaged, 0);
}

#[test]
fn a_power_cut_while_a_new_segment_is_begun_leaves_reader_and_writer_going() {
    let mut rotations = 0;
    for nth in 1..30 {
        for seed in 0..8 {
            let disk = SimDisk::new(seed);
            let (engine, _) = open(&disk);
            fill(&engine, 1..=3);
            disk.stop_at(nth);
            let acknowledged =
                (4..=8).take_while(|number| append(&engine, entry(*number)).is_ok()).count() as u64
                    + 3;
            let calls = disk.history();
            let created =
                |call: &Call| matches!(call, Call::Create { name } if name.ends_with("seg"));
            let begun = calls.iter().filter(|operation| created(&operation.call)).count();
            rotations += usize::from(disk.has_stopped() && begun == 2);

            let disk = disk.crash(&mut Rng::with_seed(seed));
            let (engine, _) = open(&disk);
            append(&engine, entry(99)).unwrap();
            let delivered = drain(&disk, &engine);
            let all: Vec<u64> = (1..=acknowledged).collect();
            assert!(delivered.starts_with(&all), "{delivered:?} of {acknowledged}, call {nth}");
            assert!(delivered.ends_with(&[99]), "{delivered:?}");
        }
    }
    assert!(rotations > 10, "{rotations} of them while a segment was begun");
}

#[test]
fn a_position_ahead_of_the_log_wipes_nothing() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=6);
    let old = disk.copy();
    fill(&engine, 7..=12);
    let first: Vec<u64> = (0..3).flat_map(|_| deliver_one(&engine)).collect();
    assert_eq!(first, [1, 2, 3]);
    engine.save().unwrap();

    // An older copy of the log, beside a position that has seen more.
    let disk = with_position_of(&old, &disk);
    let (engine, notices) = open(&disk);
    assert_eq!(notices, [Notice::Missing { sequences: (7, 12) }]);
    append(&engine, entry(13)).unwrap();
    assert_eq!(drain(&disk, &engine), [4, 5, 6, 13]);
    let books = engine.books(0);
    assert_eq!((books.series, books.delivered, books.damaged), (13, 7, 6));
}

#[test]
fn a_position_beyond_everything_does_not_hide_what_comes_next() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=2);
    let old = disk.copy();
    fill(&engine, 3..=12);
    drain(&disk, &engine);
    engine.save().unwrap();

    let disk = with_position_of(&old, &disk);
    let (engine, _) = open(&disk);
    // Under a sequence the position has passed they would count as delivered.
    fill(&engine, 13..=14);
    assert_eq!(drain(&disk, &engine), [13, 14]);
    let disk = close(&disk, engine);
    let (engine, _) = open(&disk);
    fill(&engine, [15]);
    assert_eq!(drain(&disk, &engine), [15]);
}

/// A position file, changed beyond use.
fn ruins(position: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let with = |places: &[usize]| {
        let mut bytes = position.to_vec();
        for at in places {
            bytes[*at] ^= 0x20;
        }
        bytes
    };
    let mut torn = position.to_vec();
    torn[4096..8192].fill(0);
    torn[8192 + 512..].fill(0);
    vec![
        ("a bit of either half", with(&[60, 8192 + 60])),
        ("the checksums", with(&[8191, 16_383])),
        ("torn in both halves", torn),
        ("cut within the first half", position[..5000].to_vec()),
        ("of no length", Vec::new()),
        ("zeros", vec![0; 16_384]),
    ]
}

#[test]
fn a_position_nobody_can_read_is_kept_aside_and_wipes_nothing() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=6);
    deliver_one(&engine);
    let disk = close(&disk, engine);
    for (what, ruin) in ruins(&disk.files()["default.pos"]) {
        let mut files = disk.files();
        files.insert("default.pos".to_owned(), ruin.clone());
        let disk = SimDisk::with_files(1, &files);
        let (engine, notices) = open(&disk);
        assert_eq!(notices, [Notice::PositionLost { destination: "default".to_owned() }], "{what}");
        assert_eq!(disk.files()["default.pos@0.damaged"], ruin, "{what}");
        assert_eq!(drain(&disk, &engine), [1, 2, 3, 4, 5, 6], "{what}");
        assert_eq!(engine.books(0).delivered, 6, "{what}");
        // The new position is as good as any.
        let (engine, notices) = open(&close(&disk, engine));
        assert_eq!((notices, lease(&engine, 1).is_some()), (Vec::new(), false), "{what}");
    }
}

#[test]
fn one_damaged_half_of_a_position_costs_one_save_and_nothing_else() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=6);
    for _ in 0..3 {
        deliver_one(&engine);
        engine.save().unwrap();
    }
    let disk = disk.kill();
    for half in [100, 8292] {
        let disk = disk.copy();
        disk.flip("default.pos", half, 1);
        let (engine, notices) = open(&disk);
        assert_eq!(notices, []);
        let delivered = drain(&disk, &engine);
        assert!(delivered == [4, 5, 6] || delivered == [3, 4, 5, 6], "{delivered:?}");
    }
}

/// A segment that failed before anything in it was acknowledged, and could not be removed.
#[test]
fn what_another_segment_took_the_place_of_does_not_come_back_when_that_is_deleted() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=3);
    drop(engine);
    let [name] = &segments(&disk)[..] else { panic!("{:?}", segments(&disk)) };
    // A power cut may leave the name it was to be kept under beside its own.
    let failed = disk.files().remove(name).unwrap();
    let aside = format!("{name}@0.torn");
    let disk = SimDisk::with_files(1, &BTreeMap::from([(aside, failed.clone())]));
    let (engine, _) = open(&disk);
    fill(&engine, 4..=10);
    let again = disk.create(name).unwrap();
    again.write_at(0, &[IoSlice::new(&failed)]).unwrap();
    again.sync().unwrap();
    disk.sync().unwrap();
    drain(&disk, &engine);
    engine.maintain().unwrap();
    assert_eq!(segments(&disk).len(), 1, "the active one: {:?}", segments(&disk));
    drop(engine);
    let (engine, notices) = open(&disk.kill());
    assert_eq!(notices, []);
    assert_eq!((engine.books(0).series, engine.books(0).queued), (7, 0));
}

/// No segment is left that could tell the books.
#[test]
fn the_next_damage_of_a_position_does_not_meet_the_last_one() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=3);
    drain(&disk, &engine);
    let books = engine.books(0);
    engine.end().unwrap();
    engine.collect().unwrap();
    assert_eq!(segments(&disk), Vec::<String>::new());
    drop(engine);
    let slots = [0, SLOT_BYTES as u64];
    for slot in [slots, slots].concat() {
        disk.flip("default.pos", slot + 100, 1);
        let (engine, notices) = open(&disk);
        assert_eq!((engine.books(0), notices), (books, vec![]));
    }
}

#[test]
fn a_receiver_whose_name_left_the_configuration_keeps_what_waits_for_it() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=6);
    let disk = close(&disk, engine);
    let mut renamed = options();
    renamed.destinations = vec![Destination::named("main")];
    let (engine, notices) = open_with(&disk, &renamed);
    assert_eq!(notices, [Notice::Orphan { destination: "default".to_owned() }]);
    fill(&engine, 7..=12);
    assert_eq!(drain(&disk, &engine), [7, 8, 9, 10, 11, 12], "a new one begins at the tail");
    engine.maintain().unwrap();
    let disk = close(&disk, engine);

    let (engine, notices) = open(&disk);
    assert_eq!(notices, [Notice::Orphan { destination: "main".to_owned() }]);
    assert_eq!(drain(&disk, &engine), (1..=12).collect::<Vec<u64>>());
}

#[test]
fn a_lost_position_that_is_not_configured_keeps_what_waits_for_it_until_it_is_again() {
    let disk = SimDisk::new(1);
    let with = |names: &[&str]| {
        let destinations = names.iter().map(|name| Destination::named(name)).collect();
        Options { destinations, ..options() }
    };
    let (engine, _) = open_with(&disk, &with(&["default", "other"]));
    fill(&engine, 1..=9);
    let disk = close(&disk, engine);
    for slot in [0, SLOT_BYTES as u64] {
        disk.flip("other.pos", slot + 100, 1);
    }
    let (engine, notices) = open_with(&disk, &with(&["default"]));
    let is_lost = |told: &Notice| matches!(told, Notice::PositionLost { destination } if destination == "other");
    let is_orphan =
        |told: &Notice| matches!(told, Notice::Orphan { destination } if destination == "other");
    assert!(notices.iter().any(is_lost) && notices.iter().any(is_orphan), "{notices:?}");
    drain(&disk, &engine);
    engine.maintain().unwrap();
    let disk = close(&disk, engine);
    let (engine, _) = open_with(&disk, &with(&["other"]));
    assert_eq!(drain(&disk, &engine), (1..=9).collect::<Vec<u64>>());
}

#[test]
fn what_was_delivered_out_of_order_is_not_sent_again_after_a_start() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=12);
    let leases: Vec<_> = (0..12).map(|_| lease(&engine, 1).unwrap()).collect();
    // All but 2, 7 and 8: the first of them masks whole segments that are delivered.
    for lease in leases.iter().filter(|lease| ![2, 7, 8].contains(&numbers(lease)[0])) {
        engine.ack(0, lease.id, lease.delivered());
    }
    engine.save().unwrap();
    drop(engine);
    let (disk, again) = (disk.kill(), vec![2, 7, 8]);
    let (engine, _) = open(&disk);
    assert_eq!(drain(&disk, &engine), again);
    let (engine, _) = open(&close(&disk, engine));
    assert!(lease(&engine, 1).is_none(), "nor what was sent then");
}

#[test]
fn a_head_cut_off_at_the_tail_makes_nobody_spin() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=2);
    let name = segments(&disk)[0].clone();
    let bytes = disk.files()[&name].clone();
    let second = bytes.windows(4).rposition(|four| four == MAGIC).unwrap();
    for len in second..second + 100 {
        let disk = disk.copy();
        disk.cut(&name, len as u64);
        // Where it stops being counted is what these calls are for.
        let (engine, _) = open(&disk);
        append(&engine, entry(3)).unwrap();
        let delivered = drain(&disk, &engine);
        assert_eq!((delivered[0], delivered.last()), (1, Some(&3)), "cut at {len}");
    }
}

#[test]
fn a_segment_cut_short_under_a_running_log_makes_nobody_spin() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=12);
    let name = segments(&disk)[0].clone();
    disk.limit_calls(1000);
    for len in (0..3000_u32).step_by(97).rev().map(u64::from) {
        disk.cut(&name, len);
        if let Some(lease) = lease(&engine, 1) {
            engine.release(0, lease.id);
        }
    }
    let delivered = drain(&disk, &engine);
    assert!(delivered.ends_with(&[5, 6, 7, 8, 9, 10, 11, 12]), "{delivered:?}");
    let books = engine.books(0);
    assert_eq!((books.delivered + books.damaged, books.queued), (12, 0), "{books:?}");
}
