//! Answers that come before the body is over, and how they reach the client (contract C1.9).

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::edge::{Edge, METRIC, PATIENCE, TOKEN};
use crate::support::wire::{Wire, once, post, request};

const UPLOAD_BYTES: usize = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_still_sending_eight_mebibytes_receives_the_answer() {
    let edge = Edge::start().await;
    let body = vec![b' '; UPLOAD_BYTES];
    let bad_token = request("POST /metrics", "authorization: Bearer no\r\n", &body);
    let bad_path = request("POST /nowhere", "", &body);
    let bad_coding = post("content-encoding: br\r\n", &body);
    let bad_data = post("content-encoding: gzip\r\n", &body);
    let cases = [(bad_token, 403), (bad_path, 404), (bad_coding, 415), (bad_data, 406)];
    for (bytes, status) in cases {
        let mut wire = Wire::connect(edge.address).await;
        // The whole of it first, as simple clients do, and only then the answer.
        wire.send(&bytes).await;
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.closes()), (status, true));
        assert_eq!(wire.closed().await, b"", "and then the connection ends");
    }
    edge.until(|edge| edge.connections() == 0).await;
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_503_during_an_upload_reaches_a_client_that_goes_on_sending() {
    let edge = Edge::with(|settings| settings.limits.memory_bytes = 1 << 20).await;
    let mut wire = Wire::connect(edge.address).await;
    wire.send(&post("", &vec![b' '; UPLOAD_BYTES])).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.closes()), (503, true));
    assert!(reply.header("retry-after").is_some());
}

/// Uploads with the client of Python's standard library; gives what it saw.
async fn python(address: SocketAddr) -> Option<String> {
    let script = format!(
        "import http.client\n\
         c = http.client.HTTPConnection('127.0.0.1', {}, timeout=60)\n\
         c.request('POST', '/metrics', b' ' * {UPLOAD_BYTES}, {{'Authorization': 'Bearer no'}})\n\
         r = c.getresponse()\n\
         print(r.status, r.read().decode())\n",
        address.port()
    );
    let run = move || std::process::Command::new("python3").args(["-c", &script]).output().ok();
    let output = tokio::task::spawn_blocking(run).await.unwrap()?;
    let seen = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&seen).trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_still_uploading_receives_the_answer() {
    let edge = Edge::start().await;
    match python(edge.address).await {
        Some(seen) => assert_eq!(seen, "403 Unauthorized"),
        None => assert!(std::env::var_os("CI").is_none(), "no python3, and CI must not skip this"),
    }
}

#[tokio::test]
async fn draining_ends_after_its_time_even_if_the_client_never_stops() {
    let edge = Edge::with(|settings| {
        settings.http.drain_timeout = Duration::from_millis(200);
    })
    .await;
    let mut wire = Wire::connect(edge.address).await;
    wire.send(b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n").await;
    assert_eq!(wire.reply().await.status, 403);
    let endless = async { while wire.try_send(&[b' '; 100]).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, endless).await.expect("the connection ends");
    edge.until(|edge| edge.connections() == 0).await;
}

#[tokio::test]
async fn draining_outlasts_the_time_out_for_heads() {
    let edge = Edge::with(|settings| {
        settings.http.header_timeout = Duration::from_secs(1);
        settings.http.idle_timeout = Duration::from_secs(1);
        settings.http.drain_timeout = PATIENCE;
    })
    .await;
    let bytes = request("POST /metrics", "", &[b' '; 4000]);
    let mut wire = Wire::connect(edge.address).await;
    for piece in bytes.chunks(2000) {
        wire.send(piece).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    assert_eq!(wire.reply().await.status, 403);
    assert_eq!(wire.closed().await, b"");
}

const EXPECT: &str = "expect: 100-continue\r\n";

#[tokio::test]
async fn a_client_that_asks_first_gets_its_refusal_instead_of_a_100() {
    let edge = Edge::with(|settings| settings.http.drain_timeout = PATIENCE).await;
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for (line, headers, status) in [
        ("POST /metrics", String::new(), 403),
        ("POST /nowhere", token.clone(), 404),
        ("POST /metrics", format!("{token}content-encoding: br\r\n"), 415),
    ] {
        let head =
            format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}{EXPECT}content-length: 50\r\n\r\n");
        let mut wire = Wire::connect(edge.address).await;
        wire.send(head.as_bytes()).await;
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.closes()), (status, true), "{line}");
        // At once: there is nothing to drain, however long draining may take.
        assert_eq!(wire.closed().await, b"");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_gets_a_100_when_its_body_is_wanted() {
    let edge = Edge::start().await;
    let whole = post(EXPECT, METRIC.as_bytes());
    let (head, body) = whole.split_at(whole.len() - METRIC.len());
    let mut wire = Wire::connect(edge.address).await;
    for _ in 0..2 {
        wire.send(head).await;
        assert_eq!(wire.reply().await.status, 100);
        wire.send(body).await;
        assert_eq!(wire.reply().await.status, 202);
    }
    // Refused after the 100: now there is something to drain.
    let whole = post(&format!("content-encoding: gzip\r\n{EXPECT}"), &vec![b' '; 300_000]);
    wire.send(&whole[..whole.len() - 300_000]).await;
    assert_eq!(wire.reply().await.status, 100);
    wire.send(&whole[whole.len() - 300_000..]).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.closes()), (406, true));
    assert_eq!(wire.closed().await, b"");
}

#[tokio::test]
async fn a_refused_body_that_had_come_along_with_its_head_costs_no_connection() {
    let edge = Edge::start().await;
    let mut wire = Wire::connect(edge.address).await;
    for _ in 0..3 {
        wire.send(&request("POST /metrics", "authorization: Bearer no\r\n", b"[]")).await;
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.closes()), (403, false));
    }
    assert_eq!(once(&edge, &post("", METRIC.as_bytes())).await.status, 202);
}
