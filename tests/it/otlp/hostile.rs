//! Bodies made to cost. What they may cost is counted in bytes and tuples, not in time.

use serde_json::Value;
use tidegate::decode::Otlp;
use tidegate::normalize::Policy;
use tidegate::pipeline::BodyError;

use super::proto::{
    Any, AnyValue, ArrayValue, Buckets, KeyValue, KeyValueList, Request, Resource, ResourceMetrics,
};
use super::{run, sample, try_run, try_run_by};
use crate::otlp::proto::{
    Data, ExponentialHistogram, ExponentialPoint, Gauge, Metric, Number, NumberPoint, ScopeMetrics,
};
use prost::Message;

/// A fifth of the largest body that the gateway takes.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encode_length_delimiter(bytes.len(), &mut field).unwrap();
    field.extend_from_slice(bytes);
    field
}

#[test]
fn millions_of_empty_points_are_millions_of_rejections_and_nothing_more() {
    let points = b"\x0a\0".repeat(BODY_BYTES_MAX / 2 - 32);
    let name = field(1, b"name");
    let gauge = field(5, &points);
    let body = field(1, &field(2, &field(2, &[name, gauge].concat())));
    let outcome = run(&body, Otlp::Protobuf);
    let report = outcome.report;
    assert_eq!((report.accepted, report.rejected), (0, points.len() as u64 / 2));
    assert_eq!(outcome.beside, 0);

    let frame = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":["#;
    let count = (BODY_BYTES_MAX - 2 * frame.len()) / 3;
    let points = vec!["{}"; count].join(",");
    let body = format!("{frame}{points}]}},\"name\":\"x\"}}]}}]}}]}}");
    let outcome = run(body.as_bytes(), Otlp::Json);
    let report = outcome.report;
    assert_eq!((report.accepted, report.rejected), (0, count as u64));
    assert_eq!(outcome.beside, 0);
}

#[test]
fn levels_without_content_are_passed() {
    for (depth, empty) in [(0, &b"\x0a\0"[..]), (1, b"\x12\0"), (2, b"\x12\0")] {
        let mut body = empty.repeat(1 << 20);
        for level in 0..depth {
            body = field(if level + 1 == depth { 1 } else { 2 }, &body);
        }
        let report = run(&body, Otlp::Protobuf).report;
        assert_eq!((report.accepted, report.rejected), (0, 0));
    }
}

/// A name that has to be rewritten is rewritten once for points that deliver nothing.
#[test]
fn a_long_name_of_many_points_without_a_value_is_kept_once() {
    for nothing in [Some(f64::NAN), None] {
        let point = NumberPoint { value: nothing.map(Number::AsDouble), ..NumberPoint::default() };
        let gauge = Gauge { data_points: vec![point; 200_000] };
        let name = format!("host{}\t", "x".repeat(1_000));
        let metric = Metric { name, data: Some(Data::Gauge(gauge)), ..Metric::default() };
        let outcome = run(&sample::of_metric(metric), Otlp::Protobuf);
        assert_eq!(outcome.report.accepted + outcome.report.rejected, 200_000);
        assert_eq!(outcome.beside, 0, "nothing worth telling of");
    }
}

/// The text of a number is made once, however many points have it.
#[test]
fn the_numbers_of_a_resource_are_written_once_for_all_of_its_points() {
    let number = |n: usize| match n % 3 {
        0 => Any::Int(i64::MIN),
        1 => Any::Double(-f64::MIN_POSITIVE),
        _ => Any::Array(ArrayValue { values: vec![AnyValue { value: Some(Any::Int(-1)) }] }),
    };
    let value = |n| Some(AnyValue { value: Some(number(n)) });
    // Half of them are overruled by the other half.
    let attribute = |n: usize| KeyValue { key: format!("k{}", n % 60), value: value(n) };
    let body = of_resource((0..120).map(attribute).collect(), POINTS);
    for (body, encoding) in [(sample::json(&body), Otlp::Json), (body, Otlp::Protobuf)] {
        let outcome = run(&body, encoding);
        assert_eq!((outcome.report.accepted, outcome.report.rejected), (POINTS as u64, 0));
        assert_eq!(outcome.beside, 0, "nothing worth telling of in {encoding:?}");
    }
}

/// Tags of one letter cost more than their bytes.
#[test]
fn short_tags_of_a_resource_are_not_looked_at_for_ever() {
    let value = Some(AnyValue { value: Some(Any::Bool(true)) });
    let attribute = |n: u8| KeyValue { key: char::from(n).to_string(), value: value.clone() };
    let body = of_resource((1..127).map(attribute).collect(), POINTS);
    let by = |expanded_bytes| Policy { expanded_bytes, ..Policy::default() };
    // 126 tags of five bytes, and as much again three times over.
    assert!(try_run_by(by(6 << 20), &body, Otlp::Protobuf).is_ok());
    let refused = try_run_by(by(5 << 20), &body, Otlp::Protobuf).err();
    assert!(matches!(refused, Some(BodyError::Expanded { .. })), "{refused:?}");
}

const POINTS: usize = 2_000;

/// A gauge of so many points that say nothing but their value, under a resource of these attributes.
fn of_resource(attributes: Vec<KeyValue>, points: usize) -> Vec<u8> {
    let point = NumberPoint { value: Some(Number::AsInt(1)), ..NumberPoint::default() };
    let gauge = Gauge { data_points: vec![point; points] };
    let metric =
        Metric { name: "x".to_owned(), data: Some(Data::Gauge(gauge)), ..Metric::default() };
    let resource = Some(Resource { attributes, dropped_attributes_count: 0 });
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let metrics = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
    Request { resource_metrics: vec![metrics] }.encode_to_vec()
}

