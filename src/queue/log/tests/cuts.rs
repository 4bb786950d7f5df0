//! A small log cut at every byte, and every byte of it flipped in turn.
//!
//! Once as it was closed in order, and once as a kill left it. Whatever is done to one place of it, it
//! opens, costs the records that were hit and none beside them, keeps its books, and goes on.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::disk::sim::SimDisk;
use super::super::engine::{self, Engine, Options};
use super::super::lanes::Order;
use super::super::segment::{HEADER_BYTES, Name};
use super::anatomy::{self, Id};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::queue::{Destination, Durability, Entry, Lease, Meters, Want};

const DESTINATION: &str = "0";
const ALL: Want = Want { bytes: usize::MAX, tuples: u32::MAX };
const FEW: Want = Want { bytes: 40, tuples: 2 };
/// Opening it, reading it and going on takes some fifty: whoever comes here spins.
const CALLS_MAX: u64 = 400;
/// How often it is also seen whether the log goes on; that has little to do with the one byte.
const GOES_ON_EVERY: u64 = 16;

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    InOrder,
    Killed,
    /// Killed after its first segment was delivered and deleted.
    KilledBehindCollect,
}

/// A log of two segments and a position, some of it delivered.
struct Small {
    disk: SimDisk,
    /// The tuples of every request.
    requests: Vec<Range<Id>>,
    /// Delivered, as both halves of the position say; and as only the newer one says.
    delivered: BTreeSet<Id>,
    delivered_late: BTreeSet<Id>,
}

/// What a damage may cost.
struct Cost {
    /// Tuples of records that were hit, or of whole requests where nothing vouches for them.
    lost: BTreeSet<Id>,
    /// Delivered tuples that may come again.
    again: BTreeSet<Id>,
    /// Whether every record was known to be acknowledged, so that all that is lost is booked.
    is_booked: bool,
}

fn open(disk: &SimDisk) -> Engine {
    let options = Options {
        destinations: vec![Destination::named(DESTINATION)],
        durability: Durability::Fsync,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1700,
        order: Order::Fifo,
        meters: Meters::default(),
    };
    Engine::open(disk.handle(), &options).unwrap_or_else(|error| panic!("{error}")).0
}

/// A request of some blocks, each of so many tuples.
fn entry(requests: &mut Vec<Range<Id>>, source: &str, blocks: &[usize]) -> Entry {
    let begin = requests.last().map_or(0, |before| before.end);
    let mut next = begin;
    let mut block = |tuples: &usize| {
        let texts: Vec<String> = (next..next + tuples).map(|id| format!("[{id},\"\"]")).collect();
        next += tuples;
        Block { bytes: Bytes::from(texts.join(",\n")), tuples: *tuples as u32 }
    };
    let blocks: Vec<Block> = blocks.iter().map(&mut block).collect();
    requests.push(begin..next);
    Entry {
        source: Arc::from(source),
        received: Timestamp::from_unix(1_700_000_000, 0),
        blocks,
        target: None,
        accepted: (next - begin) as u64,
        rejected: 0,
    }
}

fn commit(engine: &Engine, entries: &[Entry]) {
    for entry in entries {
        engine.admit(engine::cost(entry)).unwrap();
    }
    engine.commit(entries, Timestamp::from_unix(1_700_000_000, 0), Duration::ZERO).unwrap();
}

fn lease(engine: &Engine, want: Want) -> Option<Lease> {
    engine.lease(0, want, Duration::ZERO).unwrap()
}

fn ids(lease: &Lease) -> impl Iterator<Item = Id> {
    let bodies = lease.blocks.iter().map(|leased| str::from_utf8(&leased.block.bytes).unwrap());
    bodies.flat_map(anatomy::ids)
}

