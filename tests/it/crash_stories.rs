//! Faults that have cost other queues their data or their peace, where threads, real files or a whole
//! gateway are part of it; `queue::log::engine::tests` has the others, and says which have no place here.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate::app::{Ended, Gateway};
use tidegate::clock::{ManualClock, SystemClock};
use tidegate::config::{self, Config, Environment, Secret};
use tidegate::encode::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX, Block};
use tidegate::queue::log::LogQueue;
use tidegate::queue::log::engine::Options;
use tidegate::queue::log::lanes::Order;
use tidegate::queue::{
    AppendError, Destination, Durability, Entry, Lease, Meters, Outlet, Queue, Want,
};
use tokio::time::timeout;

use super::forward_receiver::{Act, NOW, PATIENCE, Scripted, script};
use super::support::wire::{Wire, request};

const WANT: Want = Want { bytes: 1 << 20, tuples: 10_000 };

fn options() -> Options {
    Options {
        destinations: vec![Destination::named("default")],
        durability: Durability::Os,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1 << 20,
        order: Order::default(),
        meters: Meters::default(),
    }
}

fn open(directory: &Path) -> (Arc<LogQueue>, Arc<dyn Outlet>) {
    let clock = Arc::new(ManualClock::new(NOW));
    let queue = Arc::new(LogQueue::open(directory, &options(), clock).unwrap());
    let outlet = queue.outlet("default").unwrap();
    (queue, outlet)
}

fn block(text: impl Into<Bytes>, tuples: u32) -> Block {
    Block { bytes: text.into(), tuples }
}

fn entry(blocks: Vec<Block>) -> Entry {
    let accepted = blocks.iter().map(|block| u64::from(block.tuples)).sum();
    Entry { source: Arc::from("test"), received: NOW, blocks, target: None, accepted, rejected: 0 }
}

/// A lease within the time it takes anything here; most want to see that it comes at all.
async fn lease(outlet: &Arc<dyn Outlet>, want: Want) -> Lease {
    let leased = timeout(PATIENCE, outlet.lease(want)).await;
    leased.expect("what is there is leased").expect("the queue is open")
}

