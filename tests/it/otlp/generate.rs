//! Random requests: mostly sound ones, of every kind, with the faults that a point can have.

use fastrand::Rng;

use super::proto::{
    Any, AnyValue, ArrayValue, Buckets, Data, Exemplar, ExponentialHistogram, ExponentialPoint,
    Gauge, Histogram, HistogramPoint, KeyValue, KeyValueList, Metric, Number, NumberPoint,
    Quantile, Request, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum, Summary, SummaryPoint,
};

/// Seconds of the newest point.
const NEWEST_S: u64 = 1_795_307_279;

pub(crate) fn request(random: &mut Rng) -> Request {
    Request { resource_metrics: some(random, 3, resource_metrics) }
}

fn some<T>(random: &mut Rng, max: usize, make: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(..=max)).map(|_| make(random)).collect()
}

fn maybe<T>(random: &mut Rng, make: impl Fn(&mut Rng) -> T) -> Option<T> {
    (random.u8(..4) > 0).then(|| make(random))
}

fn one_of<T: Clone>(random: &mut Rng, list: &[T]) -> T {
    list[random.usize(..list.len())].clone()
}

fn text(random: &mut Rng, list: &[&str]) -> String {
    one_of(random, list).to_owned()
}

fn resource_metrics(random: &mut Rng) -> ResourceMetrics {
    let resource = maybe(random, |random| Resource {
        attributes: some(random, 5, key_value),
        dropped_attributes_count: random.u32(..3),
    });
    let scope_metrics = some(random, 3, scope_metrics);
    ResourceMetrics { resource, scope_metrics, schema_url: text(random, &["", "https://s"]) }
}

fn scope_metrics(random: &mut Rng) -> ScopeMetrics {
    let scope = maybe(random, |random| Scope {
        name: text(random, &["", "meter", "other \"meter\""]),
        version: text(random, &["", "1.2.3"]),
        attributes: some(random, 2, key_value),
    });
    ScopeMetrics { scope, metrics: some(random, 4, metric), schema_url: String::new() }
}

fn key_value(random: &mut Rng) -> KeyValue {
    let key = text(random, &["a", "b", "c.d", "service.name", "e\u{e9}", "otel.scope.name"]);
    KeyValue { key, value: maybe(random, |random| any(random, 0)) }
}

fn any(random: &mut Rng, depth: u32) -> AnyValue {
    let value = match random.u8(..10) {
        0..4 => Any::String(text(random, &["", "x", "why", "z \\ \"q\" \n\u{1f600}"])),
        4 => Any::Bool(random.bool()),
        5 => Any::Int(one_of(random, &[0, 7, -1, i64::MAX, i64::MIN])),
        6 => Any::Double(one_of(random, &[0.5, 100.0, -3.25, 0.1])),
        7 if depth < 3 => {
            let values = some(random, 3, |random| any(random, depth + 1));
            Any::Array(ArrayValue { values })
        }
        8 => Any::Kvlist(KeyValueList { values: Vec::new() }),
        9 => Any::Bytes(vec![0, 1, 2]),
        _ => return AnyValue { value: None },
    };
    AnyValue { value: Some(value) }
}

fn metric(random: &mut Rng) -> Metric {
    let aggregation_temporality = one_of(random, &[0, 1, 1, 2, 2, 2, 3]);
    let data = maybe(random, |random| match random.u8(..5) {
        0 => Data::Gauge(Gauge { data_points: some(random, 4, number_point) }),
        1 => Data::Sum(Sum {
            data_points: some(random, 4, number_point),
            aggregation_temporality,
            is_monotonic: random.bool(),
        }),
        2 => Data::Histogram(Histogram {
            data_points: some(random, 3, histogram_point),
            aggregation_temporality,
        }),
        3 => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: some(random, 3, exponential_point),
            aggregation_temporality,
        }),
        _ => Data::Summary(Summary { data_points: some(random, 3, summary_point) }),
    });
    Metric {
        name: text(random, &["", "m", "http.server.duration", "m.\u{e9}", "a\tb"]),
        description: text(random, &["", "what it is"]),
        unit: text(random, &["", "s"]),
        data,
    }
}

