//! The lane over MessagePack: what it takes is what the general way makes of it.

use std::sync::Arc;

use bumpalo::Bump;
use serde_json::{Value, json};

use super::*;
use crate::decode::msgpack::{MsgpackReader, stripped};
use crate::decode::pull::Pull as _;
use crate::decode::raw::RawMetric;
use crate::metric::text::Texts;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Policy;

/// Whether the lane takes the first value of `body`; if so, it must be what the other road makes of it.
fn taken(body: &[u8], profile: &Profile) -> bool {
    let arena = Bump::new();
    let (now, texts) = (Timestamp::from_unix(1_795_343_400, 5), Texts::new(&arena));
    let copy = stripped(body);
    let ascii = std::str::from_utf8(&copy).expect("ASCII");
    let mut reader = MsgpackReader::new(body);
    reader.copied(0, ascii);
    let mut plain = reader.plain();
    let mut straight = Metric::blank();
    let warnings = read(&mut plain, &mut Rules::new(now, profile, texts), &mut straight);
    let Some(warnings) = warnings else { return false };

    let (mut raw, mut metric) = (RawMetric::new(normalize::JUDGES), Metric::blank());
    item::read(&mut reader, &mut raw).expect("what the lane takes is valid");
    let mut rules = Rules::new(now, profile, texts);
    let general = rules.normalize(&mut raw, &mut metric);
    assert_eq!((general, &metric), (Ok(warnings), &straight), "{body:x?}");
    // Texts that nobody looks at again on the way out.
    let tags = metric.tags.iter().flat_map(|tag| [Some(tag.key), tag.value]).flatten();
    for text in tags.chain([metric.name, metric.hostname]) {
        let tame = |byte| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
        assert!(text.bytes().all(tame), "{text:?} of {body:x?}");
    }
    let end = reader.mark();
    reader.rewind(0);
    reader.go_on_after(&plain);
    assert_eq!(reader.mark(), end, "{body:x?}");
    true
}

/// A map of `members`, of which several may have the same name.
fn packed(members: &[(&str, &Value)]) -> Vec<u8> {
    let count = u8::try_from(members.len()).expect("few");
    assert!(count < 16, "as many as the shortest header counts");
    let mut body = vec![0x80 | count];
    for (name, value) in members {
        body.extend(rmp_serde::to_vec(name).expect("a name"));
        body.extend(rmp_serde::to_vec(value).expect("a value"));
    }
    body
}

/// Values of each member; the first is plain, and most often wanted.
fn members() -> Vec<(&'static str, Vec<Value>)> {
    let mut members = read_members();
    let samples = json!([{"value": 1.5, "rate": 2}, {"rate": 1, "value": -1}]);
    members.extend([
        ("set", vec![json!({"values": ["a", "b"]}), json!({"values": [null]}), json!(null)]),
        (
            "distribution",
            vec![
                json!({"samples": samples, "statistic": "histogram"}),
                json!({"samples": [{"value": null, "rate": 1}]}),
                json!({"samples": [{"value": 1}]}),
                json!(null),
            ],
        ),
    ]);
    let names = ["sketch", "interval_ms", "a name of more than thirty-one letters"];
    members.extend(names.map(|name| (name, unread_values())));
    members
}

fn unread_values() -> Vec<Value> {
    vec![
        json!(60_000),
        json!("text"),
        json!(-7),
        json!(-70_000),
        json!(-1_i64 << 40),
        json!(1.5),
        json!(true),
        json!(null),
        json!("\u{e9}"),
        json!(["x"]),
    ]
}

fn read_members() -> Vec<(&'static str, Vec<Value>)> {
    let points = [
        json!({"value": 12_345.678}),
        json!({"value": 7}),
        json!({"value": 200}),
        json!({"value": 70_000}),
        json!({"value": 1_u64 << 40}),
        json!({"value": -5}),
        json!({"value": true}),
        json!({"value": 1, "unit": "s"}),
        json!({}),
        json!(null),
        json!(3),
    ];
    let buckets = json!([{"upper_limit": 0.1, "count": 1}, {"count": 2, "upper_limit": "+Inf"}]);
    let histograms = [
        json!({"count": 3, "sum": 1.5, "buckets": buckets}),
        json!({"sum": -1, "count": 0, "buckets": []}),
        json!({"count": -1, "sum": 1, "buckets": []}),
        json!({"count": 1, "sum": 1}),
        json!({"count": 1, "sum": 1, "buckets": [{"count": 1}]}),
        json!({"count": 1, "sum": 1, "buckets": [{"upper_limit": null, "count": 1}]}),
        json!({"count": 1, "sum": 1, "buckets": vec![json!({"upper_limit": 1, "count": 1}); 20]}),
    ];
    let quantiles = json!([{"quantile": 0.5, "value": 1}, {"value": -2.5, "quantile": 0.99}]);
    let summaries = [
        json!({"count": 3, "sum": 1.5, "quantiles": quantiles}),
        json!({"count": 3, "sum": 1.5, "quantiles": [{"quantile": 0.5, "value": null}]}),
    ];
    let texts = ["cpu", "", "a\"b", "\u{e9}", "a:b", "tab\t", &"x".repeat(40), &"x".repeat(300)]
        .map(Value::from);
    let tags = [
        json!({"host": "web-12", "env": "production", "status": "200"}),
        json!({}),
        json!({"a:b": "c"}),
        json!({"a": 7}),
        json!({"": "x"}),
        json!({"a": ["x"]}),
        json!({"dt": "x", "env": "own"}),
        json!({"a": "\u{7f}", "b": "a long value of more than thirty-two letters"}),
        json!([]),
        json!(null),
    ];
    let times = [
        json!("2026-11-22T10:29:59.25Z"),
        json!("2026-02-30T00:00:00Z"),
        json!("yesterday"),
        json!(1_795_343_400),
        json!(1_795_343_400.5),
        json!(-1),
        json!(null),
    ];
    let kinds = ["incremental", "absolute", "other"].map(Value::from);
    vec![
        ("name", texts.to_vec()),
        ("namespace", texts.to_vec()),
        ("dt", times.to_vec()),
        ("timestamp", times.to_vec()),
        ("tags", tags.to_vec()),
        ("gauge", points.to_vec()),
        ("counter", points.to_vec()),
        ("histogram", histograms.to_vec()),
        ("aggregated_histogram", histograms.to_vec()),
        ("summary", summaries.to_vec()),
        ("aggregated_summary", summaries.to_vec()),
        ("kind", kinds.to_vec()),
        ("metric", points.to_vec()),
        ("unknown", tags.to_vec()),
    ]
}

