//! `--overload`: twice the capacity for `--minutes` (10), in three phases, each with a gateway of its own
//! (`--phase seated|crowded|dead` for one of them):
//!
//! * `seated`: 2,000 clients, fewer than `limits.connections`; the receiver takes everything.
//! * `crowded`: 6,000 clients, more than `limits.connections` (4,096).
//! * `dead`: 2,000 clients, the receiver is down, and the queue (512 MiB, 464 of them filled
//!   beforehand) reaches its cap.
//!
//! Each due request takes an idle connection, or opens one, until there is one for each client; then it
//! waits, so the gateway always has as many requests under way as there are clients.
//!
//! It passes when every request that was sent got an answer, 202 or 503 with Retry-After; when the
//! books say that what was answered 202, and nothing else, is delivered or waiting; and when memory is
//! flat: after a warm-up (a minute, at most a fifth of the time) the most of the last half is within
//! 5 % and 8 MiB of the most of the first half.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::child::{self, free_address};
use super::drive::{self, Pace, Plan};
use super::null::Null;
use super::outcome::{Fate, Outcome};
use super::requests;
use super::serving::{Serving, TOKEN};
use super::sockets::make_room;

const CONFIG: &str = "[limits]\nrequests_per_minute = 0\n\
                      [queue]\ndurability = \"fsync\"\nmax_bytes = ";

/// Memory may grow by this.
const GROWTH_FACTOR: f64 = 1.05;
const GROWTH_BYTES: f64 = (8 << 20) as f64;

/// Close to the cap of the queue whose receiver is down.
const DEAD_FILLED_BYTES: f64 = 464.0 * MIB;

const WARM_UP_S_MAX: usize = 60;
const LINES: usize = 15;
const MIB: f64 = (1 << 20) as f64;

pub(crate) struct Settings {
    pub(crate) lasting: Duration,
    pub(crate) metrics: usize,
    /// The only one to run, or all.
    pub(crate) phase: Option<String>,
    /// Instead of each phase's own number.
    pub(crate) clients: Option<usize>,
}

struct Phase {
    name: &'static str,
    clients: usize,
    is_receiver_up: bool,
    queue_max_bytes: &'static str,
}

const PHASES: [Phase; 3] = [
    Phase { name: "seated", clients: 2_000, is_receiver_up: true, queue_max_bytes: "\"4GiB\"" },
    Phase { name: "crowded", clients: 6_000, is_receiver_up: true, queue_max_bytes: "\"4GiB\"" },
    Phase { name: "dead", clients: 2_000, is_receiver_up: false, queue_max_bytes: "\"512MiB\"" },
];

/// Whether all of it passed.
pub(crate) fn run(settings: &Settings) -> bool {
    let wanted = |phase: &&Phase| settings.phase.as_deref().is_none_or(|name| name == phase.name);
    let clients =
        PHASES.iter().filter(wanted).map(|phase| settings.clients.unwrap_or(phase.clients));
    if !make_room(clients.max().expect("--phase names one of them")) {
        return false;
    }
    let sink = Null::start();
    let requests = requests::of(settings.metrics, TOKEN, "/metrics");
    let capacity = capacity(&sink, &requests);
    println!(
        "capacity, 64 connections, closed loop: {capacity:.0} requests/s of {} metric(s)",
        settings.metrics
    );
    let mut passes = true;
    for phase in PHASES.iter().filter(wanted) {
        passes &= overload(settings, phase, &sink, &requests, 2.0 * capacity);
    }
    passes
}

fn capacity(sink: &Null, requests: &[Vec<u8>]) -> f64 {
    let gateway = Serving::start(&[sink.address()], &format!("{CONFIG}\"4GiB\"\n"));
    let mut runs = [1.0, 2.0, 2.0, 2.0].map(|seconds| {
        let plan = Plan {
            address: gateway.address(),
            pace: Pace::Closed,
            connections: 64,
            lasting: Duration::from_secs_f64(seconds),
            requests,
        };
        drive::run(&plan).taken_per_second()
    });
    // The first one warms up.
    runs[1..].sort_unstable_by(f64::total_cmp);
    runs[2]
}

