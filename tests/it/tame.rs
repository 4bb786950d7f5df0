//! Bodies that need no look at each of their texts, and the same bodies made to need one, become the
//! same tuples and the same report.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate::decode::Format;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::{self, report::Report};

fn profile(hostname: &str, tags: &[(&str, &str)]) -> Profile {
    let tags: Vec<_> = tags.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    Profile::new(Arc::new(Policy::default()), Some(hostname), &tags)
}

fn run(body: &(impl AsRef<[u8]> + ?Sized), format: Format, profile: &Profile) -> (String, Report) {
    let now = Timestamp::parse("2026-11-22T10:30:00Z").expect("a valid instant");
    let mut tuples = Vec::new();
    let report = pipeline::run(body.as_ref(), format, profile, now, &mut |block| {
        tuples.extend_from_slice(&block.bytes);
        tuples.push(b'\n');
        Ok(())
    });
    (String::from_utf8(tuples).expect("tuples are UTF-8"), report.expect("the bodies are sound"))
}

/// The body of `items`, each with `member` before its own.
fn each_with(member: &str, items: &[String]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|item| {
            let members = item.strip_prefix('{').expect("an object");
            format!("{{{member}{members}")
        })
        .collect();
    format!("[{}]", items.join(","))
}

/// The bodies of `items`: plain; with a plain member nobody reads in each, which no shorter way of
/// reading takes; and with one in each whose texts need a look.
fn every_way(items: &[String]) -> [String; 3] {
    let members = ["", r#""unread":[{"a":"b"}],"#, "\"unread\":[\"\u{e9}\\\"\"],"];
    members.map(|member| each_with(member, items))
}

fn check(items: &[String], profile: &Profile) {
    let [plain, nested, wild] = every_way(items);
    let (tuples, report) = run(&plain, Format::Json, profile);
    for other in [nested, wild] {
        let (other_tuples, other_report) = run(&other, Format::Json, profile);
        assert_eq!((&tuples, &report), (&other_tuples, &other_report), "{plain}\n{other}");
    }
    let read: Vec<serde_json::Value> =
        serde_json::from_str(&format!("[{tuples}]")).expect("tuples are JSON");
    assert_eq!(read.len() as u64, report.tuples, "{plain}");
}

#[test]
fn texts_of_the_operator_are_escaped_in_bodies_that_need_no_escapes() {
    let body = r#"{"name":"hosts","gauge":{"value":1},"tags":{"a":"b"}}"#;
    let quoted = profile("a\"b\\c", &[("k\"", "v\\")]);
    let (tuples, _) = run(body, Format::Json, &quoted);
    assert_eq!(
        tuples.trim_end(),
        r#"["metric.hosts",1795343400,1.0,{"hostname":"a\"b\\c","tags":["a:b","k\":v\\"],"type":"gauge"}]"#
    );
}

#[test]
fn texts_of_the_body_are_escaped_wherever_they_stand() {
    let plain = profile("h", &[]);
    let body = r#"{"name":"a\"b","gauge":{"value":1},"tags":{"host":"\\w","k\"":"v\\","c:d\u0007":"\u007f"}}"#;
    let (tuples, _) = run(body, Format::Json, &plain);
    assert_eq!(
        tuples.trim_end(),
        r#"["a\"b",1795343400,1.0,{"hostname":"\\w","tags":["host:\\w","k\":v\\","c_d_:_"],"type":"gauge"}]"#
    );
}

#[test]
fn tags_out_of_the_ordinary_are_read_the_same_way_in_both_bodies() {
    let tags = [
        r#"{"a":"1","a":"2"}"#,
        r#"{"a:b":"1","a_b":"2"}"#,
        r#"{"a":["x","y"],"host":"h1","hostname":"h2"}"#,
        r#"{"hostname":"h2","host":"","x":null}"#,
        r#"{"":"x"}"#,
        r#"{"a":{"b":1}}"#,
        r#"{"n":1.50,"t":true,"upper_limit":"mine","env":"own"}"#,
        r#"["x"]"#,
        "null",
    ];
    let shapes = [
        r#""gauge":{"value":1e5}"#,
        r#""counter":{"value":-0},"kind":"incremental""#,
        r#""histogram":{"count":3,"sum":1.5,"buckets":[{"upper_limit":0.10,"count":1},{"upper_limit":"+Inf","count":2}]}"#,
        r#""summary":{"count":3,"sum":1.5,"quantiles":[{"quantile":0.5,"value":null},{"quantile":1e0,"value":7}]}"#,
    ];
    let profile = profile("h", &[("env", "prod"), ("host", "fixed")]);
    for tags in tags {
        for shape in shapes {
            let item = format!(r#"{{"name":"m","dt":"yesterday","tags":{tags},{shape}}}"#);
            check(&[item.clone(), item], &profile);
        }
    }
}

/// Items of many lengths, texts that need cleaning or escaping in every fifth. Tags stand in the order of
/// their keys, which is how the values below hand them on.
fn items_of_all_kinds(count: usize) -> Vec<String> {
    let item = |index: usize| {
        let wild = ["\\\"", "\\u0007", "\u{e9}", "\\\\", "\\u007f"][index / 5 % 5];
        let odd = if index.is_multiple_of(5) { wild } else { "" };
        let long = "long ".repeat(index % 23);
        match index % 3 {
            0 => format!(
                r#"{{"name":"m{index}","tags":{{"c:d":"{long}{odd}","k{odd}":"{long}"}},"gauge":{{"value":1.5}}}}"#
            ),
            1 => format!(
                r#"{{"name":"hosts{odd}{index}","dt":"2026-11-22T10:29:00Z","unread":{{"{odd}":["{long}"]}},"counter":{{"value":{index}}}}}"#
            ),
            _ => format!(
                r#"{{"name":"{index}","dt":"long ago{odd}","histogram":{{"count":3,"sum":-1.5,"buckets":[{{"upper_limit":0.25,"count":70000}},{{"upper_limit":"+Inf","count":{index}}}]}}}}"#
            ),
        }
    };
    (0..count).map(item).collect()
}

/// So few that every one of their faults and warnings is in the report, and so long that they fill
/// several windows; each fifth is rejected.
fn few_long_items() -> Vec<String> {
    let item = |index: usize| {
        let value = if index % 5 == 3 { "null" } else { "1" };
        let long = "long".repeat(1_000);
        format!(r#"{{"name":"hosts{index}","tags":{{"k":"{long}"}},"gauge":{{"value":{value}}}}}"#)
    };
    (0..75).map(item).collect()
}

#[test]
fn messagepack_becomes_what_the_same_items_become_as_json() {
    becomes_the_same_as_messagepack(&items_of_all_kinds(4_000), 0);
    becomes_the_same_as_messagepack(&few_long_items(), 15);
}

fn becomes_the_same_as_messagepack(items: &[String], rejected: usize) {
    let values: Vec<serde_json::Value> =
        items.iter().map(|item| serde_json::from_str(item).expect("made here")).collect();
    let one_array = rmp_serde::to_vec(&values).expect("values encode");
    assert!(one_array.len() > 200_000, "several windows of it");
    let encode = |value| rmp_serde::to_vec(value).expect("values encode");
    let in_a_row: Vec<u8> = values.iter().flat_map(encode).collect();
    let arrays_in_a_row: Vec<u8> =
        values.chunks(7).flat_map(|some| rmp_serde::to_vec(some).expect("values encode")).collect();
    for profile in [profile("h", &[]), profile("a\"b", &[("k\"", "v")])] {
        let expected = run(&format!("[{}]", items.join(",")), Format::Json, &profile);
        assert_eq!(expected.1.accepted as usize, items.len() - rejected);
        assert_eq!(expected.1.errors.len(), rejected);
        for body in [&one_array, &in_a_row, &arrays_in_a_row] {
            let same = run(body, Format::MessagePack, &profile) == expected;
            assert!(same, "{} bytes", body.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_plain_body_gives_the_same_tuples_when_each_text_is_looked_at(
        items in prop::collection::vec(
            ("[ -~&&[^\"\\\\]]{1,40}", prop::collection::vec(
                ("[ -~&&[^\"\\\\]]{0,20}|host|env", "[ -~&&[^\"\\\\]]{0,70}"), 0..8), any::<i32>()),
            1..5,
        )
    ) {
        let items: Vec<String> = items.iter().map(|(name, tags, value)| {
            let tags: Vec<_> = tags.iter().map(|(k, v)| format!(r#""{k}":"{v}""#)).collect();
            format!(r#"{{"name":"{name}","gauge":{{"value":{value}}},"tags":{{{}}}}}"#, tags.join(","))
        }).collect();
        check(&items, &profile("h", &[("env", "prod")]));
    }
}

#[test]
fn tuples_of_one_metric_stay_alike_across_the_end_of_a_block() {
    let bucket = |limit: usize| format!(r#"{{"upper_limit":{limit},"count":1}}"#);
    let buckets: Vec<_> = (0..1000).map(bucket).collect();
    let metric = |index: usize| {
        format!(
            r#"{{"name":"m{index}","tags":{{"k":"{index}"}},"histogram":{{"count":1,"sum":2,"buckets":[{}]}}}}"#,
            buckets.join(",")
        )
    };
    let items: Vec<_> = (0..25).map(metric).collect();
    let (tuples, report) = run(&format!("[{}]", items.join(",")), Format::Json, &profile("h", &[]));
    let tuples: Vec<_> = tuples.lines().map(|line| line.trim_end_matches(',')).collect();
    assert_eq!((tuples.len() as u64, report.tuples), (25 * 1002, 25 * 1002));
    for (at, tuple) in tuples.iter().enumerate() {
        let (index, of) = (at / 1002, at % 1002);
        let (suffix, label, value) = match of {
            1000 => ("_sum", String::new(), 2),
            1001 => ("_count", String::new(), 1),
            limit => ("", format!(r#","upper_limit:{limit}""#), 1),
        };
        let expected = format!(
            r#"["m{index}{suffix}",1795343400,{value}.0,{{"hostname":"h","tags":["k:{index}"{label}],"type":"counter"}}]"#
        );
        assert_eq!(*tuple, expected, "tuple {at}");
    }
}
