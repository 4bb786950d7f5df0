//! The paths of a Pushgateway, and pages of metrics on `/metrics`: who gets in, and what is refused.

use std::io::Write as _;

use crate::support::edge::{Edge, METRIC, TOKEN};
use crate::support::wire::{Reply, once, post, request};

mod page;

const PATH: &str = "/metrics/job/batch/instance/host-1";

/// What prometheus_client declares.
const TEXT: &str = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";

/// One request to `path` with the token, and `headers` besides.
async fn push(edge: &Edge, line: &str, headers: &str, body: &[u8]) -> Reply {
    let headers = format!("authorization: Bearer {TOKEN}\r\n{headers}");
    once(edge, &request(line, &headers, body)).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[tokio::test]
async fn a_push_of_nothing_is_taken_and_a_deletion_has_nothing_to_do() {
    let edge = Edge::start().await;
    for content_type in [TEXT, "", "content-type: text/plain\r\n", "content-type: a/b\r\n"] {
        for method in ["PUT", "POST"] {
            let reply = push(&edge, &format!("{method} {PATH}"), content_type, b"").await;
            assert_eq!((reply.status, reply.text()), (200, ""), "{method} {content_type}");
            assert_eq!(reply.header("content-type"), None);
        }
        let reply = push(&edge, &format!("DELETE {PATH}"), content_type, b"").await;
        assert_eq!((reply.status, reply.text()), (202, ""), "{content_type}");
    }
    assert!(push(&edge, &format!("DELETE {PATH}"), "", b"m 1\n").await.status == 202);
    assert_eq!(edge.queue.entries().len(), 0);
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn only_these_methods_mean_something_there_and_the_path_must_be_whole() {
    let edge = Edge::start().await;
    for (line, status, allow) in [
        ("GET /metrics/job/batch", 405, Some("PUT,POST,DELETE")),
        ("HEAD /metrics/job/batch/instance", 405, Some("PUT,POST,DELETE")),
        ("PATCH /metrics/job/", 405, Some("PUT,POST,DELETE")),
        ("PUT /metrics/jobs/batch", 404, None),
        ("PUT //metrics/job/batch", 404, None),
        ("DELETE /metrics/", 404, None),
        ("PUT /metrics/job/batch", 403, None),
        ("POST /metrics/job/batch?dry_run=1", 403, None),
        ("DELETE /metrics/job/batch", 403, None),
        // The grouping key is looked at when it is known who asks.
        ("PUT /metrics/job/", 403, None),
        ("DELETE /metrics/job/batch/instance", 403, None),
    ] {
        let mut wire = crate::support::wire::Wire::connect(edge.address).await;
        wire.send(&request(line, "authorization: Bearer wrong\r\n", b"")).await;
        let reply = wire.reply_head().await;
        assert_eq!(reply.status, status, "{line}");
        assert_eq!(reply.header("allow"), allow, "{line}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_grouping_key_is_told_which_segment_is_at_fault() {
    let edge = Edge::start().await;
    for (path, text) in [
        (
            "/metrics/job/",
            "segment 3 of the path, \"\", is empty where the name of the job is expected; a push goes \
             to /metrics/job/<job>{/<label>/<value>}",
        ),
        ("/metrics/job/batch/instance", "segment 4 of the path, \"instance\", is a label without"),
        ("/metrics/job/batch/a/1/__name__/m", "segment 6 of the path, \"__name__\", is no name of"),
        ("/metrics/job/batch/a@base64/%20", "segment 5 of the path, \"%20\", is no base64"),
    ] {
        for method in ["PUT", "POST", "DELETE"] {
            let reply = push(&edge, &format!("{method} {path}"), TEXT, b"m 1\n").await;
            assert_eq!(reply.status, 400, "{method} {path}");
            assert!(reply.text().starts_with(text), "{reply:?}");
            assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        }
    }
    assert_eq!(edge.queue.entries().len(), 0);
}

#[tokio::test]
async fn messages_that_are_taken_nowhere_are_refused_whatever_their_first_byte() {
    let edge = Edge::start().await;
    let family = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                  encoding=delimited";
    let unknown = "application/x-protobuf; proto=io.prometheus.write.v9.Request";
    for (line, content_type, text) in [
        ("POST /metrics", family, "metrics in the protocol-buffer exposition format"),
        ("POST /metrics", unknown, "this protocol-buffer message is not known"),
        ("POST /api/v1/write", family, "metrics in the protocol-buffer exposition format"),
        ("POST /api/v1/write", unknown, "this protocol-buffer message is not known"),
        ("PUT /metrics/job/a", family, "metrics in the protocol-buffer exposition format"),
        (
            "PUT /metrics/job/a",
            "application/x-protobuf",
            "this path does not take bodies of this content-type: it takes the text of Prometheus",
        ),
        (
            "POST /api/v1/write",
            "application/json",
            "this path does not take bodies of this content-type: it takes remote write",
        ),
    ] {
        let header = format!("content-type: {content_type}\r\n");
        for body in [METRIC.as_bytes(), b"\x80\x01", b""] {
            let reply = push(&edge, line, &header, body).await;
            assert_eq!(reply.status, 415, "{line} {content_type}");
            assert!(reply.text().starts_with(text), "{reply:?}");
        }
    }
}

/// As the table of answers in the README has it.
#[tokio::test]
async fn another_content_type_means_another_thing_on_each_path() {
    let edge = Edge::start().await;
    let page = "m 1\n";
    for (line, content_type, body, status) in [
        ("POST /metrics", "image/png", page, 406),
        ("POST /metrics", "text/plain", page, 406),
        ("POST /metrics", "image/png", METRIC, 202),
        ("PUT /metrics/job/a", "application/json", METRIC, 400),
        ("PUT /metrics/job/a", "image/png", page, 200),
        ("POST /api/v1/write", "text/plain", page, 415),
        ("POST /v1/metrics", "text/plain", page, 415),
    ] {
        let header = format!("content-type: {content_type}\r\n");
        let reply = push(&edge, line, &header, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{line} {content_type} {body}: {reply:?}");
    }
}

#[tokio::test]
async fn what_does_not_decompress_is_a_400_to_whoever_was_never_asked_for_json() {
    let edge = Edge::start().await;
    let cut = gzip(b"m 1\n").split_last_chunk::<4>().unwrap().0.to_vec();
    for (line, headers, status, text) in [
        ("PUT /metrics/job/a", "", 400, "cannot read the body: "),
        ("POST /metrics", TEXT, 400, "cannot read the body: "),
        ("POST /metrics", "", 406, "Couldn't parse JSON content. "),
    ] {
        for body in [&cut[..], b"no gzip"] {
            let headers = format!("{headers}content-encoding: gzip\r\n");
            let reply = push(&edge, line, &headers, body).await;
            assert_eq!(reply.status, status, "{line}");
            assert!(reply.text().starts_with(text), "{reply:?}");
        }
        let reply = push(&edge, line, "content-encoding: br\r\n", b"x").await;
        assert_eq!(reply.status, 415, "{line}");
    }
}

#[tokio::test]
async fn an_empty_page_is_sound_and_an_empty_json_body_is_not() {
    let edge = Edge::start().await;
    let reply = once(&edge, &post(TEXT, b"")).await;
    assert_eq!((reply.status, reply.text()), (202, ""));
    let reply = once(&edge, &post(&format!("{TEXT}content-encoding: gzip\r\n"), &gzip(b""))).await;
    assert_eq!((reply.status, reply.text()), (202, ""));
    for content_type in ["application/json", "application/x-ndjson", "application/msgpack", "a/b"] {
        let header = format!("content-type: {content_type}\r\n");
        let reply = once(&edge, &post(&header, b"")).await;
        assert_eq!(reply.status, 406, "{content_type}");
        assert!(reply.text().ends_with("but the body is empty"), "{reply:?}");
    }
}

#[tokio::test]
async fn text_without_a_version_is_told_what_is_missing() {
    let edge = Edge::start().await;
    for header in ["content-type: text/plain\r\n", ""] {
        for body in ["# TYPE m gauge\nm 1\n", "\n  m 1\n", "_m 1\n"] {
            let reply = once(&edge, &post(header, body.as_bytes())).await;
            assert_eq!(reply.status, 406, "{body}");
            assert!(reply.text().contains("content-type `text/plain; version=0.0.4`"), "{reply:?}");
        }
        let reply = once(&edge, &post(header, b"<html>")).await;
        assert_eq!(reply.status, 406);
        assert!(!reply.text().contains("version=0.0.4"), "{reply:?}");
        // It is sniffed all the same.
        assert_eq!(once(&edge, &post(header, METRIC.as_bytes())).await.status, 202);
    }
}

#[tokio::test]
async fn requests_are_counted_by_how_their_sender_speaks() {
    let edge = Edge::start().await;
    for (line, headers) in [
        ("POST /metrics", ""),
        ("POST /metrics", TEXT),
        ("POST /", TEXT),
        ("PUT /metrics/job/a", ""),
        ("POST /metrics/job/a/b", ""),
        ("POST /metrics/job/a", TEXT),
        ("POST /metrics", "content-type: application/x-protobuf\r\n"),
        ("POST /v1/metrics", "content-type: application/json\r\n"),
        ("DELETE /metrics/job/a", ""),
        ("GET /metrics", ""),
    ] {
        push(&edge, line, headers, b"").await;
    }
    let counted: Vec<_> = edge.state.counts().requests().collect();
    assert_eq!(
        counted,
        [
            ("better_stack", 1),
            ("exposition", 2),
            ("pushgateway", 3),
            ("remote_write", 1),
            ("otlp", 1)
        ]
    );
}
