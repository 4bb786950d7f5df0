//! The pipeline, bytes in to tuples out, beside a library skipping the same bytes.
//!
//! `cargo bench --bench pipeline` prints criterion's figures for each format, mix and size and for each
//! stage, and then a table of ratios: pipeline and ceiling measured in turn, median of many pairs, in time this
//! thread ran. Only the ratios mean anything on a noisy machine.
//!
//! The ceiling is the library's own skip, `IgnoredAny`: serde_json's for JSON, which checks the grammar
//! and the UTF-8, and rmp-serde's for MessagePack, which checks the UTF-8. Neither keeps anything. Two
//! more columns are for reading, without a floor: the same metrics skipped as JSON, and MessagePack
//! passed from marker to marker, where no byte of any text is looked at: a program that keeps texts
//! cannot come near.
//!
//! `cargo bench --bench pipeline -- --ratios` prints the table alone and fails if a JSON body falls
//! below the floor, 0.35 of the ceiling, or a MessagePack body of 1,000 metrics or more below 0.5 of its.
//! One of one metric has no floor: rules, an encoder and a report are made for each body, whatever is in
//! it, and a skip of a hundred bytes has nothing like them. `--only json/gauges` keeps the cases whose
//! name starts so.
//!
//! `--guard` prints instead what the guard of series (`quota`) costs: time a metric without it, and with it
//! where all series are known, all are refused, or all lose a tag.
//!
//! `json/leaving` is the worst that sound metrics can do: every one holds an array in a member nobody
//! reads and a letter beyond ASCII in a tag, so none is read straight (`pipeline::lane`).

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "pipeline/guard.rs"]
mod guard;
#[path = "support/rmp_skip.rs"]
mod rmp_skip;
#[path = "pipeline/stages.rs"]
mod stages;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bodies::Mix;
use cpu_time::timed;
use criterion::{BenchmarkId, Criterion, Throughput};
use serde::de::IgnoredAny;
use tidegate::decode::Format;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline;

struct Case {
    name: String,
    format: Format,
    metrics: usize,
    body: Vec<u8>,
    /// The same metrics as JSON, for the ceiling.
    json: Vec<u8>,
}

/// The cases whose name starts with `only`; the others are not even built.
fn cases(only: &str) -> Vec<Case> {
    type Body = fn(&[String]) -> Vec<u8>;
    const FORMATS: [(&str, Format, Body); 3] = [
        ("json", Format::Json, bodies::json_array),
        ("ndjson", Format::Ndjson, bodies::ndjson),
        ("msgpack", Format::MessagePack, bodies::messagepack),
    ];
    let mut cases = Vec::new();
    for (mix_name, mix) in [("gauges", Mix::Gauges), ("mixed", Mix::Mixed)] {
        for (size, count) in [("1", 1), ("1000", 1_000), ("20MiB", 0)] {
            let name = |format: &str| format!("{format}/{mix_name}/{size}");
            if !FORMATS.iter().any(|(format, ..)| name(format).starts_with(only)) {
                continue;
            }
            let metrics = match count {
                0 => bodies::metrics_filling(mix, 20 << 20),
                count => bodies::metrics(mix, count),
            };
            for (format_name, format, body) in FORMATS {
                let name = name(format_name);
                if name.starts_with(only) {
                    let (metrics, body, json) =
                        (metrics.len(), body(&metrics), bodies::json_array(&metrics));
                    cases.push(Case { name, format, metrics, body, json });
                }
            }
        }
    }
    cases.extend(leaving().filter(|case| case.name.starts_with(only)));
    cases
}

/// Bodies whose metrics all leave the straight lane.
fn leaving() -> impl Iterator<Item = Case> {
    [("1000", 1_000), ("100000", 100_000)].into_iter().map(|(size, count)| {
        let leave = |metric: &String| {
            let members = metric.strip_prefix('{').expect("an object");
            let wild = members.replacen("\"tags\":{", "\"tags\":{\"city\":\"Orl\u{e9}ans\",", 1);
            assert_ne!(members, wild, "every metric has tags");
            format!("{{\"unread\":[1,2],{wild}")
        };
        let metrics: Vec<_> = bodies::metrics(Mix::Gauges, count).iter().map(leave).collect();
        let json = bodies::json_array(&metrics);
        let (name, body) = (format!("json/leaving/{size}"), json.clone());
        Case { name, format: Format::Json, metrics: count, body, json }
    })
}

fn profile() -> Profile {
    Profile::new(Arc::new(Policy::default()), Some("gateway-1"), &[])
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T10:30:00Z").expect("a valid instant")
}

