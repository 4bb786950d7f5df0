//! The same series as messages: remote write 1.0 and 2.0, snappy as their senders compress it, and OTLP.

use std::collections::HashMap;

use prost::Message;

use super::page::{Family, Series, Type};

/// When everything was measured: 10:29:58.123 on 22 November 2026.
const MILLIS: i64 = 1_795_343_398_123;

/// The messages of the three protocols, no field more than their senders fill.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Write1 {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<Series1>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Series1 {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Write2 {
        #[prost(string, repeated, tag = "4")]
        pub(super) symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub(super) timeseries: Vec<Series2>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Series2 {
        #[prost(uint32, repeated, tag = "1")]
        pub(super) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, optional, tag = "5")]
        pub(super) metadata: Option<Metadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Metadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(uint32, tag = "3")]
        pub(super) help_ref: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Export {
        #[prost(message, repeated, tag = "1")]
        pub(super) resource_metrics: Vec<ResourceMetrics>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ResourceMetrics {
        #[prost(message, optional, tag = "1")]
        pub(super) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(super) scope_metrics: Vec<ScopeMetrics>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(super) attributes: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<AnyValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct AnyValue {
        #[prost(string, tag = "1")]
        pub(super) string_value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ScopeMetrics {
        #[prost(message, optional, tag = "1")]
        pub(super) scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")]
        pub(super) metrics: Vec<Metric>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Scope {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) version: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Metric {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) description: String,
        #[prost(message, optional, tag = "5")]
        pub(super) gauge: Option<Data>,
        #[prost(message, optional, tag = "7")]
        pub(super) sum: Option<Data>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Data {
        #[prost(message, repeated, tag = "1")]
        pub(super) points: Vec<Point>,
        #[prost(int32, tag = "2")]
        pub(super) aggregation_temporality: i32,
        #[prost(bool, tag = "3")]
        pub(super) is_monotonic: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Point {
        #[prost(fixed64, tag = "2")]
        pub(super) start_time_unix_nano: u64,
        #[prost(fixed64, tag = "3")]
        pub(super) time_unix_nano: u64,
        // One of several kinds in the schema, and so sent when it is zero.
        #[prost(double, optional, tag = "4")]
        pub(super) as_double: Option<f64>,
        #[prost(message, repeated, tag = "7")]
        pub(super) attributes: Vec<KeyValue>,
    }
}

/// Names and values of a series as a Prometheus server sends them: sorted, with those of the target and
/// of the server.
fn labels(family: &Family, series: &Series) -> Vec<(&'static str, String)> {
    let mut labels = vec![
        ("__name__", family.name.clone()),
        ("cluster", "eu-central-1-production".to_owned()),
        ("instance", format!("worker-{:03}.internal:9100", series.host)),
        ("job", "node".to_owned()),
        ("replica", "prometheus-0".to_owned()),
    ];
    labels.extend_from_slice(&series.labels);
    labels.sort();
    labels
}

fn sample(series: &Series) -> Vec<wire::Sample> {
    vec![wire::Sample { value: series.value, timestamp: MILLIS }]
}

fn each<T>(families: &[Family], make: impl FnMut((&Family, &Series)) -> T) -> Vec<T> {
    let pairs =
        families.iter().flat_map(|family| family.series.iter().map(move |one| (family, one)));
    pairs.map(make).collect()
}

/// `prometheus.WriteRequest`, not compressed.
pub(crate) fn remote_write_1(families: &[Family]) -> Vec<u8> {
    let timeseries = each(families, |(family, series)| wire::Series1 {
        labels: labels(family, series)
            .into_iter()
            .map(|(name, value)| wire::Label { name: name.to_owned(), value })
            .collect(),
        samples: sample(series),
    });
    wire::Write1 { timeseries }.encode_to_vec()
}

/// `io.prometheus.write.v2.Request`, not compressed.
pub(crate) fn remote_write_2(families: &[Family]) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut known = HashMap::new();
    let mut symbol = |text: &str| {
        *known.entry(text.to_owned()).or_insert_with(|| {
            symbols.push(text.to_owned());
            symbols.len() as u32 - 1
        })
    };
    let timeseries = each(families, |(family, series)| wire::Series2 {
        labels_refs: labels(family, series)
            .iter()
            .flat_map(|(name, value)| [(*name).to_owned(), value.clone()])
            .map(|text| symbol(&text))
            .collect(),
        samples: sample(series),
        metadata: Some(wire::Metadata {
            kind: if family.kind == Type::Counter { 1 } else { 2 },
            help_ref: symbol(&family.help),
        }),
    });
    wire::Write2 { symbols, timeseries }.encode_to_vec()
}

/// `ExportMetricsServiceRequest`: each host is a resource, its families are metrics of one scope.
pub(crate) fn otlp(families: &[Family], hosts: usize) -> Vec<u8> {
    let resource_metrics = (0..hosts).map(|host| resource(families, host)).collect();
    wire::Export { resource_metrics }.encode_to_vec()
}

fn resource(families: &[Family], host: usize) -> wire::ResourceMetrics {
    let attributes = [
        ("service.name", "node".to_owned()),
        ("service.instance.id", format!("worker-{host:03}.internal:9100")),
        ("host.name", format!("worker-{host:03}")),
        ("deployment.environment", "production".to_owned()),
    ];
    let scope = wire::Scope { name: "machine".to_owned(), version: "1.4.0".to_owned() };
    let metrics = families.iter().map(|family| metric(family, host)).collect();
    wire::ResourceMetrics {
        resource: Some(wire::Resource { attributes: key_values(&attributes) }),
        scope_metrics: vec![wire::ScopeMetrics { scope: Some(scope), metrics }],
    }
}

fn metric(family: &Family, host: usize) -> wire::Metric {
    let nanos = MILLIS as u64 * 1_000_000;
    let is_monotonic = family.kind == Type::Counter;
    let points = family.series.iter().filter(|series| series.host == host);
    let points = points.map(|series| wire::Point {
        start_time_unix_nano: if is_monotonic { nanos - 3_600_000_000_000 } else { 0 },
        time_unix_nano: nanos,
        as_double: Some(series.value),
        attributes: key_values(&series.labels),
    });
    let points = wire::Data {
        points: points.collect(),
        aggregation_temporality: if is_monotonic { 2 } else { 0 },
        is_monotonic,
    };
    let (gauge, sum) = if is_monotonic { (None, Some(points)) } else { (Some(points), None) };
    wire::Metric { name: family.name.clone(), description: family.help.clone(), gauge, sum }
}

fn key_values(pairs: &[(&'static str, String)]) -> Vec<wire::KeyValue> {
    let one = |(key, value): &(&'static str, String)| wire::KeyValue {
        key: (*key).to_owned(),
        value: Some(wire::AnyValue { string_value: value.clone() }),
    };
    pairs.iter().map(one).collect()
}
