//! `/events` as a browser reads it.

use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::forward_receiver::{PATIENCE, Scripted, script};
use super::{SocketAddr, Wire, metric, post, request, start};

/// Somebody who listens.
struct Listener {
    stream: TcpStream,
    /// What came and was not read.
    unread: String,
}

struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Listener {
    /// The head of the answer is read here.
    async fn at(admin: SocketAddr, headers: &str) -> Self {
        let mut wire = Wire::connect(admin).await;
        wire.send(&request("GET /events", headers, b"")).await;
        let mut this = Self { stream: wire.stream, unread: String::new() };
        while !this.unread.contains("\r\n\r\n") {
            assert!(this.fill().await, "{}", this.unread);
        }
        let (head, rest) = this.unread.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        for header in
            ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"]
        {
            assert!(head.contains(header), "{head}");
        }
        this.unread = rest.to_owned();
        this
    }

    /// Whether more came; chunks are taken out of their frames, which are lines of their own.
    async fn fill(&mut self) -> bool {
        let mut bytes = vec![0; 64 << 10];
        let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await;
        let read = read.expect("something comes, or the end").unwrap_or(0);
        self.unread += std::str::from_utf8(&bytes[..read]).unwrap();
        read > 0
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                let of = |field: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| {
                        line.strip_prefix(field).map(|text| text.trim().to_owned())
                    })
                };
                if let (Some(id), Some(name), Some(data)) = (of("id:"), of("event:"), of("data:")) {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Event { id, name, data });
                }
            } else if !self.fill().await {
                return None;
            }
        }
    }
}

#[tokio::test]
async fn the_status_comes_at_once_and_again_with_what_happened_since() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let mut listener = Listener::at(gateway.admin_addr().unwrap(), "").await;
    let history = listener.next().await.unwrap();
    assert_eq!((history.name.as_str(), &history.data["interval_s"]), ("history", &10.into()));
    let first = listener.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["totals"]["accepted"]), ("status", &0.into()));
    assert_eq!(post(&gateway, &metric("a")).await, 202);
    let later = loop {
        let event = listener.next().await.unwrap();
        if event.name == "status" && event.data["totals"]["accepted"] == 1 {
            break event;
        }
    };
    assert_eq!(later.data["sources"][0]["name"], "checkout");

    // One who comes back has the points already, unless they are of another process.
    let had = format!("last-event-id: {}\r\n", later.id);
    let mut again = Listener::at(gateway.admin_addr().unwrap(), &had).await;
    assert_ne!(again.next().await.unwrap().name, "history");
    for strange in ["last-event-id: 1-0\r\n", "last-event-id: x\r\n"] {
        let mut other = Listener::at(gateway.admin_addr().unwrap(), strange).await;
        assert_eq!(other.next().await.unwrap().name, "history", "{strange}");
    }
}

#[tokio::test]
async fn it_ends_with_the_gateway_and_keeps_it_from_nothing() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let admin = gateway.admin_addr().unwrap();
    let mut listeners = Vec::new();
    for _ in 0..8 {
        listeners.push(Listener::at(admin, "").await);
    }
    listeners[0].next().await.unwrap();
    timeout(Duration::from_secs(20), gateway.stop()).await.expect("nobody is waited for");
    for listener in &mut listeners {
        while listener.next().await.is_some() {}
    }
}

#[tokio::test]
async fn a_head_has_no_end_to_wait_for() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let mut wire = Wire::connect(gateway.admin_addr().unwrap()).await;
    wire.send(&request("HEAD /events", "", b"")).await;
    assert_eq!(wire.reply_head().await.header("content-type"), Some("text/event-stream"));
    assert_eq!(wire.closed().await, b"");
}
