//! Bytes that are not what was written, or cannot be read.

use std::time::Duration;

use fastrand::Rng;

use super::super::super::disk::Disk;
use super::super::super::disk::sim::SimDisk;
use super::super::super::notice::Notice;
use super::super::Options;
use super::support::{
    WANT, append, close, drain, entry, fill, lease, numbers, open, open_with, options, segments,
};
use crate::queue::{Books, Entry, Totals, Want};

/// Three segments with a footer and one without, as `kill -9` leaves them.
fn killed() -> SimDisk {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=14);
    assert_eq!(segments(&disk).len(), 4);
    drop(engine);
    disk.kill()
}

#[test]
fn a_flipped_bit_costs_at_most_its_record_and_is_told() {
    let disk = killed();
    let name = segments(&disk)[1].clone();
    let len = disk.files()[&name].len();
    let mut costs = [0_u32; 2];
    for offset in (0..len).step_by(7) {
        let disk = disk.copy();
        disk.flip(&name, offset as u64, 0x10);
        let (engine, mut notices) = open(&disk);
        let delivered = drain(&disk, &engine);
        notices.extend(engine.take_notices());
        let missing: Vec<u64> = (1..=14).filter(|number| !delivered.contains(number)).collect();
        let told = |notice: &Notice| match notice {
            Notice::Damaged { file, sequences, .. } if *file == name => Some(*sequences),
            // Of a footer alone, all of which can be told again from the records.
            Notice::Torn { offset: torn, .. } if offset as u64 >= *torn => None,
            other => panic!("byte {offset}: {other:?}"),
        };
        let told: Vec<(u64, u64)> = notices.iter().filter_map(told).collect();
        assert!(missing.len() <= 1, "byte {offset} costs {missing:?}");
        let expected: Vec<(u64, u64)> = missing.iter().map(|lost| (*lost, *lost)).collect();
        assert_eq!(told, expected, "byte {offset}");
        assert_eq!(engine.books(0).damaged, missing.len() as u64, "byte {offset}");
        costs[missing.len()] += 1;
    }
    assert!(costs[0] > 5 && costs[1] > 300, "{costs:?}");
}

#[test]
fn acknowledged_records_survive_a_torn_footer_and_a_torn_header() {
    let disk = killed();
    for name in &segments(&disk)[..3] {
        let len = disk.files()[name].len() as u64;
        // One mark.
        let footer = (len - 72..len).step_by(3);
        let header = (0..80).step_by(3).chain((512..592).step_by(3));
        for at in footer.clone() {
            let disk = disk.copy();
            disk.cut(name, at);
            let (engine, _) = open(&disk);
            assert_eq!(drain(&disk, &engine), (1..=14).collect::<Vec<u64>>(), "{name} cut at {at}");
        }
        for at in footer.chain(header) {
            let disk = disk.copy();
            disk.flip(name, at, 1);
            let (engine, notices) = open(&disk);
            assert_eq!(drain(&disk, &engine), (1..=14).collect::<Vec<u64>>(), "{name} at {at}");
            assert!(notices.iter().all(|told| matches!(told, Notice::Torn { .. })), "{notices:?}");
        }
    }
}

#[test]
fn a_power_cut_at_any_call_of_sealing_and_saving_loses_nothing_acknowledged() {
    for nth in 1.. {
        let mut is_over = true;
        for seed in 0..6 {
            let disk = SimDisk::new(seed);
            let (engine, _) = open(&disk);
            fill(&engine, 1..=4);
            disk.stop_at(nth);
            let more = (5..=9).take_while(|number| append(&engine, entry(*number)).is_ok()).count();
            engine.save().and_then(|()| engine.end()).ok();
            is_over &= !disk.has_stopped();
            let disk = disk.crash(&mut Rng::with_seed(seed));
            let (engine, _) = open(&disk);
            let delivered = drain(&disk, &engine);
            let all: Vec<u64> = (1..=4 + more as u64).collect();
            assert!(delivered.starts_with(&all), "{delivered:?} of {all:?}, call {nth}");
            assert_eq!(engine.books(0).damaged, 0);
        }
        if is_over {
            assert!(nth > 12, "{nth} calls");
            return;
        }
    }
}

