//! Whether the time of a token check says anything about the token (contract C1.2).
//!
//! ```text
//! cargo bench --profile release --bench token_timing
//! ```
//!
//! A gateway with 1,000 sources is asked over one connection of the loopback, with tokens of the classes below in
//! random order, and the time from the request to its answer is compared as `dudect` does (Reparaz, Balasch and
//! Verbauwhede, 2017): Welch's t of two classes, all samples and those below several percentiles of all, where
//! the noise of the machine is least; the greatest counts. Above 4.5 two classes differ beyond doubt: FAIL. That
//! the two refused alike are no different is what a stranger could measure; the two that are let in are
//! compared with each other, for their answers are others. Options: `--samples N` for each class (20,000),
//! `--program FILE`, `--quick`. What a test holds is that every token is compared with all there are
//! (src/http/auth/tests.rs): it counts, and needs no quiet machine.

#[path = "../tests/it/support/endure/place.rs"]
mod place;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/child.rs"]
mod child;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "support/serving.rs"]
mod serving;

#[path = "load/arguments.rs"]
mod arguments;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "load/clock.rs"]
mod clock;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use arguments::{flag, number};
use clock::now_ns;
use serving::Serving;

const SOURCES: usize = 1000;

/// Greatest |t| of classes that do not differ; dudect's own.
const T_MAX: f64 = 4.5;

/// Shares of all samples, the fastest, of which the classes are compared.
const SHARES: [f64; 6] = [0.25, 0.5, 0.75, 0.9, 0.99, 1.0];

/// Tokens that are refused, and two that are not: the first is what others of its kind are held against.
const REFUSED: [(&str, &str); 6] = [
    ("unknown", "zzzzzzzzzzzzzzzzzzzzzzzzzzzz-0000"),
    ("unknown as well", "yyyyyyyyyyyyyyyyyyyyyyyyyyyy-0000"),
    ("all but the last byte of one", "token-of-source-aaaaaaaaaaaa-000x"),
    ("disabled", "token-of-source-aaaaaaaaaaaa-0500"),
    ("may not send metrics", "token-of-source-aaaaaaaaaaaa-0501"),
    ("expired", "token-of-source-aaaaaaaaaaaa-0502"),
];
const TAKEN: [(&str, &str); 2] = [
    ("of the first source", "token-of-source-aaaaaaaaaaaa-0000"),
    ("of the last source", "token-of-source-aaaaaaaaaaaa-0999"),
];

fn main() -> ExitCode {
    let is_quick = flag("--quick") || flag("--test");
    let samples = number("--samples").unwrap_or(if is_quick { 500 } else { 20_000 });
    let gateway = Serving::start(&["127.0.0.1:9".parse().expect("an address")], &config());
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    stream.set_nodelay(true).expect("a socket can do that");
    println!("| token | median us | mean us | against | greatest t | |");
    println!("|---|---|---|---|---|---|");
    let refused = compare(&mut stream, &REFUSED, 403, samples);
    let taken = compare(&mut stream, &TAKEN, 406, samples);
    let passes = refused && taken;
    println!("{}: t at most {T_MAX}", if passes { "PASS" } else { "FAIL" });
    // So few samples say nothing.
    if passes || is_quick { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn config() -> String {
    let mut text = "[limits]\nrequests_per_minute = 0\n".to_owned();
    for nth in 0..SOURCES {
        let more = match nth {
            500 => "enabled = false\n",
            501 => "allow_metrics = false\n",
            502 => "token_expires = \"2020-01-01T00:00:00Z\"\n",
            _ => "",
        };
        let token = format!("token-of-source-aaaaaaaaaaaa-{nth:04}");
        write!(text, "[[sources]]\nname = \"s{nth}\"\ntoken = \"{token}\"\n{more}")
            .expect("memory takes it");
    }
    text
}

/// Whether nobody can tell these apart from the first of them.
fn compare(stream: &mut TcpStream, classes: &[(&str, &str)], status: u16, samples: usize) -> bool {
    // No body: whoever is let in is told that there is none.
    let requests: Vec<_> = classes
        .iter()
        .map(|(_, token)| {
            format!(
                "POST /metrics HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
                 content-length: 0\r\n\r\n"
            )
        })
        .collect();
    let mut times: Vec<Vec<f64>> = vec![Vec::with_capacity(samples); classes.len()];
    let mut random = fastrand::Rng::with_seed(7);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    for round in 0..samples + samples / 10 {
        random.shuffle(&mut order);
        for &class in &order {
            let took = ask(stream, &requests[class], status);
            // The first say more about caches than about tokens.
            if round >= samples / 10 {
                times[class].push(took);
            }
        }
    }
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    let mut passes = true;
    for (class, (name, _)) in classes.iter().enumerate() {
        let (mut sorted, sum) = (times[class].clone(), times[class].iter().sum::<f64>());
        sorted.sort_unstable_by(f64::total_cmp);
        let (median, mean) = (sorted[sorted.len() / 2], sum / sorted.len() as f64);
        let t = if class == 0 { 0.0 } else { greatest(&times[0], &times[class], &all) };
        passes &= t <= T_MAX;
        println!(
            "| {name} | {median:.2} | {mean:.2} | {} | {t:.2} | {} |",
            if class == 0 { "" } else { classes[0].0 },
            if t <= T_MAX { "" } else { "DIFFERS" }
        );
    }
    passes
}

/// Microseconds from the request to its answer.
fn ask(stream: &mut TcpStream, request: &str, status: u16) -> f64 {
    let mut answer = [0; 1024];
    let began = now_ns();
    stream.write_all(request.as_bytes()).expect("it listens");
    let count = stream.read(&mut answer).expect("it answers");
    let took = now_ns() - began;
    let line = format!("HTTP/1.1 {status} ");
    assert!(answer[..count].starts_with(line.as_bytes()), "{}", answer[..count].escape_ascii());
    took as f64 / 1000.0
}

/// The greatest |t| over the shares of all samples.
fn greatest(one: &[f64], other: &[f64], all: &[f64]) -> f64 {
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    let below = |times: &[f64], most: f64| -> Vec<f64> {
        times.iter().copied().filter(|time| *time <= most).collect()
    };
    let t = |share: &f64| welch(&below(one, at(*share)), &below(other, at(*share))).abs();
    SHARES.iter().map(t).fold(0.0, f64::max)
}

/// Welch's t: the difference of the means in units of its standard error.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let (mean_one, error_one) = mean_and_error(one);
    let (mean_other, error_other) = mean_and_error(other);
    let error = (error_one + error_other).sqrt();
    if error > 0.0 { (mean_one - mean_other) / error } else { 0.0 }
}

/// The mean, and the square of its standard error.
fn mean_and_error(times: &[f64]) -> (f64, f64) {
    let count = times.len() as f64;
    if times.len() < 2 {
        return (0.0, 0.0);
    }
    let mean = times.iter().sum::<f64>() / count;
    let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
    (mean, squares / (count - 1.0) / count)
}
