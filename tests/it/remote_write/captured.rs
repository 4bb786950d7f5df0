//! What real senders put on the wire, byte for byte, through the edge.

use std::fs;
use std::path::Path;

use prost::Message;
use serde_json::Value;
use tidegate::metric::timestamp::Timestamp;

use super::client::{V1, bearer, headers, queued, send, written};
use super::messages::WriteRequest;
use super::oracle::{self, close};
use crate::support::edge::Edge;

fn captures() -> Vec<(String, Vec<u8>, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/remote_write");
    let mut captures = Vec::new();
    for sender in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        for path in fs::read_dir(sender).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "body") {
                let told = fs::read(path.with_extension("json")).unwrap();
                let told = serde_json::from_slice(&told).unwrap();
                captures.push((path.display().to_string(), fs::read(&path).unwrap(), told));
            }
        }
    }
    captures.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    assert_eq!(captures.len(), 10, "captures");
    captures
}

#[tokio::test]
async fn what_real_senders_sent_becomes_the_tuples_it_says() {
    for (path, body, told) in captures() {
        let received = told["received_at_unix"].as_f64().unwrap() as i64;
        let edge = Edge::with(|settings| settings.now = Timestamp::from_unix(received, 0)).await;
        let reply = send(&edge, &(bearer() + &headers(V1)), &body).await;
        assert_eq!((reply.status, reply.body.len()), (204, 0), "{path}: {reply:?}");

        // What the record says of it.
        let told = &told["decoded"];
        let count = |what: &str| told[what].as_u64().unwrap();
        let expected = [count("samples"), count("histograms"), count("exemplars")];
        assert_eq!(written(&reply), expected, "{path}");

        // And every series and value, as another reader has them.
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        assert_eq!(message.len() as u64, count("decoded_bytes"), "{path}");
        let request = WriteRequest::decode(&message[..]).unwrap();
        assert_eq!(request.metadata.len() as u64, count("metadata"));
        let outcome = oracle::of_first(&request);
        // The record counts those of samples.
        assert_eq!(outcome.stale_samples, count("stale_markers"), "{path}");
        close(&queued(&edge), &outcome.tuples, &path);
    }
}

#[tokio::test]
async fn a_native_histogram_becomes_the_buckets_that_its_sender_counted() {
    let captures = captures();
    let (_, body, told) = captures
        .iter()
        .find(|(path, ..)| path.ends_with("native-histograms/002.body"))
        .expect("the capture is there");
    let told = &told["decoded"]["first_histogram"];
    assert_eq!(told["labels"][0][1], "nat_hist_seconds");
    let edge = Edge::with(|settings| settings.now = Timestamp::from_unix(1_795_307_483, 0)).await;
    send(&edge, &(bearer() + &headers(V1)), body).await;
    let queued = queued(&edge);
    let mine: Vec<_> = queued
        .iter()
        .filter(|tuple| {
            tuple.name.starts_with("nat_hist_seconds")
                && tuple.tags.get("kind").is_some_and(|kind| kind == "int")
        })
        .map(|tuple| {
            let bound = tuple.tags.get("upper_limit").map_or("", String::as_str);
            (tuple.name.as_str(), bound, tuple.value, tuple.kind.as_str())
        })
        .collect();
    // Schema 3: one bucket below zero, which ends at -2^(-1/8); three above, of which two are the
    // third and second below 1 and one the fourth above it.
    let bucket = |bound, value| ("nat_hist_seconds", bound, value, "counter");
    let zero = format!("{}", 1e-128);
    assert_eq!(
        mine,
        [
            bucket("-0.9170040432046711", 1.0),
            bucket(&zero, 1.0),
            bucket("0.8408964152537144", 2.0),
            bucket("0.9170040432046711", 2.0),
            bucket("1.2968395546510096", 1.0),
            ("nat_hist_seconds_sum", "", 13.5, "counter"),
            ("nat_hist_seconds_count", "", 7.0, "counter"),
        ]
    );
}