/// The group behind it was cut off, and says that it was acknowledged.
#[test]
fn a_damaged_record_that_only_a_void_one_vouches_for_is_lost_counted_and_keeps_its_sequence() {
    let one_segment = Options { segment_bytes: 1 << 16, ..options() };
    for kept in [0, 2] {
        let disk = SimDisk::new(1);
        let (engine, _) = open_with(&disk, &one_segment);
        fill(&engine, 1..=kept + 1);
        let two = Entry {
            blocks: [7, 8].map(|number| entry(number).blocks[0].clone()).into(),
            ..entry(7)
        };
        append(&engine, two).unwrap();
        drop(engine);
        let disk = disk.kill();
        let [name] = &segments(&disk)[..] else { panic!("{:?}", segments(&disk)) };
        let bytes = disk.files()[name].clone();
        let at = |number: u64| {
            memchr::memmem::find(&bytes, format!("[\"m{number}\"").as_bytes()).unwrap() as u64
        };
        disk.cut(name, at(8));
        disk.flip(name, at(kept + 1), 1);
        let lost = |damaged: u64, delivered: u64| Books {
            series: damaged + delivered,
            damaged,
            delivered,
            ..Books::default()
        };
        let (engine, notices) = open_with(&disk, &one_segment);
        let sequences = (kept + 1, kept + 1);
        let is_told = |told: &Notice| matches!(told, Notice::Damaged { sequences: it, .. } if *it == sequences);
        assert!(notices.iter().any(is_told), "{notices:?}");
        assert!(!notices.iter().any(|told| matches!(told, Notice::Missing { .. })), "{notices:?}");
        assert_eq!(engine.totals(), Totals { tuples: kept + 1, accepted: kept + 1, rejected: 0 });
        append(&engine, entry(9)).unwrap();
        let leases = std::iter::from_fn(|| lease(&engine, WANT.tuples));
        let sequence = leases.last().unwrap().blocks[0].sequence;
        assert!(sequence > kept + 1, "{sequence} was another record's");
        drop(engine);
        // The same again, whatever was saved of it.
        let disk = disk.kill();
        for _ in 0..2 {
            let (engine, _) = open_with(&disk, &one_segment);
            let expected: Vec<u64> = (1..=kept).chain([9]).collect();
            assert_eq!(drain(&disk, &engine), expected);
            assert_eq!(engine.books(0), lost(1, kept + 1));
            drop(engine);
        }
    }
}

#[test]
fn a_segment_that_is_gone_under_a_running_log_is_no_reason_to_look_healthy() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=12);
    disk.remove(&segments(&disk)[0]).unwrap();
    let want = Want { bytes: 1 << 20, tuples: 10 };
    for _ in 0..3 {
        let error = engine.lease(0, want, Duration::ZERO).unwrap_err();
        assert!(error.to_string().starts_with("the queue cannot be read: "), "{error}");
        assert_eq!(engine.oldest(0).unwrap_err(), error);
    }
    assert_eq!(engine.books(0).queued, 12, "nothing is called delivered or damaged");
    // The next start accounts for it, and the rest goes out.
    let disk = close(&disk, engine);
    let (engine, notices) = open(&disk);
    assert_eq!(notices, [Notice::Missing { sequences: (1, 4) }]);
    assert_eq!(drain(&disk, &engine), (5..=12).collect::<Vec<u64>>());
}

#[test]
fn sectors_that_cannot_be_read_cost_their_records_and_forwarding_goes_on() {
    let larger = Options { segment_bytes: 64 << 10, ..options() };
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &larger);
    fill(&engine, 1..=20);
    // While it runs; what the disk reads at once, a page, is what it loses at once.
    disk.unreadable(&segments(&disk)[0], 6000..6001);
    // A disk that is only away for a moment has lost nothing: for a minute it is asked again.
    engine.lease(0, WANT, Duration::ZERO).unwrap_err();
    engine.lease(0, WANT, Duration::from_secs(59)).unwrap_err();
    assert_eq!((engine.books(0).damaged, engine.oldest(0).is_err()), (0, true));
    let mut delivered = Vec::new();
    while let Some(lease) = engine.lease(0, WANT, Duration::from_mins(1)).unwrap() {
        delivered.extend(numbers(&lease));
        engine.ack(0, lease.id, lease.delivered());
    }
    let missing: Vec<u64> = (1..=20).filter(|number| !delivered.contains(number)).collect();
    assert_eq!(missing, [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(engine.books(0).damaged, 7);
    let notices = engine.take_notices();
    assert!(matches!(&notices[..], [Notice::Damaged { sequences: (4, 10), .. }]), "{notices:?}");
    assert_eq!(engine.oldest(0).unwrap(), None);
}
