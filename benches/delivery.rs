//! Delivery alone, from the durable log to a receiver that takes everything, beside bare hyper posting
//! the same bodies in the same run.
//!
//! ```text
//! cargo bench --bench delivery
//! ```
//!
//! * `tidegate`: a log on a disk is emptied by the real forwarder: lease, envelope, compression, POST,
//!   acknowledgement. Its tuples are what the pipeline makes of a fleet's requests; its files are in the
//!   operating system's cache, as those of a queue that keeps up are.
//! * `bare`: hyper's own client, the same bodies packed beforehand, so nothing but HTTP and the socket.
//!   It has as many requests in flight as the adaptive limit of the gateway allowed on average in the
//!   same round, all of them on the wire, and posts everything several times: once takes milliseconds.
//!
//! The receiver is a process of its own with one thread, which reads bodies and answers 200: its time is
//! not counted, but it needs a core. CPU is all this process ran, its kernel side included.
//!
//! How to read it: the ratio of MB/s says how far delivery is from the wire, the ratio of CPU how much
//! work a tuple costs beyond being sent. Most of both is what bare does not do: packing (compressing;
//! without it large blocks are posted from where they lie) and reading the log. Each of the two is
//! measured on its own as well, and taken as a share of tidegate's CPU; "posting alone" is what is left, in
//! units of bare. That is a difference of large numbers: believe it no further than its spread. Adaptive
//! deliveries begin with one in flight, so their runs include the growth. A limit that stays low means
//! that deliveries took longer with more of them in flight, which here is for want of cores.
//!
//! # Why blocks are not deflated when they are accepted
//!
//! It was tried on the same tuples: each block deflated once, before it is queued, ended on a byte
//! boundary, and the blocks joined on the way out by their checksums. Against deflating at delivery, for
//! 1,000 metrics a request, durable, one receiver, five interleaved rounds on two cores:
//!
//! | | once / at delivery |
//! |---|---|
//! | CPU from JSON to a packed body, mixed bodies, two runs | 0.95 (0.78 to 1.08), 0.87 (0.72 to 1.04) |
//! | the same, gauges | 1.01 (0.92 to 1.21) |
//! | the same with a packer 1.4 times as fast, mixed | 0.95 (0.82 to 1.11) |
//! | durable requests a second, mixed, that packer | 0.78 (0.73 to 1.01) |
//!
//! With one receiver there is next to nothing to save: each tuple is deflated once either way, and it costs
//! what clients wait for. Small blocks lose ratio as well: of two tuples they reach a third, of ten two
//! thirds of what a full request does. A queue that holds seven times as much, or several receivers,
//! would be reasons; the CPU of one receiver is none.
//!
//! Packers over blocks of 1,000 tuples, in units of zlib-rs at level 1, with their ratio (its own: 6.8):
//! zlib-rs level 2 0.6 (9.1), libdeflate level 1 0.6 (9.5), Huffman codes alone 0.2 (1.6), a hash table and
//! fixed codes written for nothing but tuples 1.3 to 1.5 (7.3).
//!
//! Every round measures everything once, in turn; printed are the medians over the rounds, of ratios
//! the median of each round's own, with the least and the most. Options behind `--`: `--rounds N` (7),
//! `--tuples N` (2,000,000), `--metrics N` (of each request in the log, 1,000).

#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[expect(dead_code, reason = "the bench of the edge asks for its process")]
#[path = "support/again.rs"]
mod again;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/spread.rs"]
mod spread;
#[path = "delivery/backlog.rs"]
mod backlog;
#[path = "delivery/bare.rs"]
mod bare;
#[path = "delivery/measure.rs"]
mod measure;
#[path = "delivery/null.rs"]
mod null;
#[path = "delivery/table.rs"]
mod table;

use tidegate::config::Compression;
use tokio::runtime::Runtime;

use backlog::Backlog;
use measure::{Packed, Requests};
use null::Null;
use table::{Amounts, Round};

/// In this order every round measures them.
const COMPRESSIONS: [Compression; 2] = [Compression::Deflate, Compression::Identity];

/// Most in flight: one after the other, and the default of `receiver.concurrency`.
const CONCURRENCIES: [usize; 2] = [1, 16];

struct Settings {
    rounds: usize,
    tuples: u64,
    metrics: usize,
}

impl Settings {
    fn read() -> Self {
        // `cargo test --benches` passes --test: a small one, to see that it works.
        let is_test = std::env::args().any(|arg| arg == "--test");
        Self {
            rounds: number("--rounds", if is_test { 1 } else { 7 }),
            tuples: number("--tuples", if is_test { 30_000 } else { 2_000_000 }) as u64,
            metrics: number("--metrics", 1_000),
        }
    }
}

fn number(name: &str, default: usize) -> usize {
    let text = std::env::args().skip_while(|arg| arg != name).nth(1);
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}"))
    })
}

/// The cases of one encoding, side by side.
struct Encoded {
    packed: Packed,
    cases: [Vec<Round>; CONCURRENCIES.len()],
}

fn main() {
    if std::env::args().any(|arg| arg == null::ARGUMENT) {
        return null::run();
    }
    let settings = Settings::read();
    // As the gateway's own.
    let runtime = Runtime::new().expect("a runtime");
    let null = Null::start();
    let backlog = runtime.block_on(Backlog::write(settings.tuples, settings.metrics));
    let requests = runtime.block_on(Requests::of(&backlog));
    let mut encoded = COMPRESSIONS.map(|compression| Encoded {
        packed: requests.packed(compression),
        cases: Default::default(),
    });
    // The first round warms up and is not counted.
    for round in 0..=settings.rounds {
        for encoded in &mut encoded {
            let measured = measure(&runtime, &null, &backlog, &requests, &encoded.packed);
            for (rounds, measured) in encoded.cases.iter_mut().zip(measured) {
                if round > 0 {
                    rounds.push(measured);
                }
            }
        }
    }
    print(&settings, &backlog, &requests, &encoded);
}

/// One round of one encoding.
fn measure(
    runtime: &Runtime,
    null: &Null,
    backlog: &Backlog,
    requests: &Requests,
    packed: &Packed,
) -> [Round; CONCURRENCIES.len()] {
    let log = runtime.block_on(measure::log(backlog, requests.want()));
    let pack = requests.pack_seconds(packed.compression);
    CONCURRENCIES.map(|cap| {
        let delivery = measure::tidegate(backlog, null, packed, cap);
        let (tidegate, limits) = runtime.block_on(delivery);
        let in_flight = limits.mean.round() as usize;
        let bare = runtime.block_on(measure::bare(null, packed, in_flight));
        Round { tidegate, limits, bare, pack, log }
    })
}

fn print(settings: &Settings, backlog: &Backlog, requests: &Requests, encoded: &[Encoded]) {
    let (tuples, count) = (backlog.tuples(), requests.parts.len() as f64);
    println!(
        "{tuples} tuples in {count} requests, {:.2} MB raw each; rounds: {}, median (least to most)",
        requests.raw_bytes as f64 / 1e6 / count,
        settings.rounds,
    );
    table::head();
    for Encoded { packed, cases } in encoded {
        let raw_bytes = requests.raw_bytes;
        let amounts = Amounts { tuples, raw_bytes, wire_bytes: packed.bytes };
        for (cap, rounds) in CONCURRENCIES.into_iter().zip(cases) {
            table::case(packed.compression, cap, rounds, amounts);
        }
        table::parts(packed.compression, &cases[0], amounts);
    }
}
