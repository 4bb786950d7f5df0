//! The port of clients: what is spoken, who may come in, and who is told what.

use std::time::Duration;

use reqwest::{StatusCode, Version, tls};
use tidegate::tls::ClientAuth;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::support::edge::{Edge, METRIC, PATIENCE, TOKEN};
use super::super::support::wire::{Wire, post, request};
use super::{asks, client, connect, shows};

/// How a handshake of any version begins.
const HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

async fn secret() -> Edge {
    Edge::with(|settings| settings.tls = Some(shows("server"))).await
}

fn failed(edge: &Edge) -> u64 {
    edge.state.tls().unwrap().failed_handshakes()
}

async fn send(edge: &Edge, client: &reqwest::Client, body: Vec<u8>) -> reqwest::Result<Version> {
    let url = format!("https://{}/metrics", edge.address);
    let answer = client.post(url).bearer_auth(TOKEN).body(body).send().await?;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    Ok(answer.version())
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_spoken() {
    let edge = secret().await;
    for version in [tls::Version::TLS_1_2, tls::Version::TLS_1_3] {
        let of = || client(None).tls_version_min(version).tls_version_max(version);
        let two = send(&edge, &of().build().unwrap(), METRIC.into()).await.unwrap();
        assert_eq!(two, Version::HTTP_2, "by ALPN, {version:?}");
        let one = of().http1_only().build().unwrap();
        assert_eq!(send(&edge, &one, METRIC.into()).await.unwrap(), Version::HTTP_11);
    }
    assert_eq!(failed(&edge), 0);
}

#[tokio::test]
async fn a_client_without_alpn_speaks_http_1_and_may_close_its_side_after_the_request() {
    let edge = secret().await;
    let mut stream = connect(edge.address).await;
    stream.write_all(&post("", METRIC.as_bytes())).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    // The port may end without a goodbye of TLS, as the client said that nothing will follow.
    drop(stream.read_to_string(&mut answer).await);
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    let edge = secret().await;
    let line = format!("{METRIC}\n");
    let body = line.repeat((8 << 20) / line.len());
    for builder in [client(None), client(None).http1_only()] {
        send(&edge, &builder.build().unwrap(), body.clone().into()).await.unwrap();
    }
}

#[tokio::test]
async fn clients_show_certificates_as_the_settings_have_it() {
    for (auth, own, is_welcome) in [
        (ClientAuth::Off, None, true),
        (ClientAuth::Off, Some("other-client"), true),
        (ClientAuth::Optional, None, true),
        (ClientAuth::Optional, Some("client"), true),
        (ClientAuth::Optional, Some("other-client"), false),
        (ClientAuth::Required, None, false),
        (ClientAuth::Required, Some("client"), true),
        (ClientAuth::Required, Some("other-client"), false),
        // Good for servers alone.
        (ClientAuth::Required, Some("server"), false),
    ] {
        let edge = Edge::with(|settings| settings.tls = Some(asks(auth))).await;
        for version in [tls::Version::TLS_1_2, tls::Version::TLS_1_3] {
            let client = client(own).tls_version_max(version).build().unwrap();
            let sent = send(&edge, &client, METRIC.into()).await;
            assert_eq!(sent.is_ok(), is_welcome, "{auth:?} {own:?} {version:?}: {sent:?}");
        }
        edge.until(|edge| is_welcome || failed(edge) >= 2).await;
    }
}

#[tokio::test]
async fn a_request_in_clear_is_told_what_is_spoken_there() {
    let edge = secret().await;
    for sent in [post("", METRIC.as_bytes()), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()] {
        let mut wire = Wire::connect(edge.address).await;
        wire.send(&sent).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains("this port speaks TLS") && reply.closes(), "{reply:?}");
    }
    assert_eq!(failed(&edge), 2);
    let mut other = TcpStream::connect(edge.address).await.unwrap();
    other.write_all(&[0, 1, 2]).await.unwrap();
    let mut nothing = Vec::new();
    drop(timeout(PATIENCE, other.read_to_end(&mut nothing)).await.expect("it is closed"));
    assert_eq!(nothing, b"", "nobody knows what it would understand");
    // A look at whether the port is open is no failure.
    drop(TcpStream::connect(edge.address).await.unwrap());
    edge.until(|edge| edge.connections() == 0).await;
    assert_eq!(failed(&edge), 3);
}

