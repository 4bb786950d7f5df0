//! Two threads against one.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::bodies::{self, Mix};
use super::{Body, ROUNDS, profile, spread, through_the_pipeline};

use serde::de::IgnoredAny;
use tidegate::decode::Format;
use tidegate::normalize::Profile;

/// The least two threads may do, in what one does.
const FLOOR: f64 = 1.6;

/// How long one thread works for one measurement, about.
const A_WHILE: Duration = Duration::from_millis(150);

/// What a row has its threads do over and over.
enum Work {
    /// Nothing that leaves the registers: what two cores are.
    Loop,
    /// serde_json skipping: reads memory and writes none.
    Skip,
    Pipeline,
}

struct Row {
    name: &'static str,
    work: Work,
    body: Body,
    /// How often one thread does it for one measurement.
    times: usize,
}

/// Prints the table; false if the pipeline is below the floor in any row.
pub(crate) fn table() -> bool {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("\ntwo threads against one ({cores} cores may be used)");
    if cores < 2 {
        println!("not measured: there is one core");
        return true;
    }
    let profile = profile();
    let mut rows = rows();
    for row in &mut rows {
        let once = wall(row, 1, &profile).as_secs_f64();
        row.times = ((A_WHILE.as_secs_f64() / once) as usize).max(1);
    }
    let mut ratios = vec![Vec::new(); rows.len()];
    // The first round is to warm up.
    for round in 0..=ROUNDS {
        for (row, ratios) in rows.iter().zip(&mut ratios) {
            let one = wall(row, 1, &profile).as_secs_f64();
            let two = wall(row, 2, &profile).as_secs_f64();
            if round > 0 {
                ratios.push(2.0 * one / two);
            }
        }
    }
    println!("{:<28}{:>10}{:>18}", "", "ratio", "min .. max");
    let mut sound = true;
    for (row, ratios) in rows.iter().zip(ratios) {
        let (ratio, least, most) = spread(ratios);
        println!("{:<28}{ratio:>10.2}{:>18}", row.name, format!("{least:.2} .. {most:.2}"));
        if matches!(row.work, Work::Pipeline) && ratio < FLOOR {
            println!("FLOOR MISSED ({FLOOR}): {}", row.name);
            sound = false;
        }
    }
    sound
}

fn rows() -> Vec<Row> {
    let thousand = bodies::metrics(Mix::Mixed, 1_000);
    let large = bodies::metrics_filling(Mix::Mixed, 20 << 20);
    let json = |metrics: &[String]| Body {
        format: Format::Json,
        bytes: bodies::json_array(metrics),
        metrics: metrics.len(),
    };
    let messagepack = Body {
        format: Format::MessagePack,
        bytes: bodies::messagepack(&thousand),
        metrics: thousand.len(),
    };
    let row = |name, work, body| Row { name, work, body, times: 1 };
    vec![
        row("loop in registers", Work::Loop, messagepack.clone()),
        row("serde_json skip 1000", Work::Skip, json(&thousand)),
        row("serde_json skip 20MiB", Work::Skip, json(&large)),
        row("json/mixed/1000", Work::Pipeline, json(&thousand)),
        row("json/mixed/20MiB", Work::Pipeline, json(&large)),
        row("msgpack/mixed/1000", Work::Pipeline, messagepack),
    ]
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// How long `threads` threads take when each does the whole of the row's work, on a body of its own:
/// from when the first of them begins until the last is done. Each reads the clock itself; another
/// thread may get to it late, and the more so the more of them work.
fn wall(row: &Row, threads: usize, profile: &Profile) -> Duration {
    let barrier = Barrier::new(threads);
    let work = || {
        let body = row.body.clone();
        barrier.wait();
        let start = now();
        for _ in 0..row.times {
            once(&row.work, &body, profile);
        }
        (start, now())
    };
    let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect()
    });
    let start = spans.iter().map(|span| span.0).min().expect("a worker at least");
    let end = spans.iter().map(|span| span.1).max().expect("a worker at least");
    end - start
}

fn once(work: &Work, body: &Body, profile: &Profile) {
    match work {
        Work::Loop => {
            let mut state = black_box(1_u64);
            for _ in 0..1_000_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            }
            black_box(state);
        }
        Work::Skip => {
            serde_json::from_slice::<IgnoredAny>(black_box(&body.bytes)).expect("sound");
        }
        Work::Pipeline => through_the_pipeline(body, profile),
    }
}
