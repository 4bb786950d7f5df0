//! Writes and syncs that fail.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::super::super::disk::sim::{Call, Fault, Operation, SimDisk};
use super::support::{append, deliver_one, drain, entry, fill, open, segments};
use crate::queue::AppendError;

/// Calls that change a segment's bytes; its name if it is one.
fn changed(call: &Call) -> Option<&Arc<str>> {
    let (Call::Write { name, .. } | Call::Sync { name } | Call::SetLen { name, .. }) = call else {
        return None;
    };
    name.ends_with(".seg").then_some(name)
}

/// The segments to which something failed.
fn failed(history: &[Operation]) -> HashSet<Arc<str>> {
    let mut failed = HashSet::new();
    for operation in history {
        let Some(name) = changed(&operation.call) else { continue };
        assert!(!failed.contains(name), "{:?} after {name} had failed", operation.call);
        if !operation.succeeded {
            failed.insert(Arc::clone(name));
        }
    }
    failed
}

#[test]
fn a_failed_sync_is_never_retried_on_its_file_and_loses_nothing_acknowledged() {
    let mut failures = 0;
    for nth in 1..40 {
        for (seed, fault) in [(1, Fault::IO), (2, Fault::IO_PART), (3, Fault::IO_PART)] {
            let disk = SimDisk::new(seed);
            let (engine, _) = open(&disk);
            disk.fail_at(nth, fault);
            let mut acknowledged = Vec::new();
            for number in 1..=9 {
                if append(&engine, entry(number)).is_ok() {
                    acknowledged.push(number);
                }
            }
            assert_eq!(acknowledged.len(), 9, "one failure is made good by a new file, call {nth}");
            failures += failed(&disk.history()).len();
            let disk = disk.crash(&mut Rng::with_seed(seed));
            let (engine, _) = open(&disk);
            assert_eq!(drain(&disk, &engine), acknowledged, "call {nth}");
            assert_eq!(engine.books(0).damaged, 0);
        }
    }
    assert!(failures > 30, "{failures} segments failed");
}

#[test]
fn what_a_failed_sync_left_unanswered_goes_to_a_new_segment_under_the_same_sequence() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=2);
    // The write, then the sync.
    disk.fail_at(2, Fault::IO_PART);
    fill(&engine, [3]);
    let names = segments(&disk);
    assert_eq!(names[1], "00000000000000000003-0.seg");
    let failed = failed(&disk.history());
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), [Arc::from(&*names[0])]);
    fill(&engine, [4]);
    assert_eq!(engine.standing(Duration::ZERO).fault, None, "nobody was told of a failure");
    let disk = disk.crash(&mut Rng::with_seed(1));
    let (engine, _) = open(&disk);
    assert_eq!(drain(&disk, &engine), [1, 2, 3, 4]);
}

#[test]
fn a_request_that_failed_counts_for_nothing_and_is_stored_when_it_is_repeated() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=2);
    let before = (engine.totals(), engine.books(0), engine.standing(Duration::ZERO).used_bytes);
    disk.fail_all_from(1, Fault::IO);
    for _ in 0..3 {
        let refused = append(&engine, entry(3)).unwrap_err();
        assert!(matches!(refused, AppendError::Failed { .. }), "{refused:?}");
        assert!(engine.standing(Duration::ZERO).fault.unwrap().contains("os error 5"));
    }
    let standing = engine.standing(Duration::ZERO);
    assert_eq!((engine.totals(), engine.books(0), standing.used_bytes), before);
    assert_eq!(deliver_one(&engine), [1], "what is there is delivered meanwhile");

    disk.heal();
    engine.room().unwrap();
    fill(&engine, 3..=4);
    assert_eq!(engine.standing(Duration::ZERO).fault, None);
    assert_eq!(engine.totals().accepted, 4);
    assert_eq!(drain(&disk, &engine), [2, 3, 4]);
    failed(&disk.history());
}

#[test]
fn a_position_that_cannot_be_saved_keeps_its_segments_and_is_saved_later() {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=12);
    let all = segments(&disk);
    disk.fail_all_from(1, Fault::IO_PART);
    drain(&disk, &engine);
    engine.maintain().unwrap_err();
    assert_eq!(segments(&disk), all);
    disk.heal();
    engine.maintain().unwrap();
    assert_eq!(segments(&disk).len(), 1, "all but the one that is written to");
    let disk = disk.crash(&mut Rng::with_seed(1));
    let (engine, _) = open(&disk);
    assert_eq!(drain(&disk, &engine), Vec::<u64>::new());
}
