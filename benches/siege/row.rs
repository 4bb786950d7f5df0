//! One kind of attack: the honest client alone, and beside it.

use std::net::SocketAddr;
use std::time::Duration;

use super::drive::{Pace, Plan, run};
use super::outcome::{Fate, Outcome};
use super::scripts::{self, Manner};
use super::serving::{Serving, TOKEN};
use super::swarm::Swarm;
use super::{child, requests};

/// The honest client.
const RATE: f64 = 200.0;
const CONNECTIONS: usize = 32;

/// What is asked of a row.
const RATIO_MAX: f64 = 10.0;
const TAKEN_MIN: f64 = 0.99;

/// `limits.memory_bytes`, its default, and what a process may have beside it.
const MEMORY_BYTES: u64 = 256 << 20;
const PROGRAM_BYTES: u64 = 64 << 20;
const CONNECTION_BYTES: u64 = 16 << 10;

/// How long the hostile ones are at work before the honest client is looked at: by then they are connected.
const WARM_UP: Duration = Duration::from_secs(6);

/// `limits.requests_per_minute`; the honest source is exempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limiter {
    Off,
    Default,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// `limits.connections`
    pub(crate) seats: usize,
    pub(crate) limiter: Limiter,
    pub(crate) hostile: Vec<(Manner, usize)>,
}

pub(crate) fn print_head() {
    println!(
        "| hostile | connected | new/s | requests/s | their CPU | honest p50/p99 ms quiet | under siege | p99 ratio \
         | 202 | memory MiB, bound | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
}

impl Row {
    /// Whether it passed.
    pub(crate) fn run(&self, sink: SocketAddr, lasting: Duration) -> bool {
        let quota = if self.limiter == Limiter::Off { "0" } else { "500" };
        let config = format!(
            "[[sources]]\nname = \"hostile\"\ntoken = \"{}\"\n\
             [limits]\nrequests_per_minute = {quota}\nconnections = {}\nmemory_bytes = {MEMORY_BYTES}\n",
            scripts::TOKEN,
            self.seats
        );
        let gateway = Serving::start(&[sink], &config);
        let requests = honest();
        let plan = |lasting| Plan {
            address: gateway.address(),
            pace: Pace::Open(RATE),
            connections: CONNECTIONS,
            lasting,
            requests: &requests,
        };
        // Nothing is as slow as what has never run.
        run(&plan(lasting / 10));
        let quiet = run(&plan(lasting));
        let swarm = Swarm::start(gateway.address(), &self.hostile);
        let warm_up = WARM_UP.min(lasting);
        std::thread::sleep(warm_up);
        let siege = run(&plan(lasting));
        let took = (warm_up + siege.took).as_secs_f64();
        let deeds = swarm.stop();
        let peak = child::resident(gateway.pid()).expect("the gateway lives").peak;
        let bound = MEMORY_BYTES + PROGRAM_BYTES + deeds.most as u64 * CONNECTION_BYTES;

        let ratio = ms(&siege, 0.99) / ms(&quiet, 0.99);
        let taken = siege.of(Fate::Status(202)) as f64 / siege.due as f64;
        let passes = ratio <= RATIO_MAX && taken >= TAKEN_MIN && peak <= bound;
        let mib = |bytes: u64| bytes >> 20;
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.0} % | {} | {} | {ratio:.1} | {:.2} % | {}, {} | {} |",
            self.name,
            deeds.most,
            deeds.connects as f64 / took,
            deeds.acts as f64 / took,
            deeds.cpu.as_secs_f64() / took * 100.0,
            latencies(&quiet),
            latencies(&siege),
            taken * 100.0,
            mib(peak),
            mib(bound),
            if passes { "PASS" } else { "FAIL" },
        );
        if taken < 1.0 {
            println!("  honest: {}", siege.fates());
        }
        passes
    }
}

fn latencies(outcome: &Outcome) -> String {
    format!("{:.2} / {:.2}", ms(outcome, 0.5), ms(outcome, 0.99))
}

/// Of all requests that became due: one that was not taken waits for ever.
fn ms(outcome: &Outcome, quantile: f64) -> f64 {
    let among_taken = quantile * outcome.due as f64 / outcome.taken.count() as f64;
    if among_taken <= 1.0 { outcome.taken.ms(among_taken) } else { f64::INFINITY }
}

/// Small bodies; every other request is the last of its connection.
fn honest() -> Vec<Vec<u8>> {
    let all = requests::of(1, TOKEN, "/metrics").into_iter().enumerate();
    all.map(|(nth, request)| if nth % 2 == 0 { request } else { last(&request) }).collect()
}

fn last(request: &[u8]) -> Vec<u8> {
    let line = request.iter().position(|byte| *byte == b'\n').expect("a head") + 1;
    [&request[..line], b"connection: close\r\n", &request[line..]].concat()
}
