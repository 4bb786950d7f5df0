//! Vector's sets and distributions: each part of them, their place among the faults, and the limit.

use super::{plain, verdict};

#[test]
fn the_first_fault_of_a_set_or_distribution_wins_over_its_neighbour() {
    let rows = [
        ("invalid_name", r#"{"name":"","set":{},"gauge":{"value":1}}"#),
        ("multiple_values", r#"{"name":"x","set":{},"gauge":{"value":1}}"#),
        ("multiple_values", r#"{"name":"x","set":1,"distribution":[]}"#),
        ("multiple_values", r#"{"name":"x","distribution":{},"summary":{}}"#),
        ("missing_value", r#"{"name":"x","set":{},"tags":1}"#),
        ("invalid_value", r#"{"name":"x","set":{"values":{}},"tags":1}"#),
        (
            "not_finite",
            r#"{"name":"x","distribution":{"samples":[{"value":9e307,"rate":9}]},"tags":1}"#,
        ),
        ("invalid_summary", r#"{"name":"x","distribution":[],"tags":1}"#),
        ("invalid_tags", r#"{"name":"x","distribution":{"samples":[]},"tags":1}"#),
        // A sketch beside them is passed over, as beside any other value.
        ("ok", r#"{"name":"x","set":{"values":[]},"sketch":{}}"#),
    ];
    for (code, item) in rows {
        assert_eq!(verdict(item, &plain()), code, "{item}");
    }
}

#[test]
fn every_part_of_a_set_and_a_distribution_is_judged() {
    let rows = [
        ("ok", r#""set":{"values":[]}"#),
        ("ok", r#""set":{"values":["a","a",1,true]},"kind":"incremental""#),
        ("ok", r#""set":{"values":3,"values":["a"]}"#),
        ("missing_value", r#""set":{}"#),
        ("missing_value", r#""set":{"value":["a"]}"#),
        ("missing_value", r#""set":null"#),
        ("invalid_value", r#""set":["a"]"#),
        ("invalid_value", r#""set":"a""#),
        ("invalid_value", r#""set":{"values":null}"#),
        ("invalid_value", r#""set":{"values":["a"],"values":{}}"#),
        ("invalid_value", r#""set":{"values":["a",null]}"#),
        ("invalid_value", r#""set":{"values":[["a"],"b"]}"#),
        ("missing_value", r#""distribution":null"#),
        ("invalid_summary", r#""distribution":1"#),
        ("invalid_summary", r#""distribution":{}"#),
        ("invalid_summary", r#""distribution":{"samples":null}"#),
        ("invalid_summary", r#""distribution":{"samples":{}}"#),
        ("ok", r#""distribution":{"samples":{},"samples":[]}"#),
        ("ok", r#""distribution":{"samples":[{"value":1}],"samples":[],"statistic":7}"#),
        // Of the last one nothing is left in the next.
        ("ok", r#""distribution":{"samples":[1]},"distribution":{"samples":[]}"#),
        (
            "invalid_summary",
            r#""distribution":{"samples":[]},"distribution":{"statistic":"summary"}"#,
        ),
    ];
    for (expected, member) in rows {
        let item = format!(r#"{{"name":"x",{member}}}"#);
        assert_eq!(verdict(&item, &plain()), expected, "{item}");
    }
    let rows = [
        ("ok", r#"{"value":-1.5,"rate":0}"#),
        ("ok", r#"{"rate":2.0,"value":1e300,"x":{}}"#),
        ("ok", r#"{"value":null,"value":1,"rate":1}"#),
        ("ok+skipped_quantile", r#"{"value":null,"rate":1},{"value":null,"rate":0}"#),
        ("invalid_summary", r#"{"value":1}"#),
        ("invalid_summary", r#"{"rate":1}"#),
        ("invalid_summary", r#"{"value":1,"rate":null}"#),
        ("invalid_summary", r#"{"value":1,"rate":-1}"#),
        ("invalid_summary", r#"{"value":1,"rate":0.5}"#),
        ("invalid_summary", r#"{"value":1,"rate":4294967296}"#),
        ("invalid_summary", r#"{"value":1,"rate":"1"}"#),
        ("invalid_summary", r#"{"value":1,"rate":true}"#),
        ("invalid_summary", r#"{"value":1e999,"rate":1}"#),
        ("invalid_summary", r#"{"value":"1","rate":1}"#),
        ("invalid_summary", r#"{"value":true,"rate":1}"#),
        ("invalid_summary", r#"{"value":1,"rate":1},7"#),
        ("invalid_summary", r#"null,{"value":1,"rate":1}"#),
        ("not_finite", r#"{"value":1e308,"rate":1},{"value":1e308,"rate":1}"#),
        // What is wrong with a sample is known before what they add up to.
        ("invalid_summary", r#"{"value":1e308,"rate":9},{"value":1,"rate":-1}"#),
    ];
    for (expected, samples) in rows {
        let item = format!(r#"{{"name":"x","distribution":{{"samples":[{samples}]}}}}"#);
        assert_eq!(verdict(&item, &plain()), expected, "{item}");
    }
}

#[test]
fn a_distribution_has_its_own_limit_and_is_judged_past_it() {
    const MAX: usize = 65_536;
    let item = |count: usize, last: &str, rest: &str| {
        let samples = vec![r#"{"value":1,"rate":1}"#; count - 1].join(",");
        format!(r#"{{"name":"x","distribution":{{"samples":[{samples},{last}]}}{rest}}}"#)
    };
    let one = r#"{"value":1,"rate":1}"#;
    let rows = [
        ("ok", item(MAX, one, "")),
        ("too_large", item(MAX + 1, one, r#","dt":1"#)),
        // As sent: whether a sample counts for anything does not matter.
        ("too_large", item(MAX + 1, r#"{"value":1,"rate":0}"#, "")),
        ("too_large", item(MAX + 1, r#"{"value":null,"rate":1}"#, "")),
        // The faults before it in the list win, wherever they are.
        ("invalid_tags", item(MAX + 1, one, r#","tags":1"#)),
        ("invalid_summary", item(MAX + 2, "1", r#","tags":1"#)),
        ("not_finite", item(MAX + 2, r#"{"value":9e307,"rate":9}"#, r#","tags":1"#)),
        ("ok", item(MAX + 2, one, r#","distribution":{"samples":[]}"#)),
    ];
    for (code, item) in rows {
        assert_eq!(verdict(&item, &plain()), code, "{}", item.get(item.len() - 80..).unwrap_or(""));
    }
}
