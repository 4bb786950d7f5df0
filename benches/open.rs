//! How long a gateway takes to open a backlog (aim: 10 GiB in under two seconds).
//!
//! `cargo bench --bench open -- --gib 10` writes a backlog with the log itself, and opens it twice from
//! a cold cache, where the machine lets it be emptied:
//!
//! * `sealed`: every segment has its footer, as after an orderly end.
//! * `crashed`: the last segment, nearly full, has none, and has to be read from end to end.
//!
//! Beside each stands the least that could be read for it: the first and the last bytes of every file,
//! and the whole of the last one. Options behind `--`: `--gib N` or `--mib N` (the backlog),
//! `--segment-mib N` (`queue.segment_bytes`), `--record-kib N` (tuples of one request), `--dir DIR` (on
//! the disk to measure; what is written there is removed).

#[path = "../tests/it/support/endure/place.rs"]
mod place;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate::encode::Block;
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::log::disk::{Access, RealDisk};
use tidegate::queue::log::engine::{Engine, Options};
use tidegate::queue::log::lanes::Order;
use tidegate::queue::log::segment::HEADER_BYTES;
use tidegate::queue::{Destination, Durability, Entry, Meters};
use tokio::time::Instant;

const MIB: u64 = 1 << 20;

/// What a footer of a segment of 64 MiB takes, about.
const FOOTER_BYTES: u64 = 4096;

/// Requests in one group.
const GROUP: u64 = 8;

/// One tuple; many of them make a record.
const TUPLE: &str = r#"["room.temperature",1795343400,21.5,{"hostname":"gateway-1","tags":["room:kitchen"],"type":"gauge"}]"#;

struct Settings {
    backlog_bytes: u64,
    segment_bytes: u64,
    record_bytes: u64,
    /// Instead of one below the target directory.
    directory: Option<PathBuf>,
}

impl Settings {
    fn read() -> Self {
        // `cargo test --benches` passes --test: a small one, to see that it works.
        let mib = if std::env::args().any(|arg| arg == "--test") { 96 } else { 1024 };
        let mib = text("--gib").map_or_else(
            || number("--mib", mib),
            |text| 1024 * text.parse::<u64>().expect("--gib takes a number"),
        );
        Self {
            backlog_bytes: mib * MIB,
            segment_bytes: number("--segment-mib", 64) * MIB,
            record_bytes: number("--record-kib", 256) << 10,
            directory: text("--dir").map(PathBuf::from),
        }
    }

    fn options(&self) -> Options {
        Options {
            destinations: vec![Destination::named("default")],
            durability: Durability::Os,
            max_bytes: u64::MAX / 2,
            min_free_bytes: 0,
            segment_bytes: self.segment_bytes,
            order: Order::default(),
            meters: Meters::default(),
        }
    }
}

fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn number(name: &str, default: u64) -> u64 {
    let Some(text) = text(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}"))
}

fn open(directory: &Path, settings: &Settings) -> Engine {
    let disk = RealDisk::open(directory, Access::ReadWrite).expect("the directory opens");
    let (engine, notices) = Engine::open(Arc::new(disk), &settings.options()).expect("it opens");
    assert!(notices.is_empty(), "{notices:?}");
    engine
}

/// Appends requests until the log is so large.
fn fill(engine: &Engine, settings: &Settings, until: u64) {
    let tuples = (settings.record_bytes / TUPLE.len() as u64).max(1);
    let body = Bytes::from(vec![TUPLE; tuples as usize].join(",\n"));
    let entry = Entry {
        source: Arc::from("bench"),
        received: Timestamp::from_unix(1_795_343_400, 0),
        blocks: vec![Block { bytes: body, tuples: tuples as u32 }],
        target: None,
        accepted: tuples,
        rejected: 0,
    };
    let group = vec![entry; GROUP as usize];
    while engine.depth(0).bytes < until {
        engine
            .commit(&group, Timestamp::from_unix(1_795_343_400, 0), Duration::ZERO)
            .expect("the disk takes it");
    }
}

/// Segments, oldest first.
fn segments(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).expect("the directory can be listed");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    files
}

/// Leaves nothing in memory of what is on the disk; whether that is allowed here.
fn empty_caches() -> bool {
    rustix::fs::sync();
    let file = File::options().write(true).open("/proc/sys/vm/drop_caches");
    file.and_then(|mut file| file.write_all(b"3")).is_ok()
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = run();
    (started.elapsed(), result)
}

/// The first and the last bytes of every file.
fn read_ends(files: &[PathBuf]) -> io::Result<()> {
    let mut buffer = vec![0; FOOTER_BYTES as usize];
    for path in files {
        let file = File::open(path)?;
        file.read_exact_at(&mut buffer[..HEADER_BYTES as usize], 0)?;
        let last = file.metadata()?.len().saturating_sub(FOOTER_BYTES);
        file.read_exact_at(&mut buffer, last)?;
    }
    Ok(())
}

fn read_whole(path: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(path)?, &mut io::sink())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn report(what: &str, opening: Duration, least: Duration, is_cold: bool) {
    let cache = if is_cold { "cold" } else { "warm: the cache may not be emptied here" };
    println!(
        "{what:<8} opened in {:>8.1} ms, the least to read {:>8.1} ms, ratio {:>5.2}  ({cache})",
        ms(opening),
        ms(least),
        opening.as_secs_f64() / least.as_secs_f64()
    );
}

fn main() {
    let settings = Settings::read();
    let scratch = settings.directory.as_ref().map_or_else(place::on_a_disk, |directory| {
        tempfile::tempdir_in(directory).expect("--dir can be written")
    });
    let directory = scratch.path();
    let engine = open(directory, &settings);
    let (took, ()) = timed(|| fill(&engine, &settings, settings.backlog_bytes));
    engine.end().expect("it ends in order");
    let queued = engine.depth(0);
    drop(engine);
    let files = segments(directory);
    println!(
        "{:.2} GiB in {} segments and {} records, written in {:.1} s",
        queued.bytes as f64 / (1024 * MIB) as f64,
        files.len(),
        queued.blocks,
        took.as_secs_f64()
    );

    empty_caches();
    let (least, read) = timed(|| read_ends(&files));
    read.expect("the files can be read");
    let is_cold = empty_caches();
    let (opening, engine) = timed(|| open(directory, &settings));
    assert_eq!(engine.depth(0).blocks, queued.blocks, "all of it is there");
    report("sealed", opening, least, is_cold);

    // All but full, and left without a footer.
    let almost = settings.segment_bytes - 2 * GROUP * (settings.record_bytes + (1 << 10));
    fill(&engine, &settings, queued.bytes + almost);
    let more = engine.depth(0).blocks;
    drop(engine);
    let files = segments(directory);
    let open_one = files.last().expect("there are segments");
    empty_caches();
    let (least, read) = timed(|| read_ends(&files).and_then(|()| read_whole(open_one)));
    let bytes = read.expect("the files can be read");
    let is_cold = empty_caches();
    let (opening, engine) = timed(|| open(directory, &settings));
    assert_eq!(engine.depth(0).blocks, more, "all of it is there");
    report("crashed", opening, least, is_cold);
    println!("         {:.0} MiB of it without a footer", bytes as f64 / MIB as f64);
}
