//! Requests for tests: small ones by hand, random ones, and the same in JSON.

use prost::Message;
use serde_json::{Map, Value, json};

use super::proto::{
    Any, AnyValue, Buckets, Data, Exemplar, ExponentialPoint, Gauge, HistogramPoint, KeyValue,
    Metric, Number, NumberPoint, Request, Resource, ResourceMetrics, Scope, ScopeMetrics,
    SummaryPoint,
};

/// A gauge of these values in protobuf; one that is absent has a point all the same.
pub(crate) fn gauge(values: &[Option<f64>]) -> Vec<u8> {
    let point = |value: &Option<f64>| NumberPoint {
        value: value.map(Number::AsDouble),
        ..NumberPoint::default()
    };
    let data_points = values.iter().map(point).collect();
    let data = Some(Data::Gauge(Gauge { data_points }));
    of_metric(Metric { name: "room.temp".to_owned(), data, ..Metric::default() })
}

/// A request of one metric, of no resource and no scope.
pub(crate) fn of_metric(metric: Metric) -> Vec<u8> {
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    Request { resource_metrics: vec![resource] }.encode_to_vec()
}

/// The same request in JSON.
pub(crate) fn json(protobuf: &[u8]) -> Vec<u8> {
    let request = Request::decode(protobuf).unwrap();
    render(&request).to_string().into_bytes()
}

/// As protobuf's JSON has it: what is zero is left out, 64 bits are strings.
pub(crate) fn render(request: &Request) -> Value {
    json!({ "resourceMetrics": list(&request.resource_metrics, resource_metrics) })
}

fn list<T>(all: &[T], render: impl Fn(&T) -> Value) -> Value {
    Value::Array(all.iter().map(render).collect())
}

fn resource_metrics(metrics: &ResourceMetrics) -> Value {
    let mut json = Map::new();
    if let Some(Resource { attributes, dropped_attributes_count }) = &metrics.resource {
        let attributes = list(attributes, key_value);
        let resource =
            json!({ "attributes": attributes, "droppedAttributesCount": dropped_attributes_count });
        json.insert("resource".to_owned(), resource);
    }
    json.insert("schemaUrl".to_owned(), metrics.schema_url.clone().into());
    json.insert("scopeMetrics".to_owned(), list(&metrics.scope_metrics, scope_metrics));
    json.into()
}

fn scope_metrics(metrics: &ScopeMetrics) -> Value {
    let mut json = Map::new();
    json.insert("metrics".to_owned(), list(&metrics.metrics, metric));
    if let Some(Scope { name, version, attributes }) = &metrics.scope {
        let attributes = list(attributes, key_value);
        let scope = json!({ "name": name, "version": version, "attributes": attributes });
        json.insert("scope".to_owned(), scope);
    }
    json.into()
}

fn key_value(pair: &KeyValue) -> Value {
    match &pair.value {
        Some(value) => json!({ "key": pair.key, "value": any_value(value) }),
        None => json!({ "key": pair.key }),
    }
}

fn any_value(value: &AnyValue) -> Value {
    match &value.value {
        None => json!({}),
        Some(Any::String(text)) => json!({ "stringValue": text }),
        Some(Any::Bool(bool)) => json!({ "boolValue": bool }),
        Some(Any::Int(integer)) => json!({ "intValue": integer.to_string() }),
        Some(Any::Double(double)) => json!({ "doubleValue": number(*double) }),
        Some(Any::Array(array)) => {
            json!({ "arrayValue": { "values": list(&array.values, any_value) } })
        }
        Some(Any::Kvlist(map)) => {
            json!({ "kvlistValue": { "values": list(&map.values, key_value) } })
        }
        Some(Any::Bytes(_)) => json!({ "bytesValue": "AAEC" }),
    }
}

fn number(double: f64) -> Value {
    if double.is_nan() {
        "NaN".into()
    } else if double.is_infinite() {
        if double > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        double.into()
    }
}

