//! How many series one source may have: over sockets, in every format.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::config::{OverSeries, SourceLimits};
use tidegate::normalize::Code;

use crate::support::edge::{Edge, TOKEN};
use crate::support::wire::{Reply, Wire, once, post, request};

async fn edge(series: u64, over_series: OverSeries) -> Edge {
    let series = NonZeroU64::new(series);
    let limits = SourceLimits { series, over_series, ..SourceLimits::default() };
    Edge::with(|settings| settings.sources[0].limits = limits).await
}

fn item(user: usize) -> Value {
    json!({ "name": "requests", "tags": { "zone": "a", "user": format!("u{user}") }, "gauge": { "value": 1 } })
}

fn array(users: std::ops::Range<usize>) -> Vec<u8> {
    Value::from(users.map(item).collect::<Vec<_>>()).to_string().into_bytes()
}

async fn send(edge: &Edge, users: std::ops::Range<usize>) -> Reply {
    once(edge, &post("", &array(users))).await
}

fn lines(users: std::ops::Range<usize>) -> String {
    users.fold(String::new(), |mut text, user| {
        writeln!(text, "{}", item(user)).unwrap();
        text
    })
}

fn page(users: std::ops::Range<usize>) -> String {
    users.fold("# TYPE requests gauge\n".to_owned(), |mut text, user| {
        writeln!(text, "requests{{zone=\"a\",user=\"u{user}\"}} 1").unwrap();
        text
    })
}

fn otlp(users: std::ops::Range<usize>) -> Value {
    let tag = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
    let point = |user: usize| {
        json!({ "attributes": [tag("zone", "a".to_owned()), tag("user", format!("u{user}"))],
                "timeUnixNano": "1700000000000000000", "asDouble": 1.0 })
    };
    let points: Vec<_> = users.map(point).collect();
    json!({ "resourceMetrics": [{ "scopeMetrics": [{
        "metrics": [{ "name": "requests", "gauge": { "dataPoints": points } }] }] }] })
}

/// Requests with so many series, in each format; and what is answered when some are refused.
fn formats(users: std::ops::Range<usize>) -> Vec<(&'static str, Vec<u8>, u16)> {
    let packed = rmp_serde::to_vec_named(&users.clone().map(item).collect::<Vec<_>>()).unwrap();
    // Not the straight lane: an escape, and a member nobody reads whose value is no scalar.
    let general = users.clone().map(|user| {
        let item = item(user).to_string();
        item.replace("\"requests\"", "\"requ\\u0065sts\"").replacen('{', "{\"x\":[{}],", 1)
    });
    let general = format!("[{}]", general.collect::<Vec<_>>().join(","));
    let of = |line: &str, kind: &str, body: &[u8]| {
        request(line, &format!("authorization: Bearer {TOKEN}\r\ncontent-type: {kind}\r\n"), body)
    };
    vec![
        ("json", of("POST /", "application/json", &array(users.clone())), 202),
        ("json the long way", of("POST /", "application/json", general.as_bytes()), 202),
        ("ndjson", of("POST /", "application/x-ndjson", lines(users.clone()).as_bytes()), 202),
        ("msgpack", of("POST /", "application/msgpack", &packed), 202),
        (
            "text",
            of("POST /metrics", "text/plain; version=0.0.4", page(users.clone()).as_bytes()),
            202,
        ),
        ("push", of("POST /metrics/job/x", "text/plain", page(users.clone()).as_bytes()), 200),
        (
            "otlp",
            of("POST /v1/metrics", "application/json", otlp(users).to_string().as_bytes()),
            200,
        ),
    ]
}

/// The tags of every tuple that was queued.
fn tags(edge: &Edge) -> Vec<BTreeSet<String>> {
    let entries = edge.queue.entries();
    let blocks = entries.iter().flat_map(|entry| &entry.blocks);
    blocks
        .flat_map(|block| {
            let text = format!("[{}]", std::str::from_utf8(&block.bytes).unwrap());
            serde_json::from_str::<Vec<Value>>(&text).unwrap()
        })
        .map(|tuple| {
            let tags = tuple[3]["tags"].as_array().unwrap();
            tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
        })
        .collect()
}

