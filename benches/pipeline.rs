//! The pipeline, bytes in to tuples out, beside serde_json, or `rmp`, skipping the same bytes.
//!
//! `cargo bench --bench pipeline` prints criterion's figures for each format, mix and size and for each
//! stage, and then a table of ratios: pipeline and ceiling measured in turn, median of many pairs, in time this
//! thread ran. Only the ratios mean anything on a noisy machine.
//!
//! `cargo bench --bench pipeline -- --ratios` prints the table alone and fails if a JSON body falls
//! below the floor, 0.35 of the ceiling, or a MessagePack body below 0.5 of `rmp`'s. `--only
//! json/gauges` keeps the cases whose name starts so.

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/cpu_time.rs"]
mod cpu_time;
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
    cases
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

/// The least share of its ceiling a body of the format may reach.
fn floor(format: Format) -> Option<f64> {
    match format {
        Format::Json => Some(0.35),
        Format::MessagePack => Some(0.5),
        Format::JsonStream | Format::Ndjson => None,
    }
}

/// How long skipping the case took, as JSON and as itself.
fn skips(case: &Case, rounds: usize) -> [f64; 2] {
    let json = timed(|| (0..rounds).for_each(|_| skip(&case.json)));
    let own = match case.format {
        Format::MessagePack => timed(|| {
            (0..rounds).for_each(|_| _ = black_box(rmp_skip::skip(black_box(&case.body))));
        }),
        _ => json,
    };
    [json / rounds as f64, own / rounds as f64]
}

/// Pipeline and ceilings in turn; the ratio of each pair cancels the machine's drift. The names of the
/// cases below their floor.
fn ratios(cases: &[Case]) -> Vec<&str> {
    const PAIRS: usize = 41;
    let (profile, now) = (profile(), now());
    println!(
        "\n{:<24}{:>12}{:>14}{:>16}{:>10}{:>16}{:>10}",
        "case", "MB/s", "M metrics/s", "skip JSON MB/s", "ratio", "skip own MB/s", "ratio"
    );
    let mut missed = Vec::new();
    for case in cases {
        let rounds = (1_000_000 / case.body.len()).clamp(1, 20_000);
        let mut rows: Vec<[f64; 3]> = (0..PAIRS)
            .map(|_| {
                let ours = timed(|| {
                    for _ in 0..rounds {
                        black_box(through_the_pipeline(case, &profile, now));
                    }
                });
                let [json, own] = skips(case, rounds);
                [ours / rounds as f64, json, own]
            })
            .collect();
        let mut median = |of: fn(&[f64; 3]) -> f64| {
            rows.sort_by(|a, b| of(a).total_cmp(&of(b)));
            of(&rows[PAIRS / 2])
        };
        // For MessagePack the first ratio compares equal metrics, not equal bytes.
        let (of_json, of_own) = (median(|row| row[1] / row[0]), median(|row| row[2] / row[0]));
        println!(
            "{:<24}{:>12.0}{:>14.2}{:>16.0}{of_json:>10.2}{:>16.0}{of_own:>10.2}",
            case.name,
            case.body.len() as f64 / median(|row| row[0]) / 1e6,
            case.metrics as f64 / median(|row| row[0]) / 1e6,
            case.json.len() as f64 / median(|row| row[1]) / 1e6,
            case.body.len() as f64 / median(|row| row[2]) / 1e6,
        );
        if floor(case.format).is_some_and(|floor| of_own < floor) {
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
