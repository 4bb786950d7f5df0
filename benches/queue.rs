//! The durable queue beside the disk it writes to: producers that wait for their entries to be durable,
//! and in the same run a bare loop of `write` and `fdatasync` over the sizes of the groups the queue
//! made of them, which is the ceiling.
//!
//! ```text
//! cargo bench --bench queue
//! ```
//!
//! Each round measures the queue and the loop once for each number of producers; what is printed is
//! the median over the rounds, and for ratios the median of each round's own ratio. Options behind
//! `--`: `--rounds N` (7), `--bytes N` (4,096 for each entry), `--entries N` (a multiple of the default
//! numbers of entries, 1), `--producers N` (one case alone).
//!
//! ```text
//! cargo bench --bench queue -- --backlog
//! ```
//!
//! measures what a group of small entries costs with an empty queue and beside a backlog, and fails
//! where a backlog makes it much dearer. Options behind it: `--rounds N`, `--bytes N` (200), `--mib N`
//! (the backlog, 1,024), `--segment-kib N` (256, so that there are thousands of files).

#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[path = "support/cpu_time.rs"]
mod cpu_time;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/disk.rs"]
mod disk;
#[path = "support/spread.rs"]
mod spread;
#[path = "queue/backlog.rs"]
mod backlog;
#[path = "support/groups.rs"]
mod groups;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate::clock::SystemClock;
use tidegate::encode::Block;
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::log::LogQueue;
use tidegate::queue::log::engine::Options;
use tidegate::queue::log::lanes::Order;
use tidegate::queue::{Destination, Durability, Entry, Meters, Queue};
use tokio::task::JoinSet;
use tokio::time::Instant;

use groups::Group;
use spread::Spread;

/// Producers, and entries of all of them together.
const CASES: [(usize, usize); 3] = [(1, 2_000), (16, 16_000), (256, 64_000)];
const SEGMENT_BYTES: u64 = 64 << 20;

struct Settings {
    rounds: usize,
    entry_bytes: usize,
    entries_factor: f64,
    /// 0 for every case.
    producers: usize,
}

impl Settings {
    fn read() -> Self {
        // `cargo test --benches` passes --test: a small one, to see that it works.
        let is_test = std::env::args().any(|arg| arg == "--test");
        Self {
            rounds: number("--rounds", if is_test { 1.0 } else { 7.0 }) as usize,
            entry_bytes: number("--bytes", 4096.0) as usize,
            entries_factor: number("--entries", if is_test { 0.02 } else { 1.0 }),
            producers: number("--producers", 0.0) as usize,
        }
    }
}

fn number(name: &str, default: f64) -> f64 {
    let text = std::env::args().skip_while(|arg| arg != name).nth(1);
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}"))
    })
}

/// One measurement: of the queue, or of the loop.
struct Measured {
    took: Duration,
    /// Of each entry, or of each write and sync; rising.
    waits: Vec<Duration>,
}

impl Measured {
    fn new(took: Duration, mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self { took, waits }
    }

    fn wait_us(&self, quantile: f64) -> f64 {
        let at = ((self.waits.len() as f64 * quantile) as usize).min(self.waits.len() - 1);
        self.waits[at].as_secs_f64() * 1e6
    }

    fn per_second(&self, amount: f64) -> f64 {
        amount / self.took.as_secs_f64()
    }
}

fn entry(bytes: usize) -> Entry {
    let mut text = String::new();
    let mut tuples = 0;
    while text.len() < bytes {
        let separator = if tuples == 0 { "" } else { ",\n" };
        let tuple = format!(
            "{separator}[\"checkout.requests\",1795343400,{tuples}.5,{{\"hostname\":\"web-1\",\"tags\":[\"env:prod\"],\"type\":\"gauge\"}}]"
        );
        text.push_str(&tuple);
        tuples += 1;
    }
    let block = Block { bytes: Bytes::from(text), tuples };
    Entry {
        source: Arc::from("checkout"),
        received: Timestamp::from_unix(1_795_343_400, 0),
        blocks: vec![block],
        target: None,
        accepted: u64::from(tuples),
        rejected: 0,
    }
}

/// Appends from many tasks, each of which waits for one entry before it brings the next.
async fn queue(directory: &Path, producers: usize, entries: usize, entry: &Entry) -> Measured {
    let options = Options {
        destinations: vec![Destination::named("default")],
        durability: Durability::Fsync,
        max_bytes: 1 << 40,
        min_free_bytes: 0,
        segment_bytes: SEGMENT_BYTES,
        order: Order::Fifo,
        meters: Meters::default(),
    };
    let queue = LogQueue::open(directory, &options, Arc::new(SystemClock::new()));
    let queue = Arc::new(queue.expect("a new queue"));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..producers {
        let (queue, entry) = (Arc::clone(&queue), entry.clone());
        tasks.spawn(async move {
            let mut waits = Vec::with_capacity(entries / producers);
            for _ in 0..entries / producers {
                let began = Instant::now();
                queue.append(entry.clone()).await.expect("there is room");
                waits.push(began.elapsed());
            }
            waits
        });
    }
    let waits = tasks.join_all().await.concat();
    let took = began.elapsed();
    queue.end().await;
    Measured::new(took, waits)
}

