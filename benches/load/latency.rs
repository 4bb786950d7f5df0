//! Time to the 202 at shares of the capacity, beside the bare disk and bare hyper.

use std::net::SocketAddr;
use std::time::Duration;

use super::clock::now_ns;
use super::disk::{self, Alone};
use super::drive::{self, Pace, Plan};
use super::null::Null;
use super::outcome::{Latencies, Outcome};
use super::requests;
use super::serving::{Page, Serving, TOKEN};
use super::spread::Spread;

/// Of the capacity.
const SHARES: [f64; 3] = [0.3, 0.7, 0.95];

/// Runs whose median is the capacity.
const CAPACITY_RUNS: usize = 3;

/// The generator alone is punctual enough when so many of its requests left this late at most.
const LAG_QUANTILE: f64 = 0.99;
const LAG_MS_MAX: f64 = 1.0;

pub(crate) struct Settings {
    pub(crate) rounds: usize,
    /// Of each run against the gateway; the others last a third of it.
    pub(crate) lasting: Duration,
    pub(crate) connections: usize,
    pub(crate) durability: String,
    /// Metrics of a body; each is a case of its own.
    pub(crate) metrics: Vec<usize>,
}

/// A latency's quantiles, milliseconds.
struct Figures {
    per_second: f64,
    quantiles: [f64; 4],
    lag_ms: f64,
    cpu: f64,
    /// Everything was answered with 2xx, and in time.
    is_whole: bool,
}

struct Round {
    gateway: Figures,
    bare: Figures,
    disk: Figures,
    group: Group,
    /// Tuples not delivered at the end of the run.
    waiting: f64,
    /// The gateway's CPU for a request, microseconds, deliveries of the same time included.
    cpu_us: f64,
}

/// Of what the queue synced at once, on average.
struct Group {
    requests: f64,
    bytes: f64,
}

impl Figures {
    fn of(outcome: &Outcome, lasting: Duration) -> Self {
        Self {
            per_second: outcome.taken_per_second(),
            quantiles: quantiles(&outcome.taken),
            lag_ms: outcome.lag.ms(LAG_QUANTILE),
            cpu: outcome.cpu_share(),
            is_whole: outcome.taken.count() == outcome.due && outcome.took < lasting + lasting / 10,
        }
    }

    fn of_disk(alone: &Alone) -> Self {
        let mut latencies = Latencies::new();
        alone.waits.iter().for_each(|wait| latencies.record(wait.as_nanos() as u64));
        Self {
            per_second: latencies.count() as f64 / alone.took.as_secs_f64(),
            quantiles: quantiles(&latencies),
            lag_ms: 0.0,
            cpu: 0.0,
            is_whole: true,
        }
    }
}

fn quantiles(latencies: &Latencies) -> [f64; 4] {
    let ms = |quantile| latencies.ms(quantile);
    [ms(0.5), ms(0.99), ms(0.999), latencies.max_ms()]
}

impl Group {
    fn between(before: &Page, after: &Page) -> Self {
        let grown = |name: &str| after.sum(name) - before.sum(name);
        let groups = grown("tidegate_queue_group_bytes_count").max(1.0);
        Self {
            requests: grown("tidegate_queue_group_requests_sum") / groups,
            bytes: grown("tidegate_queue_group_bytes_sum") / groups,
        }
    }
}

/// Measures every case; whether the generator kept its schedule throughout.
pub(crate) fn run(settings: &Settings) -> bool {
    let (sink, bare) = (Null::start(), Null::start());
    let mut is_valid = true;
    for &metrics in &settings.metrics {
        let queue = format!(
            "[limits]\nrequests_per_minute = 0\n[queue]\ndurability = \"{}\"\n",
            settings.durability
        );
        let gateway = Serving::start(&[sink.address()], &queue);
        let requests = requests::of(metrics, TOKEN, "/metrics");
        let bench = Bench { settings, gateway, bare: bare.address(), requests };
        is_valid &= bench.case(metrics);
    }
    is_valid
}

struct Bench<'s> {
    settings: &'s Settings,
    gateway: Serving,
    bare: SocketAddr,
    requests: Vec<Vec<u8>>,
}