fn small(end: End) -> Small {
    let disk = SimDisk::new(1);
    fastrand::seed(1);
    let engine = open(&disk);
    let mut requests = Vec::new();
    let deliver = || {
        let lease = lease(&engine, FEW).unwrap();
        engine.ack(0, lease.id, lease.delivered());
        engine.save().unwrap();
        ids(&lease).collect::<Vec<Id>>()
    };
    commit(&engine, &[entry(&mut requests, "a", &[1]), entry(&mut requests, "b", &[2, 1])]);
    let mut delivered: BTreeSet<Id> = deliver().into_iter().collect();
    delivered.extend(deliver());
    let delivered_late: BTreeSet<Id> = deliver().into_iter().collect();
    commit(&engine, &[entry(&mut requests, "a", &[2])]);
    commit(&engine, &[entry(&mut requests, "c", &[1, 2]), entry(&mut requests, "d", &[1])]);
    commit(&engine, &[entry(&mut requests, "a", &[3]), entry(&mut requests, "c", &[1, 1])]);
    if end == End::InOrder {
        engine.end().unwrap();
    }
    let (mut delivered, mut delivered_late) = (delivered, delivered_late);
    if end == End::KilledBehindCollect {
        delivered.append(&mut delivered_late);
        while delivered_late.len() < 3 {
            let lease = lease(&engine, FEW).unwrap();
            engine.ack(0, lease.id, lease.delivered());
            delivered_late.extend(ids(&lease));
        }
        engine.save().unwrap();
        engine.collect().unwrap();
    }
    let disk = disk.kill();
    let segments = if end == End::KilledBehindCollect { 1 } else { 2 };
    assert_eq!(anatomy::segments(&disk).len(), segments);
    Small { disk, requests, delivered, delivered_late }
}

impl Small {
    /// What it may cost that the records `is_hit` of a segment are damaged; `disk` is the damaged one.
    fn cost(&self, disk: &SimDisk, file: &str, is_hit: impl Fn(Range<u64>) -> bool) -> Cost {
        let horizon = anatomy::horizon(disk, &[DESTINATION], file);
        let (mut lost, mut is_booked) = (BTreeSet::new(), true);
        let segments = anatomy::segments(&self.disk);
        let segment = segments.iter().find(|segment| segment.name.to_string() == file);
        for record in segment.map(anatomy::records).unwrap_or_default() {
            is_booked &= record.head.sequence <= horizon;
            if !is_hit(record.begin..record.end) {
                continue;
            }
            if record.head.sequence <= horizon {
                lost.extend(record.ids);
            } else {
                lost.extend(record.ids.iter().flat_map(|id| self.request(*id)));
            }
        }
        Cost { lost, again: BTreeSet::new(), is_booked }
    }

    fn request(&self, id: Id) -> Range<Id> {
        let request = self.requests.iter().find(|request| request.contains(&id));
        request.expect("a tuple of ours").clone()
    }

    /// Opens the damaged log and looks at everything.
    fn check(&self, disk: &SimDisk, cost: &Cost, place: u64, what: &str) {
        disk.limit_calls(CALLS_MAX);
        let engine = open(disk);
        let there = everything(&engine);
        let all: BTreeSet<Id> = (0..self.requests.last().expect("requests").end).collect();
        let done: BTreeSet<Id> = self.delivered.union(&self.delivered_late).copied().collect();
        let missing: BTreeSet<Id> = &(&all - &done) - &there;
        assert!(missing.is_subset(&cost.lost), "{what}: {missing:?} lost, {:?} hit", cost.lost);
        if cost.is_booked {
            assert_eq!(missing, &cost.lost - &done, "{what}: and they are not there by luck");
        }
        let again = &there & &done;
        assert!(again.is_subset(&cost.again), "{what}: {again:?} delivered again");
        let books = engine.books(0);
        assert!(books.is_balanced(), "{what}: {books:?}");
        assert!(!engine.standing(Duration::ZERO).is_unbalanced, "{what}");
        assert_eq!(books.queued, there.len() as u64, "{what}: {books:?}");
        if cost.again.is_empty() {
            let damaged = if cost.is_booked { missing.len() as u64 } else { books.damaged };
            assert_eq!((books.delivered, books.damaged), (done.len() as u64, damaged), "{what}");
        }
        assert!(books.damaged <= missing.len() as u64, "{what}: {books:?}");
        if place.is_multiple_of(GOES_ON_EVERY) {
            let mut requests = self.requests.clone();
            commit(&engine, &[entry(&mut requests, "new", &[1])]);
            let again = everything(&open(&disk.kill()));
            assert_eq!(&again - &there, BTreeSet::from([all.len()]), "{what}: and goes on");
            assert!(there.is_subset(&again), "{what}: and keeps what it had");
        }
    }
}

