//! The two readings of the rules against each other: what is seen from outside before a log is opened
//! is what the log says once it is open, whatever happened to its files.

use crate::queue::Destination;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use fastrand::Rng;

use super::super::super::{Books, Durability, Entry, Meters, Want};
use super::super::disk::sim::SimDisk;
use super::super::engine::{Engine, Options, cost};
use super::super::lanes::Order;
use super::super::segment::{HEADER_BYTES, Name};
use super::View;
use super::account::Account;
use super::survey::survey;
use super::verify::{Finding, Report, Step, verify};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;

const NAMES: [&str; 2] = ["east", "west"];
const NOW: Timestamp = Timestamp::from_unix(1_735_689_600, 0);

fn options() -> Options {
    Options {
        destinations: NAMES.map(Destination::named).to_vec(),
        durability: Durability::Fsync,
        max_bytes: 1 << 20,
        min_free_bytes: 0,
        segment_bytes: 4 << 10,
        order: Order::default(),
        meters: Meters::default(),
    }
}

fn open(disk: &SimDisk) -> Engine {
    Engine::open(disk.handle(), &options()).unwrap_or_else(|error| panic!("{error}")).0
}

/// A request of one to three blocks.
fn entry(rng: &mut Rng) -> Entry {
    let block = |rng: &mut Rng| {
        let tuples = rng.u32(1..6);
        let text = vec![format!("[\"m\",{}]", rng.u64(..)); tuples as usize].join(",\n");
        Block { bytes: text.into(), tuples }
    };
    let blocks: Vec<Block> = (0..rng.usize(1..4)).map(|_| block(rng)).collect();
    let (accepted, rejected) = (blocks.len() as u64, rng.u64(..2));
    let source = ["a", "b"][rng.usize(..2)].into();
    Entry { source, received: NOW, blocks, target: None, accepted, rejected }
}

/// A while in the life of a log; an error is its end.
fn live(disk: &SimDisk, rng: &mut Rng) -> Result<(), Box<dyn Error>> {
    let (engine, _) = Engine::open(disk.handle(), &options())?;
    let mut loans = [Vec::new(), Vec::new()];
    for _ in 0..rng.usize(5..40) {
        match rng.u8(..10) {
            0..4 => {
                let entries: Vec<Entry> = (0..rng.usize(1..5)).map(|_| entry(rng)).collect();
                engine.admit(entries.iter().map(cost).sum())?;
                engine.commit(&entries, NOW, Duration::ZERO)?;
            }
            4..7 => {
                let (index, tuples) = (rng.usize(..2), rng.u32(1..20));
                let want = Want { bytes: 10_000, tuples };
                loans[index].extend(engine.lease(index, want, Duration::ZERO)?);
            }
            7..9 => {
                let index = rng.usize(..2);
                if !loans[index].is_empty() {
                    let lease = loans[index].swap_remove(rng.usize(..loans[index].len()));
                    engine.ack(index, lease.id, lease.delivered());
                }
            }
            _ => {
                engine.save()?;
                engine.collect()?;
            }
        }
    }
    Ok(())
}

fn look(disk: &SimDisk) -> View {
    View::open(&disk.handle()).unwrap_or_else(|error| panic!("{error}"))
}

fn check(view: &View) -> (Report, Vec<Finding>) {
    let mut findings = Vec::new();
    let report = verify(view, &mut |step| {
        if let Step::Found(finding) = step {
            findings.push(finding);
        }
    });
    (report.unwrap_or_else(|error| panic!("{error}")), findings)
}

/// The books when all that can be read is delivered, and the rest counted as damaged.
fn drained(account: &Account) -> Books {
    let books = account.books;
    Books {
        delivered: books.delivered + account.waiting.tuples,
        queued: 0,
        damaged: books.damaged + account.lost,
        ..books
    }
}

