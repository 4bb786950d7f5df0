//! The status page and what it is made of: `/`, `/status` and `/events` of the admin port (contract C9).

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Environment};

use super::forward_receiver::Scripted;
use super::support::wire::{Reply, Wire, request};

mod data;
mod events;
mod page;
mod secrets;

/// What clients and the receiver know, and nobody must see.
const TOKEN: &str = "t0ken-of-checkout";
const OTHER_TOKEN: &str = "t0ken-of-cron";
const KEY: &str = "k3y-of-the-receiver";

/// A metric that is rejected, and tries to be markup.
const EVIL: &str =
    r#"{"name":"<script>document.title='evil'</script>","tags":{"<b>":"</noscript><img src=x>"}}"#;

/// A gateway for a receiver, with its admin port at `admin`.
async fn start_at(admin: SocketAddr, receiver: &Scripted, more: &str) -> Gateway {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n\
         queue.durability = \"memory\"\n\
         limits.requests_per_minute = 0\n\
         [admin]\nlisten = \"{admin}\"\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"{TOKEN}\"\n\
         [[sources]]\nname = \"cron\"\ntoken = \"{OTHER_TOKEN}\"\n\
         [receiver]\nurl = \"http://{}/stsAgent/intake\"\napi_key = \"{KEY}\"\n{more}",
        receiver.address
    );
    let config = config::load("test", &text, &Environment::default()).unwrap().config;
    Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap()
}

async fn start(receiver: &Scripted) -> Gateway {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0)), receiver, "").await
}

async fn ask(address: SocketAddr, request: &[u8]) -> Reply {
    let mut wire = Wire::connect(address).await;
    wire.send(request).await;
    wire.reply().await
}

async fn get(address: SocketAddr, path: &str) -> Reply {
    ask(address, &request(&format!("GET {path}"), "", b"")).await
}

async fn status(gateway: &Gateway) -> Value {
    let reply = get(gateway.admin_addr().unwrap(), "/status").await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    reply.json()
}

/// The number of the answer to a body of `checkout`.
async fn post(gateway: &Gateway, body: &str) -> u16 {
    post_as(gateway, TOKEN, "application/json", body).await
}

async fn post_as(gateway: &Gateway, token: &str, kind: &str, body: &str) -> u16 {
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: {kind}\r\n");
    ask(gateway.addr(), &request("POST /metrics", &headers, body.as_bytes())).await.status
}

fn metric(name: &str) -> String {
    format!("{{\"name\":\"{name}\",\"gauge\":{{\"value\":1}}}}")
}
