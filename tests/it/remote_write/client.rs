//! Requests as a sender makes them, and tuples as they were queued.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value;

use crate::support::edge::{Edge, TOKEN};
use crate::support::wire::{self, Reply};

pub(super) const V1: &str = "application/x-protobuf";
pub(super) const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// A tuple, less its host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tuple {
    pub(super) name: String,
    pub(super) seconds: i64,
    pub(super) value: f64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) kind: String,
}

pub(super) fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).expect("memory takes all")
}

/// A message to `/api/v1/write`, as its sender sends it.
pub(super) async fn write(edge: &Edge, content_type: &str, message: &impl Message) -> Reply {
    send(edge, &(bearer() + &headers(content_type)), &snappy(&message.encode_to_vec())).await
}

/// The source of [`Settings::default`].
///
/// [`Settings::default`]: crate::support::edge::Settings
pub(super) fn bearer() -> String {
    format!("authorization: Bearer {TOKEN}\r\n")
}

pub(super) fn headers(content_type: &str) -> String {
    format!("content-encoding: snappy\r\ncontent-type: {content_type}\r\n")
}

pub(super) async fn send(edge: &Edge, headers: &str, body: &[u8]) -> Reply {
    wire::once(edge, &wire::request("POST /api/v1/write", headers, body)).await
}

/// What the headers say was written: samples, histograms, exemplars.
pub(super) fn written(reply: &Reply) -> [u64; 3] {
    ["samples", "histograms", "exemplars"].map(|what| {
        let name = format!("x-prometheus-remote-write-{what}-written");
        reply.header(&name).unwrap_or_else(|| panic!("{name}: {reply:?}")).parse().unwrap()
    })
}

/// Everything that was queued, in its order.
pub(super) fn queued(edge: &Edge) -> Vec<Tuple> {
    let blocks = edge.queue.entries().into_iter().flat_map(|entry| entry.blocks);
    blocks.flat_map(|block| tuples(&block.bytes)).collect()
}

pub(super) fn tuples(block: &[u8]) -> Vec<Tuple> {
    let text = std::str::from_utf8(block).expect("a block is UTF-8");
    let all: Vec<Value> = serde_json::from_str(&format!("[{text}]")).expect("a block is JSON");
    all.iter().map(tuple).collect()
}

fn tuple(tuple: &Value) -> Tuple {
    let tags = tuple[3]["tags"].as_array().expect("tags").iter().map(|tag| {
        let tag = tag.as_str().expect("text");
        let (key, value) = tag.split_once(':').unwrap_or((tag, ""));
        (key.to_owned(), value.to_owned())
    });
    Tuple {
        name: tuple[0].as_str().expect("a name").to_owned(),
        seconds: tuple[1].as_i64().expect("seconds"),
        value: tuple[2].as_f64().expect("a value"),
        tags: tags.collect(),
        kind: tuple[3]["type"].as_str().expect("a type").to_owned(),
    }
}
