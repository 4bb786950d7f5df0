//! What a receiver has to answer, as the specifications and the tests of compliance for receivers have it.

use prost::Message;
use serde_json::Value;

use super::client::{V1, V2, bearer, headers, queued, send, snappy, write, written};
use super::messages::{
    Count, Exemplar, Histogram, MetricMetadata, NOW_MILLIS, Request, Span, TimeSeries,
    WriteRequest, label,
};
use super::oracle::STALE;
use crate::support::edge::{Edge, TOKEN};
use crate::support::wire;

const UP: &[(&str, &str)] = &[("__name__", "up"), ("job", "test")];

fn one(labels: &[(&str, &str)], value: f64) -> WriteRequest {
    WriteRequest::of(&[(labels, value)])
}

#[tokio::test]
async fn samples_are_taken_whatever_their_value_and_their_labels() {
    let odd: [&[(&str, &str)]; 5] = [
        UP,
        &[("__name__", "up"), ("job", "test\njob\n"), ("instance", "localhost:9090")],
        &[("__name__", "resource.cpu.usage"), ("job.name", "x")],
        &[("__name__", "resource cpu usage"), ("job name", "x")],
        &[("__name__", "up"), ("empty", "")],
    ];
    for labels in odd {
        for value in [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::from_bits(STALE)] {
            let edge = Edge::start().await;
            let first = one(labels, value);
            let replies =
                [write(&edge, V1, &first).await, write(&edge, V2, &Request::like(&first)).await];
            for reply in replies {
                assert_eq!((reply.status, reply.body.len()), (204, 0), "{labels:?} {value}");
                assert_eq!(written(&reply), [1, 0, 0], "{labels:?} {value}");
            }
            let tuples = queued(&edge);
            assert_eq!(tuples.len(), if value.is_finite() { 2 } else { 0 }, "{labels:?} {value}");
            for tuple in tuples {
                assert_eq!((tuple.seconds, tuple.value), (NOW_MILLIS / 1_000, 1.0));
                assert!(!tuple.tags.contains_key("empty"), "{tuple:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_series_at_fault_costs_its_own_samples_and_the_2xx() {
    for (labels, code) in [
        (&[("job", "test")][..], "missing_name"),
        (&[], "missing_name"),
        (&[("__name__", ""), ("job", "test")], "missing_name"),
        (&[("__name__", "up"), ("__name__", "down")], "invalid_name"),
        (&[("__name__", "up"), ("a", "1"), ("a", "2")], "invalid_tags"),
        (&[("__name__", "up"), ("b", "1"), ("a", "1"), ("b", "1")], "invalid_tags"),
        (&[("__name__", "up"), ("", "1")], "invalid_tags"),
    ] {
        let first = WriteRequest::of(&[(labels, 1.0), (UP, 2.0), (UP, 3.0), (labels, 4.0)]);
        let edge = Edge::start().await;
        let replies =
            [write(&edge, V1, &first).await, write(&edge, V2, &Request::like(&first)).await];
        for reply in replies {
            assert_eq!(reply.status, 400, "{labels:?} {reply:?}");
            assert_eq!(written(&reply), [2, 0, 0], "{labels:?}");
            assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
            let begins = format!("2 of 4 measurements rejected, 2 written: item 0: {code}: ");
            assert!(reply.text().starts_with(&begins), "{}", reply.text());
            assert!(reply.text().contains(&format!("\nitem 3: {code}: ")), "{}", reply.text());
        }
        let values: Vec<f64> = queued(&edge).iter().map(|tuple| tuple.value).collect();
        assert_eq!(values, [2.0, 3.0, 2.0, 3.0], "what is sound is kept");
    }
}

#[tokio::test]
async fn symbols_and_references_that_do_not_fit_cost_their_series() {
    let good = Request::like(&one(UP, 1.0));
    for references in [vec![1, 99], vec![99, 1], vec![1, 2, 3], vec![u32::MAX, u32::MAX]] {
        let mut request = good.clone();
        let mut bad = request.timeseries[0].clone();
        bad.labels = references.clone();
        request.timeseries.insert(0, bad);
        let edge = Edge::start().await;
        let reply = write(&edge, V2, &request).await;
        assert_eq!((reply.status, written(&reply)), (400, [1, 0, 0]), "{references:?}");
        assert_eq!(queued(&edge).len(), 1);
    }
}

#[tokio::test]
async fn other_types_and_codings_are_415_and_what_cannot_be_read_is_400() {
    let body = snappy(&one(UP, 1.0).encode_to_vec());
    let coded = |coding: &str, kind: &str| {
        format!("{}content-encoding: {coding}\r\ncontent-type: {kind}\r\n", bearer())
    };
    let cases = [
        (coded("snappy", "application/json"), &body[..], 415),
        (coded("snappy", "image/png"), &body, 415),
        (coded("snappy", "text/plain; version=0.0.4"), &body, 415),
        (
            coded("snappy", "application/x-protobuf;proto=io.prometheus.write.v3.Request"),
            &body,
            415,
        ),
        (coded("gzip", V1), &body, 415),
        (coded("deflate", V1), &body, 415),
        (coded("zstd", V2), &body, 415),
        (coded("identity", V1), &body, 415),
        (coded("snappy", V1), b"0", 400),
        (coded("snappy", V1), b"", 400),
        (coded("snappy", V1), &body[..body.len() - 1], 400),
        (coded("snappy", V1), &one(UP, 1.0).encode_to_vec(), 400),
        (coded("snappy", V1), &snappy(b"\x0a\x05\x0a"), 400),
        (coded("snappy", V1), &snappy(b"\x48\x01"), 204),
        (coded("snappy", V1), &snappy(b"{\"name\":\"x\"}"), 400),
        (coded("snappy", V1), &snappy(b""), 204),
        (coded("snappy", V2), &snappy(b""), 204),
        (coded("SNAPPY", "Application/X-Protobuf; proto=prometheus.WriteRequest"), &body, 204),
        // As a sender of old leaves them out.
        (format!("{}content-type: {V1}\r\n", bearer()), &body, 204),
        (format!("{}content-encoding: snappy\r\n", bearer()), &body, 204),
        (bearer(), &body, 204),
        // A bad token hears of nothing else.
        (headers("image/png"), &body, 403),
        (coded("gzip", "image/png").replace(TOKEN, "another"), &body, 403),
    ];
    for (headers, body, status) in cases {
        let edge = Edge::start().await;
        let reply = send(&edge, &headers, body).await;
        assert_eq!(reply.status, status, "{headers} {reply:?}");
        assert_eq!(queued(&edge).len(), usize::from(status == 204 && body.len() > 5), "{headers}");
        if status != 204 {
            assert_eq!(written(&reply), [0, 0, 0], "{headers}");
        }
        if status == 415 && headers.contains("zip") {
            assert_eq!(reply.header("accept-encoding"), Some("snappy"));
        }
    }
}

#[tokio::test]
async fn three_paths_take_it_and_are_alive() {
    let body = snappy(&one(UP, 1.0).encode_to_vec());
    for path in ["/metrics", "/", "/api/v1/write", "/prometheus/api/v1/write"] {
        let edge = Edge::start().await;
        let head = bearer() + &headers(V1);
        let reply = wire::once(&edge, &wire::request(&format!("POST {path}"), &head, &body)).await;
        assert_eq!((reply.status, queued(&edge).len()), (204, 1), "{path}");
        if path != "/" {
            let reply = wire::once(&edge, &wire::request(&format!("GET {path}"), &head, b"")).await;
            assert_eq!(reply.status, 200, "{path}");
        }
    }
}

fn histogram(sum: f64, counts: &[i64]) -> Histogram {
    let mut last = 0;
    let deltas = counts.iter().map(|count| count - std::mem::replace(&mut last, *count));
    Histogram {
        count: Some(Count::Whole(counts.iter().sum::<i64>() as u64)),
        sum,
        positive_deltas: deltas.collect(),
        positive_spans: vec![Span { offset: 0, length: counts.len() as u32 }],
        timestamp: NOW_MILLIS,
        ..Histogram::default()
    }
}

fn histograms(histograms: Vec<Histogram>) -> WriteRequest {
    let series = TimeSeries {
        labels: vec![label("__name__", "h")],
        histograms,
        exemplars: vec![Exemplar { value: 1.0, ..Exemplar::default() }],
        ..TimeSeries::default()
    };
    WriteRequest { timeseries: vec![series], ..WriteRequest::default() }
}

#[tokio::test]
async fn histograms_and_exemplars_are_counted_apart() {
    let stale = Histogram { sum: f64::from_bits(STALE), ..histogram(0.0, &[]) };
    let bad = Histogram { count: Some(Count::Whole(9)), ..histogram(1.0, &[1, 2]) };
    let good = histogram(1.5, &[1, 0, 2]);
    for (list, status, counts) in [
        (vec![good.clone()], 204, [0, 1, 1]),
        (vec![good.clone(), stale], 204, [0, 2, 1]),
        (vec![good.clone(), bad.clone()], 400, [0, 1, 1]),
        (vec![bad], 400, [0, 0, 1]),
    ] {
        let first = histograms(list);
        let edge = Edge::start().await;
        let replies =
            [write(&edge, V1, &first).await, write(&edge, V2, &Request::like(&first)).await];
        for reply in replies {
            assert_eq!((reply.status, written(&reply)), (status, counts), "{reply:?}");
        }
    }

    let edge = Edge::start().await;
    write(&edge, V1, &histograms(vec![good])).await;
    let shown: Vec<_> = queued(&edge)
        .into_iter()
        .map(|tuple| (tuple.name, tuple.tags.get("upper_limit").cloned(), tuple.value))
        .collect();
    let bucket = |bound: &str, count| ("h".to_owned(), Some(bound.to_owned()), count);
    let part = |name: &str, value| (name.to_owned(), None, value);
    assert_eq!(
        shown,
        [bucket("1", 1.0), bucket("4", 2.0), part("h_sum", 1.5), part("h_count", 3.0)]
    );
}

#[tokio::test]
async fn buckets_that_end_at_the_same_bound_are_one() {
    let at = |offset: i32, counts: &[i64]| Histogram {
        positive_spans: vec![Span { offset, length: counts.len() as u32 }],
        ..histogram(1.5, counts)
    };
    let below = at(1_026, &[1, 2, 3]);
    let negative = Histogram {
        negative_spans: below.positive_spans.clone(),
        negative_deltas: below.positive_deltas.clone(),
        positive_spans: vec![],
        positive_deltas: vec![],
        ..below
    };
    let floats = Histogram {
        count: Some(Count::Float(4.0)),
        positive_deltas: vec![],
        positive_counts: vec![1.5, 2.0, 0.5],
        ..at(1_024, &[1, 2, 3])
    };
    let too_much = Histogram { positive_counts: vec![1.0, 1e308, 1e308], ..floats.clone() };
    const INFINITY: f64 = f64::INFINITY;
    for (histogram, status, expected) in [
        (at(1_024, &[1, 2, 3]), 204, &[(f64::MAX, 1.0), (INFINITY, 5.0)][..]),
        (at(i32::MAX - 4, &[1, 2, 3]), 204, &[(INFINITY, 6.0)]),
        (at(-2_000, &[1, 2, 3]), 204, &[(0.0, 6.0)]),
        (negative, 204, &[(-INFINITY, 6.0)]),
        (floats, 204, &[(f64::MAX, 1.5), (INFINITY, 2.5)]),
        (too_much, 400, &[]),
    ] {
        let edge = Edge::start().await;
        let reply = write(&edge, V1, &histograms(vec![histogram])).await;
        assert_eq!(reply.status, status, "{reply:?}");
        let shown: Vec<_> = queued(&edge)
            .into_iter()
            .filter_map(|tuple| {
                let bound: f64 = tuple.tags.get("upper_limit")?.parse().expect("a bound");
                Some((bound, tuple.value))
            })
            .collect();
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn what_brings_no_measurement_is_a_success_unless_it_cannot_be_taken() {
    let metadata = MetricMetadata { kind: 1, family: b"up".to_vec(), ..MetricMetadata::default() };
    let described = WriteRequest { metadata: vec![metadata], ..WriteRequest::default() };
    let exemplar_of = |name: &str| {
        let mut request = one(&[("__name__", name)], 1.0);
        request.timeseries[0].samples.clear();
        request.timeseries[0].exemplars.push(Exemplar { value: 1.0, ..Exemplar::default() });
        request
    };
    let labelled = |count: usize, bytes: usize| {
        let mut request = exemplar_of("up");
        let value = "v".repeat(bytes);
        let labels = (0..count).map(|n| label(&format!("l{n}"), &value));
        request.timeseries[0].labels.extend(labels);
        request
    };
    for (request, status, counts) in [
        (described, 204, [0, 0, 0]),
        (exemplar_of("up"), 204, [0, 0, 1]),
        (exemplar_of(""), 400, [0, 0, 0]),
        // An exemplar is not written where its series would not be.
        (exemplar_of(&"u".repeat(1_024)), 204, [0, 0, 1]),
        (exemplar_of(&"u".repeat(1_025)), 400, [0, 0, 0]),
        (labelled(128, 1), 204, [0, 0, 1]),
        (labelled(129, 1), 400, [0, 0, 0]),
        (labelled(4, 4_094), 204, [0, 0, 1]),
        (labelled(4, 4_095), 400, [0, 0, 0]),
        (labelled(1, 4_097), 400, [0, 0, 0]),
    ] {
        let edge = Edge::start().await;
        let reply = write(&edge, V1, &request).await;
        assert_eq!((reply.status, written(&reply)), (status, counts), "{reply:?}");
        assert!(edge.queue.entries().is_empty(), "nothing is queued");
    }
}

#[tokio::test]
async fn types_come_from_metadata_and_else_from_names() {
    let series: Vec<(&[(&str, &str)], f64)> = vec![
        (&[("__name__", "orders")], 1.0),
        (&[("__name__", "queue_count")], 2.0),
        (&[("__name__", "other_total")], 3.0),
        (&[("__name__", "other")], 4.0),
    ];
    let mut first = WriteRequest::of(&series);
    for (family, kind) in [("orders", 1), ("queue_count", 2)] {
        let family = family.as_bytes().to_vec();
        first.metadata.push(MetricMetadata { kind, family, ..MetricMetadata::default() });
    }
    let mut second = Request::like(&first);
    for (series, kind) in second.timeseries.iter_mut().zip([1, 2]) {
        series.metadata =
            Some(super::messages::Metadata2 { kind, ..super::messages::Metadata2::default() });
    }
    let edge = Edge::start().await;
    write(&edge, V1, &first).await;
    write(&edge, V2, &second).await;
    let kinds: Vec<_> = queued(&edge).into_iter().map(|tuple| tuple.kind).collect();
    assert_eq!(kinds, ["counter", "gauge", "counter", "gauge"].repeat(2));
}

#[tokio::test]
async fn a_preview_says_what_would_be_queued() {
    let edge = Edge::start().await;
    let body = snappy(&one(UP, 7.0).encode_to_vec());
    let head = bearer() + &headers(V1);
    let request = wire::request("POST /api/v1/write?dry_run=1", &head, &body);
    let reply = wire::once(&edge, &request).await;
    assert_eq!(reply.status, 200);
    let answer: Value = reply.json();
    assert_eq!((&answer["accepted"], &answer["tuples"][0][2]), (&1.into(), &7.0.into()));
    assert!(edge.queue.entries().is_empty());
}

#[tokio::test]
async fn no_room_is_a_503_to_come_back_from_and_too_much_a_413() {
    let edge = Edge::start().await;
    edge.queue.fill();
    let reply = write(&edge, V1, &one(UP, 1.0)).await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);

    let edge = Edge::with(|settings| settings.limits.body_bytes = 4_096).await;
    let wide = snappy(&vec![0; 5_000]);
    let reply = send(&edge, &(bearer() + &headers(V1)), &wide).await;
    assert_eq!(reply.status, 413, "decompressed: {reply:?}");
    let reply = send(&edge, &(bearer() + &headers(V1)), &[7; 5_000]).await;
    assert_eq!(reply.status, 413, "as sent: {reply:?}");
}

#[tokio::test]
async fn a_password_is_as_good_as_a_bearer_token_and_as_exempt() {
    use base64::Engine as _;
    let basic = |pair: String| {
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        format!("authorization: Basic {pair}\r\n{}", headers(V1))
    };
    let body = snappy(&one(UP, 1.0).encode_to_vec());
    let edge = Edge::with(|settings| {
        settings.limits.requests_per_minute = 1;
        settings.sources[0].rate_limit = false;
    })
    .await;
    for _ in 0..3 {
        assert_eq!(send(&edge, &basic(format!("anybody:{TOKEN}")), &body).await.status, 204);
    }
    // On a path that takes other formats too, a message that is not known is told so all the same.
    let unknown = "application/x-protobuf;proto=io.prometheus.write.v3.Request";
    let head = basic(format!("anybody:{TOKEN}")).replace(V1, unknown);
    let reply = wire::once(&edge, &wire::request("POST /metrics", &head, &body)).await;
    assert_eq!(reply.status, 415, "{reply:?}");
    assert!(reply.text().contains("proto="), "{reply:?}");
    // Better Stack's own formats know no password.
    let head = basic(format!("anybody:{TOKEN}")).replace(V1, "application/json");
    let head = head.replace("content-encoding: snappy\r\n", "");
    let reply = wire::once(&edge, &wire::request("POST /metrics", &head, b"[]")).await;
    assert_eq!(reply.status, 403);
    assert_eq!(send(&edge, &basic("anybody:another".to_owned()), &body).await.status, 403);
    assert_eq!(send(&edge, &basic("anybody:another".to_owned()), &body).await.status, 429);
}

#[tokio::test]
async fn a_page_of_text_may_be_snappy_and_json_may_not() {
    for (kind, status) in [("text/plain; version=0.0.4", 400), ("application/json", 415)] {
        let edge = Edge::start().await;
        let head = bearer() + &headers(kind);
        // It says that it becomes more than it has: that is looked at only where it may be snappy.
        let reply = wire::once(&edge, &wire::request("POST /metrics", &head, b"\x7fx")).await;
        assert_eq!(reply.status, status, "{kind} {reply:?}");
    }
}