/// Everything the server does between reading a body and queueing its blocks.
fn through_the_pipeline(case: &Case, profile: &Profile, now: Timestamp) -> u64 {
    let mut bytes = 0;
    let report = pipeline::run(&case.body, case.format, profile, now, &mut |block| {
        bytes += black_box(&block.bytes).len();
        Ok(())
    });
    let report = report.expect("the bodies are sound");
    assert_eq!(report.accepted as usize, case.metrics, "{}: every metric is taken", case.name);
    bytes as u64
}

fn skip(json: &[u8]) {
    serde_json::from_slice::<IgnoredAny>(black_box(json)).expect("the bodies are sound");
}

fn criterion_figures(cases: &[Case]) {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    let (profile, now) = (profile(), now());
    let mut group = criterion.benchmark_group("pipeline");
    for case in cases {
        group.throughput(Throughput::Bytes(case.body.len() as u64));
        group.bench_with_input(BenchmarkId::new("run", &case.name), case, |bencher, case| {
            bencher.iter(|| through_the_pipeline(case, &profile, now));
        });
    }
    group.finish();
    stages::figures(&mut criterion, &profile, now);
    criterion.final_summary();
}

/// The least share of its library's skip the case may reach.
fn floor(case: &Case) -> Option<f64> {
    match case.format {
        Format::Json => Some(0.35),
        Format::MessagePack => (case.metrics >= 1_000).then_some(0.5),
        _ => None,
    }
}

/// How long skipping the case took by its own library, as JSON, and from marker to marker.
fn skips(case: &Case, rounds: usize) -> [f64; 3] {
    let json = timed(|| (0..rounds).for_each(|_| skip(&case.json)));
    let [own, markers] = if case.format == Format::MessagePack {
        let body = || black_box(&case.body);
        let own = timed(|| (0..rounds).for_each(|_| rmp_skip::library(body())));
        let markers = timed(|| (0..rounds).for_each(|_| _ = black_box(rmp_skip::markers(body()))));
        [own, markers]
    } else {
        [json, f64::NAN]
    };
    [own, json, markers].map(|seconds| seconds / rounds as f64)
}

/// Pipeline and ceilings in turn; the ratio of each pair cancels the machine's drift. The names of the
/// cases below their floor.
fn ratios(cases: &[Case]) -> Vec<&str> {
    const PAIRS: usize = 41;
    let (profile, now) = (profile(), now());
    println!(
        "\n{:<24}{:>8}{:>13}{:>16}{:>8}{:>18}{:>14}",
        "case", "MB/s", "M metrics/s", "own skip MB/s", "ratio", "of JSON skipped", "of markers"
    );
    let mut missed = Vec::new();
    for case in cases {
        let rounds = (1_000_000 / case.body.len()).clamp(1, 20_000);
        let mut rows: Vec<[f64; 4]> = (0..PAIRS)
            .map(|_| {
                let ours = timed(|| {
                    for _ in 0..rounds {
                        black_box(through_the_pipeline(case, &profile, now));
                    }
                });
                let [own, json, markers] = skips(case, rounds);
                [ours / rounds as f64, own, json, markers]
            })
            .collect();
        let mut median = |of: fn(&[f64; 4]) -> f64| {
            rows.sort_by(|a, b| of(a).total_cmp(&of(b)));
            of(&rows[PAIRS / 2])
        };
        // Of JSON: equal metrics are compared, not equal bytes.
        let [of_own, of_json, of_markers] = [
            median(|row| row[1] / row[0]),
            median(|row| row[2] / row[0]),
            median(|row| row[3] / row[0]),
        ];
        let of_markers =
            if of_markers.is_nan() { "-".to_owned() } else { format!("{of_markers:.2}") };
        println!(
            "{:<24}{:>8.0}{:>13.2}{:>16.0}{of_own:>8.2}{of_json:>18.2}{of_markers:>14}",
            case.name,
            case.body.len() as f64 / median(|row| row[0]) / 1e6,
            case.metrics as f64 / median(|row| row[0]) / 1e6,
            case.body.len() as f64 / median(|row| row[1]) / 1e6,
        );
        if floor(case).is_some_and(|floor| of_own < floor) {
            missed.push(case.name.as_str());
        }
    }
    missed
}

fn main() -> ExitCode {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    let only = std::env::args().skip_while(|arg| arg != "--only").nth(1).unwrap_or_default();
    let cases = cases(&only);
    // `cargo test --benches` passes --test: each case once, no timing.
    if has("--test") {
        for case in &cases {
            through_the_pipeline(case, &profile(), now());
        }
        return ExitCode::SUCCESS;
    }
    if has("--guard") {
        guard::ratios(&cases, &profile(), now());
        return ExitCode::SUCCESS;
    }
    if !has("--ratios") {
        criterion_figures(&cases);
    }
    let missed = ratios(&cases);
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("FLOOR MISSED: {}", missed.join(", "));
    // After criterion's figures the table is for reading; on its own it is a test.
    if has("--ratios") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
