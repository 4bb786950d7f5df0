//! What goes over the wire when all is well (contract C6.1).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate::clock::ManualClock;
use tidegate::config::{self, Compression, ReceiverAuth, Secret};
use tidegate::forward::{Forwarder, State};
use tidegate::queue::memory::MemoryQueue;
use tidegate::queue::{Destination, Queue};
use tokio::time::{Instant, sleep};

use super::forward_receiver::{
    Act, NOW, Scripted, Side, append, append_text, dead_letters, names, script, settings, until,
    until_delivered,
};

#[tokio::test]
async fn many_small_blocks_travel_in_one_envelope() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let all = names(0..600);
    for pair in all.chunks(2) {
        append(&side.queue, pair).await;
    }
    let mut settings = settings(receiver.address);
    settings.concurrency = 1;
    let forwarder = side.start(&settings);
    until_delivered(&side, &forwarder, 600).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1, "one request for 300 blocks");
    assert_eq!(seen[0].names(), all, "in order");
    let envelope: serde_json::Value = serde_json::from_slice(&seen[0].plain()).unwrap();
    assert_eq!(envelope["collection_timestamp"], json!(NOW.seconds()));
    assert_eq!(envelope["internalHostname"], json!("gateway.test"));
    assert_eq!(envelope["events"], json!({}));
    assert_eq!(envelope["service_checks"], json!([]));
    assert_eq!(envelope["topologies"], json!([]));
    assert_eq!(envelope.as_object().unwrap().len(), 6);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn blocks_that_trickle_in_are_gathered() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let forwarder = side.start(&settings(receiver.address));
    let began = Instant::now();
    let all = names(0..100);
    for name in &all {
        append(&side.queue, &[name]).await;
        sleep(Duration::from_micros(500)).await;
    }
    until_delivered(&side, &forwarder, 100).await;
    // A small delivery begins 10 ms after the one before, and the first at once.
    let most = 1 + began.elapsed().as_millis() / 10;
    let requests = receiver.seen().len() as u128;
    assert!(requests <= most, "{requests} requests, at most {most}");
    assert_eq!(receiver.accepted().len(), all.len());
}

#[tokio::test]
async fn no_request_passes_ten_thousand_tuples_or_four_mebibytes() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    for part in 0..3 {
        append(&side.queue, &names(part * 6_000..(part + 1) * 6_000)).await;
    }
    for name in names(18_000..18_004) {
        let padding = "x".repeat(1_500_000);
        append_text(&side.queue, format!("[\"{name}\",1,1.0,{{\"p\":\"{padding}\"}}]"), 1).await;
    }
    let mut settings = settings(receiver.address);
    settings.concurrency = 1;
    let forwarder = side.start(&settings);
    until_delivered(&side, &forwarder, 18_004).await;
    let sizes: Vec<usize> = receiver.seen().iter().map(|seen| seen.names().len()).collect();
    assert_eq!(sizes, [6_000, 6_000, 6_002, 2]);
    assert!(receiver.seen().iter().all(|seen| seen.plain().len() <= 4 << 20));
    assert_eq!(receiver.accepted(), names(0..18_004));
}

