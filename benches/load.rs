//! Load on the real gateway, as its clients see it: time to the answer at a constant rate, overload, many
//! connections, a large backlog.
//!
//! ```text
//! cargo bench --bench load                      time to the answer at 30, 70 and 95 % of capacity
//! cargo bench --bench load -- --overload        twice the capacity, for ten minutes; PASS or FAIL
//! cargo bench --bench load -- --idle            CPU of a request beside 1 to 10,000 idle connections; PASS or FAIL
//! cargo bench --bench load -- --backlog         CPU of a request with an empty queue and a full one; PASS or FAIL
//! cargo bench --bench load -- --url http://127.0.0.1:8080/metrics --rate 5000 --token TOKEN
//! ```
//!
//! `tidegate serve` runs as a process of its own with its data on a real disk; its receiver reads bodies
//! and answers 200 (benches/delivery/null.rs). The generator is one thread with one epoll: it shares the
//! cores with what it measures, so it does little, and says how much. It is an open loop: a request has
//! the instant it is due on a fixed schedule, its latency counts from there, and neither a busy
//! connection nor the generator's own lateness is left out (load/drive.rs).
//!
//! **Time to the answer.** The capacity is the median of three runs in which every connection always has
//! a request under way. Then each round sends at each share of it, and right after, for a third of the
//! time, the same to bare hyper, which reads bodies and answers 200, and writes as many bytes as the
//! gateway's groups had on average to the same disk, with `fdatasync` after each, while nothing else
//! runs. The gateway has delivered everything before a run begins. Figures are medians over the rounds,
//! with the least and the most. A level is INVALID, and the run fails, when the generator did not keep the
//! rate beside bare hyper (all answered in time, and 99 % sent less than 1 ms late). Options:
//! `--rounds N` (7), `--seconds S` (3), `--connections N` (64), `--metrics N` (1 and 1,000),
//! `--durability fsync|os|memory`, `--quick`.
//!
//! `--program FILE` measures another build of tidegate. The rest is in load/overload.rs, load/idle.rs,
//! load/backlog.rs and load/alone.rs.

#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[expect(dead_code, reason = "the bench of the edge asks for its process")]
#[path = "support/again.rs"]
mod again;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/bodies.rs"]
mod bodies;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "delivery/null.rs"]
mod null;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/child.rs"]
mod child;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/disk.rs"]
mod disk;
#[path = "support/serving.rs"]
mod serving;
#[path = "support/spread.rs"]
mod spread;

#[path = "load/alone.rs"]
mod alone;
#[path = "load/answer.rs"]
mod answer;
#[path = "load/arguments.rs"]
mod arguments;
#[path = "load/backlog.rs"]
mod backlog;
#[path = "load/clock.rs"]
mod clock;
#[path = "load/connection.rs"]
mod connection;
#[path = "load/drive.rs"]
mod drive;
#[path = "load/fleet.rs"]
mod fleet;
#[path = "load/idle.rs"]
mod idle;
#[path = "load/latency.rs"]
mod latency;
#[path = "load/outcome.rs"]
mod outcome;
#[path = "load/overload.rs"]
mod overload;
#[path = "load/requests.rs"]
mod requests;
#[path = "load/round.rs"]
mod round;
#[path = "load/sockets.rs"]
mod sockets;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{flag, number, text};

fn main() -> ExitCode {
    if flag(null::ARGUMENT) {
        null::run();
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` passes --test: a small one, to see that it works.
    let is_quick = flag("--quick") || flag("--test");
    drive::be_punctual();
    let is_well = if let Some(url) = text("--url") {
        alone::run(&url)
    } else if flag("--overload") {
        overload(is_quick)
    } else if flag("--idle") {
        idle(is_quick)
    } else if flag("--backlog") {
        backlog(is_quick)
    } else {
        latency(is_quick)
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn latency(is_quick: bool) -> bool {
    latency::run(&latency::Settings {
        rounds: rounds(is_quick),
        lasting: seconds(if is_quick { 1.5 } else { 3.0 }),
        connections: number("--connections").unwrap_or(64),
        durability: text("--durability").unwrap_or_else(|| "fsync".to_owned()),
        metrics: number("--metrics").map_or_else(|| vec![1, 1000], |metrics| vec![metrics]),
    })
}

fn seconds(default: f64) -> Duration {
    Duration::from_secs_f64(number("--seconds").unwrap_or(default))
}

fn rounds(is_quick: bool) -> usize {
    number("--rounds").unwrap_or(if is_quick { 2 } else { 7 })
}

fn overload(is_quick: bool) -> bool {
    let minutes: Option<f64> = number("--minutes");
    let quick = if is_quick { 10.0 } else { 600.0 };
    overload::run(&overload::Settings {
        lasting: Duration::from_secs_f64(minutes.map_or(quick, |minutes| minutes * 60.0)),
        metrics: number("--metrics").unwrap_or(1),
        phase: text("--phase"),
        clients: number("--clients"),
    })
}

fn idle(is_quick: bool) -> bool {
    idle::run(&idle::Settings {
        rounds: rounds(is_quick),
        lasting: seconds(2.0),
        most: number("--idle-most").unwrap_or(10_000),
    })
}

fn backlog(is_quick: bool) -> bool {
    backlog::run(&backlog::Settings {
        rounds: rounds(is_quick),
        lasting: seconds(if is_quick { 1.0 } else { 2.0 }),
        backlog_bytes: number("--mib").unwrap_or(1024) << 20,
    })
}
