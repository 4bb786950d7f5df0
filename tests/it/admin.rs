//! The admin port over real sockets (contract C9): routes, bounds, and what must never show.
#![expect(clippy::float_cmp, reason = "what is counted is whole, and what is set comes back")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate::admin::{Admin, Delivery, Parts};
use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Config, Environment};
use tidegate::queue::{Meters, Queue};
use tokio::net::TcpListener;

use super::forward_receiver::{Act, Scripted, Side, script};
use super::support::edge::{Edge, PATIENCE};
use super::support::openmetrics::{self, Samples};
use super::support::wire::{Reply, Wire, request};

mod orphan;
mod page;
mod quotas;
mod ready;
mod receivers;

/// What clients and the receiver know, and this port must not tell.
const TOKEN: &str = "t0ken-of-a-client";
const KEY: &str = "k3y-of-the-receiver";

fn config(receiver: SocketAddr, more: &str) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n\
         admin.listen = \"127.0.0.1:0\"\n\
         queue.durability = \"memory\"\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"{TOKEN}\"\n\
         [receiver]\nurl = \"http://{receiver}/stsAgent/intake\"\napi_key = \"{KEY}\"\n{more}"
    );
    config::load("test", &text, &Environment::default()).unwrap().config
}

async fn start(config: Config) -> Gateway {
    Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap()
}

/// One request on a connection of its own.
/// The admin port of parts that are not put together to a gateway.
async fn admin_of(queue: Arc<dyn Queue>, edge: &Edge, side: &Side, delivery: Delivery) -> Admin {
    let parts = Parts {
        queue,
        meters: Meters::default(),
        edge: Arc::clone(&edge.state),
        scrapes: Arc::default(),
        deliveries: vec![delivery],
        data_dir: PathBuf::from("nowhere"),
        clock: side.clock.clone(),
        traffic: Arc::default(),
        tap: Arc::default(),
        allowed_hosts: Vec::new(),
        reload: tidegate::admin::Desk::closed(tidegate::admin::Reloaded::default()),
    };
    Admin::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), parts).unwrap()
}

async fn ask(address: SocketAddr, request: &[u8]) -> Reply {
    let mut wire = Wire::connect(address).await;
    wire.send(request).await;
    wire.reply().await
}

async fn get(address: SocketAddr, path: &str) -> Reply {
    ask(address, &request(&format!("GET {path}"), "", b"")).await
}

async fn post(gateway: &Gateway, body: &str) -> Reply {
    post_as(gateway, "application/json", body).await
}

async fn post_as(gateway: &Gateway, kind: &str, body: &str) -> Reply {
    let headers = format!("authorization: Bearer {TOKEN}\r\ncontent-type: {kind}\r\n");
    ask(gateway.addr(), &request("POST /metrics", &headers, body.as_bytes())).await
}

async fn scrape(address: SocketAddr) -> Samples {
    let accept = "accept: application/openmetrics-text;version=1.0.0\r\n";
    let reply = ask(address, &request("GET /metrics", accept, b"")).await;
    assert_eq!(reply.status, 200);
    let kind = reply.header("content-type").unwrap();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    openmetrics::parse(reply.text())
}

/// The causes of `/readyz`, which is 200 exactly when there are none.
async fn causes(address: SocketAddr) -> Vec<String> {
    let reply = get(address, "/readyz").await;
    let value = reply.json();
    let list = value["causes"].as_array().unwrap();
    assert_eq!(value["ready"], list.is_empty());
    assert_eq!(reply.status, if list.is_empty() { 200 } else { 503 });
    let text = |cause: &serde_json::Value| cause["cause"].as_str().unwrap().to_owned();
    list.iter().map(text).collect()
}

/// Waits until the causes are these.
async fn until_causes(address: SocketAddr, wanted: &[&str]) {
    let reached = async {
        while causes(address).await != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        let still = causes(address).await;
        panic!("still {still:?} and not {wanted:?}");
    }
}