/// What there is to deliver. None of it is delivered.
fn everything(engine: &Engine) -> BTreeSet<Id> {
    let (mut there, mut leases) = (BTreeSet::new(), Vec::new());
    while let Some(lease) = lease(engine, ALL) {
        for id in ids(&lease) {
            assert!(there.insert(id), "tuple {id} twice");
        }
        leases.push(lease.id);
    }
    for lease in leases {
        engine.release(0, lease);
    }
    there
}

fn cut_everywhere(end: End) {
    let small = small(end);
    let files = small.disk.files();
    for (file, bytes) in files.iter().filter(|(file, _)| Name::parse(file).is_some()) {
        for len in 0..bytes.len() as u64 {
            let disk = small.disk.copy();
            disk.cut(file, len);
            // Without its header nothing of it can be told.
            let mut cost = small.cost(&disk, file, |record| record.end > len || len < HEADER_BYTES);
            cost.is_booked &= len >= HEADER_BYTES;
            small.check(&disk, &cost, len, &format!("{end:?}, {file} cut at {len}"));
        }
    }
}

fn flip_everywhere(end: End) {
    let small = small(end);
    let files = small.disk.files();
    for (file, bytes) in files.iter().filter(|(file, _)| Name::parse(file).is_some()) {
        for offset in 0..bytes.len() as u64 {
            let disk = small.disk.copy();
            disk.flip(file, offset, 1 << (offset % 8));
            let cost = small.cost(&disk, file, |record| record.contains(&offset));
            small.check(&disk, &cost, offset, &format!("{end:?}, {file} flipped at {offset}"));
        }
    }
}

#[test]
fn a_log_closed_in_order_and_cut_at_any_byte_loses_what_was_cut_off() {
    cut_everywhere(End::InOrder);
}

#[test]
fn a_log_that_was_killed_and_cut_at_any_byte_loses_what_was_cut_off() {
    cut_everywhere(End::Killed);
}

#[test]
fn a_log_closed_in_order_and_flipped_at_any_byte_loses_that_record() {
    flip_everywhere(End::InOrder);
}

#[test]
fn a_log_that_was_killed_and_flipped_at_any_byte_loses_that_record() {
    flip_everywhere(End::Killed);
}

#[test]
fn a_position_cut_or_flipped_at_any_byte_costs_a_few_deliveries_made_twice() {
    for end in [End::InOrder, End::Killed, End::KilledBehindCollect] {
        let small = small(end);
        let file = format!("{DESTINATION}.pos");
        let bytes = &small.disk.files()[&file];
        let is_worth_it = |at: &usize| bytes[*at] != 0 || at.is_multiple_of(61);
        for at in (0..bytes.len()).filter(is_worth_it) {
            let flipped = small.disk.copy();
            flipped.flip(&file, at as u64, 1 << (at % 8));
            let again = small.delivered_late.clone();
            let cost = Cost { lost: BTreeSet::new(), again, is_booked: true };
            small.check(&flipped, &cost, 1, &format!("{end:?}, {file} flipped at {at}"));
            let cut = small.disk.copy();
            cut.cut(&file, at as u64);
            // With both halves gone, all of it.
            let again = &small.delivered | &small.delivered_late;
            let cost = Cost { lost: BTreeSet::new(), again, is_booked: true };
            small.check(&cut, &cost, 1, &format!("{end:?}, {file} cut at {at}"));
        }
    }
}