fn texts(lease: &Lease) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    lease.blocks.iter().map(|leased| text(&leased.block.bytes)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_entry_is_delivered_without_another_one_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let (queue, outlet) = open(directory.path());
    for round in 0..300 {
        let waiter = {
            let outlet = Arc::clone(&outlet);
            tokio::spawn(async move { lease(&outlet, WANT).await })
        };
        // One that gives up must not take the other's wake-up with it.
        let impatient = {
            let outlet = Arc::clone(&outlet);
            tokio::spawn(async move { outlet.lease(Want { bytes: 1, tuples: 0 }).await })
        };
        if round % 3 == 0 {
            tokio::task::yield_now().await;
        }
        impatient.abort();
        let text = format!("m{round}");
        queue.append(entry(vec![block(text.clone(), 1)])).await.unwrap();
        let leased = match impatient.await {
            // It was served before it could give up; the other one still waits for the next entry.
            Ok(leased) => {
                waiter.abort();
                waiter.await.ok();
                leased.unwrap()
            }
            Err(_) => waiter.await.unwrap(),
        };
        assert_eq!(texts(&leased), [text]);
        outlet.deliver(leased).await;
    }
    assert_eq!(outlet.books().delivered, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_lease_leaves_or_gives_back_wakes_whoever_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (queue, outlet) = open(directory.path());
    let one = Want { bytes: 1, tuples: 1 };
    for _ in 0..100 {
        let wait = || {
            let outlet = Arc::clone(&outlet);
            tokio::spawn(async move { lease(&outlet, one).await })
        };
        let (first, second) = (wait(), wait());
        queue.append(entry(vec![block("a", 1), block("b", 1)])).await.unwrap();
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let third = wait();
        tokio::task::yield_now().await;
        let given_back = texts(&second);
        outlet.release(second);
        let third = third.await.unwrap();
        assert_eq!(texts(&third), given_back);
        outlet.deliver(first).await;
        outlet.deliver(third).await;
    }
    assert_eq!(outlet.depth().tuples, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_beyond_all_bounds_is_refused_alone_and_the_writer_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (queue, outlet) = open(directory.path());
    let beyond = [
        entry(vec![block(vec![b'x'; BLOCK_BYTES_MAX + 1], 1)]),
        entry(vec![block("x", BLOCK_TUPLES_MAX + 1)]),
        entry(vec![block("x", 0)]),
        entry(vec![block("", 1)]),
        entry(Vec::new()),
        Entry { source: Arc::from("s".repeat(256)), ..entry(vec![block("x", 1)]) },
    ];
    for (number, entry) in beyond.into_iter().enumerate() {
        let refused = timeout(PATIENCE, queue.append(entry)).await.unwrap();
        assert!(matches!(refused, Err(AppendError::Failed { .. })), "case {number}: {refused:?}");
    }
    let largest = vec![b'x'; BLOCK_BYTES_MAX];
    queue.append(entry(vec![block(largest, BLOCK_TUPLES_MAX)])).await.unwrap();
    let leased = lease(&outlet, Want { bytes: 1, tuples: 1 }).await;
    assert_eq!(leased.blocks[0].block.bytes.len(), BLOCK_BYTES_MAX);
    outlet.deliver(leased).await;
    let books = outlet.books();
    assert_eq!((books.series, books.delivered), (10_000, 10_000), "nothing else was counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_was_dropped_in_the_middle_of_its_work_is_not_at_work_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    for round in 0..20 {
        let clock = Arc::new(ManualClock::new(NOW));
        let queue = LogQueue::open(directory.path(), &options(), clock.clone()).unwrap();
        let text = format!("m{round:02}");
        queue.append(entry(vec![block(text.clone(), 1)])).await.unwrap();
        sent.push(text);
        // On its way to the disk, and nobody waits for it.
        let mut large = queue.append(entry(vec![block(vec![b'x'; BLOCK_BYTES_MAX], 1)]));
        assert!(is_pending(&mut large).await, "it is not there at once");
        drop(large);
        drop(queue);
        assert_eq!(Arc::strong_count(&clock), 1, "a thread goes on in a directory without a lock");
    }
    let (_queue, outlet) = open(directory.path());
    let mut seen = Vec::new();
    while outlet.depth().tuples > 0 {
        let leased = lease(&outlet, WANT).await;
        seen.extend(texts(&leased).into_iter().filter(|text| text.starts_with('m')));
        outlet.deliver(leased).await;
    }
    assert_eq!(seen, sent);
}

/// Polls once; whether it has to be polled again.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}

// -- a whole gateway --

fn config(receiver: &str, data_dir: &Path) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\nhostname = \"gateway-1\"\nadmin.listen = \"off\"\n\
         data_dir = \"{}\"\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"a-token\"\n\
         [receiver]\nurl = \"{receiver}\"\napi_key = \"k\"\nretry_min = \"1h\"\nretry_max = \"1h\"\n\
         [queue]\nmin_free_bytes = 0\n[shutdown]\ngrace = \"1s\"\n",
        data_dir.display()
    );
    config::load("test", &text, &Environment::default()).unwrap().config
}

async fn start(config: Config) -> Gateway {
    Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap()
}