/// Writes and syncs as many bytes as each group had, one after the other.
fn bare(directory: &Path, groups: &[Group]) -> Measured {
    let alone = disk::write_and_sync(directory, groups.iter().map(|group| group.bytes));
    Measured::new(alone.took, alone.waits)
}

/// One round of one case.
struct Round {
    queue: Measured,
    bare: Measured,
    groups: Vec<Group>,
    entries: usize,
}

impl Round {
    async fn run(producers: usize, entries: usize, entry: &Entry) -> Self {
        let directory = place::on_a_disk();
        let queue = queue(directory.path(), producers, entries, entry).await;
        let groups = groups::read(&directory.path().join("queue"));
        let bare = bare(directory.path(), &groups);
        Self { queue, bare, groups, entries: entries / producers * producers }
    }

    fn bytes(&self) -> f64 {
        self.groups.iter().map(|group| group.bytes as f64).sum()
    }

    /// Of the queue's bytes a second to the loop's.
    fn rate_ratio(&self) -> f64 {
        self.bare.took.as_secs_f64() / self.queue.took.as_secs_f64()
    }

    fn group_quantile(&self, quantile: f64, of: impl Fn(&Group) -> u64) -> f64 {
        let mut values: Vec<u64> = self.groups.iter().map(of).collect();
        values.sort_unstable();
        values[((values.len() as f64 * quantile) as usize).min(values.len() - 1)] as f64
    }
}

/// The median of what each round says.
fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    Spread::of(rounds, of).median
}

fn print(producers: usize, entry_bytes: u64, rounds: &[Round]) {
    let of = |of: &dyn Fn(&Round) -> f64| median(rounds, of);
    println!("{producers} producers, {} rounds", rounds.len());
    println!(
        "  queue   {:>9.0} entries/s {:>8.1} MB/s   durable after p50 {:>6.0} us, p99 {:>6.0} us",
        of(&|round| round.queue.per_second(round.entries as f64)),
        of(&|round| round.queue.per_second(round.bytes() / 1e6)),
        of(&|round| round.queue.wait_us(0.5)),
        of(&|round| round.queue.wait_us(0.99)),
    );
    println!(
        "  bare    {:>9.0} syncs/s   {:>8.1} MB/s   write + fdatasync p50 {:>6.0} us, p99 {:>6.0} us",
        of(&|round| round.bare.per_second(round.groups.len() as f64)),
        of(&|round| round.bare.per_second(round.bytes() / 1e6)),
        of(&|round| round.bare.wait_us(0.5)),
        of(&|round| round.bare.wait_us(0.99)),
    );
    println!(
        "  ratio   {:.2} of the loop's bytes a second; p50 {:.2} times, p99 {:.2} times the loop's",
        of(&Round::rate_ratio),
        of(&|round| round.queue.wait_us(0.5) / round.bare.wait_us(0.5)),
        of(&|round| round.queue.wait_us(0.99) / round.bare.wait_us(0.99)),
    );
    let group = |quantile: f64, what: fn(&Group) -> u64| {
        median(rounds, |round| round.group_quantile(quantile, what))
    };
    let entries = |quantile| group(quantile, |group| group.bytes) / entry_bytes as f64;
    let kib = |quantile| group(quantile, |group| group.bytes) / 1024.0;
    println!(
        "  groups  {:.0}; about entries p10 {:.0}, p50 {:.0}, p99 {:.0}; KiB p10 {:.0}, p50 {:.0}, p99 {:.0}",
        of(&|round| round.groups.len() as f64),
        entries(0.1),
        entries(0.5),
        entries(0.99),
        kib(0.1),
        kib(0.5),
        kib(0.99),
    );
}

#[tokio::main]
async fn main() {
    let settings = Settings::read();
    if std::env::args().any(|arg| arg == "--backlog") {
        return backlog::run(&backlog::Settings {
            rounds: settings.rounds,
            backlog_bytes: number("--mib", 1024.0) as u64 * (1 << 20),
            segment_bytes: number("--segment-kib", 256.0) as u64 * (1 << 10),
            entry: entry(number("--bytes", 200.0) as usize),
        });
    }
    let entry = entry(settings.entry_bytes);
    let entry_bytes = entry.blocks[0].bytes.len() as u64;
    println!("entries of {entry_bytes} bytes, {} tuples", entry.blocks[0].tuples);
    let mut rounds: [Vec<Round>; CASES.len()] = Default::default();
    // The first round warms up and is not counted.
    for round in 0..=settings.rounds {
        for ((producers, entries), rounds) in CASES.into_iter().zip(&mut rounds) {
            if ![0, producers].contains(&settings.producers) {
                continue;
            }
            let entries = (entries as f64 * settings.entries_factor) as usize;
            let measured = Round::run(producers, entries.max(producers), &entry).await;
            if round > 0 {
                rounds.push(measured);
            }
        }
    }
    for ((producers, _), rounds) in CASES.into_iter().zip(&rounds) {
        if !rounds.is_empty() {
            print(producers, entry_bytes, rounds);
        }
    }
}
