//! What an honest client notices of hostile ones, and what they cost in memory.
//!
//! ```text
//! cargo bench --profile release --bench siege                    every row, ten seconds each; PASS or FAIL
//! cargo bench --profile release --bench siege -- --only bombs    the rows whose name contains this
//! ```
//!
//! `tidegate serve` runs as a process of its own, a new one for each row, with its data on a real disk, `fsync`,
//! and a receiver that takes everything. The honest client sends 200 small bodies a second on a fixed schedule,
//! every other one over a connection of its own, and its latency counts from the instant a request was due
//! (load/drive.rs). A row measures it alone, and then beside its hostile connections, which come from other
//! addresses of the loopback (siege/swarm.rs, siege/scripts.rs). PASS is: a p99 of at most ten times the quiet
//! one, at least 99 % of the honest requests answered 202, and a peak of memory of at most
//! `limits.memory_bytes` and an allowance: 64 MiB for the program, and 16 KiB for each connection.
//!
//! Everything is on this machine and bounded: the generators are one thread for the honest and one for all of
//! the others, which begins at most 10,000 requests and 2,000 connections a second. They take cores from the
//! gateway, so figures are worse than with attackers elsewhere; how much the hostile thread ran is printed. The
//! rows are measured without the limit on requests of an address, which is what keeps a flood small, and those
//! that it helps with once more with its default. Options: `--seconds S` (10), `--program FILE`, `--quick`.

#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/again.rs"]
mod again;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/child.rs"]
mod child;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "delivery/null.rs"]
mod null;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/serving.rs"]
mod serving;

#[path = "load/answer.rs"]
mod answer;
#[path = "load/arguments.rs"]
mod arguments;
#[path = "load/clock.rs"]
mod clock;
#[path = "load/connection.rs"]
mod connection;
#[expect(dead_code, reason = "the bench of load uses the rest of it")]
#[path = "load/drive.rs"]
mod drive;
#[path = "load/fleet.rs"]
mod fleet;
#[expect(dead_code, reason = "the bench of load uses the rest of it")]
#[path = "load/outcome.rs"]
mod outcome;
#[path = "load/requests.rs"]
mod requests;
#[path = "load/sockets.rs"]
mod sockets;

#[path = "siege/row.rs"]
mod row;
#[path = "siege/scripts.rs"]
mod scripts;
#[path = "siege/swarm.rs"]
mod swarm;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{flag, number, text};
use null::Null;
use row::{Limiter, Row};
use scripts::Manner;

/// The most that are open at once, and then some.
const CONNECTIONS_MAX: usize = 10_000;

fn main() -> ExitCode {
    if flag(null::ARGUMENT) {
        null::run();
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` passes --test: a small one, to see that it works.
    let is_quick = flag("--quick") || flag("--test");
    drive::be_punctual();
    let has_room = sockets::make_room(CONNECTIONS_MAX);
    let idle = if has_room { CONNECTIONS_MAX } else { 500 };
    let lasting = number("--seconds").unwrap_or(if is_quick { 1.0 } else { 10.0 });
    let only = text("--only").unwrap_or_default();
    let sink = Null::start();
    row::print_head();
    let mut all_passed = has_room;
    for row in rows(idle).iter().filter(|row| row.name.contains(&only)) {
        let passed = row.run(sink.address(), Duration::from_secs_f64(lasting));
        // A second is no measurement.
        all_passed &= passed || is_quick;
    }
    println!("{}", if all_passed { "PASS" } else { "FAIL" });
    if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rows(idle: usize) -> Vec<Row> {
    let spread = |manners: Vec<Manner>, connections: usize| {
        let each = connections / manners.len();
        manners.into_iter().map(|manner| (manner, each)).collect::<Vec<_>>()
    };
    let floods = |connections: usize| {
        let mut all = spread(scripts::slow_heads(), connections * 4);
        all.extend(spread(scripts::slow_bodies(), connections * 4));
        all.extend(spread(scripts::heads(), connections));
        all.extend(spread(scripts::http2(), connections));
        all.extend(spread(scripts::garbage(), connections));
        all.extend(spread(scripts::bombs(), connections / 4));
        all.push((Manner::Sits, idle / 2));
        all
    };
    let row = |name, seats, limiter, hostile| Row { name, seats, limiter, hostile };
    let (off, on) = (Limiter::Off, Limiter::Default);
    vec![
        row("slow heads", 4_096, off, spread(scripts::slow_heads(), 3_000)),
        row("slow bodies", 4_096, off, spread(scripts::slow_bodies(), 1_000)),
        row("header floods", 4_096, off, spread(scripts::heads(), 63)),
        row("HTTP/2 floods", 4_096, off, spread(scripts::http2(), 64)),
        row("idle, seats for all", 12_000, off, vec![(Manner::Sits, idle)]),
        row("idle, 4,096 seats", 4_096, off, vec![(Manner::Sits, idle)]),
        row("garbage", 4_096, off, spread(scripts::garbage(), 64)),
        row("bombs", 4_096, off, spread(scripts::bombs(), 16)),
        row("all together", 4_096, off, floods(64)),
        row("garbage, limited", 4_096, on, spread(scripts::garbage(), 64)),
        row("bombs, limited", 4_096, on, spread(scripts::bombs(), 16)),
        row("all together, limited", 4_096, on, floods(64)),
    ]
}