/// Sends one metric of this name; the status.
async fn send(gateway: &Gateway, name: &str) -> u16 {
    let body = format!(r#"{{"name":"{name}","gauge":{{"value":1}}}}"#);
    let mut wire = Wire::connect(gateway.addr()).await;
    wire.send(&request("POST /metrics", "authorization: Bearer a-token\r\n", body.as_bytes()))
        .await;
    wire.reply().await.status
}

/// Waits until the receiver was asked so many times.
async fn until_asked(receiver: &Scripted, times: usize) {
    let asked = async {
        while receiver.seen().len() < times {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("a delivery is tried");
}

async fn until_accepted(receiver: &Scripted, names: &[&str]) {
    let arrived = async {
        while receiver.accepted() != names {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let arrived = timeout(PATIENCE, arrived).await;
    assert!(arrived.is_ok(), "{:?} of {names:?}", receiver.accepted());
}

fn url(receiver: &Scripted, path: &str) -> String {
    format!("http://{}{path}", receiver.address)
}

/// A data directory with `names` in it, which a receiver that is down did not get.
async fn after_an_outage(data_dir: &Path, names: &[&str]) -> Ended {
    let down = Scripted::start(Box::new(|_| Act::status(503))).await;
    let gateway = start(config(&url(&down, "/intake"), data_dir)).await;
    for name in names {
        assert_eq!(send(&gateway, name).await, 202);
    }
    until_asked(&down, 1).await;
    // An hour before the next attempt, and a second to end in.
    timeout(PATIENCE, gateway.stop()).await.expect("a shutdown ends, whoever is being retried")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_while_deliveries_are_retried_ends_and_drops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let ended = after_an_outage(directory.path(), &names).await;
    assert_eq!(ended, Ended { delivered: 0, queued: 7, lost: 0, ..Ended::default() });
    let up = Scripted::start(script([])).await;
    let gateway = start(config(&url(&up, "/intake"), directory.path())).await;
    until_accepted(&up, &names).await;
    let ended = gateway.stop().await;
    assert_eq!(ended, Ended { delivered: 7, queued: 0, lost: 0, ..Ended::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_address_or_key_of_the_receiver_leaves_no_backlog_behind() {
    let directory = tempfile::tempdir().unwrap();
    after_an_outage(directory.path(), &["a", "b"]).await;
    let up = Scripted::start(script([])).await;
    let mut moved = config(&url(&up, "/elsewhere/intake"), directory.path());
    moved.receivers[0].api_key = Secret::new("another".to_owned());
    let gateway = start(moved).await;
    assert_eq!(send(&gateway, "c").await, 202);
    until_accepted(&up, &["a", "b", "c"]).await;
    assert_eq!(
        gateway.stop().await,
        Ended { delivered: 3, queued: 0, lost: 0, ..Ended::default() }
    );
}

type Change = fn(&mut Config);

/// Every file, and what it holds.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_at_fault_at_a_restart_leaves_the_backlog_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    after_an_outage(directory.path(), &["a", "b"]).await;
    let before = files(&directory.path().join("queue"));
    assert_eq!(before.len(), 2, "a segment and a position");

    let up = Scripted::start(script([])).await;
    let sound = config(&url(&up, "/intake"), directory.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at_fault: [(&str, Change); 3] = [
        ("url", |config| config.receivers[0].url = "not an address".to_owned()),
        ("api_key", |config| config.receivers[0].api_key = Secret::new("\n".to_owned())),
        ("hostname", |config| config.hostname = "h".repeat(5 << 20)),
    ];
    for (what, change) in at_fault {
        let mut broken = sound.clone();
        broken.receivers[0].auth = config::ReceiverAuth::Header;
        change(&mut broken);
        let started = Gateway::start(broken, Arc::new(SystemClock::new())).await;
        assert!(started.is_err(), "{what}");
        let after = files(&directory.path().join("queue"));
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{what}");
        assert!(
            after
                .iter()
                .all(|(name, bytes)| { name == "default.pos" || before.get(name) == Some(bytes) })
        );
    }
    let mut busy = sound.clone();
    busy.listen = taken.local_addr().unwrap();
    assert!(Gateway::start(busy, Arc::new(SystemClock::new())).await.is_err());

    let gateway = start(sound).await;
    until_accepted(&up, &["a", "b"]).await;
    assert_eq!(
        gateway.stop().await,
        Ended { delivered: 2, queued: 0, lost: 0, ..Ended::default() }
    );
}
