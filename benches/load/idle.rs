//! `--idle`: what a request costs beside idle keep-alive connections, and what each of those takes.
//!
//! 16 connections always have a request of one metric under way, durability `memory`, the receiver
//! takes everything; beside them rest 1, 100, 1,000 and 10,000 connections that had one request each. Every
//! round measures all of them in turn. It fails when a request beside any of them costs more than 1.3
//! times one beside a single connection, the median of the rounds. Options: `--rounds N` (7), `--seconds S` (2), `--idle-most N`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::null::Null;
use super::requests;
use super::round::{Round, measure};
use super::serving::{Serving, TOKEN};
use super::sockets::make_room;
use super::spread::Spread;

const IDLE: [usize; 4] = [1, 100, 1_000, 10_000];
const ACTIVE: usize = 16;

/// The most that a request may cost beside idle connections, in units of its cost beside one.
const RATIO_MAX: f64 = 1.3;

const CONFIG: &str = "[limits]\nrequests_per_minute = 0\nconnections = 12000\n\
                      [http]\nidle_timeout = \"1h\"\n[queue]\ndurability = \"memory\"\n";

pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) lasting: Duration,
    /// More idle connections than these are not tried.
    pub(crate) most: usize,
}

/// Whether idle connections cost others little.
pub(crate) fn run(settings: &Settings) -> bool {
    let most = IDLE.into_iter().filter(|count| *count <= settings.most).max().unwrap_or_default();
    if !make_room(most + ACTIVE) {
        return false;
    }
    let sink = Null::start();
    let gateway = Serving::start(&[sink.address()], CONFIG);
    let requests = requests::of(1, TOKEN, "/metrics");
    measure(&gateway, ACTIVE, &requests, settings.lasting);
    let mut cases: [Vec<Round>; IDLE.len()] = Default::default();
    for round in 0..settings.rounds {
        for (count, rounds) in IDLE.iter().zip(&mut cases) {
            if *count > settings.most {
                continue;
            }
            gateway.await_delivered();
            let before = gateway.resident_bytes();
            let resting = rest(gateway.address(), *count, &requests);
            gateway.await_delivered();
            if round == 0 {
                let grown = gateway.resident_bytes().saturating_sub(before) as f64;
                println!(
                    "{count} idle connections: resident {:.1} MiB before, {:.2} KiB more for each",
                    before as f64 / f64::from(1 << 20),
                    grown / 1024.0 / *count as f64
                );
            }
            rounds.push(measure(&gateway, ACTIVE, &requests, settings.lasting));
            drop(resting);
        }
    }
    println!("| idle connections | CPU us a request | of that beside 1 | requests/s | p99 ms |");
    println!("|---|---|---|---|---|");
    let mut passes = true;
    for (count, rounds) in IDLE.iter().zip(&cases) {
        if rounds.is_empty() {
            continue;
        }
        let pairs: Vec<(&Round, &Round)> = rounds.iter().zip(&cases[0]).collect();
        let ratio = Spread::of(&pairs, |(beside, alone)| beside.cpu_us / alone.cpu_us);
        passes &= ratio.median <= RATIO_MAX;
        println!(
            "| {count} | {:.1} | {ratio} | {:.0} | {} |",
            Spread::of(rounds, |round| round.cpu_us),
            Spread::of(rounds, |round| round.per_second),
            Spread::of(rounds, |round| round.p99_ms),
        );
    }
    println!("{}: at most {RATIO_MAX} times", if passes { "PASS" } else { "FAIL" });
    passes
}

/// Connections that had a request and now wait for the next.
fn rest(address: SocketAddr, count: usize, requests: &[Vec<u8>]) -> Vec<TcpStream> {
    let one = |number: usize| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(&requests[number % requests.len()]).expect("it listens");
        let mut answer = [0; 1024];
        let count = stream.read(&mut answer).expect("it answers");
        assert!(answer[..count].starts_with(b"HTTP/1.1 202"), "a 202");
        stream
    };
    (0..count).map(one).collect()
}