#[tokio::test]
async fn routes_and_methods_are_few() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    let admin = gateway.admin_addr().unwrap();

    let live = get(admin, "/livez").await;
    assert_eq!((live.status, live.text(), live.closes()), (200, "ok", true));
    assert_eq!(get(admin, "/livez?verbose=1").await.status, 200);
    for path in ["/livez", "/readyz", "/metrics", "/receivers", "/status", "/"] {
        let whole = get(admin, path).await;
        let mut wire = Wire::connect(admin).await;
        wire.send(&request(&format!("HEAD {path}"), "", b"")).await;
        let head = wire.reply_head().await;
        assert_eq!((head.status, head.header("cache-control")), (200, Some("no-store")));
        assert_eq!(head.header("content-type"), whole.header("content-type"));
        assert!(head.header("content-length").is_some(), "{path}");
        assert_eq!(wire.closed().await, b"", "{path}");

        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = ask(admin, &request(&format!("{method} {path}"), "", &[b'x'; 9000])).await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{path}");
            assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        }
    }
    for path in ["/status/", "/metrics/", "/metricsx", "/readyz/x", "*", "/%6civez"] {
        let reply = get(admin, path).await;
        assert_eq!(reply.status, 404, "{path}");
        for known in [
            "/metrics",
            "/livez",
            "/readyz",
            "/receivers",
            "/status",
            "/events",
            "/dead-letters/replay",
        ] {
            assert!(reply.text().contains(known), "{path}: {}", reply.text());
        }
    }
    // A metric sent to the wrong port is not taken.
    let headers = format!("authorization: Bearer {TOKEN}\r\n");
    let metric = br#"{"name":"a","gauge":{"value":1}}"#;
    assert_eq!(ask(admin, &request("POST /metrics", &headers, metric)).await.status, 405);
    assert!(scrape(admin).await.at("tidegate_metrics_received_total") == 0.0);
}

#[tokio::test]
async fn the_ingest_port_has_none_of_it() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(gateway.addr(), path).await.status, 404, "{path}");
    }
    // There it is the probe of contract C1.1.
    let probe = get(gateway.addr(), "/metrics").await;
    assert_eq!((probe.status, probe.text()), (200, ""));
}

#[tokio::test]
async fn the_port_can_be_off() {
    let receiver = Scripted::start(script([])).await;
    let mut config = config(receiver.address, "");
    config.admin.listen = None;
    let gateway = start(config).await;
    assert_eq!(gateway.admin_addr(), None);
    assert_eq!(post(&gateway, r#"{"name":"a","gauge":{"value":1}}"#).await.status, 202);
    assert_eq!(gateway.stop().await.lost, 0);
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_setting_and_nothing_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Scripted::start(script([])).await;
    let mut config = config(receiver.address, "");
    config.admin.listen = Some(taken.local_addr().unwrap());
    let error = Gateway::start(config, Arc::new(SystemClock::new())).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains(&taken.local_addr().unwrap().to_string()), "{text}");
    assert!(text.contains("`admin.listen`") && text.contains("in use"), "{text}");
    assert_eq!(receiver.connections(), 0);
}

/// What a connection sends that never asks.
const SILENCE: [&[u8]; 2] = [b"", b"GET /livez HT"];

#[tokio::test]
async fn connections_that_do_nothing_keep_no_probe_waiting() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    let admin = gateway.admin_addr().unwrap();
    let mut silent = Vec::new();
    for nth in 0..300 {
        let mut wire = Wire::connect(admin).await;
        // One of those that have to go may be gone already.
        drop(wire.try_send(SILENCE[nth % 2]).await);
        silent.push(wire);
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(admin, path).await.status, 200, "{path}");
    }
    // Nobody was waited for: the youngest have not even had their time.
    let is_open = |wire: &Wire| {
        let read = wire.stream.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    assert!(is_open(&silent[299]));
    for wire in &mut silent[..230] {
        assert_eq!(wire.closed().await, b"");
    }
    assert!(is_open(&silent[299]), "those went to make room, and not because of their age");
}