impl Bench<'_> {
    fn case(&self, metrics: usize) -> bool {
        let capacity = self.capacity();
        println!(
            "\n{metrics} metric(s) a request, {} connections, durability {}: capacity {capacity:.0} \
             requests/s, closed loop",
            self.settings.connections, self.settings.durability
        );
        let mut levels: [Vec<Round>; SHARES.len()] = Default::default();
        for _ in 0..self.settings.rounds {
            for (share, rounds) in SHARES.iter().zip(&mut levels) {
                rounds.push(self.round(capacity.median * share));
            }
        }
        print(&levels)
    }

    fn drive(&self, address: SocketAddr, pace: Pace, lasting: Duration) -> Outcome {
        let connections = self.settings.connections;
        drive::run(&Plan { address, pace, connections, lasting, requests: &self.requests })
    }

    /// Requests a second when every connection has always one under way.
    fn capacity(&self) -> Spread {
        let address = self.gateway.address();
        self.drive(address, Pace::Closed, self.settings.lasting / 3);
        let runs: Vec<f64> = (0..CAPACITY_RUNS)
            .map(|_| {
                self.gateway.await_delivered();
                let outcome = self.drive(address, Pace::Closed, self.settings.lasting);
                outcome.taken_per_second()
            })
            .collect();
        Spread::of(&runs, |run| *run)
    }

    fn round(&self, rate: f64) -> Round {
        let lasting = self.settings.lasting;
        self.gateway.await_delivered();
        let (before, cpu) = (self.gateway.page(), self.gateway.cpu());
        let outcome = self.drive(self.gateway.address(), Pace::Open(rate), lasting);
        let (after, cpu) = (self.gateway.page(), self.gateway.cpu().saturating_sub(cpu));
        self.gateway.await_delivered();
        let group = Group::between(&before, &after);
        let bare = self.drive(self.bare, Pace::Open(rate), lasting / 3);
        let bytes = (group.bytes as u64).max(1);
        let until = now_ns() + (lasting / 3).as_nanos() as u64;
        let sizes = std::iter::repeat(bytes).take_while(|_| now_ns() < until);
        let alone = disk::write_and_sync(self.gateway.directory(), sizes);
        Round {
            gateway: Figures::of(&outcome, lasting),
            bare: Figures::of(&bare, lasting / 3),
            disk: Figures::of_disk(&alone),
            group,
            waiting: after.sum("tidegate_queued"),
            cpu_us: cpu.as_secs_f64() * 1e6 / outcome.taken.count().max(1) as f64,
        }
    }
}

/// Prints the table of a case; whether its figures are to be believed.
fn print(levels: &[Vec<Round>]) -> bool {
    println!("| load | what | a second | p50 ms | p99 ms | p99.9 ms | max ms |");
    println!("|---|---|---|---|---|---|---|");
    for (share, rounds) in SHARES.iter().zip(levels) {
        let load = format!("{:.0} %", share * 100.0);
        row(&load, "answer", rounds, |round| &round.gateway);
        row("", "bare hyper, same rate", rounds, |round| &round.bare);
        row("", "write + fdatasync alone", rounds, |round| &round.disk);
    }
    let mut is_valid = true;
    for (share, rounds) in SHARES.iter().zip(levels) {
        let spread = |what: fn(&Round) -> f64| Spread::of(rounds, what);
        println!(
            "{:.0} %: groups of {:.1} requests, {:.0} bytes; gateway {:.1} us of CPU a request; {:.0} tuples \
             waiting at the end; the generator: {:.2} of a core, late itself p99 {:.2} ms, beside bare hyper \
             {:.2} of a core and {:.3} ms",
            share * 100.0,
            spread(|round| round.group.requests),
            spread(|round| round.group.bytes),
            spread(|round| round.cpu_us),
            spread(|round| round.waiting),
            spread(|round| round.gateway.cpu),
            spread(|round| round.gateway.lag_ms),
            spread(|round| round.bare.cpu),
            spread(|round| round.bare.lag_ms),
        );
        let held = rounds.iter().filter(|round| round.gateway.is_whole).count();
        if held < rounds.len() {
            println!(
                "  in {} of {} rounds the gateway did not keep up with the rate",
                rounds.len() - held,
                rounds.len()
            );
        }
        let punctual = |round: &Round| round.bare.is_whole && round.bare.lag_ms <= LAG_MS_MAX;
        if !punctual_mostly(rounds, punctual) {
            is_valid = false;
            println!("  INVALID: the generator does not keep this rate even beside bare hyper");
        }
    }
    is_valid
}

/// The median is what is printed: it counts when most rounds do.
fn punctual_mostly(rounds: &[Round], punctual: impl Fn(&Round) -> bool) -> bool {
    2 * rounds.iter().filter(|round| punctual(round)).count() > rounds.len()
}

fn row(load: &str, what: &str, rounds: &[Round], of: impl Fn(&Round) -> &Figures) {
    let rate = Spread::of(rounds, |round| of(round).per_second);
    let quantile = |at: usize| Spread::of(rounds, |round| of(round).quantiles[at]);
    println!(
        "| {load} | {what} | {rate:.0} | {} | {} | {} | {} |",
        quantile(0),
        quantile(1),
        quantile(2),
        quantile(3)
    );
}
