//! How the pipeline scales, in process: over threads, over metrics a body, over distinct series.
//!
//! `cargo bench --bench scale` prints three tables and fails if two threads do less than 1.6 times the
//! work of one on any body, or if the instructions of a metric change by more than a tenth where
//! nothing should change.
//!
//! - *Threads*: bytes in to tuples out on one thread and on two, in turn, median of seven rounds. The
//!   threads share the source's profile and nothing else, and the kernel places them. A loop that
//!   stays in registers and serde_json skipping a body run in the same rounds: what the machine itself
//!   gives two threads. Two virtual cores that are one physical core give less than twice, for every
//!   row.
//! - *Metrics a body*: what one metric costs in bodies of 1 to 100,000. From 100 on it should not
//!   change; what a body costs besides its metrics is the first row's excess.
//! - *Distinct series*: what one metric costs when a million are drawn from 1 to 1,000,000 series.
//!   The pipeline remembers no series, so nothing should change.
//!
//! Costs are counted in instructions where valgrind is installed: the bench starts itself under
//! callgrind, which counts the second of two runs over the same body, without what the kernel does.
//! Beside them stands the time the thread ran, median of seven, which page faults and caches are part
//! of and noise too. `--threads`, `--metrics` and `--series` print one table alone.

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "scale/curves.rs"]
mod curves;
#[path = "scale/instructions.rs"]
mod instructions;
#[path = "scale/threads.rs"]
mod threads;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use tidegate::decode::Format;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline;

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 7;

/// A body and how it is written.
#[derive(Clone)]
struct Body {
    format: Format,
    bytes: Vec<u8>,
    metrics: usize,
}

fn profile() -> Profile {
    Profile::new(Arc::new(Policy::default()), Some("gateway-1"), &[])
}

/// Everything the server does between reading a body and queueing its blocks.
fn through_the_pipeline(body: &Body, profile: &Profile) {
    let now = Timestamp::parse("2026-11-22T10:30:00Z").expect("a valid instant");
    let report = pipeline::run(black_box(&body.bytes), body.format, profile, now, &mut |block| {
        black_box(&block.bytes);
        Ok(())
    });
    let report = report.expect("the bodies are sound");
    assert_eq!(report.accepted as usize, body.metrics, "every metric is taken");
}

/// Median, least and most of measurements that are all there.
fn spread(mut measured: Vec<f64>) -> (f64, f64, f64) {
    measured.sort_by(f64::total_cmp);
    (measured[measured.len() / 2], measured[0], measured[measured.len() - 1])
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if let Some(at) = args.iter().position(|arg| arg == "--once") {
        curves::once(args.get(at + 1).expect("--once is followed by what to run"));
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` passes --test: nothing is timed.
    if has("--test") {
        curves::once("metrics/json/10");
        return ExitCode::SUCCESS;
    }
    let all = !["--threads", "--metrics", "--series"].iter().any(|flag| has(flag));
    let mut sound = true;
    if all || has("--metrics") {
        sound &= curves::over_metrics();
    }
    if all || has("--series") {
        sound &= curves::over_series();
    }
    if all || has("--threads") {
        sound &= threads::table();
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
