//! The way out: nothing new, what runs may finish, then the end (contract C6.5).

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::edge::{Edge, METRIC, PATIENCE};
use crate::support::wire::{Wire, once, post, request};

#[tokio::test]
async fn running_requests_finish_and_idle_connections_go() {
    let mut edge = Edge::start().await;
    let mut idle = Wire::connect(edge.address).await;
    idle.send(&post("", METRIC.as_bytes())).await;
    assert_eq!(idle.reply().await.status, 202);
    let mut fresh = Wire::connect(edge.address).await;
    edge.until(|edge| edge.connections() == 2).await;

    edge.queue.hold();
    let mut running = Wire::connect(edge.address).await;
    running.send(&post("", METRIC.as_bytes())).await;
    edge.queue.append_begun().await;
    edge.queue.append_begun().await;

    edge.stop();
    assert_eq!(idle.closed().await, b"");
    assert_eq!(fresh.closed().await, b"");
    assert!(TcpStream::connect(edge.address).await.is_err(), "nobody listens any more");

    edge.queue.let_one_through();
    let reply = running.reply().await;
    assert_eq!((reply.status, reply.closes()), (202, true));
    edge.stopped().await;
    assert_eq!(edge.queue.tuples(), 2);
}

#[tokio::test]
async fn a_request_that_comes_on_an_open_connection_during_shutdown_is_503() {
    let mut edge = Edge::start().await;
    edge.queue.hold();
    let mut running = Wire::connect(edge.address).await;
    running.send(&post("", METRIC.as_bytes())).await;
    edge.queue.append_begun().await;

    let mut late = Wire::connect(edge.address).await;
    let whole = post("", METRIC.as_bytes());
    late.send(&whole[..20]).await;
    // Whoever is served now was accepted after the half head had been read.
    assert_eq!(once(&edge, &request("GET /metrics", "", b"")).await.status, 200);
    edge.until(|edge| edge.connections() == 2).await;
    edge.queue.let_one_through();
    assert_eq!(running.reply().await.status, 202);

    edge.stop();
    assert_eq!(running.closed().await, b"");
    late.send(&whole[20..]).await;
    let reply = late.reply().await;
    assert_eq!((reply.status, reply.closes()), (503, true));
    assert!(reply.header("retry-after").is_some());
    edge.stopped().await;
    assert_eq!(edge.queue.tuples(), 1);
}

#[tokio::test]
async fn connections_without_a_request_do_not_use_up_the_grace() {
    let mut edge = Edge::start().await;
    let mut half_a_head = Wire::connect(edge.address).await;
    half_a_head.send(b"POST /metrics HT").await;
    // An HTTP/2 client that is never heard of again.
    let mut silent = Wire::connect(edge.address).await;
    silent.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut settings = [0; 9];
    silent.stream.read_exact(&mut settings).await.unwrap();
    // Whoever is served now was accepted after the half head had been read.
    assert_eq!(once(&edge, &request("GET /metrics", "", b"")).await.status, 200);

    let began = Instant::now();
    edge.stop();
    edge.stopped().await;
    assert_eq!(half_a_head.closed().await, b"");
    assert!(began.elapsed() < PATIENCE / 2, "took {:?}", began.elapsed());
}

#[tokio::test]
async fn what_does_not_finish_within_the_grace_is_cut_off() {
    let mut edge = Edge::with(|settings| settings.grace = Duration::from_millis(200)).await;
    edge.queue.hold();
    let mut stuck = Wire::connect(edge.address).await;
    stuck.send(&post("", METRIC.as_bytes())).await;
    edge.queue.append_begun().await;
    edge.stop();
    edge.stopped().await;
    assert_eq!(stuck.closed().await, b"");
    assert!(edge.queue.entries().is_empty());
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn a_shutdown_without_connections_is_immediate() {
    let mut edge = Edge::start().await;
    assert_eq!(once(&edge, &post("", METRIC.as_bytes())).await.status, 202);
    edge.stop();
    edge.stopped().await;
}

#[tokio::test]
async fn connections_go_when_nobody_is_left_to_say_that_time_is_up() {
    let mut edge = Edge::start().await;
    edge.queue.hold();
    let mut running = Wire::connect(edge.address).await;
    running.send(&post("", METRIC.as_bytes())).await;
    edge.queue.append_begun().await;
    let mut idle = Wire::connect(edge.address).await;
    edge.until(|edge| edge.connections() == 2).await;
    edge.stop();
    assert_eq!(idle.closed().await, b"");
    edge.abort().await;
    assert_eq!(running.closed().await, b"");
    edge.until(|edge| edge.connections() == 0).await;
}
