//! `--backlog`: what a request costs while much waits in the queue, beside the same with little.
//!
//! Two pairs of gateways, durability `fsync`: one whose only receiver is down, and one with two receivers
//! of which one is down. One of each pair is given a backlog (`--mib`, 1,024) of large requests, the
//! other none; then, in turn, 64 connections send requests of one metric. It fails when those cost more
//! than 1.3 times as much with the backlog, the median of the rounds. Options: `--rounds N` (7),
//! `--seconds S` (2), `--mib N`.

use std::net::SocketAddr;
use std::time::Duration;

use super::child::free_address;
use super::null::Null;
use super::requests;
use super::round::{Round, measure, send};
use super::serving::{Serving, TOKEN};
use super::spread::Spread;

const CONFIG: &str = "[limits]\nrequests_per_minute = 0\n\
                      [queue]\ndurability = \"fsync\"\nmax_bytes = \"16GiB\"\n";
const CONNECTIONS: usize = 64;
/// The most that a request may cost with a backlog, in units of its cost without.
const RATIO_MAX: f64 = 1.3;

const FILL_SLICE: Duration = Duration::from_millis(300);
const MIB: f64 = (1 << 20) as f64;

pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) lasting: Duration,
    pub(crate) backlog_bytes: u64,
}

/// Whether a backlog costs requests little.
pub(crate) fn run(settings: &Settings) -> bool {
    let sink = Null::start();
    let down = free_address();
    let requests = requests::of(1, TOKEN, "/metrics");
    println!(
        "| receivers | backlog | CPU us a request | of that without | requests/s | p99 ms | resident MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut passes = true;
    for (name, receivers) in
        [("one, down", vec![down]), ("two, one down", vec![sink.address(), down])]
    {
        passes &= pair(settings, name, &receivers, &requests);
    }
    println!("{}: at most {RATIO_MAX} times", if passes { "PASS" } else { "FAIL" });
    passes
}

fn pair(settings: &Settings, name: &str, receivers: &[SocketAddr], requests: &[Vec<u8>]) -> bool {
    let (empty, full) = (Serving::start(receivers, CONFIG), Serving::start(receivers, CONFIG));
    fill(&full, settings.backlog_bytes);
    let mut cases: [Vec<Round>; 2] = Default::default();
    // The first round warms up and is not counted.
    for round in 0..=settings.rounds {
        for (gateway, rounds) in [&empty, &full].into_iter().zip(&mut cases) {
            let measured = measure(gateway, CONNECTIONS, requests, settings.lasting);
            if round > 0 {
                rounds.push(measured);
            }
        }
    }
    let [without, with] = &cases;
    let pairs: Vec<(&Round, &Round)> = with.iter().zip(without).collect();
    let ratio = Spread::of(&pairs, |(with, without)| with.cpu_us / without.cpu_us);
    row(name, &empty, without, "1");
    row(name, &full, with, &ratio.to_string());
    ratio.median <= RATIO_MAX
}

fn row(name: &str, gateway: &Serving, rounds: &[Round], ratio: &str) {
    println!(
        "| {name} | {:.0} MiB | {:.1} | {ratio} | {:.0} | {} | {:.0} |",
        gateway.page().sum("tidegate_queue_bytes") / MIB,
        Spread::of(rounds, |round| round.cpu_us),
        Spread::of(rounds, |round| round.per_second),
        Spread::of(rounds, |round| round.p99_ms),
        gateway.resident_bytes() as f64 / MIB,
    );
}

/// Sends until so much waits.
fn fill(gateway: &Serving, bytes: u64) {
    let batches = requests::of(1_000, TOKEN, "/metrics");
    while gateway.page().sum("tidegate_queue_bytes") < bytes as f64 {
        let outcome = send(gateway, CONNECTIONS, &batches, FILL_SLICE);
        assert!(outcome.refused.count() == 0, "there is room: {}", outcome.fates());
    }
}