fn counted(edge: &Edge) -> (u64, u64, u64) {
    let counts = edge.state.counts();
    let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    (read(&counts.accepted), read(&counts.rejected), counts.rejections(Code::TooManySeries))
}

#[tokio::test]
async fn new_series_beyond_the_limit_are_rejected_in_every_format_and_known_ones_pass() {
    for (nth, (format, request, status)) in formats(0..12).into_iter().enumerate() {
        let edge = edge(8, OverSeries::Reject).await;
        for round in 1..=2 {
            let reply = once(&edge, &request).await;
            assert_eq!(reply.status, status, "{format}: {reply:?}");
            let text = String::from_utf8_lossy(&reply.body);
            for part in [
                "too_many_series",
                "`requests` would begin a new one",
                "its 8 series (`series` of its [[sources]])",
                "metric `requests` has the most, about ",
                "values in its tag `user`",
            ] {
                assert!(text.contains(part), "{format}: {part}: {text}");
            }
            assert_eq!(edge.queue.tuples(), round * 8, "{format}");
            let (accepted, rejected, too_many) = counted(&edge);
            let round = u64::from(round);
            assert_eq!((accepted, rejected, too_many), (round * 8, round * 4, round * 4));
        }
        // The limit is the source's, whatever the format.
        let others = formats(4..8);
        let (other, request, _) = &others[(nth + 1) % others.len()];
        let reply = once(&edge, request).await;
        let is_refused = !reply.body.is_empty() && reply.text().contains("too_many_series");
        // A Pushgateway's path gives its series a tag more, and so they are others.
        let differs = format == "push" || *other == "push";
        assert_eq!(is_refused, differs, "{format}, {other}: {reply:?}");
        let books: Vec<_> =
            edge.queue.entries().iter().map(|entry| (entry.accepted, entry.rejected)).collect();
        assert_eq!(books[..2], [(8, 4), (8, 4)], "{format}");
    }
}

