//! Instructions, counted under valgrind: the same figures on an idle machine and on a busy one.
//!
//! ```text
//! .ci/counts                     # counts, and compares with the committed baseline
//! BASELINE=write .ci/counts      # counts, and writes the baseline anew
//! ```
//!
//! * `decode`: a body through the whole pipeline, which reads and writes in one pass: one metric, 1,000
//!   gauges, 1,000 mixed metrics, and the gauges in a form that the straight lane of the pipeline
//!   leaves (`general`) as JSON, the gauges as NDJSON and as MessagePack; the 500 samples of a machine as
//!   both texts of Prometheus, both versions of remote write (decompressed beforehand) and OTLP.
//! * `skip`: our JSON reader alone over the 1,000 gauges, keeping nothing.
//! * `inflate`: the 1,000 gauges out of gzip.
//! * `encode`: expansion and encoding alone, of 1,000 mixed metrics that were read beforehand. Their texts
//!   stand in the body, as those of every metric do.
//!
//! Bodies are made and taken apart outside of what is counted. The count is of this build's instructions
//! on the processor that valgrind shows the program: baselines say which one, and fit no other.

#![expect(missing_docs, reason = "gungraun's macros make items of their own")]

#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/general.rs"]
mod general;
#[path = "senders/message.rs"]
mod message;
#[path = "senders/page.rs"]
mod page;
#[path = "counts/sent.rs"]
mod sent;

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use bodies::Mix;
use flate2::Compression;
use flate2::write::GzEncoder;
use general::general;
use gungraun::prelude::*;
use gungraun::{Callgrind, LibraryBenchmarkConfig};
use sent::Sent;
use tidegate::decode::buffer::Buffer;
use tidegate::decode::inflate::Inflater;
use tidegate::decode::json::JsonReader;
use tidegate::decode::media::Coding;
use tidegate::decode::{Exposition, Format, Otlp, RemoteWrite};
use tidegate::encode::{Block, Encoder, Escapes, Outlook, Source};
use tidegate::expand::expand;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline;
use tidegate::pipeline::report::Report;

/// The default of `limits.body_bytes`.
const BODY_BYTES_MAX: usize = 20 << 20;

/// The default of `limits.expanded_bytes`.
const EXPANDED_BYTES_MAX: u64 = 128 << 20;

/// A body and all that is there before it comes.
struct Arrival {
    body: Vec<u8>,
    format: Format,
    profile: Profile,
    now: Timestamp,
}

fn arrival(format: Format, mix: Mix, count: usize) -> Arrival {
    arrival_of(format, &bodies::metrics(mix, count))
}

/// Every metric has to take the general road.
fn general_arrival(count: usize) -> Arrival {
    arrival_of(Format::Json, &general(&bodies::metrics(Mix::Gauges, count)))
}

fn arrival_of(format: Format, metrics: &[String]) -> Arrival {
    let body = match format {
        Format::Ndjson => bodies::ndjson(metrics),
        Format::MessagePack => bodies::messagepack(metrics),
        _ => bodies::json_array(metrics),
    };
    arrived(format, body)
}

/// What one machine measures.
fn machine(format: Format) -> Arrival {
    let families = page::families(1);
    let body = match format {
        Format::Exposition(Exposition::Text) => page::text(&families, 1),
        Format::Exposition(Exposition::OpenMetrics) => page::openmetrics(&families, 1),
        Format::RemoteWrite(RemoteWrite::V1) => message::remote_write_1(&families),
        Format::RemoteWrite(RemoteWrite::V2) => message::remote_write_2(&families),
        _ => message::otlp(&families, 1),
    };
    arrived(format, body)
}

fn arrived(format: Format, body: Vec<u8>) -> Arrival {
    let profile = Profile::new(Arc::new(Policy::default()), Some("gateway-1"), &[]);
    let now = Timestamp::parse("2026-11-22T10:30:00Z").expect("a valid instant");
    Arrival { body, format, profile, now }
}

// What is counted begins and ends where a function of such a module does, and a closure in one would be
// one more of them: the work stands in functions outside.

