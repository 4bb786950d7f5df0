//! What waits for a receiver that left the configuration still shows.

use std::sync::Arc;

use tidegate::admin::{Admin, Parts};
use tidegate::clock::SystemClock;
use tidegate::encode::Block;
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::log::LogQueue;
use tidegate::queue::log::engine::Options;
use tidegate::queue::log::lanes::Order;
use tidegate::queue::{Destination, Durability, Entry, Meters, Queue, Want};
use tokio::net::TcpListener;

use super::super::support::edge::Edge;
use super::{causes, scrape};

fn open(directory: &std::path::Path, destinations: &[&str]) -> LogQueue {
    let options = Options {
        destinations: destinations.iter().map(|name| Destination::named(name)).collect(),
        durability: Durability::Fsync,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1 << 20,
        order: Order::default(),
        meters: Meters::default(),
    };
    LogQueue::open(directory, &options, Arc::new(SystemClock::new())).unwrap()
}

async fn append(queue: &LogQueue, tuples: u32) {
    let entry = Entry {
        source: "checkout".into(),
        received: Timestamp::from_unix(1_700_000_000, 0),
        blocks: vec![Block { bytes: vec![b'x'; 500].into(), tuples }],
        target: None,
        accepted: u64::from(tuples),
        rejected: 0,
    };
    queue.append(entry).await.unwrap();
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_is_not_configured_any_more_shows() {
    let directory = tempfile::tempdir().unwrap();
    let queue = open(directory.path(), &["main", "old"]);
    append(&queue, 3).await;
    append(&queue, 4).await;
    let outlet = queue.outlet("old").unwrap();
    let one = Want { bytes: 1, tuples: 1 };
    let lease = outlet.lease(one).await.unwrap();
    let delivered = lease.tuples() as f64;
    outlet.deliver(lease).await;
    queue.end().await;
    drop((outlet, queue));

    let queue = Arc::new(open(directory.path(), &["main"]));
    append(&queue, 5).await;
    let edge = Edge::start().await;
    let parts = Parts {
        queue: queue.clone(),
        meters: Meters::default(),
        edge: Arc::clone(&edge.state),
        scrapes: Arc::default(),
        deliveries: Vec::new(),
        data_dir: std::path::PathBuf::from("nowhere"),
        clock: edge.clock.clone(),
        traffic: Arc::default(),
        tap: Arc::default(),
        allowed_hosts: Vec::new(),
        reload: tidegate::admin::Desk::closed(tidegate::admin::Reloaded::default()),
    };
    let admin = Admin::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), parts).unwrap();
    let page = scrape(admin.addr()).await;
    let of = |name: &str, receiver: &str| {
        page.at(&format!("tidegate_{name}{{receiver=\"{receiver}\"}}"))
    };
    for (name, main, old) in [
        ("series_total", 12.0, 12.0),
        ("delivered_total", 0.0, delivered),
        ("queued", 12.0, 12.0 - delivered),
        ("queue_waiting_tuples", 12.0, 12.0 - delivered),
        ("queue_waiting_blocks", 3.0, 2.0),
    ] {
        assert_eq!((of(name, "main"), of(name, "old")), (main, old), "{name}");
    }
    assert!(of("queue_waiting_bytes", "old") > 500.0);
    assert!(page.at("tidegate_books_balanced") == 1.0);
    assert!(of("queue_oldest_age_seconds", "main") >= 0.0);
    assert!(page.get("tidegate_queue_oldest_age_seconds{receiver=\"old\"}").is_none());
    assert!(page.get("tidegate_deliveries_in_flight{receiver=\"old\"}").is_none());
    let none: [&str; 0] = [];
    assert_eq!(causes(admin.addr()).await, none, "it waits for an operator, and not for a disk");
}