fn double(random: &mut Rng) -> f64 {
    one_of(random, &[0.0, 1.5, -2.25, 0.1, 1e300, 5e-324, f64::NAN, f64::INFINITY, 42.0])
}

fn count(random: &mut Rng) -> u64 {
    one_of(random, &[0, 1, 7, 1 << 53, u64::MAX])
}

fn time(random: &mut Rng) -> u64 {
    let nanos = (NEWEST_S - random.u64(..60)) * 1_000_000_000 + random.u64(..1_000_000_000);
    one_of(random, &[0, nanos, nanos])
}

fn flags(random: &mut Rng) -> u32 {
    one_of(random, &[0, 0, 0, 0, 1, 2])
}

fn exemplars(random: &mut Rng) -> Vec<Exemplar> {
    some(random, 2, |_| Exemplar { time_unix_nano: 5, as_double: 1.5 })
}

fn number_point(random: &mut Rng) -> NumberPoint {
    NumberPoint {
        start_time_unix_nano: time(random),
        time_unix_nano: time(random),
        value: maybe(random, |random| {
            if random.bool() {
                Number::AsDouble(double(random))
            } else {
                Number::AsInt(one_of(random, &[0, -5, i64::MAX, i64::MIN]))
            }
        }),
        exemplars: exemplars(random),
        attributes: some(random, 4, key_value),
        flags: flags(random),
    }
}

fn histogram_point(random: &mut Rng) -> HistogramPoint {
    let mut bounds: Vec<f64> =
        some(random, 4, |_| ()).iter().enumerate().map(|(n, ())| n as f64 / 4.0).collect();
    if random.u8(..6) == 0 {
        bounds.push(f64::INFINITY);
    }
    let fitting = if bounds.is_empty() && random.bool() { 0 } else { bounds.len() + 1 };
    let length = if random.u8(..8) == 0 { random.usize(..4) } else { fitting };
    let mut explicit_bounds = bounds;
    if random.u8(..10) == 0 {
        explicit_bounds.reverse();
    }
    HistogramPoint {
        attributes: some(random, 3, key_value),
        time_unix_nano: time(random),
        count: count(random),
        sum: maybe(random, double),
        bucket_counts: (0..length).map(|_| count(random)).collect(),
        explicit_bounds,
        exemplars: exemplars(random),
        flags: flags(random),
        min: maybe(random, double),
        max: maybe(random, double),
    }
}

fn exponential_point(random: &mut Rng) -> ExponentialPoint {
    let buckets = |random: &mut Rng| Buckets {
        offset: random.i32(-40..40),
        bucket_counts: some(random, 12, |random| one_of(random, &[0, 0, 1, 9])),
    };
    ExponentialPoint {
        attributes: some(random, 3, key_value),
        time_unix_nano: time(random),
        count: count(random),
        sum: maybe(random, double),
        scale: one_of(random, &[-1, 0, 1, 3, 6, 20, 21]),
        zero_count: one_of(random, &[0, 3]),
        positive: maybe(random, buckets),
        negative: maybe(random, buckets),
        flags: flags(random),
        exemplars: exemplars(random),
        zero_threshold: one_of(random, &[0.0, 0.0, 1e-300, -1.0]),
    }
}

fn summary_point(random: &mut Rng) -> SummaryPoint {
    SummaryPoint {
        attributes: some(random, 3, key_value),
        time_unix_nano: time(random),
        count: count(random),
        sum: double(random),
        quantile_values: some(random, 3, |random| Quantile {
            quantile: one_of(random, &[0.0, 0.5, 0.99, 1.0, 0.5, 0.9, 1.5]),
            value: double(random),
        }),
        flags: flags(random),
    }
}
