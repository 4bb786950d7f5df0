//! After an outage new data does not wait behind the backlog: lanes of the durable queue, deliveries and
//! a receiver that comes back slowly, from end to end.
//!
//! What "within two seconds" comes down to is how many deliveries of the backlog go before a fresh one:
//! those that were in flight already, whatever the size of the backlog. That is counted, with some room
//! for a loaded machine, on which deliveries overtake each other; the clock on the wall is looked at
//! once, with more of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use tidegate::app::Gateway;
use tidegate::clock::{Clock, ManualClock, SystemClock};
use tidegate::config::{self, Compression, Environment};
use tidegate::encode::Block;
use tidegate::forward::{Forwarder, State};
use tidegate::queue::log::LogQueue;
use tidegate::queue::log::engine::Options;
use tidegate::queue::log::lanes::Order;
use tidegate::queue::{Destination, Durability, Entry, Meters, Queue};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use tokio::time::{Instant, timeout};

use super::forward_receiver::{NOW, PATIENCE, dead_letters, settings, until};
use super::support::wire::{Wire, request};

const FRESH_FIRST: Order = Order::FreshFirst { share: 4 };

/// Of about 1 MiB and as many tuples as a delivery may have, so each is one delivery.
const BACKLOG: usize = 64;
const BLOCK_TUPLES: u32 = 10_000;

/// A receiver that is down, then lets deliveries through one at a time.
struct Slow {
    address: SocketAddr,
    state: Arc<Turnstile>,
}

struct Turnstile {
    is_up: AtomicBool,
    turns: Semaphore,
    /// The first name of every accepted delivery, in order of their acceptance.
    accepted: watch::Sender<Vec<String>>,
}

impl Slow {
    async fn start() -> Self {
        let state = Arc::new(Turnstile {
            is_up: AtomicBool::new(false),
            turns: Semaphore::new(0),
            accepted: watch::Sender::new(Vec::new()),
        });
        let turnstile = Arc::clone(&state);
        let take = move |body: Bytes| {
            let turnstile = Arc::clone(&turnstile);
            async move { turnstile.pass(&body).await }
        };
        let routes = axum::Router::new().fallback(post(take)).layer(DefaultBodyLimit::disable());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, state }
    }

    fn come_back(&self) {
        self.state.is_up.store(true, Ordering::SeqCst);
    }

    fn turn(&self, times: usize) {
        self.state.turns.add_permits(times);
    }

    fn accepted(&self) -> Vec<String> {
        self.state.accepted.borrow().clone()
    }

    /// Waits until so many deliveries were accepted; all of them.
    async fn until_accepted(&self, count: usize) -> Vec<String> {
        let mut accepted = self.state.accepted.subscribe();
        let enough = accepted.wait_for(|names| names.len() >= count);
        timeout(PATIENCE, enough).await.expect("deliveries arrive").unwrap().clone()
    }
}

impl Turnstile {
    async fn pass(&self, body: &[u8]) -> StatusCode {
        if !self.is_up.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        self.turns.acquire().await.unwrap().forget();
        // Not parsed as a whole: these are many bytes for a debug build.
        let start = &body[..body.len().min(2000)];
        let text = String::from_utf8_lossy(start);
        let (_, tuples) = text.split_once("\"metrics\":[").expect("an envelope");
        let name = tuples.split('"').nth(1).expect("a name").to_owned();
        self.accepted.send_modify(|names| names.push(name));
        StatusCode::OK
    }
}

fn options(order: Order) -> Options {
    Options {
        destinations: vec![Destination::named("default")],
        // What is looked at here is the order.
        durability: Durability::Os,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1 << 20,
        order,
        meters: Meters::default(),
    }
}

fn open(directory: &Path, order: Order, clock: &Arc<ManualClock>) -> LogQueue {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    LogQueue::open(directory, &options(order), clock).unwrap()
}

