//! Sources with limits of their own.

use std::num::NonZeroU64;

use prost::Message;
use tidegate::config::{OverSeries, SourceLimits};

use super::client::{V1, V2, headers, queued, send, snappy, write, written};
use super::messages::{NOW_MILLIS, Request, Sample, TimeSeries, WriteRequest, label};
use crate::support::edge::{Edge, source};

/// So many series, each with two samples.
fn series(users: std::ops::Range<usize>) -> WriteRequest {
    let labels = |user| vec![label("__name__", "requests"), label("user", &format!("u{user}"))];
    let sample = |value| Sample { value, timestamp: NOW_MILLIS };
    let timeseries = users.map(|user| TimeSeries {
        labels: labels(user),
        samples: vec![sample(1.0), sample(2.0)],
        ..TimeSeries::default()
    });
    WriteRequest { timeseries: timeseries.collect(), ..WriteRequest::default() }
}

async fn edge(series: u64, over_series: OverSeries) -> Edge {
    let series = NonZeroU64::new(series);
    let limits = SourceLimits { series, over_series, ..SourceLimits::default() };
    Edge::with(|settings| settings.sources[0].limits = limits).await
}

#[tokio::test]
async fn each_sample_of_a_series_too_many_is_rejected() {
    let edge = edge(5, OverSeries::Reject).await;
    let first = series(0..8);
    for reply in [write(&edge, V1, &first).await, write(&edge, V2, &Request::like(&first)).await] {
        assert_eq!((reply.status, written(&reply)), (400, [10, 0, 0]), "{reply:?}");
        assert!(reply.text().starts_with("6 of 16 measurements rejected"), "{}", reply.text());
        assert!(reply.text().contains("item 10: too_many_series: "), "{}", reply.text());
    }
    assert_eq!(queued(&edge).len(), 20);
}

#[tokio::test]
async fn each_sample_loses_the_tag_that_grows() {
    let edge = edge(20, OverSeries::Strip).await;
    let first = series(0..24);
    for reply in [write(&edge, V1, &first).await, write(&edge, V2, &Request::like(&first)).await] {
        assert_eq!((reply.status, written(&reply)), (204, [48, 0, 0]), "{reply:?}");
    }
    let tuples = queued(&edge);
    assert_eq!(tuples.len(), 96);
    assert_eq!(tuples.iter().filter(|tuple| tuple.tags.contains_key("user")).count(), 80);
}

#[tokio::test]
async fn a_source_that_a_label_names_is_limited_once_it_is_known() {
    let edge = Edge::with(|settings| {
        settings.sources.push(source("open", "open-token"));
        settings.sources[1].label_token = true;
        settings.sources[1].limits =
            SourceLimits { requests_per_minute: NonZeroU64::new(1), ..SourceLimits::default() };
    })
    .await;
    let body = |token: &str| {
        let labels = [("__name__", "up"), ("better_stack_source_token", token)];
        snappy(&WriteRequest::of(&[(&labels[..], 1.0)]).encode_to_vec())
    };
    assert_eq!(send(&edge, &headers(V1), &body("open-token")).await.status, 204);
    let reply = send(&edge, &headers(V1), &body("open-token")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("60")), "{reply:?}");
    assert_eq!(send(&edge, &headers(V1), &body("nobody")).await.status, 403);
    assert_eq!(queued(&edge).len(), 1);
}
