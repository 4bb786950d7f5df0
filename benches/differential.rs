//! The long proof of the JSON reading: the pipeline beside a slow second reading over serde_json, on
//! generated and damaged bodies, until a count or a time is reached.
//!
//! ```text
//! cargo bench --bench differential -- --executions 100000000 --seed 1 --minutes 60
//! ```
//!
//! Each execution is one body: verdict, report and every byte of its tuples must agree, and our reader
//! alone must give serde_json's verdict. One core; the same seed gives the same bodies on every machine.
//! It prints the first mismatches, then a line with executions, seed and mismatches, and fails if
//! there were any. `cargo test` replays a small number of the same kind.

#[path = "../tests/it/support/differential/all.rs"]
mod reading;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use reading::generate::Generator;
use reading::{compare, now, profiles};

/// Mismatches printed whole.
const SHOWN_MAX: u64 = 10;

/// Executions between two looks at the clock.
const STRIDE: u64 = 1 << 16;

fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--test");
    let executions_max = option("--executions", if quick { 1_000 } else { 1_000_000 });
    let seed = option("--seed", 1);
    let time_max = Duration::from_secs(60 * option("--minutes", 60));

    let profiles = profiles();
    let mut generator = Generator::new(seed);
    let mut body = Vec::new();
    let (mut executions, mut bytes, mut mismatches) = (0, 0, 0);
    #[expect(clippy::disallowed_methods, reason = "the program is bounded in time")]
    let start = Instant::now();
    while executions < executions_max && (executions % STRIDE != 0 || start.elapsed() < time_max) {
        let format = generator.body(&mut body);
        let profile = &profiles[generator.below(profiles.len())];
        if let Err(difference) = compare(&body, format, profile, now()) {
            mismatches += 1;
            if mismatches <= SHOWN_MAX {
                println!("execution {executions}: {difference}");
            }
        }
        executions += 1;
        bytes += body.len() as u64;
        if executions % (STRIDE * 64) == 0 {
            println!("{executions} executions, {mismatches} mismatches, {:?}", start.elapsed());
        }
    }
    println!(
        "differential: seed {seed}, {executions} executions, {bytes} bytes, {mismatches} mismatches, \
         {:.0} s",
        start.elapsed().as_secs_f64()
    );
    if mismatches == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The number after `name`.
fn option(name: &str, default: u64) -> u64 {
    let given = std::env::args().skip_while(|arg| arg != name).nth(1);
    given.map_or(default, |text| text.parse().expect("a whole number after an option"))
}
