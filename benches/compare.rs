//! tidegate beside the peers that Debian ships, in one interleaved run: batches of 1,000 gauges over HTTP
//! in, over HTTP out to a sink that reads and answers 200.
//!
//! ```text
//! benches/compare/run          # installs the peers, builds as a newcomer does, prints the whole table
//! cargo bench --bench compare  # with what a package ships
//! ```
//!
//! Every program is a process of its own, starts anew for each run and gets the same metrics, each in the
//! format it likes best, over 8 connections that are kept: first a tenth of them to warm up, then what is
//! measured. It is drained when by its own books the sink has everything. CPU is what the kernel says the
//! program alone ran from the first request until then; the peak of its memory is the kernel's own
//! (`VmHWM`). Nobody is pinned: program,
//! client and sink share the machine's cores, and the client and the sink are the same for all.
//!
//! * tidegate: JSON as its clients send it, each answer after a sync (`fsync`) or without (`memory`), the
//!   tuples sent on with deflate or as they are.
//! * vmagent: its own import JSON, Prometheus' text, and Datadog's series, sent on as remote write with
//!   snappy. It answers before anything is on a disk; its queue is on the same disk, used when the sink is
//!   behind.
//! * pushgateway: Prometheus' text, kept in memory, not sent on; a tenth of the metrics.
//!
//! Every round runs everybody once, each round beginning with another; printed are the medians of the
//! rounds with the least and the most, a bare loop of `write` and `fdatasync` on the same disk with them,
//! and the ratio of each round's CPU, tidegate with fsync and deflate to vmagent with its own JSON (above
//! 1.0 it fails) and to vmagent with Prometheus' text. Options behind `--`: `--rounds N` (7), `--metrics N` (2,000,000), `--batch N` (metrics of
//! a request, 1,000), `--connections N` (8), `--only NAME` (peers whose name starts so), and for profiles
//! `--record DIR` (`perf record` of each program) and `--backlog` (tidegate alone: everything is taken
//! while nobody receives, and only the delivery of it is measured, after a restart).

#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[expect(dead_code, reason = "the bench of the edge asks for its process")]
#[path = "support/again.rs"]
mod again;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/child.rs"]
mod child;
#[path = "support/disk.rs"]
mod disk;
#[path = "support/spread.rs"]
mod spread;
#[path = "compare/books.rs"]
mod books;
#[path = "compare/load.rs"]
mod load;
#[path = "delivery/null.rs"]
mod null;
#[path = "compare/peer.rs"]
mod peer;
#[path = "compare/record.rs"]
mod record;
#[path = "compare/table.rs"]
mod table;
#[path = "compare/workload.rs"]
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use disk::Alone;
use null::Null;
use peer::{ASIDE, OURS, PEERS, Peer, THEIRS};
use record::Recorder;
use spread::Spread;
use table::Run;

/// Most of vmagent's CPU that tidegate may take, and what it should.
const FLOOR: f64 = 1.0;
const AIM: f64 = 0.6;

/// A program gets one of so many parts of its metrics before it is measured, too.
const WARM_UP: usize = 10;

/// Sizes of the bare writes, and how many of them.
const BARE: [(u64, usize); 2] = [(4 << 10, 200), (256 << 10, 50)];

struct Settings {
    is_test: bool,
    rounds: usize,
    metrics: usize,
    batch: usize,
    connections: usize,
    only: String,
    record: Option<PathBuf>,
    backlog: bool,
}

impl Settings {
    fn read() -> Self {
        let has = |flag: &str| std::env::args().any(|arg| arg == flag);
        // `cargo test --benches` passes --test: a small one, to see that it works.
        let is_test = has("--test");
        Self {
            is_test,
            rounds: number("--rounds", if is_test { 1 } else { 7 }),
            metrics: number("--metrics", if is_test { 80_000 } else { 2_000_000 }),
            batch: number("--batch", 1_000),
            connections: number("--connections", 8),
            only: text("--only").unwrap_or_default(),
            record: text("--record").map(PathBuf::from),
            backlog: has("--backlog"),
        }
    }

    /// Requests of one run: every connection sends as many.
    fn requests(&self, peer: &Peer) -> usize {
        let metrics = self.metrics as f64 * peer.share;
        ((metrics / self.batch as f64) as usize).next_multiple_of(self.connections)
    }
}

fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn number(name: &str, default: usize) -> usize {
    text(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}"))
    })
}

/// A peer, what it is sent, and how it fared.
struct Entrant {
    peer: Peer,
    requests: Vec<Vec<u8>>,
    rounds: Vec<Run>,
}

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == null::ARGUMENT) {
        null::run();
        return ExitCode::SUCCESS;
    }
    let settings = Settings::read();
    let mut entrants = entrants(&settings);
    let runtime = Runtime::new().expect("a runtime");
    let null = Null::start();
    let mut bare: [Vec<Alone>; BARE.len()] = Default::default();
    // The first round warms up and is not counted.
    for round in 0..=settings.rounds {
        let directory = place::on_a_disk();
        let disks = BARE.map(|(bytes, count)| {
            disk::write_and_sync(directory.path(), std::iter::repeat_n(bytes, count))
        });
        let count = entrants.len();
        for at in 0..count {
            let entrant = &mut entrants[(round + at) % count];
            let run = measure(&settings, entrant, &null, &runtime, round > 0);
            if round > 0 {
                entrant.rounds.push(run);
            }
        }
        if round > 0 {
            bare.iter_mut().zip(disks).for_each(|(bare, disk)| bare.push(disk));
        }
    }
    print(&settings, &entrants, &bare);
    judge(&settings, &entrants)
}

