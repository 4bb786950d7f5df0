//! What senders are told over a socket: the messages of the protocol, in the encoding they spoke.

use std::io::Write as _;

use prost::Message;

use super::proto::{PartialSuccess, Response, Status};
use super::sample;
use crate::support::edge::{Edge, TOKEN};
use crate::support::wire::{Reply, once, request};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn post(edge: &Edge, headers: &str, body: &[u8]) -> Reply {
    post_as(edge, TOKEN, headers, body).await
}

async fn post_as(edge: &Edge, token: &str, headers: &str, body: &[u8]) -> Reply {
    let headers = format!("authorization: Bearer {token}\r\n{headers}");
    once(edge, &request("POST /v1/metrics", &headers, body)).await
}

fn of_type(content_type: &str) -> String {
    format!("content-type: {content_type}\r\n")
}

/// The Status in the answer, whose code and type are as expected.
fn status(reply: &Reply, code: u16, content_type: &str) -> Status {
    assert_eq!(reply.status, code, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some(content_type), "{reply:?}");
    let status = if content_type == JSON {
        let json = reply.json();
        Status {
            code: json["code"].as_i64().unwrap() as i32,
            message: json["message"].as_str().unwrap().to_owned(),
        }
    } else {
        Status::decode(&reply.body[..]).unwrap()
    };
    assert!(!status.message.is_empty());
    status
}

#[tokio::test]
async fn what_is_taken_as_sent_gets_an_empty_response_in_its_encoding() {
    let edge = Edge::start().await;
    let body = sample::gauge(&[Some(1.5), Some(2.5)]);
    let reply = post(&edge, &of_type(PROTOBUF), &body).await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b""[..]));
    assert_eq!(reply.header("content-type"), Some(PROTOBUF));
    let reply =
        post(&edge, &of_type("Application/JSON; charset=utf-8"), &sample::json(&body)).await;
    assert_eq!((reply.status, reply.text()), (200, "{}"));
    assert_eq!(reply.header("content-type"), Some(JSON));
    assert_eq!(edge.queue.tuples(), 4);
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn a_request_without_metrics_is_a_success() {
    let edge = Edge::start().await;
    for (content_type, body, answer) in [
        (PROTOBUF, &b""[..], ""),
        (PROTOBUF, b"\x0a\0", ""),
        (JSON, b"{}", "{}"),
        (JSON, b"{\"resourceMetrics\":null}", "{}"),
        (JSON, b"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[]}]}]}", "{}"),
    ] {
        let reply = post(&edge, &of_type(content_type), body).await;
        assert_eq!((reply.status, reply.text()), (200, answer), "{body:?}");
        assert_eq!(reply.header("content-type"), Some(content_type));
    }
    assert!(edge.queue.entries().is_empty());
}

