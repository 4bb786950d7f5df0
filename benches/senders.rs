//! Bodies of Prometheus-style senders through the pipeline, beside the least that has to be done to them.
//!
//! `cargo bench --bench senders` prints, for each protocol and for bodies of 500 and of 10,000 samples, how
//! many samples a second one core takes from a body to tuples, and the same for the bare floor: the body
//! decompressed and every field of its messages passed over, or its lines found, and nothing kept. Both
//! are measured in turn, in time this thread ran; medians of seven rounds with least and most. The ratio
//! is of each round, which cancels the machine's drift.
//!
//! Remote write comes in a snappy block, as it always does; it is decompressed on both sides. The others
//! come as they are. 500 samples are what an exporter of machine metrics has on one page, and what a
//! Prometheus server puts into one request at most by default is between the two.
//!
//! `--only remote-write-2` keeps the cases whose name starts so; `--seconds 10` runs the pipeline alone for
//! so long, for a profiler.

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "senders/message.rs"]
mod message;
#[path = "senders/page.rs"]
mod page;
#[path = "senders/skip.rs"]
mod skip;
#[path = "support/spread.rs"]
mod spread;

use std::hint::black_box;
use std::sync::Arc;

use cpu_time::timed;
use page::PER_HOST;
use skip::Schema;
use spread::Spread;
use tidegate::decode::inflate::Inflater;
use tidegate::decode::media::Coding;
use tidegate::decode::{Exposition, Format, Otlp, RemoteWrite};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline;

const ROUNDS: usize = 7;

/// Bytes of bodies each side takes in a round.
const ROUND_BYTES: usize = 8 << 20;

/// The default of `limits.body_bytes`.
const BODY_BYTES_MAX: usize = 20 << 20;

struct Case {
    name: String,
    format: Format,
    samples: usize,
    /// As sent.
    body: Vec<u8>,
    /// Of it, once decompressed.
    bytes: usize,
    floor: Floor,
}

/// The least that has to be done to a body.
#[derive(Clone, Copy)]
enum Floor {
    /// Decompressed, and passed over.
    Block(Schema),
    /// Passed over.
    Message(Schema),
    Lines,
}

/// The cases whose name starts with `only`.
fn cases(only: &str) -> Vec<Case> {
    type Body = fn(&[page::Family], usize) -> Vec<u8>;
    const V1: Floor = Floor::Block(Schema::RemoteWrite1);
    const V2: Floor = Floor::Block(Schema::RemoteWrite2);
    const OTLP: Floor = Floor::Message(Schema::Otlp);
    const PROTOCOLS: [(&str, Format, Floor, Body); 5] = [
        ("remote-write-1", Format::RemoteWrite(RemoteWrite::V1), V1, |families, _| {
            message::remote_write_1(families)
        }),
        ("remote-write-2", Format::RemoteWrite(RemoteWrite::V2), V2, |families, _| {
            message::remote_write_2(families)
        }),
        ("text", Format::Exposition(Exposition::Text), Floor::Lines, page::text),
        (
            "openmetrics",
            Format::Exposition(Exposition::OpenMetrics),
            Floor::Lines,
            page::openmetrics,
        ),
        ("otlp", Format::Otlp(Otlp::Protobuf), OTLP, message::otlp),
    ];
    let mut cases = Vec::new();
    for (protocol, format, floor, body) in PROTOCOLS {
        for hosts in [1, 20] {
            let samples = hosts * PER_HOST;
            let name = format!("{protocol}/{samples}");
            if name.starts_with(only) {
                let plain = body(&page::families(hosts), hosts);
                let bytes = plain.len();
                let body = if matches!(floor, Floor::Block(_)) { snappy(&plain) } else { plain };
                cases.push(Case { name, format, samples, body, bytes, floor });
            }
        }
    }
    cases
}

fn snappy(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("short enough")
}