#[library_benchmark]
#[bench::json_1(arrival(Format::Json, Mix::Gauges, 1))]
#[bench::json_1000(arrival(Format::Json, Mix::Gauges, 1_000))]
#[bench::json_1000_mixed(arrival(Format::Json, Mix::Mixed, 1_000))]
#[bench::json_1000_general(general_arrival(1_000))]
#[bench::ndjson_1000(arrival(Format::Ndjson, Mix::Gauges, 1_000))]
#[bench::msgpack_1000(arrival(Format::MessagePack, Mix::Gauges, 1_000))]
#[bench::text_500(machine(Format::Exposition(Exposition::Text)))]
#[bench::openmetrics_500(machine(Format::Exposition(Exposition::OpenMetrics)))]
#[bench::remote_write_1_500(machine(Format::RemoteWrite(RemoteWrite::V1)))]
#[bench::remote_write_2_500(machine(Format::RemoteWrite(RemoteWrite::V2)))]
#[bench::otlp_500(machine(Format::Otlp(Otlp::Protobuf)))]
fn decode(arrival: Arrival) -> (Arrival, Report, Vec<Block>) {
    through_the_pipeline(black_box(arrival))
}

#[library_benchmark]
#[bench::json_1000(arrival(Format::Json, Mix::Gauges, 1_000))]
fn skip(arrival: Arrival) -> Arrival {
    skipped(black_box(arrival))
}

#[library_benchmark]
#[bench::gzip_1000(gzipped())]
fn inflate(gzipped: Vec<u8>) -> (Vec<u8>, Buffer) {
    inflated(black_box(gzipped))
}

#[library_benchmark]
#[bench::mixed_1000(sent::read(Mix::Mixed, 1_000))]
fn encode(sent: Sent) -> (Sent, Block) {
    encoded(black_box(sent))
}

// What was taken is given back, so that nothing is freed while it counts.

#[inline(never)]
fn through_the_pipeline(arrival: Arrival) -> (Arrival, Report, Vec<Block>) {
    let mut blocks = Vec::with_capacity(8);
    let Arrival { body, format, profile, now } = &arrival;
    let report = pipeline::run(body, *format, profile, *now, &mut |block| {
        blocks.push(block);
        Ok(())
    });
    let report = report.expect("the bodies are sound");
    let is_clean = report.errors.is_empty() && report.warnings.is_empty();
    assert!(is_clean, "every metric is taken as sent");
    (arrival, report, blocks)
}

#[inline(never)]
fn skipped(arrival: Arrival) -> Arrival {
    let arena = bumpalo::Bump::new();
    let text = str::from_utf8(&arrival.body).expect("JSON is text");
    JsonReader::new(text, &arena).check().expect("the bodies are sound");
    arrival
}

#[inline(never)]
fn inflated(gzipped: Vec<u8>) -> (Vec<u8>, Buffer) {
    let mut inflater = Inflater::new(Coding::Gzip, BODY_BYTES_MAX);
    inflater.push(&gzipped).expect("it is sound");
    let whole = inflater.finish().expect("it is whole");
    (gzipped, whole)
}

#[inline(never)]
fn encoded(sent: Sent) -> (Sent, Block) {
    let mut encoder = Encoder::new(Outlook {
        body_bytes: sent.body.len(),
        bytes_max: EXPANDED_BYTES_MAX,
        always_raw: false,
    });
    let source = Source { body: sent.body, escapes: Escapes::Never };
    for metric in &sent.metrics {
        encoder.begin();
        expand(metric, |sample| encoder.push(metric, &sample, source)).expect("they are few");
    }
    let block = encoder.last().expect("there are some");
    (sent, block)
}

fn gzipped() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let body = bodies::json_array(&bodies::metrics(Mix::Gauges, 1_000));
    encoder.write_all(&body).expect("a Vec takes every byte");
    encoder.finish().expect("a Vec takes every byte")
}

library_benchmark_group!(name = counts, benchmarks = [decode, skip, inflate, encode]);

main!(
    // Nobody asks here how often a made-up cache would have missed.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = counts
);
