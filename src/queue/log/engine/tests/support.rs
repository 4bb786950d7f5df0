//! A log on a simulated disk, and numbered entries for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::super::disk::sim::SimDisk;
use super::super::super::lanes::Order;
use super::super::super::notice::Notice;
use super::super::super::segment::Name;
use super::super::{Engine, Options, cost};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::queue::{AppendError, Destination, Durability, Entry, Lease, Meters, Want};

/// Four of [`entry`] to a segment.
pub(super) const SEGMENT_BYTES: u64 = 4300;

/// More disk calls than any of these logs needs to open or to be emptied: whoever makes more spins.
pub(super) const CALLS_MAX: u64 = 5_000;

pub(super) const WANT: Want = Want { bytes: 1 << 20, tuples: 1000 };

pub(super) const NOW: Timestamp = Timestamp::from_unix(1_700_000_000, 0);

/// Oldest first, so that the order of delivery can be foretold.
pub(super) fn options() -> Options {
    Options {
        destinations: vec![Destination::named("default")],
        durability: Durability::Fsync,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: SEGMENT_BYTES,
        order: Order::Fifo,
        meters: Meters::default(),
    }
}

pub(super) fn open(disk: &SimDisk) -> (Engine, Vec<Notice>) {
    open_with(disk, &options())
}

pub(super) fn open_with(disk: &SimDisk, options: &Options) -> (Engine, Vec<Notice>) {
    disk.limit_calls(CALLS_MAX);
    let opened = Engine::open(disk.handle(), options).unwrap();
    disk.limit_calls(u64::MAX / 2);
    opened
}

/// A request of one tuple that says its number, in one block of `bytes`.
pub(super) fn sized(number: u64, bytes: usize) -> Entry {
    let head = format!("[\"m{number}\",1,1.0,{{\"p\":\"");
    let padding = "x".repeat(bytes - head.len() - 3);
    let text = format!("{head}{padding}\"}}]");
    assert_eq!(text.len(), bytes);
    Entry {
        source: Arc::from("test"),
        received: Timestamp::from_unix(1_700_000_000 + number as i64, 0),
        blocks: vec![Block { bytes: Bytes::from(text), tuples: 1 }],
        target: None,
        accepted: 1,
        rejected: 0,
    }
}

pub(super) fn entry(number: u64) -> Entry {
    sized(number, 700)
}

/// A request in a group of its own, so its record has a sequence of its own.
pub(super) fn append(engine: &Engine, entry: Entry) -> Result<(), AppendError> {
    engine.admit(cost(&entry))?;
    engine.commit(&[entry], NOW, Duration::ZERO)
}

/// Entries with these numbers; in a new log they get these sequences.
pub(super) fn fill(engine: &Engine, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        append(engine, entry(number)).unwrap();
    }
}

/// At most `tuples`.
pub(super) fn lease(engine: &Engine, tuples: u32) -> Option<Lease> {
    engine.lease(0, Want { tuples, ..WANT }, Duration::ZERO).unwrap()
}

/// The numbers of the entries on loan.
pub(super) fn numbers(lease: &Lease) -> Vec<u64> {
    let number =
        |text: &str| text.strip_prefix("[\"m").unwrap().split('"').next().unwrap().parse().unwrap();
    let blocks = lease.blocks.iter().map(|leased| leased.block.bytes.clone());
    let of = |bytes: Bytes| -> Vec<u64> {
        str::from_utf8(&bytes).unwrap().split(",\n").map(number).collect()
    };
    blocks.flat_map(of).collect()
}

/// Delivers everything that waits.
pub(super) fn drain(disk: &SimDisk, engine: &Engine) -> Vec<u64> {
    disk.limit_calls(CALLS_MAX);
    let mut delivered = Vec::new();
    while let Some(lease) = lease(engine, WANT.tuples) {
        delivered.extend(numbers(&lease));
        engine.ack(0, lease.id, lease.delivered());
    }
    disk.limit_calls(u64::MAX / 2);
    assert!(engine.books(0).is_balanced(), "{:?}", engine.books(0));
    delivered
}

/// Delivers the next entry, unless the machine has stopped.
pub(super) fn try_deliver_one(engine: &Engine) {
    let want = Want { tuples: 1, ..WANT };
    if let Ok(Some(lease)) = engine.lease(0, want, Duration::ZERO) {
        engine.ack(0, lease.id, lease.delivered());
    }
}

/// Delivers the next entry.
pub(super) fn deliver_one(engine: &Engine) -> Vec<u64> {
    let lease = lease(engine, 1).unwrap();
    engine.ack(0, lease.id, lease.delivered());
    numbers(&lease)
}

/// The segments of a directory, oldest first.
pub(super) fn segments(disk: &SimDisk) -> Vec<String> {
    disk.files().into_keys().filter(|name| Name::parse(name).is_some()).collect()
}

/// A disk with the position of one and everything else of another.
pub(super) fn with_position_of(log: &SimDisk, position: &SimDisk) -> SimDisk {
    let mut files: BTreeMap<String, Vec<u8>> = log.files();
    files.insert("default.pos".to_owned(), position.files()["default.pos"].clone());
    SimDisk::with_files(1, &files)
}

/// Orderly, so that the last segment has a footer too.
pub(super) fn close(disk: &SimDisk, engine: Engine) -> SimDisk {
    engine.end().unwrap();
    drop(engine);
    disk.kill()
}