#[tokio::test]
async fn tls_to_a_port_in_clear_is_no_request() {
    let edge = Edge::start().await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed"));
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
}

#[tokio::test]
async fn half_a_handshake_holds_its_seat_no_longer_than_half_a_head() {
    let edge = Edge::with(|settings| {
        settings.tls = Some(shows("server"));
        settings.http.header_timeout = Duration::from_millis(200);
    })
    .await;
    for half in [&b""[..], HELLO] {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(half).await.unwrap();
        edge.until(|edge| edge.connections() == 1).await;
        let mut nothing = Vec::new();
        drop(timeout(PATIENCE, stream.read_to_end(&mut nothing)).await.expect("it is closed"));
        edge.until(|edge| edge.connections() == 0).await;
    }
    // And the time of the first head is what the handshake left of it.
    let mut silent = connect(edge.address).await;
    let mut nothing = Vec::new();
    drop(timeout(PATIENCE, silent.read_to_end(&mut nothing)).await.expect("it is closed"));
    assert_eq!(failed(&edge), 2);
}

#[tokio::test]
async fn slow_handshakes_keep_no_honest_client_out() {
    let edge = Edge::with(|settings| {
        settings.tls = Some(shows("server"));
        // As long as the slowest machine takes for all of them, and more.
        settings.http.header_timeout = std::time::Duration::from_mins(1);
    })
    .await;
    let mut slow = Vec::new();
    for nth in 0..200 {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(&HELLO[..nth % HELLO.len()]).await.unwrap();
        slow.push(stream);
    }
    edge.until(|edge| edge.connections() == 200).await;
    let client = client(None).build().unwrap();
    send(&edge, &client, METRIC.into()).await.unwrap();
    assert_eq!(edge.connections(), 201, "all of them are still there");
}

#[tokio::test]
async fn half_handshakes_on_every_seat_make_way_for_whoever_wants_to_send() {
    let edge = Edge::with(|settings| {
        settings.tls = Some(shows("server"));
        settings.limits.connections = 10;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(HELLO).await.unwrap();
        slow.push(stream);
    }
    edge.until(|edge| edge.connections() == 10).await;
    let client = client(None).build().unwrap();
    let comes_in = async {
        // In the first second nobody has been silent for long.
        while send(&edge, &client, METRIC.into()).await.is_err() {}
    };
    timeout(PATIENCE, comes_in).await.expect("a seat is made free");
}

#[tokio::test]
async fn a_full_port_closes_at_once_and_lets_in_whoever_comes_after() {
    let edge = Edge::with(|settings| {
        settings.tls = Some(shows("server"));
        settings.limits.connections = 1;
    })
    .await;
    let first = connect(edge.address).await;
    let mut second = TcpStream::connect(edge.address).await.unwrap();
    second.write_all(HELLO).await.unwrap();
    let mut nothing = Vec::new();
    drop(timeout(PATIENCE, second.read_to_end(&mut nothing)).await.expect("it is closed"));
    assert_eq!(nothing, b"", "no text in clear for a client that speaks TLS");
    drop(first);
    edge.until(|edge| edge.connections() == 0).await;
    send(&edge, &client(None).build().unwrap(), METRIC.into()).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_waits_for_requests_and_not_for_handshakes() {
    let mut edge = secret().await;
    let mut half = TcpStream::connect(edge.address).await.unwrap();
    half.write_all(HELLO).await.unwrap();
    let mut running = connect(edge.address).await;
    let whole =
        request("POST /metrics", &format!("authorization: Bearer {TOKEN}\r\n"), METRIC.as_bytes());
    let (begin, end) = whole.split_at(whole.len() - 5);
    running.write_all(begin).await.unwrap();
    edge.until(|edge| edge.connections() == 2).await;
    // It is known to be a request once its head was read.
    edge.until(|edge| edge.state.memory_used() > 0).await;
    edge.stop();
    edge.until(|edge| edge.connections() == 1).await;
    running.write_all(end).await.unwrap();
    let mut answer = [0; 12];
    running.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    drop(running);
    edge.stopped().await;
}
