//! Metrics as the encoder gets them, read by serde from the same bodies.

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate::metric::timestamp::Timestamp;
use tidegate::metric::value::{Bound, Value};
use tidegate::metric::{Flow, Metric, Pair, Shape, Tag, Totals};

use crate::bodies::{self, Mix};

/// Metrics, and the body in which their texts stand.
pub(crate) struct Sent {
    pub(crate) body: &'static [u8],
    pub(crate) metrics: Vec<Metric<'static>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    name: &'a str,
    dt: &'a str,
    #[serde(borrow)]
    tags: Tags<'a>,
    #[serde(borrow)]
    gauge: Option<Point<'a>>,
    #[serde(borrow)]
    counter: Option<Point<'a>>,
    #[serde(borrow)]
    histogram: Option<Series<'a>>,
    #[serde(borrow)]
    summary: Option<Series<'a>>,
}

#[derive(Deserialize)]
struct Tags<'a> {
    host: &'a str,
    env: &'a str,
    region: &'a str,
    pod: &'a str,
    status: &'a str,
}

#[derive(Deserialize)]
struct Point<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct Series<'a> {
    #[serde(borrow)]
    count: &'a RawValue,
    #[serde(borrow)]
    sum: &'a RawValue,
    #[serde(borrow, alias = "buckets", alias = "quantiles")]
    pairs: Vec<Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, alias = "upper_limit", alias = "quantile")]
    bound: &'a RawValue,
    #[serde(borrow, alias = "count")]
    value: &'a RawValue,
}

/// So many metrics, ready to be encoded.
pub(crate) fn read(mix: Mix, count: usize) -> Sent {
    // For as long as the program: it counts one encoding and ends.
    let body: &'static [u8] = bodies::json_array(&bodies::metrics(mix, count)).leak();
    let items: Vec<Item<'static>> = serde_json::from_slice(body).expect("made here");
    Sent { body, metrics: items.into_iter().map(metric).collect() }
}

fn metric(item: Item<'static>) -> Metric<'static> {
    let Tags { host, env, region, pod, status } = item.tags;
    let tags = [("host", host), ("env", env), ("region", region), ("pod", pod), ("status", status)]
        .map(|(key, value)| Tag { key, value: Some(value) });
    let mut pairs = Vec::new();
    let mut totals = |series: Series<'static>| {
        pairs = series.pairs.iter().map(pair).collect();
        Totals { count: value(series.count), sum: Some(value(series.sum)) }
    };
    let shape = if let Some(point) = item.gauge {
        Shape::Gauge(value(point.value))
    } else if let Some(point) = item.counter {
        Shape::Counter(value(point.value), Flow::Total)
    } else if let Some(series) = item.histogram {
        Shape::Histogram(totals(series), Flow::Total)
    } else {
        Shape::Summary(totals(item.summary.expect("one of the four")), Flow::Total)
    };
    let at = Timestamp::parse(item.dt).expect("a valid instant");
    Metric { name: item.name, at, hostname: host, tags: tags.to_vec(), shape, pairs }
}

fn pair(part: &Part<'static>) -> Pair<'static> {
    Pair { bound: Bound::from_literal(part.bound.get()), value: value(part.value) }
}

fn value(literal: &'static RawValue) -> Value<'static> {
    Value::from_literal(literal.get()).expect("it is small")
}