#[tokio::test]
async fn the_report_itemises_each_of_them_and_a_body_of_nothing_else_is_422() {
    let edge = edge(3, OverSeries::Reject).await;
    let reply = send(&edge, 0..5).await;
    let report = reply.json();
    assert_eq!((&report["accepted"], &report["rejected"]), (&json!(3), &json!(2)));
    assert_eq!(report["errors"][0]["index"], 3);
    assert_eq!(report["errors"][0]["code"], "too_many_series");
    assert_eq!(send(&edge, 5..300).await.status, 422);
    // What is rejected for anything else begins no series, and that fault is told.
    let reply =
        once(&edge, &post("", br#"[{"name":"other","tags":[],"gauge":{"value":1}}]"#)).await;
    assert_eq!(reply.json()["errors"][0]["code"], "invalid_tags");
}

#[tokio::test]
async fn the_tag_that_grows_is_taken_off_in_every_format_and_the_rest_counts_once() {
    for (format, request, _) in formats(0..60) {
        let edge = edge(40, OverSeries::Strip).await;
        let reply = once(&edge, &request).await;
        assert!([200, 202].contains(&reply.status), "{format}: {reply:?}");
        let text = String::from_utf8_lossy(&reply.body);
        for part in ["too_many_series", "sent without its tag `user`, for the source has its 40"] {
            assert!(text.contains(part), "{format}: {part}: {text}");
        }
        let tags = tags(&edge);
        assert_eq!(tags.len(), 60, "{format}");
        for (user, tags) in tags.iter().enumerate() {
            let is_stripped = !tags.contains(&format!("user:u{user}"));
            assert_eq!(is_stripped, user >= 40, "{format}: {tags:?}");
            assert!(tags.contains("zone:a"), "{format}: {tags:?}");
            assert!(!is_stripped || !tags.iter().any(|tag| tag.starts_with("user")), "{tags:?}");
        }
        assert_eq!(counted(&edge), (60, 0, 0), "{format}");
        assert_eq!(edge.state.counts().warnings(Code::TooManySeries), 20, "{format}");
    }
}

#[tokio::test]
async fn a_host_that_grows_is_no_host_any_more_once_its_tag_is_taken_off() {
    let edge = edge(40, OverSeries::Strip).await;
    let items = (0..45).map(|nth| {
        json!({ "name": "m", "tags": { "host": format!("h{nth}"), "zone": "a" }, "gauge": { "value": 1 } })
    });
    let body = Value::from(items.collect::<Vec<_>>()).to_string();
    assert_eq!(once(&edge, &post("", body.as_bytes())).await.status, 202);
    let entries = edge.queue.entries();
    let text = String::from_utf8(entries[0].blocks[0].bytes.to_vec()).unwrap();
    let tuples: Vec<Value> = serde_json::from_str(&format!("[{text}]")).unwrap();
    assert_eq!(tuples[39][3]["hostname"], "h39");
    assert_eq!(tuples[40][3]["hostname"], "localhost");
    assert_eq!(tuples[40][3]["tags"], json!(["zone:a"]));
}

#[tokio::test]
async fn a_body_that_is_not_kept_begins_no_series() {
    let edge = edge(5, OverSeries::Reject).await;
    let mut broken = array(100..105);
    broken.pop();
    assert_eq!(once(&edge, &post("", &broken)).await.status, 406);
    // A line that breaks takes back what stood before it in the line.
    let line = format!("{}{}nonsense\n{}", item(200), item(201), lines(0..2));
    let reply = once(&edge, &post("content-type: application/x-ndjson\r\n", line.as_bytes())).await;
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 1);
    edge.queue.panic_once();
    assert_eq!(send(&edge, 300..303).await.status, 500);
    assert!(send(&edge, 0..5).await.body.is_empty(), "there is room for five");
    assert_eq!(send(&edge, 5..6).await.status, 422);
    // One that waits for the queue holds what it begins.
    edge.clock.advance(Duration::from_hours(2));
    edge.queue.hold();
    let mut waiting = Wire::connect(edge.address).await;
    waiting.send(&post("", &array(10..14))).await;
    edge.queue.append_begun().await;
    let reply = send(&edge, 20..22);
    let (reply, ()) = tokio::join!(reply, async {
        edge.queue.append_begun().await;
        edge.queue.let_one_through();
        edge.queue.let_one_through();
    });
    assert_eq!(reply.json()["rejected"], 1);
    assert_eq!(waiting.reply().await.status, 202);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let edge = edge(5, OverSeries::Reject).await;
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let preview = request("POST /metrics?dry_run=1", &token, &array(0..8));
    for _ in 0..2 {
        let reply = once(&edge, &preview).await;
        assert_eq!((reply.status, &reply.json()["rejected"]), (200, &json!(3)));
    }
    assert!(send(&edge, 20..25).await.body.is_empty());
    let report = once(&edge, &preview).await.json();
    assert_eq!(report["rejected"], 8);
    assert_eq!(report["errors"][0]["code"], "too_many_series");
}

#[tokio::test]
async fn a_series_that_is_silent_for_the_window_makes_room() {
    let edge = edge(5, OverSeries::Reject).await;
    send(&edge, 0..5).await;
    for _ in 0..5 {
        edge.clock.advance(Duration::from_mins(30));
        assert!(send(&edge, 0..4).await.body.is_empty(), "seen again in time, it stays");
    }
    assert!(send(&edge, 9..10).await.body.is_empty(), "the fifth is forgotten");
    assert_eq!(send(&edge, 4..5).await.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_at_once_never_have_more_series_than_they_may() {
    let edge = edge(100, OverSeries::Reject).await;
    let address = edge.address;
    let senders: Vec<_> = (0..8_usize)
        .map(|nth| {
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await;
                for round in 0..5 {
                    let first = (nth * 5 + round) * 10;
                    wire.send(&post("", &array(first..first + 40))).await;
                    assert!([202, 422].contains(&wire.reply().await.status));
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let distinct: BTreeSet<_> = tags(&edge).into_iter().collect();
    assert_eq!(distinct.len(), 100);
    let (accepted, rejected, too_many) = counted(&edge);
    assert_eq!((accepted + rejected, rejected), (8 * 5 * 40, too_many));
    assert_eq!(u64::from(edge.queue.tuples()), accepted);
}