/// One delivery's worth of tuples of this name.
async fn append(queue: &dyn Queue, name: &str) {
    let tuple = format!("[\"{name}\",1,1.0,{{\"p\":\"{}\"}}]", "x".repeat(80));
    let text = vec![tuple; BLOCK_TUPLES as usize].join(",\n");
    let entry = Entry {
        source: Arc::from("test"),
        received: NOW,
        blocks: vec![Block { bytes: Bytes::from(text), tuples: BLOCK_TUPLES }],
        target: None,
        accepted: u64::from(BLOCK_TUPLES),
        rejected: 0,
    };
    queue.append(entry).await.unwrap();
}

fn named(what: &str, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{what}-{number:03}")).collect()
}

async fn append_all(queue: &dyn Queue, names: &[String]) {
    for name in names {
        append(queue, name).await;
    }
}

/// A queue with a backlog from an outage that is about to end, and its deliveries.
struct Outage {
    receiver: Slow,
    queue: LogQueue,
    forwarder: Forwarder,
    backlog: Vec<String>,
    _directory: tempfile::TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// The gateway ran through it.
    ItBegan,
    /// The gateway was started again meanwhile.
    ARestart,
}

impl Outage {
    async fn ends(order: Order, since: Since, backlog: usize, concurrency: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let receiver = Slow::start().await;
        let mut queue = open(directory.path(), order, &clock);
        let backlog = named("old", 0..backlog);
        append_all(&queue, &backlog).await;
        clock.advance(Duration::from_mins(10));
        if since == Since::ARestart {
            queue.end().await;
            drop(queue);
            queue = open(directory.path(), order, &clock);
        }
        let mut settings = settings(receiver.address);
        settings.concurrency = concurrency;
        settings.compression = Compression::Identity;
        let outlet = queue.outlet("default").unwrap();
        let dead_letters = dead_letters(directory.path(), "default");
        let forwarder = Forwarder::start(&settings, "h", outlet, dead_letters, clock).unwrap();
        until(&forwarder, |status| status.state == State::Retrying && status.in_flight > 0).await;
        Self { receiver, queue, forwarder, backlog, _directory: directory }
    }

