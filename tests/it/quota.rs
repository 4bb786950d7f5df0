//! What one source may send a minute: requests, metrics and bytes, from all its addresses together.

use std::io::Write;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate::config::SourceLimits;

use crate::support::edge::{Edge, METRIC, TOKEN, source};
use crate::support::wire::{Reply, Wire, once, post, request};

/// A second source without limits.
const OTHER: &str = "other-token";

async fn edge(limits: SourceLimits) -> Edge {
    edge_with(limits, 429).await
}

async fn edge_with(limits: SourceLimits, over_limit_status: u16) -> Edge {
    Edge::with(|settings| {
        settings.sources[0].limits = limits;
        settings.sources.push(source("other", OTHER));
        settings.limits.over_limit_status = over_limit_status;
    })
    .await
}

fn requests(a_minute: u64) -> SourceLimits {
    SourceLimits { requests_per_minute: NonZeroU64::new(a_minute), ..SourceLimits::default() }
}

fn metrics(a_minute: u64) -> SourceLimits {
    SourceLimits { metrics_per_minute: NonZeroU64::new(a_minute), ..SourceLimits::default() }
}

fn bytes(a_minute: u64) -> SourceLimits {
    SourceLimits { bytes_per_minute: NonZeroU64::new(a_minute), ..SourceLimits::default() }
}

fn body(metrics: usize) -> Vec<u8> {
    format!("[{}]", vec![METRIC; metrics].join(",")).into_bytes()
}

async fn send(edge: &Edge, metrics: usize) -> Reply {
    once(edge, &post("", &body(metrics))).await
}

#[tokio::test]
async fn requests_over_the_quota_are_429_with_the_way_back() {
    let edge = edge(requests(2)).await;
    assert_eq!(send(&edge, 1).await.status, 202);
    assert_eq!(send(&edge, 1).await.status, 202);
    let reply = send(&edge, 1).await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.header("retry-after"), Some("30"));
    assert_eq!(reply.header("ratelimit-policy"), Some("\"source-requests\";q=2;w=60"));
    assert_eq!(reply.header("ratelimit"), Some("\"source-requests\";r=0;t=30"));
    assert_eq!(
        reply.text(),
        "the source sent more than 2 requests a minute (`requests_per_minute` of its [[sources]]): \
         try again in 30 s"
    );
    let other = format!("authorization: Bearer {OTHER}\r\n");
    let other = request("POST /metrics", &other, METRIC.as_bytes());
    assert_eq!(once(&edge, &other).await.status, 202, "another source has its own");
    edge.clock.advance(Duration::from_secs(30));
    assert_eq!(send(&edge, 1).await.status, 202);
    assert_eq!(send(&edge, 1).await.status, 429);
    assert_eq!(edge.queue.tuples(), 4);
}

#[tokio::test]
async fn the_quota_comes_right_after_the_token() {
    let edge = edge(requests(1)).await;
    assert_eq!(send(&edge, 1).await.status, 202);
    let odd = "content-type: image/png\r\ncontent-encoding: br\r\n";
    assert_eq!(once(&edge, &post(odd, b"")).await.status, 429, "before any look at the body");
    let bad = request("POST /metrics", "authorization: Bearer nobody\r\n", b"{}");
    assert_eq!(once(&edge, &bad).await.status, 403);
    let endless = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 99\r\n\r\n"
    );
    let mut wire = Wire::connect(edge.address).await;
    wire.send(endless.as_bytes()).await;
    assert_eq!(wire.reply().await.status, 429, "and before it is read");
}

#[tokio::test]
async fn clients_that_drop_on_429_may_be_told_503() {
    let edge = edge_with(requests(1), 503).await;
    send(&edge, 1).await;
    let reply = send(&edge, 1).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("60")));
    assert_eq!(edge.state.counts().no_room.load(Ordering::SeqCst), 0, "it is no want of room");
}

#[tokio::test]
async fn metrics_are_counted_as_sent_and_a_body_that_is_too_much_is_waited_for() {
    let edge = edge(metrics(60)).await;
    // Those that are rejected were sent as well.
    let mixed = format!("[{METRIC},{{}},1{}]", format!(",{METRIC}").repeat(147));
    assert_eq!(once(&edge, &post("", mixed.as_bytes())).await.status, 202);
    let reply = send(&edge, 1).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("91")));
    assert_eq!(reply.header("ratelimit-policy"), Some("\"source-metrics\";q=60;w=60"));
    edge.clock.advance(Duration::from_secs(90));
    assert_eq!(send(&edge, 1).await.status, 429);
    edge.clock.advance(Duration::from_secs(1));
    assert_eq!(send(&edge, 1).await.status, 202);
    assert_eq!(edge.queue.tuples(), 149);
}

#[tokio::test]
async fn a_dry_run_is_a_request_and_nothing_more() {
    let limits = SourceLimits { requests_per_minute: NonZeroU64::new(3), ..metrics(1) };
    let edge = edge(limits).await;
    let preview = request(
        "POST /metrics?dry_run=1",
        &format!("authorization: Bearer {TOKEN}\r\n"),
        &body(100),
    );
    assert_eq!(once(&edge, &preview).await.status, 200);
    assert_eq!(once(&edge, &preview).await.status, 200);
    assert_eq!(send(&edge, 1).await.status, 202);
    let reply = once(&edge, &preview).await;
    assert_eq!(reply.header("ratelimit-policy"), Some("\"source-metrics\";q=1;w=60"));
}

