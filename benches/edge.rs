//! The real `tidegate serve` beside bare hyper: what a request costs from its first byte to its 202.
//!
//! ```text
//! cargo bench --bench edge
//! ```
//!
//! Every server is a process of its own, on two-core machines beside the one thread of the clients.
//! Those keep their connections and send the next request when they have the last one's answer, which
//! has to be an empty 202. CPU is what the kernel says the threads of a server ran.
//!
//! * `bare` is hyper with nothing behind it: it reads the body and answers 202.
//! * `memory` is the gateway with `queue.durability = "memory"` and nothing to deliver, as its receiver's
//!   filter wants none of it: everything a request needs is done, its tuples are appended, and leave the
//!   queue at once. So its figures are about requests, and about no more than that.
//! * `filling` is the same with nobody behind it: the queue grows, and with it the process.
//! * `delivering` is the same with a receiver that takes everything: deliveries, deflate and all,
//!   run meanwhile and their time is counted. This is what a gateway in service costs.
//! * `fsync` is as `memory`, but every 202 waits for the disk.
//!
//! Each of them counts requests against `limits.requests_per_minute`, so that every request pays for
//! that; the quota is the largest there may be, and none is refused.
//!
//! One round measures all of them in turn; printed are the medians over the rounds, of ratios the
//! median of each round's own, with the least and the most. A ratio past its floor fails the run.
//! Options behind `--`: `--rounds N` (7), `--only one|batch|large`, `--times F` (of the requests of
//! each measurement, 1), `--program FILE` (another build of tidegate).

#[path = "support/again.rs"]
mod again;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/bodies.rs"]
mod bodies;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/processes.rs"]
mod processes;
#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/child.rs"]
mod child;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/disk.rs"]
mod disk;
#[path = "support/spread.rs"]
mod spread;
#[path = "edge/bare.rs"]
mod bare;
#[path = "edge/load.rs"]
mod load;
#[path = "edge/sides.rs"]
mod sides;
#[path = "edge/table.rs"]
mod table;

use std::process::ExitCode;

use bodies::Mix;
use load::Load;
use sides::{Run, Sides};
use table::{Bound, figure, ratio};

struct Settings {
    is_test: bool,
    rounds: usize,
    only: Option<String>,
    times: f64,
}