/// Who is installed, with its requests.
fn entrants(settings: &Settings) -> Vec<Entrant> {
    let mut entrants = Vec::new();
    for peer in PEERS.into_iter().filter(|peer| peer.name.starts_with(&settings.only)) {
        let Some(version) = peer.version() else {
            println!("{}: not installed; benches/compare/run installs it", peer.name);
            continue;
        };
        println!("{}: {version}", peer.name);
        let requests = workload::requests(peer.format, settings.batch, settings.connections);
        entrants.push(Entrant { peer, requests, rounds: Vec::new() });
    }
    entrants
}

/// One run of one peer.
fn measure(
    settings: &Settings,
    entrant: &Entrant,
    null: &Null,
    runtime: &Runtime,
    counted: bool,
) -> Run {
    let Entrant { peer, requests, .. } = entrant;
    let count = settings.requests(peer);
    let directory = place::on_a_disk();
    let load = |address, count| {
        load::send(address, requests, count, settings.connections, peer.answers());
        (count * settings.batch) as u64
    };
    let backlog = settings
        .backlog
        .then(|| load(peer.start(directory.path(), child::free_address()).address, count));
    // What the one before left to be written is not this one's work.
    rustix::fs::sync();
    runtime.block_on(null.received());
    // Dropped after the program, whatever happens: `perf` ends when that has ended.
    let recorder;
    // A backlog is delivered from the moment the program is there.
    let (mut began, mut cpu) = (Instant::now(), Duration::ZERO);
    let running = peer.start(directory.path(), null.address());
    let mut warm_up = 0;
    if backlog.is_none() {
        // A program that has just begun makes its memory and its caches first.
        warm_up = load(running.address, (count / WARM_UP).next_multiple_of(settings.connections));
        running.drained(warm_up);
        runtime.block_on(null.received());
    }
    let record = settings.record.as_ref().filter(|_| counted);
    recorder = record.map(|record| Recorder::start(record, peer.name, running.process.id()));
    let metrics = backlog.unwrap_or_else(|| {
        (began, cpu) = (Instant::now(), running.process.cpu());
        load(running.address, count)
    });
    running.drained(warm_up + metrics);
    let took = began.elapsed().as_secs_f64();
    let cpu = running.process.cpu().saturating_sub(cpu).as_secs_f64();
    let received = runtime.block_on(null.received());
    let peak_mib = running.process.resident().peak as f64 / f64::from(1 << 20);
    drop(running);
    drop(recorder);
    assert!(received.requests > 0 || !peer.forwards(), "{}: the sink got nothing", peer.name);
    let sent_bytes = peer.forwards().then_some(received.bytes);
    Run { metrics: metrics as f64, took, cpu, peak_mib, sent_bytes }
}

fn print(settings: &Settings, entrants: &[Entrant], bare: &[Vec<Alone>]) {
    println!(
        "\n{} metrics in requests of {}, {} connections, {} cores for program, client and sink; \
         rounds: {}, median (least to most)\n",
        settings.metrics,
        settings.batch,
        settings.connections,
        std::thread::available_parallelism().map_or(1, usize::from),
        settings.rounds,
    );
    table::head();
    for Entrant { peer, rounds, .. } in entrants {
        table::row(peer.name, rounds);
    }
    println!();
    for ((bytes, _), bare) in BARE.iter().zip(bare) {
        println!(
            "write + fdatasync of {} KiB alone: {:.2} ms, {:.0} MB/s",
            bytes >> 10,
            Spread::of(bare, Alone::median_ms),
            Spread::of(bare, Alone::mb_per_s),
        );
    }
}

/// Holds the ratio against its floor, where both sides were measured.
fn judge(settings: &Settings, entrants: &[Entrant]) -> ExitCode {
    let rounds = |name| entrants.iter().find(|entrant| entrant.peer.name == name);
    let (Some(ours), Some(theirs)) = (rounds(OURS), rounds(THEIRS)) else {
        println!("no ratio: {OURS:?} and {THEIRS:?} were not both measured");
        let is_meant = settings.is_test || !settings.only.is_empty();
        return if is_meant { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let (ratio, aside) = (cost(ours, theirs), rounds(ASIDE).map(|aside| cost(ours, aside)));
    println!("\nCPU per million metrics, {OURS}");
    println!("/ {THEIRS}: {ratio:.2} (floor {FLOOR}, aim {AIM})");
    if let Some(ratio) = aside {
        println!("/ {ASIDE}: {ratio:.2}");
    }
    if ratio.median <= FLOOR || settings.is_test {
        return ExitCode::SUCCESS;
    }
    println!("FLOOR MISSED");
    ExitCode::FAILURE
}

/// Of each round's CPU for a metric, one entrant's to another's.
fn cost(ours: &Entrant, theirs: &Entrant) -> Spread {
    let pairs: Vec<_> = ours.rounds.iter().zip(&theirs.rounds).collect();
    Spread::of(&pairs, |(ours, theirs)| ours.cost() / theirs.cost())
}
