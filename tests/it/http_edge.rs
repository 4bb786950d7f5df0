//! Paths, methods, tokens, media, reports, ids and connections (contract C1.1 to C1.9, C1.13, C1.14).

use std::io::Write;

use crate::support::edge::{Edge, METRIC, TOKEN, source};
use crate::support::wire::{Reply, Wire, chunk, chunked_head, once, post, request};

#[tokio::test]
async fn a_metric_is_queued_and_answered_with_an_empty_202() {
    let edge = Edge::start().await;
    for line in ["POST /metrics", "POST /", "POST /metrics?a=b"] {
        let auth = format!("authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n");
        let reply = once(&edge, &request(line, &auth, METRIC.as_bytes())).await;
        assert_eq!((reply.status, reply.text()), (202, ""), "{line}");
    }
    let entries = edge.queue.entries();
    assert_eq!(entries.len(), 3);
    assert_eq!(&*entries[0].source, "main");
    assert_eq!(entries[0].received.seconds(), 1_700_000_000);
    assert_eq!(edge.queue.tuples(), 3);
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn probes_are_answered_200_and_other_paths_and_methods_404_and_405() {
    let edge = Edge::start().await;
    let auth = format!("authorization: Bearer {TOKEN}\r\n");
    for (line, status, allow) in [
        ("GET /metrics", 200, None),
        ("GET /", 405, Some("POST")),
        ("PUT /metrics", 405, Some("GET,HEAD,POST")),
        ("DELETE /", 405, Some("POST")),
        ("BREW /metrics", 405, Some("GET,HEAD,POST")),
        ("GET /metric", 404, None),
        ("POST /metrics/", 404, None),
        ("POST //metrics", 404, None),
        ("OPTIONS *", 404, None),
        ("POST http://elsewhere/metrics/x", 404, None),
    ] {
        for headers in ["", &auth] {
            let reply = once(&edge, &request(line, headers, b"")).await;
            assert_eq!(reply.status, status, "{line}");
            assert_eq!(reply.header("allow"), allow, "{line}");
        }
    }
    let mut wire = Wire::connect(edge.address).await;
    wire.send(b"HEAD /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let answer = String::from_utf8(wire.closed().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn an_absolute_target_reaches_the_same_path() {
    let edge = Edge::start().await;
    let auth = format!("authorization: Bearer {TOKEN}\r\n");
    let line = "POST http://metrics.example/metrics";
    assert_eq!(once(&edge, &request(line, &auth, METRIC.as_bytes())).await.status, 202);
}

#[tokio::test]
async fn whoever_may_not_send_gets_one_answer_without_a_hint() {
    let edge = Edge::with(|settings| {
        let mut off = source("off", "off-token");
        off.enabled = false;
        let mut logs = source("logs", "logs-token");
        logs.allow_metrics = false;
        settings.sources.extend([off, logs]);
    })
    .await;
    for headers in [
        "",
        "authorization: Bearer nobody\r\n",
        "authorization: Bearer off-token\r\n",
        "authorization: Bearer logs-token\r\n",
        "authorization: Basic a-token\r\n",
        "authorization: a-token\r\n",
        "authorization: Bearer \r\n",
    ] {
        let reply = once(&edge, &request("POST /metrics", headers, METRIC.as_bytes())).await;
        assert_eq!((reply.status, reply.text()), (403, "Unauthorized"), "{headers}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    let any_case = "AUTHORIZATION: bEaReR a-token\r\n";
    assert_eq!(once(&edge, &request("POST /", any_case, METRIC.as_bytes())).await.status, 202);
    assert_eq!(edge.queue.tuples(), 1);
}

#[tokio::test]
async fn the_number_of_unauthorized_is_configurable() {
    let edge = Edge::with(|settings| settings.auth.unauthorized_status = 401).await;
    let reply = once(&edge, &request("POST /", "", METRIC.as_bytes())).await;
    assert_eq!((reply.status, reply.text()), (401, "Unauthorized"));
}

#[tokio::test]
async fn a_bad_token_hides_every_later_fault() {
    let edge = Edge::start().await;
    edge.queue.fill();
    for (headers, body) in [
        ("content-type: application/json\r\n", "{not json"),
        ("content-encoding: snappy\r\n", "x"),
        ("content-encoding: gzip\r\n", "not gzip"),
        ("", ""),
        ("", METRIC),
    ] {
        let headers = format!("authorization: Bearer wrong\r\n{headers}");
        let reply = once(&edge, &request("POST /metrics", &headers, body.as_bytes())).await;
        assert_eq!(reply.status, 403, "{headers}{body}");
    }
    let declared = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    assert_eq!(once(&edge, declared.as_bytes()).await.status, 403);
}

#[tokio::test]
async fn checks_come_in_the_contracts_order() {
    let edge = Edge::start().await;
    edge.queue.fill();
    // Each request has the fault of its line and of all lines below it.
    for (line, headers, status) in [
        ("POST /nowhere", "authorization: Bearer wrong\r\ncontent-encoding: br\r\n", 404),
        ("PUT /metrics", "authorization: Bearer wrong\r\ncontent-encoding: br\r\n", 405),
        ("POST /metrics", "authorization: Bearer wrong\r\ncontent-encoding: br\r\n", 403),
        ("POST /metrics", "authorization: Bearer a-token\r\ncontent-encoding: br\r\n", 415),
        ("POST /metrics", "authorization: Bearer a-token\r\n", 413),
    ] {
        let mut wire = Wire::connect(edge.address).await;
        let length = (20 << 20) + 1;
        let head =
            format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{{");
        wire.send(head.as_bytes()).await;
        assert_eq!(wire.reply().await.status, status, "{line} {headers}");
    }
    assert_eq!(once(&edge, &post("", b"{")).await.status, 503);
}

#[tokio::test]
async fn a_format_is_declared_or_sniffed() {
    let edge = Edge::start().await;
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded"] {
        let header = format!("content-type: {content_type}\r\n");
        let headers = if content_type.is_empty() { "" } else { &header };
        let reply = once(&edge, &post(headers, METRIC.as_bytes())).await;
        assert_eq!(reply.status, 202, "{content_type}");
        let reply = once(&edge, &post(headers, b"<metric/>")).await;
        assert_eq!(reply.status, 406, "{content_type}");
        assert!(reply.text().starts_with("Couldn't parse JSON content."), "{reply:?}");
        // What is passed over while sniffing is no item of MessagePack.
        let packed = b"\xef\xbb\xbf\r\n\x82\xa4name\xa1x\xa5gauge\x81\xa5value\x01";
        let reply = once(&edge, &post(headers, packed)).await;
        assert_eq!((reply.status, reply.text()), (202, ""), "{content_type}");
    }
}

#[tokio::test]
async fn codings_are_undone_and_unknown_ones_answered_415_with_the_accepted_ones() {
    let edge = Edge::start().await;
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(METRIC.as_bytes()).unwrap();
    let (start, end) = METRIC.split_at(10);
    for (coding, body) in [
        ("identity", METRIC.as_bytes().to_vec()),
        ("gzip", [gzip(start.as_bytes()), gzip(end.as_bytes())].concat()),
        ("GZIP", gzip(METRIC.as_bytes())),
        ("deflate", zlib.finish().unwrap()),
        ("zstd", zstd::bulk::compress(METRIC.as_bytes(), 1).unwrap()),
    ] {
        let reply = once(&edge, &post(&format!("content-encoding: {coding}\r\n"), &body)).await;
        assert_eq!((reply.status, reply.text()), (202, ""), "{coding}");
    }
    for coding in ["snappy", "br", "gzip, gzip"] {
        let headers = format!("content-encoding: {coding}\r\n");
        let reply = once(&edge, &post(&headers, METRIC.as_bytes())).await;
        assert_eq!(reply.status, 415, "{coding}");
        for accepted in ["gzip", "deflate", "zstd", "identity"] {
            assert!(reply.text().contains(accepted), "{reply:?}");
        }
    }
    let twice = "content-encoding: gzip\r\ncontent-encoding: gzip\r\n";
    assert_eq!(once(&edge, &post(twice, b"x")).await.status, 415);
    for coding in ["gzip", "deflate", "zstd"] {
        let headers = format!("content-encoding: {coding}\r\n");
        for body in [&b"no such thing"[..], b""] {
            let reply = once(&edge, &post(&headers, body)).await;
            assert_eq!(reply.status, 406, "{coding} {reply:?}");
            assert!(reply.text().starts_with("Couldn't parse JSON content."), "{reply:?}");
        }
    }
    assert_eq!(edge.queue.entries().len(), 5);
}

#[tokio::test]
async fn a_body_that_does_not_parse_is_406_and_nothing_of_it_is_kept() {
    let edge = Edge::start().await;
    let json = "content-type: application/json\r\n";
    for body in ["", "{", r#"[{"name":"a","gauge":{"value":1}}"#] {
        let reply = once(&edge, &post(json, body.as_bytes())).await;
        assert_eq!(reply.status, 406, "{body}");
        assert!(reply.text().starts_with("Couldn't parse JSON content."), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert!(edge.queue.entries().is_empty());
    assert_eq!(once(&edge, &post(json, b"[]")).await.status, 202);
    assert!(edge.queue.entries().is_empty(), "an empty array leaves nothing to queue");
}

#[tokio::test]
async fn what_was_rejected_is_reported_with_202_or_422_when_nothing_is_left() {
    let edge = Edge::start().await;
    let some = format!(r#"[{METRIC},{{"gauge":{{"value":1}}}}]"#);
    let reply = once(&edge, &post("content-type: application/json\r\n", some.as_bytes())).await;
    assert_eq!(reply.status, 202);
    let report = reply.json();
    assert_eq!((&report["accepted"], &report["rejected"]), (&1.into(), &1.into()));
    assert_eq!(report["errors"][0]["index"], 1);
    assert_eq!(report["errors"][0]["code"], "missing_name");
    assert_eq!(edge.queue.tuples(), 1);

    let none = br#"[{"gauge":{"value":1}}]"#;
    let reply = once(&edge, &post("content-type: application/json\r\n", none)).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["rejected"], 1);
    assert_eq!(edge.queue.entries().len(), 1);
}

#[tokio::test]
async fn what_is_worth_a_warning_is_reported_with_202() {
    let edge = Edge::start().await;
    let reply = once(&edge, &post("", br#"{"name":"hostile","gauge":{"value":1}}"#)).await;
    assert_eq!(reply.status, 202);
    let report = reply.json();
    assert_eq!((&report["accepted"], &report["rejected"]), (&1.into(), &0.into()));
    assert_eq!(report["warnings"][0]["code"], "renamed");
    assert_eq!(edge.queue.tuples(), 1);
}

#[tokio::test]
async fn ndjson_and_messagepack_are_taken() {
    let edge = Edge::start().await;
    let lines = format!("{METRIC}\n\n{METRIC}\n");
    let reply =
        once(&edge, &post("content-type: application/x-ndjson\r\n", lines.as_bytes())).await;
    assert_eq!((reply.status, reply.text()), (202, ""));
    let value: serde_json::Value = serde_json::from_str(METRIC).unwrap();
    let packed = rmp_serde::to_vec_named(&value).unwrap();
    for headers in ["", "content-type: application/msgpack\r\n"] {
        let reply = once(&edge, &post(headers, &packed)).await;
        assert_eq!((reply.status, reply.text()), (202, ""), "{headers}");
    }
    assert_eq!(edge.queue.tuples(), 4);
}

#[tokio::test]
async fn the_number_for_nothing_accepted_is_configurable() {
    let edge = Edge::with(|settings| settings.http.nothing_accepted_status = 400).await;
    let reply = once(&edge, &post("", br#"[{"gauge":{"value":1}}]"#)).await;
    assert_eq!((reply.status, &reply.json()["rejected"]), (400, &1.into()));
}

#[tokio::test]
async fn a_dry_run_shows_the_tuples_and_queues_nothing() {
    let edge = Edge::start().await;
    let dry = |body: String| {
        let auth = format!("authorization: Bearer {TOKEN}\r\n");
        request("POST /metrics?dry_run=1", &auth, body.as_bytes())
    };
    let reply = once(&edge, &dry(METRIC.to_owned())).await;
    assert_eq!(reply.status, 200);
    let shown = reply.json();
    assert_eq!(shown["tuples"][0][0], "room.temp");
    assert_eq!((&shown["accepted"], &shown["rejected"]), (&1.into(), &0.into()));
    assert_eq!(
        (&shown["errors"], &shown["warnings"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );

    let many = vec![METRIC; 25_000].join(",");
    let shown = once(&edge, &dry(format!("[{many}]"))).await.json();
    assert_eq!(shown["accepted"], 25_000);
    assert_eq!(shown["tuples"].as_array().unwrap().len(), 10_000);

    let refused = once(&edge, &dry("{}".to_owned())).await;
    assert_eq!((refused.status, &refused.json()["rejected"]), (200, &1.into()));
    assert_eq!(once(&edge, &dry("{".to_owned())).await.status, 406);
    assert!(edge.queue.entries().is_empty());
    edge.until(|edge| edge.state.memory_used() == 0).await;
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_a_sane_one_of_the_client_is_kept() {
    let edge = Edge::start().await;
    let id = |reply: &Reply| reply.header("x-request-id").unwrap().to_owned();
    for (line, headers) in [
        ("POST /metrics", ""),
        ("GET /metrics", ""),
        ("PUT /", ""),
        ("GET /nowhere", ""),
        ("POST /", "authorization: Bearer a-token\r\n"),
    ] {
        let kept = format!("{headers}x-request-id: job-7.attempt-2\r\n");
        assert_eq!(id(&once(&edge, &request(line, &kept, b"{}")).await), "job-7.attempt-2");
        let insane = format!("{headers}x-request-id: two words\r\n");
        let first = id(&once(&edge, &request(line, &insane, b"{}")).await);
        let second = id(&once(&edge, &request(line, headers, b"{}")).await);
        assert!(first.len() == 32 && second.len() == 32 && first != second, "{first} {second}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_after_requests_that_were_read_whatever_their_answer() {
    let edge = Edge::start().await;
    let mut wire = Wire::connect(edge.address).await;
    for (bytes, status) in [
        (post("", METRIC.as_bytes()), 202),
        (post("content-type: application/json\r\n", b"{"), 406),
        (request("GET /metrics", "", b""), 200),
        (request("GET /nowhere", "", b""), 404),
        (request("POST /metrics", "", METRIC.as_bytes()), 403),
        (post("", br#"[{"gauge":{"value":1}}]"#), 422),
        (post("", METRIC.as_bytes()), 202),
    ] {
        wire.send(&bytes).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, status);
        assert!(!reply.closes(), "{reply:?}");
    }
    assert_eq!(edge.connections(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let edge = Edge::start().await;
    let mut wire = Wire::connect(edge.address).await;
    let two = [post("", METRIC.as_bytes()), post("", b"no"), post("", METRIC.as_bytes())];
    wire.send(&two.concat()).await;
    for status in [202, 406, 202] {
        assert_eq!(wire.reply().await.status, status);
    }
}

#[tokio::test]
async fn a_chunked_body_is_taken_and_a_client_that_closes_its_side_is_answered() {
    let edge = Edge::start().await;
    let mut wire = Wire::connect(edge.address).await;
    wire.send(chunked_head("").as_bytes()).await;
    for piece in METRIC.as_bytes().chunks(7) {
        wire.send(&chunk(piece)).await;
    }
    edge.queue.hold();
    wire.send(b"0\r\nx-trailer: 1\r\n\r\n").await;
    edge.queue.append_begun().await;
    tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await.unwrap();
    edge.queue.let_one_through();
    assert_eq!(wire.reply().await.status, 202);
    assert_eq!(edge.queue.tuples(), 1);
}

#[tokio::test]
async fn a_large_body_is_taken_whole() {
    let edge = Edge::start().await;
    let many = format!("[{}]", vec![METRIC; 50_000].join(","));
    let reply = once(&edge, &post("content-type: application/json\r\n", many.as_bytes())).await;
    assert_eq!((reply.status, reply.text()), (202, ""));
    assert_eq!(edge.queue.tuples(), 50_000);
    assert_eq!(edge.queue.entries().len(), 1, "a request is whole or absent");
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn a_client_gone_while_its_metrics_are_queued_changes_nothing() {
    let edge = Edge::start().await;
    edge.queue.hold();
    let mut wire = Wire::connect(edge.address).await;
    wire.send(&post("", METRIC.as_bytes())).await;
    edge.queue.append_begun().await;
    drop(wire);
    edge.queue.let_one_through();
    edge.until(|edge| edge.connections() == 0).await;
    assert_eq!((edge.queue.tuples(), edge.state.memory_used()), (1, 0));
}

#[tokio::test]
async fn a_panic_costs_its_request_a_500_and_nobody_else_anything() {
    let edge = Edge::start().await;
    edge.queue.panic_once();
    let mut wire = Wire::connect(edge.address).await;
    for status in [500, 202] {
        wire.send(&post("x-request-id: p\r\n", METRIC.as_bytes())).await;
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.header("x-request-id")), (status, Some("p")));
    }
    assert_eq!(edge.state.counts().panics.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(edge.state.memory_used(), 0);
}