/// What cannot be a tag, or is too much, is left out of a resource once, however many points it has.
#[test]
fn a_resource_that_says_too_much_loses_that_and_none_of_its_points() {
    let text = |bytes: usize| Any::String("x".repeat(bytes));
    let attribute = |n: usize, value| KeyValue {
        key: format!("k{n}"),
        value: Some(AnyValue { value: Some(value) }),
    };
    let words = vec![AnyValue { value: Some(text(1)) }; 130];
    for (attributes, points, expected) in [
        (vec![attribute(0, text(8 << 20)), attribute(1, text(1))], 20_000, 1),
        (vec![attribute(0, Any::Array(ArrayValue { values: words })), attribute(1, text(1))], 9, 1),
        ((0..128).map(|n| attribute(n, text(4_000))).collect(), POINTS, 4),
        ((0..200_000).map(|n| attribute(n, text(1))).collect(), POINTS, 128),
    ] {
        let body = of_resource(attributes, points);
        let outcome = run(&body, Otlp::Protobuf);
        let report = &outcome.report;
        assert_eq!((report.accepted, report.rejected), (points as u64, 0), "{report:?}");
        let first: Value = serde_json::from_str(outcome.tuples()[0]).unwrap();
        assert_eq!(first[3]["tags"].as_array().unwrap().len(), expected);
    }
}

/// A point is judged by what it says itself.
#[test]
fn a_point_that_says_too_much_is_rejected() {
    let text = |bytes: usize| Some(AnyValue { value: Some(Any::String("x".repeat(bytes))) });
    let map = Some(AnyValue { value: Some(Any::Kvlist(KeyValueList::default())) });
    let attribute = |n: usize, value| KeyValue { key: format!("k{n}"), value };
    for (attributes, code) in [
        (vec![attribute(0, text(4_096))], None),
        (vec![attribute(0, text(4_097))], Some("invalid_tags")),
        ((0..128).map(|n| attribute(n, text(1))).collect(), None),
        ((0..129).map(|n| attribute(n, text(1))).collect(), Some("invalid_tags")),
        ((0..129).map(|n| attribute(n, map.clone())).collect(), None),
        ((0..130).map(|n| attribute(n, map.clone())).collect(), Some("invalid_tags")),
        ((0..5).map(|n| attribute(n, text(4_000))).collect(), Some("too_large")),
    ] {
        let value = Some(Number::AsInt(1));
        let point = NumberPoint { value, attributes, ..NumberPoint::default() };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        let body = sample::of_metric(Metric { name: "x".to_owned(), data, ..Metric::default() });
        for (body, encoding) in [(sample::json(&body), Otlp::Json), (body, Otlp::Protobuf)] {
            let report = run(&body, encoding).report;
            let rejected = report.errors.first().map(|entry| entry.code.as_str());
            assert_eq!(rejected, code, "{encoding:?}");
        }
    }
}

#[test]
fn exponential_histograms_of_too_many_or_too_far_buckets_are_rejected() {
    let body = |offset, bucket_counts| {
        let positive = Some(Buckets { offset, bucket_counts });
        let point = ExponentialPoint { positive, ..ExponentialPoint::default() };
        let histogram =
            ExponentialHistogram { data_points: vec![point], aggregation_temporality: 2 };
        let data = Some(Data::ExponentialHistogram(histogram));
        sample::of_metric(Metric { name: "x".to_owned(), data, ..Metric::default() })
    };
    let mut sparse = vec![0; 100_000];
    sparse[0] = 1;
    for (offset, counts, code) in [
        (-512, vec![1; 1_024], None),
        (-512, vec![1; 1_025], Some("too_large")),
        (i32::MAX, vec![1], Some("invalid_histogram")),
        (i32::MIN, vec![1], Some("invalid_histogram")),
        (i32::MIN, vec![0], None),
        (0, sparse, None),
    ] {
        let body = body(offset, counts);
        for (body, encoding) in [(sample::json(&body), Otlp::Json), (body, Otlp::Protobuf)] {
            let outcome = run(&body, encoding);
            let rejected = outcome.report.errors.first().map(|entry| entry.code.as_str());
            assert_eq!(rejected, code, "{encoding:?}, offset {offset}");
        }
    }
}

#[test]
fn nesting_is_bounded_and_never_recursion() {
    let deep = 1 << 20;
    let frame = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":"#;
    let array = r#"{"arrayValue":{"values":["#;
    let body = format!("{frame}{}", array.repeat(deep / array.len()));
    assert!(try_run(body.as_bytes(), Otlp::Json).is_err());
    let body = format!("{{\"x\":{}{}}}", "[".repeat(deep), "]".repeat(deep));
    assert!(try_run(body.as_bytes(), Otlp::Json).is_err());
    // In protobuf nobody looks into an array in an array.
    let mut value = Vec::new();
    for _ in 0..2_000 {
        value = field(5, &field(1, &value));
    }
    let attribute = field(1, &[field(1, b"a"), field(2, &value)].concat());
    let body = field(1, &field(1, &attribute));
    assert!(try_run(&body, Otlp::Protobuf).is_ok());
}

#[test]
fn one_body_cannot_name_its_data_twice_in_json() {
    let of = |data: &str| {
        let frame = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"x","#;
        format!("{frame}{data}}}]}}]}}]}}")
    };
    let gauge = r#""gauge":{"dataPoints":[{"asInt":1}]}"#;
    assert_eq!(run(of(gauge).as_bytes(), Otlp::Json).report.accepted, 1);
    let null = of(&format!(r#""sum":null,{gauge},"summary":null"#));
    assert_eq!(run(null.as_bytes(), Otlp::Json).report.accepted, 1);
    let twice = of(&format!("{gauge},{}", gauge.replace("gauge", "sum")));
    assert!(try_run(twice.as_bytes(), Otlp::Json).is_err());
}