#[tokio::test]
async fn connections_that_do_nothing_are_closed_in_time() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    let mut wires = Vec::new();
    for bytes in SILENCE {
        let mut wire = Wire::connect(gateway.admin_addr().unwrap()).await;
        wire.send(bytes).await;
        wires.push(wire);
    }
    for wire in &mut wires {
        wire.closed().await;
    }
}

#[tokio::test]
async fn a_body_that_never_comes_and_one_that_never_ends_get_their_answer() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    let admin = gateway.admin_addr().unwrap();
    let head = "GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n";
    assert_eq!(ask(admin, head.as_bytes()).await.status, 200);
    let chunked = "POST /livez HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut wire = Wire::connect(admin).await;
    wire.send(chunked.as_bytes()).await;
    wire.send(format!("10001\r\n{}\r\n", "x".repeat(0x10001)).as_bytes()).await;
    assert_eq!(wire.reply().await.status, 405);
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(64 << 10));
    let mut wire = Wire::connect(admin).await;
    // Refused while it comes.
    drop(wire.try_send(long.as_bytes()).await);
    wire.closed().await;
    assert_eq!(get(admin, "/livez").await.status, 200);
}

#[tokio::test]
async fn no_answer_holds_a_secret_an_address_or_the_name_of_a_metric() {
    let receiver = Scripted::start(script([])).await;
    // A receiver that quotes everything it was sent.
    let quoting = format!("key {KEY} of 10.1.2.3: bad tuple secret.metric");
    receiver.rule(Box::new(move |_| Act::answer(400, "location: http://10.1.2.3/\r\n", &quoting)));
    let gateway = start(config(receiver.address, "")).await;
    let admin = gateway.admin_addr().unwrap();
    let body = r#"[{"name":"secret.metric","gauge":{"value":1},"tags":{"host":"secret.host"}},
        {"name":"secret.metric"},{"name":"host.secret","gauge":{"value":1},"dt":"secret.dt"}]"#;
    assert_eq!(post(&gateway, body).await.status, 202);
    let wrong = request("POST /metrics", "authorization: Bearer wr0ng-token\r\n", b"{}");
    assert_eq!(ask(gateway.addr(), &wrong).await.status, 403);
    until_causes(admin, &["receiver_held"]).await;

    let asked = format!("?token={TOKEN}&key={KEY}");
    for line in ["GET /metrics", "GET /livez", "GET /secret.path", "POST /readyz"] {
        let headers = format!("authorization: Bearer {TOKEN}\r\nx-forwarded-for: 10.1.2.3\r\n");
        let reply = ask(admin, &request(&format!("{line}{asked}"), &headers, b"secret")).await;
        let told = format!("{:?} {}", reply.headers, reply.text());
        // The one page that names sources, as labels.
        let source = if line == "GET /metrics" { "sources" } else { "checkout" };
        for hidden in [TOKEN, KEY, "wr0ng", "secret", "10.1.2.3", "127.0.0.1", source] {
            assert!(!told.contains(hidden), "{line} tells {hidden}: {told}");
        }
    }
    // Whoever has to cure a held receiver needs its words; not the key, and nothing of clients.
    for path in ["/receivers", "/readyz"] {
        let told = get(admin, path).await;
        assert!(told.text().contains("bad tuple"), "{}", told.text());
        for hidden in [TOKEN, KEY, "wr0ng", "checkout"] {
            assert!(!told.text().contains(hidden), "{hidden}: {}", told.text());
        }
    }
    let page = scrape(admin).await;
    let known = [
        "receiver", "cause", "status", "code", "state", "outcome", "answer", "encoding", "le",
        "protocol", "source", "token", "kind", "arch", "os",
    ];
    for key in page.label_keys() {
        assert!(known.contains(&key) || key == "version" || key == "durability", "{key}");
    }
}