#[tokio::test]
async fn bytes_are_those_of_the_decompressed_body_whatever_becomes_of_it() {
    let edge = edge(bytes(100_000)).await;
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zipped.write_all(METRIC.as_bytes()).unwrap();
    zipped.write_all(&[b' '].repeat(200_000 - METRIC.len())).unwrap();
    let zipped = zipped.finish().unwrap();
    assert!(zipped.len() < 2_000);
    let reply = once(&edge, &post("content-encoding: gzip\r\n", &zipped)).await;
    assert_eq!(reply.status, 202, "a body larger than a minute's worth passes once");
    let reply = send(&edge, 1).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("61")));
    assert_eq!(reply.header("ratelimit-policy"), Some("\"source-bytes\";q=100000;w=60"));
    edge.clock.advance(Duration::from_mins(2));
    assert_eq!(once(&edge, &post("", &[b'['].repeat(100_000))).await.status, 406);
    assert_eq!(send(&edge, 1).await.status, 429, "it was read, so it counts");
}

#[tokio::test]
async fn a_body_that_waits_for_the_queue_has_its_metrics_counted() {
    let edge = edge(metrics(10)).await;
    edge.queue.hold();
    let mut waiting = Wire::connect(edge.address).await;
    waiting.send(&post("", &body(20))).await;
    edge.queue.append_begun().await;
    let reply = send(&edge, 10).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("61")));
    edge.queue.let_one_through();
    assert_eq!(waiting.reply().await.status, 202);
    assert_eq!(edge.queue.tuples(), 20);
}

#[tokio::test]
async fn nobody_waits_longer_than_ten_minutes() {
    let edge = edge(metrics(10)).await;
    assert_eq!(send(&edge, 1000).await.status, 202);
    assert_eq!(send(&edge, 1).await.header("retry-after"), Some("601"));
    edge.clock.advance(Duration::from_secs(601));
    assert_eq!(send(&edge, 1).await.status, 202);
}

#[tokio::test]
async fn bytes_of_bodies_that_are_refused_count_as_well() {
    let zipped = |bytes: usize| {
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        zipped.write_all(&[b' '].repeat(bytes)).unwrap();
        zipped.finish().unwrap()
    };
    let gzip = |body: &[u8]| post("content-encoding: gzip\r\n", body);
    let cut = zipped(150_000);
    let mut chunked = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n",
        250_000
    )
    .into_bytes();
    chunked.extend([b' '].repeat(250_000));
    chunked.extend(b"\r\n0\r\n\r\n");
    for (what, request, status) in [
        ("too large", chunked, 413),
        ("a bomb", gzip(&zipped(50 << 20)), 413),
        ("cut", gzip(&cut[..cut.len() - 8]), 406),
        ("no format", post("", &[b'x'].repeat(150_000)), 406),
        ("no metric", post("", &[b' '].repeat(150_000)), 406),
    ] {
        let edge = Edge::with(|settings| {
            settings.sources[0].limits = bytes(100_000);
            settings.limits.body_bytes = 200_000;
        })
        .await;
        assert_eq!(once(&edge, &request).await.status, status, "{what}");
        let reply = send(&edge, 1).await;
        let policy = reply.header("ratelimit-policy");
        assert_eq!(policy, Some("\"source-bytes\";q=100000;w=60"), "{what}");
    }
}

#[tokio::test]
async fn every_protocol_is_told_in_its_own_manner() {
    let edge = edge(requests(1)).await;
    send(&edge, 1).await;
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let to =
        |line: &str, kind: &str| request(line, &format!("{token}content-type: {kind}\r\n"), b"{}");
    let text = "text/plain; charset=utf-8";
    for (line, kind, answered) in [
        ("POST /metrics", "text/plain; version=0.0.4", text),
        ("POST /metrics/job/x", "text/plain", text),
        ("POST /api/v1/write", "application/x-protobuf", text),
        ("POST /v1/metrics", "application/json", "application/json"),
        ("POST /v1/metrics", "application/x-protobuf", "application/x-protobuf"),
    ] {
        let reply = once(&edge, &to(line, kind)).await;
        assert_eq!((reply.status, reply.header("content-type")), (429, Some(answered)), "{line}");
        assert_eq!(reply.header("retry-after"), Some("60"), "{line}");
        let body = String::from_utf8_lossy(&reply.body);
        assert!(body.contains("more than 1 requests a minute"), "{line}: {body}");
        if answered == "application/json" {
            assert_eq!(reply.json()["code"], 8, "RESOURCE_EXHAUSTED");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_senders_at_once_exactly_the_quota_passes() {
    let edge = edge(requests(40)).await;
    let address = edge.address;
    let senders: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await;
                let mut passed = 0;
                for _ in 0..10 {
                    wire.send(&post("", METRIC.as_bytes())).await;
                    passed += u32::from(wire.reply().await.status == 202);
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for sender in senders {
        passed += sender.await.unwrap();
    }
    assert_eq!((passed, edge.queue.tuples()), (40, 40));
}