fn overload(
    settings: &Settings,
    phase: &Phase,
    sink: &Null,
    requests: &[Vec<u8>],
    rate: f64,
) -> bool {
    let receiver = if phase.is_receiver_up { sink.address() } else { free_address() };
    let gateway = Serving::start(&[receiver], &format!("{CONFIG}{}\n", phase.queue_max_bytes));
    let clients = settings.clients.unwrap_or(phase.clients);
    println!(
        "\n{}: {clients} clients, {rate:.0} requests/s for {:?}",
        phase.name, settings.lasting
    );
    let filled = if phase.is_receiver_up { 0 } else { fill(&gateway, DEAD_FILLED_BYTES) };
    let sampler = Sampler::start(gateway.pid());
    let cpu = gateway.cpu();
    let outcome = drive::run(&Plan {
        address: gateway.address(),
        pace: Pace::Open(rate),
        connections: clients,
        lasting: settings.lasting,
        requests,
    });
    let cpu = gateway.cpu().saturating_sub(cpu);
    let resident = sampler.end();
    let took = outcome.took.as_secs_f64();
    println!(
        "  sent {:.0} a second; {:.0} taken and {:.0} refused a second ({:.2} of the capacity taken); {}",
        outcome.sent as f64 / took,
        outcome.taken_per_second(),
        outcome.refused.count() as f64 / took,
        outcome.taken_per_second() / rate * 2.0,
        outcome.fates(),
    );
    println!(
        "  {} connections opened, {} closed while idle; {} due requests were never sent: no client was free; \
         gateway {:.2} cores, generator {:.2}",
        outcome.opened,
        outcome.closed_idle,
        outcome.due.saturating_sub(outcome.sent),
        cpu.as_secs_f64() / took,
        outcome.cpu_share(),
    );
    let verdicts = [
        memory(&resident),
        answers(&outcome),
        books(&gateway, phase, outcome.of(Fate::Status(202)) * settings.metrics as u64 + filled),
    ];
    let passes = verdicts.iter().all(Result::is_ok);
    for verdict in verdicts {
        println!("  {}", verdict.unwrap_or_else(|what| format!("FAIL: {what}")));
    }
    println!("  {}", if passes { "PASS" } else { "FAIL" });
    passes
}

fn memory(samples: &[u64]) -> Result<String, String> {
    let every = samples.len().div_ceil(LINES).max(1);
    let series = samples.iter().step_by(every).map(|bytes| format!("{:.0}", *bytes as f64 / MIB));
    println!("  resident MiB, every {every} s: {}", series.collect::<Vec<_>>().join(" "));
    let rest = &samples[WARM_UP_S_MAX.min(samples.len() / 5)..];
    let (first, last) = rest.split_at(rest.len() / 2);
    let most = |half: &[u64]| half.iter().copied().max().unwrap_or(0) as f64;
    let (first, last) = (most(first), most(last));
    let text = format!(
        "memory: most {:.1} MiB in the first half, {:.1} in the last",
        first / MIB,
        last / MIB
    );
    if last <= first * GROWTH_FACTOR + GROWTH_BYTES { Ok(text) } else { Err(text) }
}

fn answers(outcome: &Outcome) -> Result<String, String> {
    let proper = outcome.of(Fate::Status(202)) + outcome.of(Fate::Status(503));
    if proper == outcome.sent {
        Ok(format!("answers: all of {proper}"))
    } else {
        Err(format!("answers: {proper} proper ones to {} requests", outcome.sent))
    }
}

/// Contract C7, with the client's own count of what was taken.
fn books(gateway: &Serving, phase: &Phase, taken: u64) -> Result<String, String> {
    if phase.is_receiver_up {
        let took = gateway.await_delivered();
        println!("  delivered the rest in {:.1} s", took.as_secs_f64());
    }
    let page = gateway.page();
    let accepted = page.sum("tidegate_metrics_accepted_total") as u64;
    let delivered = page.sum("tidegate_delivered_total") as u64;
    let queued = page.sum("tidegate_queued") as u64;
    let turned_away = page.sum("tidegate_http_connections_turned_away_total");
    let text = format!(
        "books: {taken} metrics answered 202, {accepted} accepted = {delivered} delivered + {queued} waiting; \
         {turned_away} connections turned away"
    );
    let balances = page.sum("tidegate_books_balanced") > 0.5;
    if balances && taken == accepted && accepted == delivered + queued {
        Ok(text)
    } else {
        Err(text)
    }
}

/// Sends large requests until the queue takes so many bytes; how many metrics were taken.
fn fill(gateway: &Serving, bytes: f64) -> u64 {
    let requests = requests::of(1_000, TOKEN, "/metrics");
    let mut metrics = 0;
    while gateway.page().sum("tidegate_queue_bytes") < bytes {
        let outcome = drive::run(&Plan {
            address: gateway.address(),
            pace: Pace::Closed,
            connections: 4,
            lasting: Duration::from_millis(100),
            requests: &requests,
        });
        metrics += outcome.of(Fate::Status(202)) * 1_000;
    }
    metrics
}

/// Looks at a process each second.
struct Sampler {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<u64>>,
}

impl Sampler {
    fn start(pid: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                samples.extend(child::resident(pid).map(|resident| resident.now));
                thread::sleep(Duration::from_secs(1));
            }
            samples
        });
        Self { over, thread }
    }

    fn end(self) -> Vec<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only reads")
    }
}