#[test]
fn whatever_the_lane_takes_of_messagepack_is_what_the_other_road_makes_of_it() {
    let profiles = super::super::tests::profiles();
    let (all, mut random) = (members(), fastrand::Rng::with_seed(8));
    let (name, value) = (json!("cpu"), json!({"value": 1.5}));
    let (mut total, mut damaged) = (0, 0);
    for round in 0..60_000 {
        let profile = &profiles[round % profiles.len()];
        let mut members = vec![("name", &name), ("gauge", &value)];
        members.truncate(random.usize(..3));
        for _ in 0..random.usize(..5) {
            let (name, values) = &all[random.usize(..all.len())];
            let odd = if random.u8(..4) > 0 { 0 } else { random.usize(..values.len()) };
            members.push((name, &values[odd]));
        }
        random.shuffle(&mut members);
        let mut body = packed(&members);
        total += u32::from(taken(&body, profile));
        // The same cut short, which is never taken.
        assert!(!taken(&body[..random.usize(..body.len())], profile), "{body:x?}");
        // With a byte changed it may be taken or not, but is still the same either way.
        let at = random.usize(..body.len());
        body[at] = random.u8(..);
        damaged += u32::from(taken(&body, profile));
    }
    assert!((3_000..50_000).contains(&total), "{total} taken");
    assert!(damaged > 1_000, "{damaged} taken");
}

#[test]
fn an_ordinary_metric_of_messagepack_stays_in_the_lane() {
    let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
    let all = members();
    let plain = |wanted: &str| {
        let (name, values) = all.iter().find(|(name, _)| *name == wanted).expect("a member");
        (*name, &values[0])
    };
    for value in ["gauge", "counter", "histogram", "aggregated_summary"] {
        for time in ["dt", "timestamp"] {
            let members = ["name", time, "tags", "kind", "namespace", value].map(plain);
            assert!(taken(&packed(&members), &profile), "{value} {time}");
        }
    }
}

#[test]
fn plain_members_nobody_reads_of_messagepack_stay_in_the_lane_and_no_others() {
    let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
    let item = |member: &[u8]| {
        let (name, value) = (json!("cpu"), json!({"value": 1.5}));
        let mut body = packed(&[("name", &name), ("gauge", &value), ("unread", &name)]);
        body.truncate(body.len() - b"_unread_cpu".len());
        body.extend(member);
        body
    };
    let single = [&[0xca][..], &1.5_f32.to_be_bytes()].concat();
    let byte = [0xd0, 0x80].to_vec();
    let values = [60_000_i64, -7, -70_000, -1 << 40, 5].map(|number| json!(number));
    let others = [json!("text"), json!(1.5), json!(true), json!(null)];
    let plain = values.iter().chain(&others);
    let plain: Vec<_> = plain.map(|value| rmp_serde::to_vec(value).expect("a value")).collect();
    for value in plain.iter().chain([&single, &byte]) {
        let member = |name: &[u8]| item(&[name, value].concat());
        assert!(taken(&member(b"\xa1x"), &profile), "{value:x?}");
        assert!(taken(&member(b"\xd9\x01x"), &profile), "{value:x?}");
        // Names that are read, behind the shortest header and behind another.
        for name in ["metric", "set", "distribution", "sketch", "name", "tags", "summary"] {
            let length = u8::try_from(name.len()).expect("short");
            for header in [&[0xa0 | length][..], &[0xd9, length]] {
                let name = [header, name.as_bytes()].concat();
                assert!(!taken(&member(&name), &profile), "{name:x?} {value:x?}");
            }
        }
        let long = [b"\xd9\x02dt", &value[..]].concat();
        assert!(!taken(&item(&long), &profile), "{value:x?}");
    }
    assert!(!taken(&item(b"\xa1x\x90"), &profile) && !taken(&item(b"\xa1x\xc1"), &profile));
}
