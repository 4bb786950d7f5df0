//! The codes of C2.4, each by itself and against its neighbours: the first fault of the list wins.

use tidegate::normalize::{Outside, Policy, ReservedAction};

use super::{plain, verdict, with};

fn strict(policy: &mut Policy) {
    policy.time.outside = Outside::Reject;
    policy.reserved_names.action = ReservedAction::Reject;
}

fn many(count: usize, one: &str) -> String {
    vec![one; count].join(",")
}

#[test]
fn the_first_fault_of_the_list_wins_over_its_neighbour() {
    // 17 tags of 1,000 bytes pass 16 KiB; 1,025 buckets pass 1,024.
    let fat: Vec<String> = (0..17).map(|n| format!("\"k{n}\":\"{}\"", "v".repeat(1_000))).collect();
    let fat = format!("\"tags\":{{{}}}", fat.join(","));
    let buckets = |count| many(count, r#"{"upper_limit":1,"count":1}"#);
    let quantiles = |count| many(count, r#"{"quantile":0.5,"value":1}"#);
    let old = r#""dt":1"#;
    let ahead = r#""dt":1895343400"#;
    let gauge = r#""gauge":{"value":1}"#;
    let rows: Vec<(&str, String)> = vec![
        // Each pair of neighbours in one item. An item that is no object has nothing else to be wrong.
        ("not_an_object", r#"["name"]"#.to_owned()),
        ("missing_name", r#"{"name":null,"set":{}}"#.to_owned()),
        // One `name` cannot be missing and invalid; the last one counts.
        ("invalid_name", r#"{"name":null,"name":"","set":{}}"#.to_owned()),
        ("missing_name", r#"{"name":"","name":null,"set":{}}"#.to_owned()),
        ("invalid_name", r#"{"name":"","set":{"values":[]}}"#.to_owned()),
        ("invalid_name", r#"{"name":"hosts","distribution":{}}"#.to_owned()),
        ("unsupported_kind", r#"{"name":"x","sketch":{},"tags":1}"#.to_owned()),
        // A supported kind beside it: it is not the only one present.
        (
            "multiple_values",
            format!(r#"{{"name":"x","sketch":{{}},{gauge},"counter":{{"value":1}}}}"#),
        ),
        ("ok", format!(r#"{{"name":"x","sketch":{{}},{gauge}}}"#)),
        ("multiple_values", r#"{"name":"x","gauge":{},"counter":{}}"#.to_owned()),
        ("multiple_values", r#"{"name":"x","gauge":1,"counter":{"value":null}}"#.to_owned()),
        ("multiple_values", r#"{"name":"x","summary":1,"aggregated_summary":2}"#.to_owned()),
        ("missing_value", r#"{"name":"x","gauge":{},"tags":1}"#.to_owned()),
        ("missing_value", r#"{"name":"x","tags":1}"#.to_owned()),
        ("invalid_value", r#"{"name":"x","gauge":1,"tags":1}"#.to_owned()),
        ("invalid_value", r#"{"name":"x","gauge":{"value":null,"value":"1e400"}}"#.to_owned()),
        ("not_finite", r#"{"name":"x","gauge":{"value":1e400},"tags":1}"#.to_owned()),
        ("not_finite", r#"{"name":"x","counter":{"value":null},"tags":{"":1}}"#.to_owned()),
        ("invalid_histogram", r#"{"name":"x","histogram":{},"tags":1}"#.to_owned()),
        ("invalid_summary", r#"{"name":"x","summary":[],"tags":{"a":{}}}"#.to_owned()),
        (
            "invalid_histogram",
            format!(
                r#"{{"name":"x","histogram":{{"count":-1,"sum":1,"buckets":[{}]}}}}"#,
                buckets(1_025)
            ),
        ),
        (
            "invalid_tags",
            format!(
                r#"{{"name":"x","tags":{{"":1}},"summary":{{"count":1,"sum":1,"quantiles":[{}]}}}}"#,
                quantiles(1_025)
            ),
        ),
        ("invalid_tags", format!(r#"{{"name":"x",{gauge},"tags":[],{old}}}"#)),
        ("too_large", format!(r#"{{"name":"x",{gauge},{fat},{old}}}"#)),
        (
            "too_large",
            format!(
                r#"{{"name":"x",{ahead},"histogram":{{"count":1,"sum":1,"buckets":[{}]}}}}"#,
                buckets(1_025)
            ),
        ),
        ("too_old", format!(r#"{{"name":"x",{gauge},{ahead},{old}}}"#)),
        ("in_future", format!(r#"{{"name":"x",{gauge},{old},{ahead}}}"#)),
        ("ok", format!(r#"{{"name":"x",{gauge},{old},"dt":null}}"#)),
    ];
    let strict = with(strict, &[]);
    for (code, item) in rows {
        assert_eq!(verdict(&item, &strict), code, "{}", item.get(..200).unwrap_or(&item));
    }
}

#[test]
fn every_shape_of_item_gets_its_code() {
    let rows = [
        ("not_an_object", "1"),
        ("not_an_object", "\"x\""),
        ("not_an_object", "null"),
        ("not_an_object", "[[]]"),
        ("not_an_object", r#"[[{"name":"x","gauge":{"value":1}}]]"#),
        ("missing_name", "{}"),
        ("missing_name", r#"{"Name":"x","gauge":{"value":1}}"#),
        ("invalid_name", r#"{"name":1,"gauge":{"value":1}}"#),
        ("invalid_name", r#"{"name":["x"],"gauge":{"value":1}}"#),
        ("invalid_name", r#"{"name":{},"gauge":{"value":1}}"#),
        ("missing_value", r#"{"name":"x"}"#),
        ("missing_value", r#"{"name":"x","gauge":null}"#),
        ("missing_value", r#"{"name":"x","gauge":{"value":1},"gauge":null}"#),
        ("missing_value", r#"{"name":"x","gauge":{"value":1},"gauge":{}}"#),
        ("missing_value", r#"{"name":"x","set":null}"#),
        ("missing_value", r#"{"name":"x","set":{},"set":null}"#),
        ("missing_value", r#"{"name":"x","sketch":{},"sketch":null}"#),
        ("unsupported_kind", r#"{"name":"x","set":{},"set":null,"sketch":{}}"#),
        ("unsupported_kind", r#"{"name":"x","distribution":null,"sketch":1}"#),
        ("ok", r#"{"name":"x","gauge":null,"counter":{"value":1}}"#),
        ("ok", r#"{"name":"x","gauge":{"value":"x","value":2}}"#),
        ("invalid_value", r#"{"name":"x","gauge":{"value":2,"value":"x"}}"#),
        ("invalid_value", r#"{"name":"x","gauge":{"value":[]}}"#),
        ("invalid_value", r#"{"name":"x","gauge":{"value":{}}}"#),
        ("invalid_value", r#"{"name":"x","gauge":[1]}"#),
        ("ok", r#"{"name":"x","counter":{"value":true}}"#),
        ("ok", r#"{"name":"x","counter":{"value":-5}}"#),
        ("ok", r#"{"name":"x","gauge":{"value":1},"dt":null,"tags":null,"kind":null}"#),
        ("ok+unparsed_dt", r#"{"name":"x","gauge":{"value":1},"dt":{}}"#),
        ("ok", r#"{"name":"x","gauge":{"value":1},"tags":{},"junk":{"gauge":[{}]}}"#),
        ("ok", r#"{"metric":{"name":"x","gauge":{"value":1}}}"#),
        ("ok", r#"{"metric":{},"metric":{"name":"x","gauge":{"value":1}},"set":{}}"#),
        ("missing_name", r#"{"metric":{"name":"x","gauge":{"value":1}},"metric":{}}"#),
        ("missing_name", r#"{"metric":{"metric":{"name":"x","gauge":{"value":1}}}}"#),
        ("missing_name", r#"{"metric":5}"#),
        ("missing_value", r#"{"metric":{"name":"y","gauge":{"value":1}},"name":"x"}"#),
        ("missing_value", r#"{"name":"x","metric":{"name":"y","gauge":{"value":1}}}"#),
        // In whichever order they come, and if only a null.
        ("missing_name", r#"{"name":null,"metric":{"name":"y","gauge":{"value":1}}}"#),
        ("missing_name", r#"{"metric":{"name":"y","gauge":{"value":1}},"name":null}"#),
        ("ok+renamed", r#"{"name":"hostcpu","gauge":{"value":1}}"#),
    ];
    for (code, item) in rows {
        assert_eq!(verdict(item, &plain()), code, "{item}");
    }
}

#[test]
fn every_part_of_a_histogram_and_a_summary_is_judged() {
    const OK: &str = "ok";
    let rows = [
        (OK, r#""count":1,"sum":-2.5,"buckets":[]"#),
        (OK, r#""count":-0,"sum":0,"buckets":[{"upper_limit":"-inf","count":0.5}]"#),
        (OK, r#""count":1,"sum":1,"buckets":[{"upper_limit":null,"count":1}]"#),
        (OK, r#""count":1,"sum":1,"buckets":[{"upper_limit":1e999,"count":1}]"#),
        ("bad", r#""sum":1,"buckets":[]"#),
        ("bad", r#""count":1,"buckets":[]"#),
        ("bad", r#""count":1,"sum":1"#),
        ("bad", r#""count":1,"sum":1,"buckets":null"#),
        ("bad", r#""count":1,"sum":1,"buckets":{}"#),
        ("bad", r#""count":true,"sum":1,"buckets":[]"#),
        ("bad", r#""count":"1","sum":1,"buckets":[]"#),
        ("bad", r#""count":-1,"sum":1,"buckets":[]"#),
        ("bad", r#""count":1,"sum":null,"buckets":[]"#),
        ("bad", r#""count":1,"sum":1e999,"buckets":[]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[1]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[null]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"count":1}]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"upper_limit":1}]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"upper_limit":1,"count":null}]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"upper_limit":1,"count":-1}]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"upper_limit":"1","count":1}]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"upper_limit":"NaN","count":1}]"#),
        ("bad", r#""count":1,"sum":1,"buckets":[{"upper_limit":true,"count":1}]"#),
    ];
    for (verdict, inside) in rows {
        let expected = if verdict == OK { OK } else { "invalid_histogram" };
        for member in ["histogram", "aggregated_histogram"] {
            let item = format!(r#"{{"name":"x","{member}":{{{inside}}}}}"#);
            assert_eq!(super::verdict(&item, &plain()), expected, "{item}");
        }
    }
    let rows = [
        (OK, r#"{"quantile":0.5,"value":-1}"#),
        ("ok+skipped_quantile", r#"{"quantile":0.5,"value":null},{"quantile":0.9,"value":null}"#),
        ("invalid_summary", r#"{"quantile":0.5}"#),
        ("invalid_summary", r#"{"value":0.5}"#),
        ("invalid_summary", r#"{"quantile":null,"value":0.5}"#),
        ("invalid_summary", r#"{"quantile":1e999,"value":0.5}"#),
        ("invalid_summary", r#"{"quantile":"0.5","value":0.5}"#),
        ("invalid_summary", r#"{"quantile":0.5,"value":"NaN"}"#),
        ("invalid_summary", r#"{"quantile":0.5,"value":1e999}"#),
        ("invalid_summary", r#"{"quantile":0.5,"value":true}"#),
    ];
    for (expected, quantiles) in rows {
        for member in ["summary", "aggregated_summary"] {
            let inside = format!(r#""count":1,"sum":1,"quantiles":[{quantiles}]"#);
            let item = format!(r#"{{"name":"x","{member}":{{{inside}}}}}"#);
            assert_eq!(super::verdict(&item, &plain()), expected, "{item}");
        }
    }
}

#[test]
fn limits_hold_at_the_edge_and_not_one_past_it() {
    let gauge = r#""gauge":{"value":1}"#;
    let tags = |tags: String| format!(r#"{{"name":"x",{gauge},"tags":{{{tags}}}}}"#);
    let numbered = |count: usize| {
        let tags: Vec<String> = (0..count).map(|n| format!("\"k{n}\":1")).collect();
        tags.join(",")
    };
    let text = |bytes: usize| "v".repeat(bytes);
    // Four tags fill 16 KiB exactly: 4 * (1 + 4,095).
    let filled = |last: usize| {
        let tags: Vec<String> = (0..3).map(|n| format!("\"{n}\":\"{}\"", text(4_095))).collect();
        format!("{},\"3\":\"{}\"", tags.join(","), text(last))
    };
    let pairs = |list: &str, pair: &str, count: usize| {
        let kind = if list == "buckets" { "histogram" } else { "summary" };
        let pairs = many(count, pair);
        format!(r#"{{"name":"x","{kind}":{{"count":1,"sum":1,"{list}":[{pairs}]}}}}"#)
    };
    let bucket = r#"{"upper_limit":1,"count":1}"#;
    let quantile = r#"{"quantile":1,"value":1}"#;
    let rows = [
        ("ok", format!(r#"{{"name":"{}",{gauge}}}"#, text(1_024))),
        ("invalid_name", format!(r#"{{"name":"{}",{gauge}}}"#, text(1_025))),
        // 1,024 bytes are 512 of these characters.
        ("ok", format!(r#"{{"name":"{}",{gauge}}}"#, "\u{e9}".repeat(512))),
        ("invalid_name", format!(r#"{{"name":"{}",{gauge}}}"#, "\u{e9}".repeat(513))),
        ("ok", tags(numbered(128))),
        ("invalid_tags", tags(numbered(129))),
        ("ok", tags(format!("\"k\":[{}]", many(128, "1")))),
        ("invalid_tags", tags(format!("\"k\":[{}]", many(129, "1")))),
        ("ok", tags(format!("\"k\":[{},null]", many(128, "1")))),
        ("invalid_tags", tags(format!("\"k\":[{}],\"b\":1,\"k\":[]", many(130, "1")))),
        ("ok", tags(format!("\"{}\":1", text(255)))),
        ("invalid_tags", tags(format!("\"{}\":1", text(256)))),
        ("ok", tags(format!("\"k\":\"{}\"", text(4_096)))),
        ("invalid_tags", tags(format!("\"k\":\"{}\"", text(4_097)))),
        ("ok", tags(filled(4_095))),
        ("too_large", tags(filled(4_096))),
        ("ok", pairs("buckets", bucket, 1_024)),
        ("too_large", pairs("buckets", bucket, 1_025)),
        ("ok", pairs("quantiles", quantile, 1_024)),
        ("too_large", pairs("quantiles", quantile, 1_025)),
        ("too_large", pairs("quantiles", quantile, 5_000)),
    ];
    for (code, item) in rows {
        let start = item.get(..60).unwrap_or(&item);
        assert_eq!(verdict(&item, &plain()), code, "{start}... ({} bytes)", item.len());
    }
}

#[test]
fn a_fault_far_behind_in_a_long_list_is_that_fault_and_not_the_length() {
    let list = |one: &str, last: &str| format!("{},{last}", many(1_500, one));
    let bucket = r#"{"upper_limit":1,"count":1}"#;
    let quantile = r#"{"quantile":0.5,"value":1}"#;
    let rows = [
        ("too_large", bucket, r#"{"upper_limit":"+Inf","count":0}"#),
        ("too_large", bucket, r#"{"upper_limit":null,"count":-0}"#),
        ("invalid_histogram", bucket, r#"{"upper_limit":1,"count":-1}"#),
        ("invalid_histogram", bucket, r#"{"upper_limit":1,"count":null}"#),
        ("invalid_histogram", bucket, r#"{"upper_limit":"x","count":1}"#),
        ("invalid_histogram", bucket, "1"),
        ("too_large", quantile, r#"{"quantile":0.9,"value":null}"#),
        ("too_large", quantile, r#"{"quantile":0.9,"value":-1}"#),
        ("invalid_summary", quantile, r#"{"quantile":null,"value":1}"#),
        ("invalid_summary", quantile, r#"{"quantile":0.9,"value":1e400}"#),
        ("invalid_summary", quantile, r#"{"value":1}"#),
    ];
    for (code, one, last) in rows {
        let (kind, name) =
            if one == bucket { ("histogram", "buckets") } else { ("summary", "quantiles") };
        let list = list(one, last);
        let item = format!(r#"{{"name":"x","{kind}":{{"count":1,"sum":1,"{name}":[{list}]}}}}"#);
        assert_eq!(verdict(&item, &plain()), code, "{last}");
    }
}

#[test]
fn a_faulty_tag_is_a_fault_unless_the_same_key_was_sent_again() {
    let rows = [
        ("ok", r#"{"a":{"x":1},"a":"1"}"#),
        ("ok", r#"{"a:b":[[]],"a:b":1}"#),
        ("invalid_tags", r#"{"a":"1","a":{"x":1}}"#),
        ("invalid_tags", r#"{"a:b":{"x":1},"a_b":"1"}"#),
        ("invalid_tags", r#"{"a:b":[{}],"a_b":"1"}"#),
        ("ok", r#"{"a:b":{},"a_b":"1","a:b":2}"#),
        // A key is judged even if it gives no tag.
        ("invalid_tags", r#"{"":[]}"#),
        ("invalid_tags", r#"{"a":"1","":[null]}"#),
    ];
    for (code, tags) in rows {
        let item = format!(r#"{{"name":"x","gauge":{{"value":1}},"tags":{tags}}}"#);
        assert_eq!(verdict(&item, &plain()), code, "{tags}");
    }
}