    /// Everything arrives, once.
    async fn drain(self, fresh: &[String]) -> Vec<String> {
        let mut all = [&self.backlog[..], fresh].concat();
        self.receiver.turn(all.len());
        let accepted = self.receiver.until_accepted(all.len()).await;
        let tuples = u64::from(BLOCK_TUPLES) * all.len() as u64;
        until(&self.forwarder, |status| status.delivered_tuples == tuples).await;
        let mut sorted = accepted.clone();
        sorted.sort_unstable();
        all.sort_unstable();
        assert_eq!(sorted, all);
        accepted
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_point_overtakes_the_backlog_as_soon_as_the_receiver_is_back() {
    const CONCURRENCY: usize = 4;
    for since in [Since::ItBegan, Since::ARestart] {
        let outage = Outage::ends(FRESH_FIRST, since, BACKLOG, CONCURRENCY).await;
        let receiver = &outage.receiver;
        receiver.come_back();
        receiver.turn(1);
        receiver.until_accepted(1).await;
        append(&outage.queue, "new-000").await;
        let mut accepted = receiver.accepted();
        while accepted.last().is_some_and(|name| name != "new-000") {
            // One of each worker is in flight when it comes, and on the way others may overtake it: on
            // a machine that is idle five go before it, of 64.
            assert!(accepted.len() <= 4 * CONCURRENCY, "{since:?}: {accepted:?}");
            receiver.turn(1);
            accepted = receiver.until_accepted(accepted.len() + 1).await;
        }
        outage.drain(&["new-000".to_owned()]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_both_wait_the_backlog_gets_every_fifth_delivery() {
    for since in [Since::ItBegan, Since::ARestart] {
        let outage = Outage::ends(FRESH_FIRST, since, 7, 1).await;
        let fresh = named("new", 0..16);
        append_all(&outage.queue, &fresh).await;
        outage.receiver.come_back();
        let accepted = outage.drain(&fresh).await;
        let is_old = |name: &&String| name.starts_with("old");
        let (old, new): (Vec<&String>, Vec<&String>) = accepted.iter().partition(is_old);
        assert!(old.is_sorted() && new.is_sorted(), "{since:?}: {accepted:?}");
        // Where the first of the backlog stands depends on how many probes were leased before it; from
        // there on four are fresh, until nothing fresh is left.
        let gaps = accepted.split(|name| name.starts_with("old")).map(<[String]>::len);
        let gaps: Vec<usize> = gaps.collect();
        assert!(gaps[0] <= 4 && gaps[1..4] == [4, 4, 4], "{since:?}: {accepted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifo_gives_the_oldest_first_whatever_came_in_meanwhile() {
    for since in [Since::ItBegan, Since::ARestart] {
        let outage = Outage::ends(Order::Fifo, since, 7, 1).await;
        let fresh = named("new", 0..8);
        append_all(&outage.queue, &fresh).await;
        outage.receiver.come_back();
        let accepted = outage.drain(&fresh).await;
        assert_eq!(accepted, [named("old", 0..7), fresh].concat(), "{since:?}");
    }
}

fn gateway_config(receiver: SocketAddr, data_dir: &Path, order: &str) -> config::Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\nhostname = \"gateway-1\"\nadmin.listen = \"off\"\n\
         data_dir = \"{}\"\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"a-token\"\n\
         [receiver]\nurl = \"http://{receiver}/intake\"\napi_key = \"k\"\ncompression = \"identity\"\n\
         retry_min = \"2ms\"\nretry_max = \"20ms\"\nconcurrency = 4\n\
         [queue]\nmin_free_bytes = 0\nsegment_bytes = \"1MiB\"\n{order}",
        data_dir.display()
    );
    config::load("test", &text, &Environment::default()).unwrap().config
}

/// Sends one metric of this name and reads the answer.
async fn send(gateway: &Gateway, name: &str) {
    let body = format!(r#"{{"name":"{name}","gauge":{{"value":1}}}}"#);
    let mut wire = Wire::connect(gateway.addr()).await;
    wire.send(&request("POST /metrics", "authorization: Bearer a-token\r\n", body.as_bytes()))
        .await;
    assert_eq!(wire.reply().await.status, 202);
}

/// A delivery every 100 ms: the backlog alone takes over six seconds, and a fresh point must not take
/// two. Here it may take ten, because the machine has more to do; in `fifo` it comes last, which shows
/// that the backlog would be in its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_point_sent_to_a_gateway_after_an_outage_is_with_the_slow_receiver_soon() {
    for (order, at_most) in [("", 16), ("order = \"fifo\"\n", BACKLOG)] {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let queue = open(directory.path(), FRESH_FIRST, &clock);
        append_all(&queue, &named("old", 0..BACKLOG)).await;
        queue.end().await;
        drop(queue);

        let receiver = Slow::start().await;
        let config = gateway_config(receiver.address, directory.path(), order);
        let gateway = Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap();
        receiver.come_back();
        let state = Arc::clone(&receiver.state);
        let pace = tokio::spawn(async move {
            loop {
                state.turns.add_permits(1);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        receiver.until_accepted(1).await;
        let first = Instant::now();
        send(&gateway, "fresh").await;
        let mut accepted = receiver.state.accepted.subscribe();
        let fresh = accepted.wait_for(|names| names.last().is_some_and(|name| name == "fresh"));
        let before = timeout(PATIENCE, fresh).await.expect("it arrives").unwrap().len() - 1;
        let took = first.elapsed();
        if order.is_empty() {
            assert!(before <= at_most, "{before} deliveries went before it");
            assert!(took < Duration::from_secs(10), "{took:?}");
        } else {
            // The last ones of several workers may change places.
            assert!((BACKLOG - 4..=at_most).contains(&before), "{before} deliveries before it");
        }
        receiver.turn(BACKLOG);
        receiver.until_accepted(BACKLOG + 1).await;
        pace.abort();
        let ended = gateway.stop().await;
        assert_eq!((ended.queued, ended.lost), (0, 0));
    }
}