/// Everything that is said of a directory before and after it is opened.
fn agree(disk: &SimDisk, history: &str) {
    let before = disk.files();
    let view = look(disk);
    let (report, findings) = check(&view);
    let lines = survey(&view).unwrap_or_else(|error| panic!("{error}")).destinations;
    assert!(disk.files() == before, "{history}: looking changed something");
    let engine = open(disk);
    assert_eq!(report.end.totals.tuples, engine.totals().tuples, "{history}: {findings:#?}");
    for (index, account) in report.accounts.iter().enumerate() {
        assert_eq!(*account.name, *NAMES[index], "{history}");
        assert!(account.is_balanced(), "{history}: {account:#?}\n{findings:#?}");
        let queued = lines[index].queued.as_ref().unwrap_or_else(|fault| panic!("{fault}"));
        let with_lost = account.waiting.tuples + account.lost;
        assert_eq!(queued.tuples, with_lost, "{history}: by the books");
        drain(&engine, index);
        assert_eq!(drained(account), engine.books(index), "{history}: {findings:#?}");
    }
    engine.end().unwrap();
    let (report, findings) = check(&look(disk));
    for account in &report.accounts {
        assert!(account.is_balanced(), "{history}, drained: {account:#?}\n{findings:#?}");
        assert_eq!((account.lost, account.waiting.tuples), (0, 0), "{history}: {findings:#?}");
    }
}

/// Delivers everything.
fn drain(engine: &Engine, index: usize) {
    let want = Want { bytes: 1 << 20, tuples: 1 << 20 };
    while let Some(lease) = engine.lease(index, want, Duration::ZERO).unwrap() {
        engine.ack(index, lease.id, lease.delivered());
    }
}

/// The files without the zeros that a segment is filled ahead with: they only cost time.
fn trimmed(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let mut files = disk.files();
    for (_, bytes) in files.iter_mut().filter(|(name, _)| Name::parse(name).is_some()) {
        let content = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(content.max(HEADER_BYTES as usize));
    }
    files
}

fn each_history(seeds: u64, then: impl Fn(SimDisk, &mut Rng, &str)) {
    for seed in 0..seeds {
        let mut rng = Rng::with_seed(seed);
        let mut disk = SimDisk::new(seed);
        for _ in 0..rng.usize(1..4) {
            live(&disk, &mut rng).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            disk = disk.kill();
        }
        then(disk, &mut rng, &format!("seed {seed}"));
    }
}

#[test]
fn what_is_seen_from_outside_is_what_the_log_says_after_a_kill() {
    each_history(25, |disk, _, history| {
        let (report, findings) = check(&look(&disk));
        assert!(report.is_sound(), "{history}: {findings:#?} {:#?}", report.accounts);
        agree(&disk, history);
    });
}

#[test]
fn what_is_seen_from_outside_is_what_the_log_says_after_a_power_cut() {
    each_history(40, |disk, rng, history| {
        let disk = disk.copy();
        let stop = rng.u64(1..40);
        disk.stop_at(stop);
        // Wherever it stops, also while it is opened.
        let was_cut_off = live(&disk, rng).is_err();
        let disk = disk.crash(rng);
        let (report, findings) = check(&look(&disk));
        assert!(
            report.is_sound(),
            "{history}, {stop}, {was_cut_off}: {findings:#?} {:#?}",
            report.accounts
        );
        agree(&disk, &format!("{history}, stopped at call {stop}"));
    });
}

#[test]
fn what_is_seen_from_outside_is_what_the_log_says_of_damage() {
    each_history(40, |disk, rng, history| {
        let files = trimmed(&disk);
        let disk = SimDisk::with_files(0, &files);
        let segments: Vec<(String, u64)> = files
            .iter()
            .filter(|(name, _)| Name::parse(name).is_some())
            .map(|(name, bytes)| (name.clone(), bytes.len() as u64))
            .collect();
        if segments.is_empty() {
            return;
        }
        let (name, bytes) = &segments[rng.usize(..segments.len())];
        let what = if rng.u8(..4) == 0 {
            let at = rng.u64(1024..*bytes);
            disk.cut(name, at);
            format!("{history}: {name} cut at {at}")
        } else {
            // Beyond the first copy of the header, the second still tells what was there.
            let at = rng.u64(600..*bytes);
            disk.flip(name, at, 0x10);
            format!("{history}: {name} flipped at {at}")
        };
        agree(&disk, &what);
    });
}

#[test]
fn every_flipped_byte_of_a_small_log_is_seen_as_the_log_sees_it() {
    let mut rng = Rng::with_seed(7);
    let disk = SimDisk::new(7);
    live(&disk, &mut rng).unwrap_or_else(|error| panic!("{error}"));
    let files = trimmed(&disk.kill());
    for (name, bytes) in files.iter().filter(|(name, _)| Name::parse(name).is_some()) {
        for at in (0..bytes.len() as u64).step_by(41) {
            let disk = SimDisk::with_files(at, &files);
            disk.flip(name, at, 0x01);
            agree(&disk, &format!("{name} flipped at {at}"));
        }
    }
}