fn metric(metric: &Metric) -> Value {
    let Metric { name, description, unit, data } = metric;
    let mut json = Map::new();
    let data = data.as_ref().map(|data| match data {
        Data::Gauge(gauge) => {
            ("gauge", json!({ "dataPoints": list(&gauge.data_points, number_point) }))
        }
        Data::Sum(sum) => {
            let points = list(&sum.data_points, number_point);
            let temporality = sum.aggregation_temporality;
            let sum = json!({ "dataPoints": points, "isMonotonic": sum.is_monotonic,
                "aggregationTemporality": temporality });
            ("sum", sum)
        }
        Data::Histogram(histogram) => {
            let points = list(&histogram.data_points, histogram_point);
            let temporality = histogram.aggregation_temporality;
            ("histogram", json!({ "dataPoints": points, "aggregationTemporality": temporality }))
        }
        Data::ExponentialHistogram(histogram) => {
            let points = list(&histogram.data_points, exponential_point);
            let temporality = histogram.aggregation_temporality;
            let data = json!({ "dataPoints": points, "aggregationTemporality": temporality });
            ("exponentialHistogram", data)
        }
        Data::Summary(summary) => {
            ("summary", json!({ "dataPoints": list(&summary.data_points, summary_point) }))
        }
    });
    if let Some((key, data)) = data {
        json.insert(key.to_owned(), data);
    }
    json.insert("description".to_owned(), description.clone().into());
    json.insert("name".to_owned(), name.clone().into());
    json.insert("unit".to_owned(), unit.clone().into());
    json.into()
}

fn common(attributes: &[KeyValue], time: u64, flags: u32) -> Map<String, Value> {
    let attributes = list(attributes, key_value);
    let common =
        json!({ "attributes": attributes, "timeUnixNano": time.to_string(), "flags": flags });
    let Value::Object(common) = common else { unreachable!("it is an object") };
    common
}

fn exemplars(exemplars: &[Exemplar]) -> Value {
    list(exemplars, |exemplar| json!({ "asDouble": number(exemplar.as_double) }))
}

fn counts(counts: &[u64]) -> Value {
    list(counts, |count| count.to_string().into())
}

fn number_point(point: &NumberPoint) -> Value {
    let mut json = common(&point.attributes, point.time_unix_nano, point.flags);
    match point.value {
        Some(Number::AsDouble(double)) => {
            json.insert("asDouble".to_owned(), number(double));
        }
        Some(Number::AsInt(integer)) => {
            json.insert("asInt".to_owned(), integer.to_string().into());
        }
        None => {}
    }
    json.insert("exemplars".to_owned(), exemplars(&point.exemplars));
    json.into()
}

fn histogram_point(point: &HistogramPoint) -> Value {
    let mut json = common(&point.attributes, point.time_unix_nano, point.flags);
    json.insert("count".to_owned(), point.count.to_string().into());
    if let Some(sum) = point.sum {
        json.insert("sum".to_owned(), number(sum));
    }
    json.insert("bucketCounts".to_owned(), counts(&point.bucket_counts));
    let bounds = list(&point.explicit_bounds, |bound| number(*bound));
    json.insert("explicitBounds".to_owned(), bounds);
    json.insert("exemplars".to_owned(), exemplars(&point.exemplars));
    json.into()
}

fn exponential_point(point: &ExponentialPoint) -> Value {
    let mut json = common(&point.attributes, point.time_unix_nano, point.flags);
    json.insert("count".to_owned(), point.count.into());
    if let Some(sum) = point.sum {
        json.insert("sum".to_owned(), number(sum));
    }
    json.insert("scale".to_owned(), point.scale.into());
    json.insert("zeroCount".to_owned(), point.zero_count.into());
    json.insert("zeroThreshold".to_owned(), number(point.zero_threshold));
    json.insert("exemplars".to_owned(), exemplars(&point.exemplars));
    for (key, buckets) in [("positive", &point.positive), ("negative", &point.negative)] {
        if let Some(Buckets { offset, bucket_counts }) = buckets {
            let row = json!({ "bucketCounts": counts(bucket_counts), "offset": offset });
            json.insert(key.to_owned(), row);
        }
    }
    json.into()
}

fn summary_point(point: &SummaryPoint) -> Value {
    let mut json = common(&point.attributes, point.time_unix_nano, point.flags);
    json.insert("count".to_owned(), point.count.to_string().into());
    json.insert("sum".to_owned(), number(point.sum));
    let quantiles = list(
        &point.quantile_values,
        |pair| json!({ "value": number(pair.value), "quantile": number(pair.quantile) }),
    );
    json.insert("quantileValues".to_owned(), quantiles);
    json.into()
}
