//! Random requests mean the same to this reader, to a plain one over the schema's structs, and in every
//! order and encoding that the protocol allows.

use fastrand::Rng;
use prost::Message;
use serde_json::Value;
use tidegate::decode::Otlp;

use super::model::{self, Tuple};
use super::proto::{Metric, Request, ResourceMetrics, ScopeMetrics};
use super::{Outcome, generate, run, sample, try_run};

/// The tuples of an outcome as the model has them.
fn parsed(outcome: &Outcome) -> Vec<Tuple> {
    outcome.tuples().iter().map(|line| tuple(&serde_json::from_str(line).unwrap())).collect()
}

fn tuple(json: &Value) -> Tuple {
    let mut bound = None;
    let mut tags = Vec::new();
    for tag in json[3]["tags"].as_array().into_iter().flatten() {
        let tag = tag.as_str().unwrap();
        match tag.split_once(':') {
            Some(("upper_limit", limit)) => bound = Some(("upper_limit", limit.parse().unwrap())),
            Some(("quantile", quantile)) => bound = Some(("quantile", quantile.parse().unwrap())),
            _ => tags.push(tag.to_owned()),
        }
    }
    tags.sort();
    assert_eq!(json[3]["hostname"], "gateway");
    Tuple {
        name: json[0].as_str().unwrap().to_owned(),
        at: json[1].as_i64().unwrap(),
        value: json[2].as_f64().unwrap(),
        kind: json[3]["type"].as_str().unwrap().to_owned(),
        tags,
        bound,
    }
}

/// Equal, but for the last digit of a bound, for which the model takes a shorter way.
fn is_same(one: &Tuple, other: &Tuple) -> bool {
    let bounds = match (one.bound, other.bound) {
        (Some((key, a)), Some((other_key, b))) => {
            key == other_key && (a.to_bits() == b.to_bits() || (a - b).abs() <= b.abs() * 1e-14)
        }
        (a, b) => a == b,
    };
    let Tuple { name, at, value, kind, tags, .. } = other;
    bounds
        && (&one.name, &one.at, &one.value, &one.kind, &one.tags) == (name, at, value, kind, tags)
}

#[test]
fn a_request_means_what_the_schema_says() {
    let mut random = Rng::with_seed(61);
    let mut total = 0;
    for _ in 0..2_000 {
        let request = generate::request(&mut random);
        let outcome = run(&request.encode_to_vec(), Otlp::Protobuf);
        let meaning = model::of(&request);
        let (report, tuples) = (&outcome.report, parsed(&outcome));
        let counts = (report.accepted, report.rejected, report.asides.stale_markers);
        assert_eq!(counts, (meaning.accepted, meaning.rejected, meaning.stale), "{request:?}");
        let asides = (report.asides.exemplars, report.asides.metadata);
        assert_eq!(asides, (meaning.exemplars, meaning.metadata), "{request:?}");
        for (tuple, expected) in tuples.iter().zip(&meaning.tuples) {
            assert!(is_same(tuple, expected), "{tuple:?}\n{expected:?}\n{request:?}");
        }
        assert_eq!(tuples.len(), meaning.tuples.len(), "{request:?}");
        total += tuples.len();
    }
    assert!(total > 10_000, "{total} tuples");
}

#[test]
fn the_same_request_in_json_gives_the_same_tuples_in_whatever_order_of_members() {
    let mut random = Rng::with_seed(62);
    for _ in 0..1_000 {
        let request = generate::request(&mut random);
        let protobuf = run(&request.encode_to_vec(), Otlp::Protobuf);
        let json = sample::render(&request);
        for order in [Order::AsIs, Order::Backwards, Order::Shuffled] {
            let mut text = String::new();
            write(&json, order, &mut random, &mut text);
            let json = run(text.as_bytes(), Otlp::Json);
            let parsed = (parsed(&json), parsed(&protobuf));
            assert_eq!(parsed.0, parsed.1, "{order:?}\n{text}");
            assert_eq!(json.report, protobuf.report, "{order:?}\n{text}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Order {
    AsIs,
    Backwards,
    Shuffled,
}

/// Writes `json` with the members of its objects in an order, and with members nobody knows among them.
fn write(json: &Value, order: Order, random: &mut Rng, out: &mut String) {
    match json {
        Value::Array(list) => {
            out.push('[');
            for (nth, element) in list.iter().enumerate() {
                out.push_str(if nth == 0 { "" } else { " , " });
                write(element, order, random, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            match order {
                Order::AsIs => {}
                Order::Backwards => members.reverse(),
                Order::Shuffled => random.shuffle(&mut members),
            }
            out.push_str(r#"{"resource_metrics":[{"name":5}],"unknown":{"name":[{}]}"#);
            for (key, value) in members {
                out.push_str(",\n");
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                // JavaScript has no other way to write these.
                let may_be_null = matches!(key.as_str(), "asDouble" | "sum" | "value")
                    && matches!(value.as_str(), Some("NaN" | "Infinity" | "-Infinity"));
                let null = may_be_null && random.bool();
                write(if null { &Value::Null } else { value }, order, random, out);
            }
            out.push_str(r#","zz":null}"#);
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Protobuf's fields may come in any order: those of two messages in a row are those of one.
#[test]
fn what_is_said_behind_the_children_of_a_level_counts_all_the_same() {
    let mut random = Rng::with_seed(63);
    let field = |number: u8, bytes: Vec<u8>| {
        let mut field = vec![number << 3 | 2];
        prost::encode_length_delimiter(bytes.len(), &mut field).unwrap();
        [field, bytes].concat()
    };
    for _ in 0..500 {
        let request = generate::request(&mut random);
        let mut behind = Vec::new();
        for resource in &request.resource_metrics {
            let mut scopes = Vec::new();
            for scope in &resource.scope_metrics {
                let mut metrics = Vec::new();
                for metric in &scope.metrics {
                    let data = Metric { data: metric.data.clone(), ..Metric::default() };
                    let rest = Metric { data: None, ..metric.clone() };
                    let halves = [data.encode_to_vec(), rest.encode_to_vec()].concat();
                    metrics.extend(field(2, halves));
                }
                let rest = ScopeMetrics { metrics: Vec::new(), ..scope.clone() };
                scopes.extend(field(2, [metrics, rest.encode_to_vec()].concat()));
            }
            let rest = ResourceMetrics { scope_metrics: Vec::new(), ..resource.clone() };
            behind.extend(field(1, [scopes, rest.encode_to_vec()].concat()));
        }
        // NaN is not equal to itself, its bytes are.
        let theirs = Request::decode(&behind[..]).unwrap().encode_to_vec();
        assert_eq!(theirs, request.encode_to_vec());
        let (one, other) =
            (run(&request.encode_to_vec(), Otlp::Protobuf), run(&behind, Otlp::Protobuf));
        assert_eq!(one.lines(), other.lines(), "{request:?}");
    }
}

#[test]
fn a_body_that_is_cut_anywhere_is_whole_to_both_readers_or_to_none() {
    let mut random = Rng::with_seed(64);
    let request = generate::request(&mut random);
    let body = request.encode_to_vec();
    assert!(body.len() > 500, "{} bytes", body.len());
    for end in 0..body.len() {
        let cut = &body[..end];
        let theirs = Request::decode(cut).is_ok();
        assert_eq!(try_run(cut, Otlp::Protobuf).is_ok(), theirs, "at byte {end}");
    }
    let json = sample::json(&body);
    for end in 0..json.len() {
        assert!(try_run(&json[..end], Otlp::Json).is_err(), "at byte {end}");
    }
}
