//! Sizes, time-outs, memory, rates and connection counts (contract C1.5, C1.10 to C1.12).

use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::edge::{Edge, METRIC, PATIENCE, TOKEN, source};
use crate::support::wire::{Wire, chunk, chunked_head, once, post, request};

const LIMIT: usize = 20 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A valid body of exactly `bytes` bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let mut body = METRIC.as_bytes().to_vec();
    body.resize(bytes, b' ');
    body
}

#[tokio::test]
async fn exactly_the_limit_passes_and_one_byte_more_does_not() {
    let edge = Edge::start().await;
    assert_eq!(once(&edge, &post("", &padded(LIMIT))).await.status, 202);
    let reply = once(&edge, &post("", &padded(LIMIT + 1))).await;
    assert_eq!(reply.status, 413);
    assert!(reply.text().starts_with("payload reached size limit"), "{reply:?}");

    let coded = "content-encoding: gzip\r\n";
    let almost =
        [gzip(&padded(1 << 20)), gzip(&[b' '; 1 << 10].repeat(1 << 10)).repeat(18)].concat();
    let last = |bytes| [almost.clone(), gzip(&[b' '].repeat(bytes))].concat();
    assert_eq!(once(&edge, &post(coded, &last(1 << 20))).await.status, 202);
    let reply = once(&edge, &post(coded, &last((1 << 20) + 1))).await;
    assert_eq!(reply.status, 413);
    assert!(reply.text().starts_with("payload reached size limit"), "{reply:?}");
    assert_eq!(edge.queue.entries().len(), 2);
    edge.until(|edge| edge.state.memory_used() == 0).await;
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_413_before_any_byte_comes() {
    let edge = Edge::start().await;
    let mut wire = Wire::connect(edge.address).await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        LIMIT + 1
    );
    wire.send(head.as_bytes()).await;
    assert_eq!(wire.reply().await.status, 413);
}

#[tokio::test]
async fn a_chunked_body_is_413_once_it_passes_the_limit() {
    let edge = Edge::with(|settings| settings.limits.body_bytes = 100_000).await;
    for headers in ["", "content-encoding: gzip\r\n"] {
        let mut wire = Wire::connect(edge.address).await;
        wire.send(chunked_head(headers).as_bytes()).await;
        // Bytes that do not compress: the limit on the wire is what they meet.
        let noise: Vec<u8> = (0..70_000).map(|_| fastrand::u8(..)).collect();
        if headers.is_empty() {
            wire.send(&chunk(&noise)).await;
            wire.send(&chunk(&noise)).await;
        } else {
            let packed = gzip(&[&noise[..], &noise[..]].concat());
            assert!(packed.len() > 100_000);
            wire.send(&chunk(&packed)).await;
        }
        let reply = wire.reply().await;
        assert_eq!(reply.status, 413, "{headers}");
        assert!(reply.text().starts_with("payload reached size limit"), "{reply:?}");
        assert!(reply.closes());
    }
    assert!(edge.queue.entries().is_empty());
}

#[tokio::test]
async fn a_bomb_is_413_and_costs_no_more_than_the_limit() {
    // Room for the limit and a window: what went on inflating would be a 503.
    let edge = Edge::with(|settings| settings.limits.memory_bytes = 29 << 20).await;
    // 64 MiB of spaces: gzip members and zstd frames follow one another.
    let spaces = vec![b' '; 4 << 20];
    let gzip_bomb = gzip(&spaces).repeat(16);
    let zstd_bomb = zstd::bulk::compress(&spaces, 1).unwrap().repeat(16);
    for (coding, body) in [("gzip", gzip_bomb), ("zstd", zstd_bomb)] {
        assert!(body.len() < 1 << 20);
        let reply = once(&edge, &post(&format!("content-encoding: {coding}\r\n"), &body)).await;
        assert_eq!(reply.status, 413, "{coding}");
        assert!(reply.text().starts_with("payload reached size limit"), "{reply:?}");
    }
    edge.until(|edge| edge.state.memory_used() == 0).await;
}