/// Everything the server does between reading a body and queueing its blocks.
fn through_the_pipeline(case: &Case, profile: &Profile, now: Timestamp) {
    let plain;
    let body = match case.floor {
        Floor::Block(_) => {
            let mut inflater = Inflater::new(Coding::Snappy, BODY_BYTES_MAX);
            inflater.push(black_box(&case.body)).expect("sound");
            plain = inflater.finish().expect("whole");
            &plain[..]
        }
        _ => black_box(&case.body[..]),
    };
    let report = pipeline::run(body, case.format, profile, now, &mut |block| {
        black_box(&block.bytes);
        Ok(())
    });
    let report = report.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    assert_eq!(report.accepted as usize, case.samples, "{}: every sample is taken", case.name);
    assert_eq!(report.tuples as usize, case.samples, "{}: each is a tuple", case.name);
}

/// The least of it.
fn bare(case: &Case) {
    let body = black_box(&case.body[..]);
    let passed = match case.floor {
        Floor::Block(schema) => {
            let plain = snap::raw::Decoder::new().decompress_vec(body).expect("sound");
            skip::fields(&plain, schema).expect("a message")
        }
        Floor::Message(schema) => skip::fields(body, schema).expect("a message"),
        Floor::Lines => skip::lines(body),
    };
    assert!(black_box(passed) as usize > case.samples, "{}: all of it was read", case.name);
}

/// One round: seconds for a sample, ours and bare.
struct Round {
    ours: f64,
    bare: f64,
}

fn measure(case: &Case, profile: &Profile, now: Timestamp) -> Vec<Round> {
    let times = (ROUND_BYTES / case.bytes).max(1);
    let samples = (times * case.samples) as f64;
    // The first fills caches and the allocator, and is not counted.
    let rounds = (0..=ROUNDS).map(|_| Round {
        ours: timed(|| (0..times).for_each(|_| through_the_pipeline(case, profile, now))) / samples,
        bare: timed(|| (0..times).for_each(|_| bare(case))) / samples,
    });
    rounds.skip(1).collect()
}

fn table(cases: &[Case], profile: &Profile, now: Timestamp) {
    println!(
        "{:<22}{:>10}{:>10}{:>10}{:>26}{:>26}  of bare",
        "case", "bytes", "sent", "MB/s", "M samples/s", "bare, M samples/s"
    );
    for case in cases {
        let rounds = measure(case, profile, now);
        let ours = Spread::of(&rounds, |round| 1e-6 / round.ours);
        let bare = Spread::of(&rounds, |round| 1e-6 / round.bare);
        let ratio = Spread::of(&rounds, |round| round.bare / round.ours);
        let megabytes = ours.median * case.bytes as f64 / case.samples as f64;
        let (ours, bare) = (format!("{ours:.2}"), format!("{bare:.1}"));
        println!(
            "{:<22}{:>10}{:>10}{megabytes:>10.0}{ours:>26}{bare:>26}  {ratio:.3}",
            case.name,
            case.bytes,
            case.body.len(),
        );
    }
}

fn main() {
    let option = |name: &str| std::env::args().skip_while(|arg| arg != name).nth(1);
    let cases = cases(&option("--only").unwrap_or_default());
    let profile = Profile::new(Arc::new(Policy::default()), Some("gateway-1"), &[]);
    let now = Timestamp::parse("2026-11-22T10:30:00Z").expect("a valid instant");
    // `cargo test --benches` passes --test: each case once, no timing.
    if std::env::args().any(|arg| arg == "--test") {
        for case in &cases {
            through_the_pipeline(case, &profile, now);
            bare(case);
        }
        return;
    }
    let Some(seconds) = option("--seconds") else { return table(&cases, &profile, now) };
    let seconds: f64 = seconds.parse().expect("--seconds is followed by a number");
    for case in &cases {
        let mut ran = 0.0;
        while ran < seconds {
            ran += timed(|| through_the_pipeline(case, &profile, now));
        }
    }
}