#[tokio::test]
async fn what_was_rejected_is_counted_and_told() {
    let edge = Edge::start().await;
    let body = sample::gauge(&[Some(1.5), None, None]);
    let expected = "2 of 3 data points were rejected: data point 1: missing_value: expected \
                    `asDouble` or `asInt`; data point 2: missing_value: expected `asDouble` or `asInt`";
    let reply = post(&edge, &of_type(PROTOBUF), &body).await;
    assert_eq!(reply.status, 200);
    let error_message = expected.to_owned();
    let partial = PartialSuccess { rejected_data_points: 2, error_message };
    let response = Response { partial_success: Some(partial) };
    assert_eq!(Response::decode(&reply.body[..]).unwrap(), response);
    let reply = post(&edge, &of_type(JSON), &sample::json(&body)).await;
    assert_eq!(reply.status, 200);
    let partial = &reply.json()["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "2");
    assert_eq!(partial["errorMessage"], expected);
    assert_eq!(edge.queue.tuples(), 2);
}

#[tokio::test]
async fn warnings_alone_reject_nothing() {
    let edge = Edge::start().await;
    let body = sample::gauge(&[Some(f64::NAN), Some(1.0)]);
    let reply = post(&edge, &of_type(PROTOBUF), &body).await;
    let partial = Response::decode(&reply.body[..]).unwrap().partial_success.unwrap();
    assert_eq!((reply.status, partial.rejected_data_points), (200, 0));
    let expected =
        "all 2 data points were taken, some not quite as sent: data point 0: skipped_value";
    assert!(partial.error_message.starts_with(expected), "{partial:?}");
}

#[tokio::test]
async fn a_request_of_which_nothing_is_acceptable_is_bad_data() {
    let edge = Edge::with(|settings| settings.http.nothing_accepted_status = 202).await;
    let body = sample::gauge(&[None; 12]);
    for (content_type, body) in [(PROTOBUF, body.clone()), (JSON, sample::json(&body))] {
        let reply = post(&edge, &of_type(content_type), &body).await;
        let status = status(&reply, 400, content_type);
        assert!(status.message.starts_with("12 of 12 data points were rejected: "), "{status:?}");
        assert!(status.message.ends_with("; and so on"), "{status:?}");
        assert_eq!(status.code, 3);
    }
    assert!(edge.queue.entries().is_empty());
}

#[tokio::test]
async fn what_is_no_such_message_is_bad_data_with_its_place() {
    let edge = Edge::start().await;
    let gzip = format!("{}content-encoding: gzip\r\n", of_type(JSON));
    for (headers, body, content_type, expected) in [
        (of_type(PROTOBUF), &b"\x0a\x05"[..], PROTOBUF, "a length that fits the message at byte 1"),
        (of_type(PROTOBUF), b"{}", PROTOBUF, "at byte 2"),
        (of_type(JSON), b"{\n\"resourceMetrics\":{}}", JSON, "an array at line 2, column 19"),
        (of_type(JSON), b"{} {}", JSON, "nothing more after one JSON value at line 1, column 4"),
        (of_type(JSON), b"", JSON, "a JSON value at line 1, column 1"),
        (of_type(JSON), b" \n", JSON, "a JSON value at line 2, column 1"),
        (of_type(JSON), b"[]", JSON, "an object at line 1, column 1"),
        (of_type(JSON), b"\xff", JSON, "UTF-8 text at byte 0"),
        (gzip, b"hello", JSON, "gzip"),
    ] {
        let reply = post(&edge, &headers, body).await;
        let status = status(&reply, 400, content_type);
        assert!(status.message.contains(expected), "{status:?}");
        assert!(!status.message.contains("parse JSON"), "{status:?}");
    }
}

#[tokio::test]
async fn every_refusal_is_a_status() {
    let mut edge = Edge::with(|settings| {
        settings.limits.body_bytes = 1 << 10;
        settings.limits.requests_per_minute = 0;
    })
    .await;
    let body = sample::gauge(&[Some(1.0)]);
    let coded = |coding: &str| format!("{}content-encoding: {coding}\r\n", of_type(PROTOBUF));

    let reply = post_as(&edge, "wrong", &of_type(JSON), &body).await;
    assert_eq!(status(&reply, 403, JSON).message, "Unauthorized");
    assert_eq!(status(&reply, 403, JSON).code, 7);
    let reply = post(&edge, &of_type(PROTOBUF), &[0; 2 << 10]).await;
    assert!(status(&reply, 413, PROTOBUF).message.starts_with("payload reached size limit"));
    let reply = post(&edge, &coded("snappy"), &body).await;
    assert!(status(&reply, 415, PROTOBUF).message.contains("gzip, deflate (zlib) or zstd"));
    assert_eq!(reply.header("accept-encoding"), Some("gzip, deflate, zstd, identity"));
    for content_type in ["text/plain", "application/x-ndjson", "application/grpc"] {
        let reply = post(&edge, &of_type(content_type), &body).await;
        assert!(status(&reply, 415, PROTOBUF).message.contains("application/json"));
    }
    let reply = once(&edge, &request("GET /v1/metrics", "", b"")).await;
    status(&reply, 405, PROTOBUF);
    assert_eq!(reply.header("allow"), Some("POST"));
    edge.queue.fill_by_surprise();
    let reply = post(&edge, &of_type(PROTOBUF), &body).await;
    assert_eq!(status(&reply, 503, PROTOBUF).code, 14);
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    edge.stop();
}

#[tokio::test]
async fn the_limit_of_an_address_is_told_in_a_status_too() {
    let edge = Edge::with(|settings| settings.limits.requests_per_minute = 1).await;
    let body = sample::gauge(&[Some(1.0)]);
    assert_eq!(post(&edge, &of_type(PROTOBUF), &body).await.status, 200);
    let reply = post(&edge, &of_type(JSON), &body).await;
    assert!(status(&reply, 429, JSON).message.contains("limits.requests_per_minute"));
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(reply.header("ratelimit").is_some());
}

#[tokio::test]
async fn every_coding_of_the_edge_is_taken_and_a_dry_run_is_shown_in_json() {
    let edge = Edge::start().await;
    let body = sample::gauge(&[Some(1.0)]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&body).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&body).unwrap();
    for (coding, coded) in [
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
        ("zstd", zstd::encode_all(&body[..], 3).unwrap()),
    ] {
        let headers = format!("{}content-encoding: {coding}\r\n", of_type(PROTOBUF));
        assert_eq!(post(&edge, &headers, &coded).await.status, 200, "{coding}");
    }
    assert_eq!(edge.queue.tuples(), 3);
    let headers = format!("authorization: Bearer {TOKEN}\r\n{}", of_type(PROTOBUF));
    let reply = once(&edge, &request("POST /v1/metrics?dry_run=1", &headers, &body)).await;
    assert_eq!((reply.status, &reply.json()["tuples"][0][0]), (200, &"room.temp".into()));
    assert_eq!(edge.queue.tuples(), 3);
}