impl Settings {
    fn read() -> Self {
        // `cargo test --benches` passes --test: a small one, to see that it works.
        let is_test = std::env::args().any(|arg| arg == "--test");
        Self {
            is_test,
            rounds: number("--rounds", if is_test { 1.0 } else { 7.0 }) as usize,
            only: text("--only"),
            times: number("--times", if is_test { 0.02 } else { 1.0 }),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }

    /// A load of metrics as clients send what they have just measured.
    fn load(&self, connections: usize, requests: usize, metrics: &[String]) -> Load {
        let requests = ((requests as f64 * self.times) as usize).max(1);
        let body = fresh(&bodies::json_array(metrics));
        Load::new(connections, requests, metrics.len(), &body)
    }
}

fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn number(name: &str, default: f64) -> f64 {
    let Some(text) = text(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}"))
}

/// The same metrics, of this minute: old ones are answered with warnings.
fn fresh(body: &[u8]) -> Vec<u8> {
    const DT: &[u8] = b"\"dt\":\"";
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:").to_string();
    let mut body = body.to_vec();
    let starts: Vec<usize> = memchr::memmem::find_iter(&body, DT).collect();
    for start in starts {
        let at = start + DT.len();
        body[at..at + now.len()].copy_from_slice(now.as_bytes());
    }
    body
}

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == bare::ARGUMENT) {
        bare::run();
        return ExitCode::SUCCESS;
    }
    let settings = Settings::read();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if runtime.expect("a runtime").block_on(run(&settings)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(settings: &Settings) -> bool {
    let sides = Sides::start();
    let mut passed = true;
    println!("rounds: {}, median (least to most)", settings.rounds);
    if settings.wants("one") {
        passed &= one(settings, &sides).await;
    }
    if settings.wants("batch") || settings.wants("large") {
        passed &= bulk(settings, &sides).await;
    }
    // So few requests take less than a tick of the clock they are measured by.
    passed || settings.is_test
}

/// Turns of each side in one round of requests of one metric.
const SLICES: usize = 10;

/// What a request with its delivery may cost in units of bare hyper, and what it should.
const DELIVERING_MOST: f64 = 1.8;
const DELIVERING_AIM: f64 = 1.4;

/// A side of a round and its name.
type Named<T> = (&'static str, fn(&T) -> &Run);

/// One round of requests of one metric.
#[derive(Default)]
struct One {
    bare: Run,
    memory: Run,
    filling: Run,
    delivering: Run,
    fsync: Run,
    sync_ms: f64,
}

async fn one(settings: &Settings, sides: &Sides) -> bool {
    let load = settings.load(64, 60_000 / SLICES, &bodies::metrics(Mix::Gauges, 1));
    let mut rounds = Vec::new();
    // The first round warms up and is not counted.
    for round in 0..=settings.rounds {
        let mut measured = One::default();
        // In slices, so that a machine that changes its pace changes it for all.
        for _ in 0..SLICES {
            measured.bare += sides::bare(&sides.bare, &load).await;
            measured.memory += sides::gateway(&sides.memory, &load).await;
            measured.filling += sides::gateway(&sides.filling, &load).await;
            measured.delivering += sides::gateway(&sides.delivering, &load).await;
            measured.fsync += sides::gateway(&sides.fsync, &load).await;
        }
        measured.sync_ms = sides::bare_sync_ms();
        if round > 0 {
            rounds.push(measured);
        }
    }
    println!("one metric a request, {} bytes, {} connections", load.body_bytes, load.connections);
    let all: [Named<One>; 5] = [
        ("bare", |one| &one.bare),
        ("memory", |one| &one.memory),
        ("filling", |one| &one.filling),
        ("delivering", |one| &one.delivering),
        ("fsync", |one| &one.fsync),
    ];
    for (name, side) in all {
        figure(&format!("{name}: CPU us a request"), &rounds, 2, |one| side(one).cpu_us());
        figure(&format!("{name}: 1,000 requests/s"), &rounds, 1, |one| {
            side(one).requests_per_second() / 1e3
        });
    }
    figure("bare fdatasync of 4 KiB: ms", &rounds, 2, |one| one.sync_ms);
    let cost = |what: &str, bound, side: fn(&One) -> &Run| {
        ratio(&format!("CPU a request, {what} / bare"), &rounds, bound, |one| {
            side(one).cpu_us() / one.bare.cpu_us()
        })
    };
    cost("memory durability, nobody there", Bound::None, |one| &one.filling);
    let bound = Bound::most(DELIVERING_MOST, DELIVERING_AIM);
    let delivering = cost("memory durability, delivering all", bound, |one| &one.delivering);
    let bound = Bound::most(1.3, 1.05);
    let memory = cost("memory durability, nothing to deliver", bound, |one| &one.memory);
    let rate = ratio("requests/s: fsync / memory", &rounds, Bound::least(0.3, 0.6), |one| {
        one.fsync.requests_per_second() / one.memory.requests_per_second()
    });
    memory && delivering && rate
}

/// One round of bodies of many metrics.
struct Bulk {
    batch: Run,
    large: Run,
    batch_fsync: Run,
    large_fsync: Run,
    sync_ms: f64,
}

async fn bulk(settings: &Settings, sides: &Sides) -> bool {
    let batch = settings.load(16, 1_000, &bodies::metrics(Mix::Mixed, 1_000));
    let large = settings.load(4, 16, &bodies::metrics_filling(Mix::Mixed, 20 << 20));
    let mut rounds = Vec::new();
    for round in 0..=settings.rounds {
        let measured = Bulk {
            batch: sides::gateway(&sides.memory, &batch).await,
            large: sides::gateway(&sides.memory, &large).await,
            batch_fsync: sides::gateway(&sides.fsync, &batch).await,
            large_fsync: sides::gateway(&sides.fsync, &large).await,
            sync_ms: sides::bare_sync_ms(),
        };
        if round > 0 {
            rounds.push(measured);
        }
    }
    println!(
        "{} mixed metrics a request, {} bytes, {} connections; and {}, {} bytes, {} connections",
        batch.metrics,
        batch.body_bytes,
        batch.connections,
        large.metrics,
        large.body_bytes,
        large.connections
    );
    let all: [Named<Bulk>; 4] = [
        ("batches, memory", |bulk| &bulk.batch),
        ("large, memory", |bulk| &bulk.large),
        ("batches, fsync", |bulk| &bulk.batch_fsync),
        ("large, fsync", |bulk| &bulk.large_fsync),
    ];
    for (name, side) in all {
        figure(&format!("{name}: MB/s"), &rounds, 0, |bulk| side(bulk).bytes_per_second() / 1e6);
        figure(&format!("{name}: CPU us a MB"), &rounds, 0, |bulk| {
            side(bulk).cpu * 1e12 / side(bulk).bytes
        });
    }
    figure("bare fdatasync of 4 KiB: ms", &rounds, 2, |bulk| bulk.sync_ms);
    ratio("bytes/s: large / batches, fsync", &rounds, Bound::None, |bulk| {
        bulk.large_fsync.bytes_per_second() / bulk.batch_fsync.bytes_per_second()
    });
    let durable = ratio("metrics/s: fsync / memory", &rounds, Bound::least(0.45, 0.8), |bulk| {
        bulk.batch_fsync.metrics_per_second() / bulk.batch.metrics_per_second()
    });
    let large = ratio("bytes/s: large / batches", &rounds, Bound::least(0.7, 0.95), |bulk| {
        bulk.large.bytes_per_second() / bulk.batch.bytes_per_second()
    });
    durable && large
}