#[tokio::test]
async fn a_body_whose_metrics_expand_too_far_is_413_and_gives_its_memory_back() {
    let edge = Edge::start().await;
    let tags: Vec<_> = (0..8).map(|n| format!(r#""t{n}":"{}""#, "x".repeat(1900))).collect();
    let bucket = r#"{"count":1,"upper_limit":1}"#;
    let item = format!(
        r#"{{"name":"h","tags":{{{}}},"histogram":{{"count":1,"sum":1,"buckets":[{}]}}}}"#,
        tags.join(","),
        vec![bucket; 1000].join(",")
    );
    let body = format!("[{}]", vec![item; 10].join(","));
    let reply = once(&edge, &post("", body.as_bytes())).await;
    assert_eq!(reply.status, 413);
    assert!(reply.text().starts_with("payload reached size limit"), "{reply:?}");
    assert!(edge.queue.entries().is_empty());
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_or_not_end_closes_the_connection() {
    let edge = Edge::with(|settings| {
        settings.http.header_timeout = Duration::from_millis(300);
    })
    .await;
    for sent in ["", "P", "POST /metrics HTTP/1.1\r\nhost: x\r\n"] {
        let mut wire = Wire::connect(edge.address).await;
        drop(wire.try_send(sent.as_bytes()).await);
        assert_eq!(wire.closed().await, b"", "{sent:?}");
    }
    // A head that trickles is no better: the time is counted from its first byte.
    let mut wire = Wire::connect(edge.address).await;
    let trickle = async {
        for byte in "POST /metrics HTTP/1.1\r\nx-padding: ".bytes().chain(std::iter::repeat(b'x')) {
            if wire.try_send(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::edge::PATIENCE, trickle).await.expect("it is cut off");
    edge.until(|edge| edge.connections() == 0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_but_not_by_the_time_out_for_heads() {
    let edge = Edge::with(|settings| {
        settings.http.header_timeout = Duration::from_millis(700);
        settings.http.idle_timeout = Duration::from_secs(5);
    })
    .await;
    let mut wire = Wire::connect(edge.address).await;
    for _ in 0..2 {
        wire.send(&post("", METRIC.as_bytes())).await;
        assert_eq!(wire.reply().await.status, 202);
        // Longer than a head may take, and far from the idle time-out.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let last = Duration::from_secs(1);
    let waited = tokio::time::Instant::now();
    assert_eq!(wire.closed().await, b"");
    assert!(waited.elapsed() >= last, "closed after {:?}", waited.elapsed());
    edge.until(|edge| edge.connections() == 0).await;
}

#[tokio::test]
async fn a_body_that_stops_or_trickles_is_408() {
    let edge = Edge::with(|settings| {
        settings.http.body_timeout = Duration::from_millis(300);
        settings.http.drain_timeout = Duration::from_millis(100);
    })
    .await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 9000\r\n\r\n"
    );
    let mut wire = Wire::connect(edge.address).await;
    wire.send(head.as_bytes()).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.closes()), (408, true), "{reply:?}");
    wire.closed().await;

    let mut wire = Wire::connect(edge.address).await;
    wire.send(head.as_bytes()).await;
    for _ in 0..10_000 {
        if wire.try_send(b"[").await.is_err() {
            break;
        }
        let mut peeked = [0; 1];
        let answered = wire.stream.peek(&mut peeked);
        if tokio::time::timeout(Duration::from_millis(10), answered).await.is_ok() {
            break;
        }
    }
    assert_eq!(wire.reply().await.status, 408, "a byte every 10 ms is no 1 KiB a second");
    edge.until(|edge| edge.state.memory_used() == 0).await;
    assert!(edge.queue.entries().is_empty());
}

#[tokio::test]
async fn a_slow_but_steady_body_is_taken() {
    let edge = Edge::with(|settings| {
        settings.http.body_timeout = Duration::from_secs(3);
        settings.http.body_min_rate = 100;
    })
    .await;
    let body = padded(3000);
    let mut wire = Wire::connect(edge.address).await;
    let request = post("", &body);
    for piece in request.chunks(250) {
        wire.send(piece).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(wire.reply().await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gone_inside_its_body_leaves_nothing_behind() {
    let edge = Edge::start().await;
    let whole = post("", &padded(5 << 20));
    let mut wires = Vec::new();
    for _ in 0..5 {
        let mut wire = Wire::connect(edge.address).await;
        wire.send(&whole[..whole.len() / 2]).await;
        wires.push(wire);
    }
    edge.until(|edge| edge.state.memory_used() > 10 << 20).await;
    drop(wires);
    edge.until(|edge| edge.state.memory_used() == 0 && edge.connections() == 0).await;
    assert!(edge.queue.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_in_flight_never_take_more_than_the_memory_budget() {
    const BUDGET: u64 = 4 << 20;
    let edge = Edge::with(|settings| settings.limits.memory_bytes = BUDGET).await;
    let body = std::sync::Arc::new(post("", &padded(1 << 20)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (address, body) = (edge.address, body.clone());
        clients.spawn(async move {
            let mut wire = Wire::connect(address).await;
            // Half now, so that all are inside at once; an early answer may close on the rest.
            let (first, rest) = body.split_at(body.len() / 2);
            wire.send(first).await;
            tokio::task::yield_now().await;
            drop(wire.try_send(rest).await);
            let reply = wire.reply().await;
            (reply.status, reply.header("retry-after").map(str::to_owned))
        });
    }
    let mut taken = 0;
    let mut refused = 0;
    while let Some(outcome) = clients.join_next().await {
        assert!(edge.state.memory_used() <= BUDGET);
        match outcome.unwrap() {
            (202, None) => taken += 1,
            (503, Some(seconds)) => {
                assert!((1..=60).contains(&seconds.parse::<u64>().unwrap()));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken + refused, 64);
    assert!(taken > 0, "what fits is taken");
    assert_eq!(edge.queue.entries().len(), taken);
    edge.until(|edge| edge.state.memory_used() == 0).await;
}

#[tokio::test]
async fn a_body_larger_than_the_whole_budget_is_503_and_not_a_hang() {
    let edge = Edge::with(|settings| settings.limits.memory_bytes = 128 << 10).await;
    for (headers, body) in
        [("", padded(1 << 20)), ("content-encoding: gzip\r\n", gzip(&padded(1 << 20)))]
    {
        let reply = once(&edge, &post(headers, &body)).await;
        assert_eq!(reply.status, 503, "{reply:?}");
    }
    // A body that fits, and tuples that do not.
    let tuples = format!("[{}]", vec![METRIC; 2800].join(","));
    assert_eq!(once(&edge, &post("", tuples.as_bytes())).await.status, 503);
    assert_eq!(edge.state.counts().no_room.load(Ordering::SeqCst), 3);
    assert_eq!(once(&edge, &post("", METRIC.as_bytes())).await.status, 202);
    assert_eq!(edge.state.memory_used(), 0);
}

#[tokio::test]
async fn a_full_queue_answers_503_before_the_body() {
    let edge = Edge::start().await;
    edge.queue.fill();
    let mut wire = Wire::connect(edge.address).await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 900\r\n\r\n"
    );
    wire.send(head.as_bytes()).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 503);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    let dry = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(once(&edge, &request("POST /?dry_run=1", &dry, b"[]")).await.status, 503);
    assert_eq!(edge.state.counts().no_room.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_queue_that_fills_during_an_upload_answers_503_and_keeps_nothing() {
    let edge = Edge::start().await;
    let whole = post("", METRIC.as_bytes());
    let mut wire = Wire::connect(edge.address).await;
    wire.send(&whole[..whole.len() - 5]).await;
    edge.until(|edge| edge.state.memory_used() > 0).await;
    edge.queue.fill_by_surprise();
    wire.send(&whole[whole.len() - 5..]).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.closes()), (503, false));
    assert!(reply.header("retry-after").is_some());
    assert!(edge.queue.entries().is_empty());
    assert_eq!(edge.state.memory_used(), 0);
}

fn limited(per_minute: u32) -> impl FnOnce(&mut crate::support::edge::Settings) {
    move |settings| settings.limits.requests_per_minute = per_minute
}

#[tokio::test]
async fn the_501st_request_of_a_minute_is_429_with_the_three_headers() {
    let edge = Edge::with(limited(500)).await;
    let mut wire = Wire::connect(edge.address).await;
    for n in 0..500 {
        // Whatever they are: every request counts.
        let (bytes, status) = match n % 3 {
            0 => (post("", METRIC.as_bytes()), 202),
            1 => (request("GET /metrics", "", b""), 200),
            _ => (request("POST /metrics", "", METRIC.as_bytes()), 403),
        };
        wire.send(&bytes).await;
        assert_eq!(wire.reply().await.status, status);
    }
    for line in ["POST /metrics", "GET /metrics", "DELETE /nowhere"] {
        wire.send(&request(line, "", b"{}")).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(reply.header("ratelimit-policy"), Some("\"ip\";q=500;w=60"));
        assert_eq!(reply.header("ratelimit"), Some("\"ip\";r=0;t=1"));
        assert!(reply.header("x-request-id").is_some());
    }
    edge.clock.advance(Duration::from_mins(1));
    wire.send(&post("", METRIC.as_bytes())).await;
    assert_eq!(wire.reply().await.status, 202);
}

#[tokio::test]
async fn the_number_for_over_the_limit_is_configurable() {
    let edge = Edge::with(|settings| {
        settings.limits.requests_per_minute = 1;
        settings.limits.over_limit_status = 503;
    })
    .await;
    assert_eq!(once(&edge, &post("", METRIC.as_bytes())).await.status, 202);
    let reply = once(&edge, &post("", METRIC.as_bytes())).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("60")));
}

#[tokio::test]
async fn an_exempt_source_passes_and_uses_up_nobodys_quota() {
    let edge = Edge::with(|settings| {
        settings.limits.requests_per_minute = 2;
        let mut exempt = source("exempt", "exempt-token");
        exempt.rate_limit = false;
        settings.sources.push(exempt);
    })
    .await;
    let exempt = request("POST /", "authorization: Bearer exempt-token\r\n", METRIC.as_bytes());
    let mut statuses = Vec::new();
    for bytes in [&exempt, &exempt, &exempt, &post("", METRIC.as_bytes())] {
        statuses.push(once(&edge, bytes).await.status);
    }
    for _ in 0..2 {
        statuses.push(once(&edge, &request("POST /", "", METRIC.as_bytes())).await.status);
    }
    statuses.push(once(&edge, &exempt).await.status);
    assert_eq!(statuses, [202, 202, 202, 202, 403, 429, 202]);
}

/// The statuses of one request for each value of the header, with a limit of one a minute.
async fn forwarded(trusted: &[&str], header: &str, values: &[&str]) -> Vec<u16> {
    let edge = Edge::with(|settings| {
        settings.limits.requests_per_minute = 1;
        settings.limits.trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
    })
    .await;
    let mut statuses = Vec::new();
    for value in values {
        let reply = once(&edge, &post(&format!("{header}: {value}\r\n"), METRIC.as_bytes())).await;
        statuses.push(reply.status);
    }
    statuses
}

#[tokio::test]
async fn an_untrusted_peer_cannot_choose_its_address() {
    let spoofed = ["198.51.100.1", "198.51.100.2"];
    assert_eq!(forwarded(&[], "x-forwarded-for", &spoofed).await, [202, 429]);
    assert_eq!(forwarded(&["10.0.0.0/8"], "x-forwarded-for", &spoofed).await, [202, 429]);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_right_most_untrusted_address_counts() {
    let trusted = ["127.0.0.0/8", "10.0.0.0/8"];
    let values = [
        "198.51.100.1",
        "198.51.100.2",
        "203.0.113.99, 198.51.100.1",
        "203.0.113.98, 198.51.100.2, 10.1.1.1",
        "198.51.100.3, 10.1.1.1",
    ];
    let statuses = forwarded(&trusted, "X-Forwarded-For", &values).await;
    assert_eq!(statuses, [202, 202, 429, 429, 202]);
    let other_header = forwarded(&trusted, "x-real-ip", &["198.51.100.1", "198.51.100.2"]).await;
    assert_eq!(other_header, [202, 429], "only the configured header is read");
}

#[tokio::test]
async fn connections_over_the_cap_are_told_to_come_back_and_leave_the_others_alone() {
    let edge = Edge::with(|settings| settings.limits.connections = 2).await;
    // Requests are being worked on, so that neither makes way.
    let request = post("", METRIC.as_bytes());
    let (most, rest) = request.split_at(request.len() - 1);
    let mut first = Wire::connect(edge.address).await;
    let mut second = Wire::connect(edge.address).await;
    first.send(most).await;
    second.send(most).await;
    edge.until(|edge| edge.state.memory_used() > 0 && edge.connections() == 2).await;

    let mut third = Wire::connect(edge.address).await;
    drop(third.try_send(&post("", METRIC.as_bytes())).await);
    let reply = third.reply().await;
    assert_eq!((reply.status, reply.closes()), (503, true));
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(edge.state.counts().turned_away.load(Ordering::SeqCst), 1);

    first.send(rest).await;
    assert_eq!(first.reply().await.status, 202);
    drop(second);
    edge.until(|edge| edge.connections() == 1).await;
    assert_eq!(once(&edge, &post("", METRIC.as_bytes())).await.status, 202);
}

#[tokio::test]
async fn a_crowd_over_the_cap_is_told_to_the_last_client() {
    let edge = Edge::with(|settings| settings.limits.connections = 1).await;
    let mut seated = Wire::connect(edge.address).await;
    // A body that has not ended: it does not make way.
    seated.send(chunked_head("").as_bytes()).await;
    edge.until(|edge| edge.state.memory_used() > 0).await;

    // More than are waited for after they were told; none of them leaves before all were. The second
    // half has sent a batch by the time it is accepted: nothing here lets the edge run in between.
    let turned_away = |edge: &Edge| edge.state.counts().turned_away.load(Ordering::SeqCst);
    let batch = post("", &padded(40_000));
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(Wire::connect(edge.address).await);
    }
    for told in 200..400 {
        edge.until(|edge| turned_away(edge) == told).await;
        let mut stream = std::net::TcpStream::connect(edge.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.write_all(&batch).unwrap();
        crowd.push(Wire::over(TcpStream::from_std(stream).unwrap()));
    }
    for (index, wire) in crowd.iter_mut().enumerate() {
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.closes()), (503, true));
        assert!(reply.header("retry-after").is_some());
        // A reset would be an error, and on some systems have taken the answer with it.
        let end = timeout(PATIENCE, wire.stream.read_u8()).await.expect("it is closed");
        assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof, "client {index}");
    }
    assert_eq!(turned_away(&edge), 400);
}
