//! The generator by itself, against any address.

use std::net::ToSocketAddrs;
use std::time::Duration;

use super::arguments::{number, text};
use super::drive::{self, Pace, Plan};
use super::outcome::{Fate, Latencies};
use super::requests;

/// Sends to `url` and prints what came back; whether every request got an answer.
pub(crate) fn run(url: &str) -> bool {
    let rest = url.strip_prefix("http://").expect("--url begins with http://");
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, "/metrics".to_owned()), |(host, path)| (host, format!("/{path}")));
    let mut addresses = host.to_socket_addrs().expect("--url names host and port");
    let address = addresses.next().expect("the host has an address");
    let token = text("--token").unwrap_or_else(|| "dev".to_owned());
    let requests = requests::of(number("--metrics").unwrap_or(1), &token, &path);
    let connections = number("--connections").unwrap_or(64);
    let lasting = Duration::from_secs_f64(number("--seconds").unwrap_or(10.0));
    let pace = number("--rate").map_or(Pace::Closed, Pace::Open);
    let outcome = drive::run(&Plan { address, pace, connections, lasting, requests: &requests });
    println!(
        "{} due, {} sent in {:.2} s over {} connections: {:.0} taken a second; {}",
        outcome.due,
        outcome.sent,
        outcome.took.as_secs_f64(),
        outcome.opened,
        outcome.taken_per_second(),
        outcome.fates()
    );
    line("taken", &outcome.taken);
    line("refused", &outcome.refused);
    line("late itself", &outcome.lag);
    println!("generator: {:.2} of a core", outcome.cpu_share());
    [Fate::Unanswered, Fate::Late, Fate::NotConnected].iter().all(|fate| outcome.of(*fate) == 0)
}

fn line(what: &str, latencies: &Latencies) {
    if latencies.count() > 0 {
        println!(
            "{what:<12} ms: p50 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3}",
            latencies.ms(0.5),
            latencies.ms(0.99),
            latencies.ms(0.999),
            latencies.max_ms()
        );
    }
}
