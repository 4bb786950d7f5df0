//! The long proof of the durable queue: real gateways on a real disk are killed and stopped while
//! clients send unique ids and the receiver misbehaves; then every acknowledged id must have arrived,
//! save those the receiver never takes, which must be dead letters, once each.
//!
//! ```text
//! cargo bench --bench endure -- --minutes 30 --seed 1
//! ```
//!
//! Prints kills, acknowledged, lost (0) and delivered twice, and exits with 1 if any promise was broken.
//! `--clients N` (16), `--answers N` (2,000: most acknowledgements between two kills), `--durability
//! fsync|os`. `cargo test` runs a short one of the same kind.

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/it/support/endure/all.rs"]
mod endure;

use std::process::ExitCode;
use std::time::Duration;

use endure::blows::Until;
use endure::{Plan, Weather};

fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn number(name: &str, default: u64) -> u64 {
    let Some(text) = text(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}"))
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    // `cargo test --benches` passes --test: a small one, to see that it works.
    let is_test = std::env::args().any(|arg| arg == "--test");
    let time = Duration::from_mins(number("--minutes", 30));
    let plan = Plan {
        seed: number("--seed", 1),
        clients: number("--clients", 16) as usize,
        durability: match text("--durability").as_deref() {
            None | Some("fsync") => "fsync",
            Some("os") => "os",
            Some(other) => panic!("--durability is fsync or os, not {other:?}"),
        },
        poison_every: Some(400),
        answers_max: number("--answers", 2_000),
        until: if is_test { Until::Kills(2) } else { Until::Time(time) },
        weather: Weather::Changing,
        silence: Duration::from_mins(1),
    };
    let verdict = endure::run(plan).await;
    println!("{verdict}");
    let problems = verdict.problems();
    if problems.is_empty() {
        println!("PASS");
        return ExitCode::SUCCESS;
    }
    println!("FAIL\n{}\n\nlog:\n{}", problems.join("\n"), verdict.log);
    ExitCode::FAILURE
}
