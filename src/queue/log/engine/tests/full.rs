//! A disk, or a cap, without room.

use std::time::Duration;

use super::super::super::disk::Disk;
use super::super::super::disk::sim::SimDisk;
use super::super::{Engine, Options};
use super::support::{
    SEGMENT_BYTES, append, deliver_one, drain, entry, fill, open, open_with, options, segments,
};
use crate::queue::AppendError;

/// Appends until it is refused; the numbers that were taken, and why the next one was not.
fn overfill(engine: &Engine, from: u64) -> (Vec<u64>, Option<AppendError>) {
    let mut taken = Vec::new();
    for number in from..from + 24 {
        match append(engine, entry(number)) {
            Ok(()) => taken.push(number),
            Err(error) => return (taken, Some(error)),
        }
    }
    (taken, None)
}

#[test]
fn a_disk_that_is_full_at_any_moment_refuses_and_delivers_and_deletes_and_goes_on() {
    let mut refused = 0;
    // From a disk that holds nothing but the position to one that holds everything.
    for limit in (16_384..50_000).step_by(331) {
        let disk = SimDisk::new(limit);
        let (engine, _) = open(&disk);
        disk.limit_bytes(Some(limit));
        let (mut taken, error) = overfill(&engine, 1);
        if let Some(error) = error {
            refused += 1;
            assert!(matches!(error, AppendError::Failed { .. } | AppendError::Reserve { .. }));
            for number in 100..103 {
                append(&engine, entry(number)).unwrap_err();
            }
        }
        // Not a byte is left for what delivery and deletion may want to write.
        disk.limit_bytes(Some(disk.used_bytes()));
        let mut delivered = Vec::new();
        if !taken.is_empty() {
            delivered.extend(deliver_one(&engine));
        }
        delivered.extend(drain(&disk, &engine));
        engine.maintain().unwrap();
        assert!(segments(&disk).len() <= 1, "limit {limit}: {:?}", segments(&disk));

        disk.limit_bytes(None);
        engine.maintain().unwrap();
        let (more, error) = overfill(&engine, 200);
        assert_eq!(error, None, "limit {limit}: room again, and no restart");
        assert_eq!(engine.standing(Duration::ZERO).fault, None);
        taken.extend(more);
        delivered.extend(drain(&disk, &engine));
        assert_eq!(delivered, taken, "limit {limit}");
    }
    assert!(refused > 20, "{refused} disks too small");
}

#[test]
fn a_log_opens_and_delivers_on_a_disk_that_is_full() {
    for limit in (25_000..50_000).step_by(613) {
        let disk = SimDisk::new(limit);
        let (engine, _) = open(&disk);
        disk.limit_bytes(Some(limit));
        let (taken, _) = overfill(&engine, 1);
        drop(engine);
        for is_power_cut in [false, true] {
            let disk = disk.copy();
            let mut rng = fastrand::Rng::with_seed(limit);
            let disk = if is_power_cut { disk.crash(&mut rng) } else { disk.kill() };
            disk.limit_bytes(Some(disk.used_bytes()));
            let (engine, _) = open(&disk);
            let delivered = drain(&disk, &engine);
            assert!(delivered.starts_with(&taken), "{delivered:?} of {taken:?}");
            engine.maintain().unwrap();
            assert_eq!(segments(&disk), Vec::<String>::new(), "all of it could go");
        }
    }
}

#[test]
fn the_reserve_is_kept_free_and_given_back() {
    let disk = SimDisk::new(1);
    let reserve = Options { min_free_bytes: 100_000, ..options() };
    let (engine, _) = open_with(&disk, &reserve);
    disk.limit_bytes(Some(500_000));
    engine.maintain().unwrap();
    let mut taken = 0;
    let error = loop {
        match append(&engine, entry(taken + 1)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        // Between two looks at the disk the free space is an estimate.
        if taken % 20 == 0 {
            engine.maintain().unwrap();
        }
    };
    assert!(matches!(error, AppendError::Reserve { reserve: 100_000, .. }), "{error:?}");
    assert!(disk.free_bytes().unwrap() > 0, "{} bytes free", disk.free_bytes().unwrap());
    engine.room().unwrap_err();
    drain(&disk, &engine);
    engine.maintain().unwrap();
    engine.room().unwrap();
    fill(&engine, [taken + 1]);
}

#[test]
fn at_the_cap_the_oldest_stays_and_the_newest_is_refused_until_some_of_it_is_delivered() {
    let capped = Options { max_bytes: 300_000, ..options() };
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &capped);
    let mut taken = 0;
    let error = loop {
        match append(&engine, entry(taken + 1)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "the cap holds");
    };
    assert!(matches!(error, AppendError::Full { limit: 300_000, .. }), "{error:?}");
    for _ in 0..3 {
        engine.maintain().unwrap();
        append(&engine, entry(9999)).unwrap_err();
    }
    // What is filled ahead and a footer may come on top of what was let in.
    assert!(engine.standing(Duration::ZERO).used_bytes <= 300_000 + 2 * SEGMENT_BYTES);
    assert_eq!(drain(&disk, &engine), (1..=taken).collect::<Vec<u64>>());
    engine.maintain().unwrap();
    fill(&engine, [taken + 1]);
    assert_eq!(engine.books(0).expired, 0, "a sole receiver's backlog never expires");
}
