//! What was read for one lease and is kept for the next one.

use std::time::Duration;

use super::super::super::disk::sim::SimDisk;
use super::super::Options;
use super::support::{
    WANT, append, drain, entry, fill, lease, numbers, open_with, options, segments,
};
use crate::queue::{Destination, Want};

/// Everything in one segment.
fn roomy() -> Options {
    Options { segment_bytes: 1 << 20, ..options() }
}

/// Two entries at a time.
const FEW: Want = Want { tuples: 2, ..WANT };

/// As a page of the cache that went bad, and was dropped.
#[test]
fn damage_that_is_gone_when_the_file_is_read_again_costs_nothing() {
    // The first entry that the next lease would get, and a later one.
    for damaged in [3, 4, 9] {
        let disk = SimDisk::new(1);
        let (engine, _) = open_with(&disk, &roomy());
        fill(&engine, 1..=100);
        let name = &segments(&disk)[0];
        let text = format!("[\"m{damaged}\"");
        let at = memchr::memmem::find(&disk.files()[name], text.as_bytes()).unwrap() as u64;
        disk.flip(name, at, 1);
        let first = lease(&engine, FEW.tuples).unwrap();
        assert_eq!(numbers(&first), [1, 2]);
        engine.ack(0, first.id, first.delivered());
        disk.flip(name, at, 1);
        assert_eq!(drain(&disk, &engine), (3..=100).collect::<Vec<u64>>());
        assert_eq!(engine.books(0).damaged, 0);
        assert_eq!(engine.take_notices(), []);
    }
}

#[test]
fn damage_that_is_still_there_costs_its_record() {
    let disk = SimDisk::new(1);
    let (engine, _) = open_with(&disk, &roomy());
    fill(&engine, 1..=100);
    let name = &segments(&disk)[0];
    let at = memchr::memmem::find(&disk.files()[name], b"[\"m9\"").unwrap() as u64;
    disk.flip(name, at, 1);
    let expected: Vec<u64> = (1..=100).filter(|number| *number != 9).collect();
    assert_eq!(drain(&disk, &engine), expected);
    assert_eq!(engine.books(0).damaged, 1);
}

#[test]
fn many_receivers_that_take_turns_read_a_file_once_whoever_looks_meanwhile() {
    const RECEIVERS: usize = 12;
    let disk = SimDisk::new(1);
    let destinations = (0..RECEIVERS).map(|n| Destination::named(&n.to_string())).collect();
    let (engine, _) = open_with(&disk, &Options { destinations, ..roomy() });
    for number in 1..=200 {
        append(&engine, entry(number)).unwrap();
    }
    // Each at a place of its own.
    for index in 0..RECEIVERS {
        let want = Want { tuples: 1 + index as u32, ..WANT };
        engine.lease(index, want, Duration::ZERO).unwrap().unwrap();
    }
    let calls = disk.calls();
    for _ in 0..20 {
        for index in 0..RECEIVERS {
            engine.peek(index, Duration::ZERO).unwrap();
            assert!(engine.oldest(index).unwrap().is_some());
            let lease = engine.lease(index, FEW, Duration::ZERO).unwrap().unwrap();
            assert_eq!(lease.blocks.len(), 2);
        }
    }
    assert_eq!(disk.calls(), calls, "all is in memory");
}