#[tokio::test]
async fn every_encoding_decodes_to_the_same_envelope() {
    let cases = [
        (Compression::Identity, None),
        (Compression::Deflate, Some("deflate")),
        (Compression::Gzip, Some("gzip")),
    ];
    let mut bodies = HashSet::new();
    for (compression, encoding) in cases {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        // Enough to be packed off the reactor, with something small after it.
        append(&side.queue, &names(0..9_000)).await;
        append(&side.queue, &["last"]).await;
        let forwarder = side.start(&tidegate::config::Receiver {
            compression,
            concurrency: 1,
            ..settings(receiver.address)
        });
        until_delivered(&side, &forwarder, 9_001).await;
        let seen = receiver.seen();
        assert_eq!(seen[0].header("content-encoding"), encoding);
        bodies.insert(seen[0].plain());
    }
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn the_key_travels_as_parameter_or_as_header() {
    let key = "a+b/c&d=e f%\u{fc}";
    let cases = [
        (ReceiverAuth::Query, "", "/i?api_key=a%2Bb%2Fc%26d%3De+f%25%C3%BC", None),
        (ReceiverAuth::Query, "?x=1", "/i?x=1&api_key=a%2Bb%2Fc%26d%3De+f%25%C3%BC", None),
        (ReceiverAuth::Header, "?x=1", "/i?x=1", Some(key)),
    ];
    for (auth, query, target, header) in cases {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        append(&side.queue, &["m"]).await;
        let forwarder = side.start(&tidegate::config::Receiver {
            auth,
            api_key: Secret::new(key.to_owned()),
            url: format!("http://{}/i{query}", receiver.address),
            ..settings(receiver.address)
        });
        until_delivered(&side, &forwarder, 1).await;
        let seen = receiver.seen();
        assert_eq!(seen[0].target, target);
        assert_eq!(seen[0].header("sts-api-key"), header);
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let mut settings = settings(receiver.address);
    settings.concurrency = 1;
    let forwarder = side.start(&settings);
    for round in 1..=5 {
        append(&side.queue, &["m"]).await;
        until_delivered(&side, &forwarder, round).await;
    }
    assert_eq!((receiver.seen().len(), receiver.connections()), (5, 1));
}

#[tokio::test]
async fn as_many_deliveries_are_in_flight_as_configured_once_the_receiver_took_some() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let mut settings = settings(receiver.address);
    settings.concurrency = 3;
    let forwarder = side.start(&settings);
    let mut delivered = 0;
    // The limit grows only while all of it is used, so there is more than that at a time.
    while forwarder.status().borrow().limit < 3 {
        // Each block fills an envelope.
        for _ in 0..4 {
            append(&side.queue, &names(0..10_000)).await;
        }
        delivered += 40_000;
        until_delivered(&side, &forwarder, delivered).await;
    }
    let before = receiver.seen().len();
    receiver.rule(Box::new(|_| Act::Hang(String::new())));
    for _ in 0..5 {
        append(&side.queue, &names(0..10_000)).await;
    }
    until(&forwarder, |status| status.in_flight == 3).await;
    while receiver.seen().len() < before + 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(forwarder.status().borrow().in_flight, 3, "and not more");
    assert_eq!(forwarder.status().borrow().state, State::Flowing);
}

#[tokio::test]
async fn two_receivers_do_not_feel_each_other() {
    let (good, bad) = (Scripted::start(script([])).await, Scripted::start(script([])).await);
    bad.rule(Box::new(|_| Act::status(503)));
    let queue = Arc::new(MemoryQueue::new(
        1 << 20,
        vec![Destination::named("good"), Destination::named("bad")],
    ));
    let directory = tempfile::tempdir().unwrap();
    let start = |name: &str, receiver: &Scripted| {
        let outlet = queue.outlet(name).unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let dead_letters = dead_letters(directory.path(), name);
        let settings = config::Receiver { name: name.into(), ..settings(receiver.address) };
        Forwarder::start(&settings, "h", outlet, dead_letters, clock).unwrap()
    };
    let (to_good, to_bad) = (start("good", &good), start("bad", &bad));
    for name in names(0..50) {
        append(&queue, &[name]).await;
    }
    until(&to_good, |status| status.delivered_tuples == 50).await;
    until(&to_bad, |status| status.state == State::Retrying).await;
    assert_eq!(good.accepted(), names(0..50));
    assert_eq!(to_good.status().borrow().last_error, None);
    assert_eq!(queue.outlet("bad").unwrap().books().queued, 50);
    bad.rule(script([]));
    until(&to_bad, |status| status.delivered_tuples == 50).await;
    assert_eq!(bad.accepted(), names(0..50));
}
