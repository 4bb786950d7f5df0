//! The lane over JSON: what it takes is what the general way makes of it.

use std::sync::Arc;

use bumpalo::Bump;

use super::*;
use crate::decode::json::JsonReader;
use crate::decode::pull::Pull as _;
use crate::decode::raw::RawMetric;
use crate::metric::text::Texts;
use crate::metric::timestamp::Timestamp;
use crate::normalize::{Outside, Policy, ReservedAction};

/// Whether the lane takes `item`; if so, it must be what the other road makes of it.
fn taken(item: &str, profile: &Profile) -> bool {
    taken_behind("{}", item, profile)
}

/// The same behind another item, from which the lane or the other road comes.
fn taken_behind(before: &str, item: &str, profile: &Profile) -> bool {
    let arena = Bump::new();
    let (now, texts) = (Timestamp::from_unix(1_795_343_400, 5), Texts::new(&arena));
    let (mut rules, mut straight) = (Rules::new(now, profile, texts), Metric::blank());
    let mut reader = JsonReader::new(before, &arena);
    let mut plain = reader.plain().expect("JSON");
    if read(&mut plain, &mut rules, &mut straight).is_none() {
        let mut raw = RawMetric::new(normalize::JUDGES);
        if item::read(&mut reader, &mut raw).is_ok() {
            _ = rules.normalize(&mut raw, &mut straight);
        }
    }
    let mut reader = JsonReader::new(item, &arena);
    let mut plain = reader.plain().expect("JSON");
    let warnings = read(&mut plain, &mut rules, &mut straight);
    let Some(warnings) = warnings else { return false };

    let (mut raw, mut metric) = (RawMetric::new(normalize::JUDGES), Metric::blank());
    item::read(&mut reader, &mut raw).expect("what the lane takes is valid");
    let general = Rules::new(now, profile, texts).normalize(&mut raw, &mut metric);
    assert_eq!(Ok((warnings, straight)), general.map(|warnings| (warnings, metric)), "{item}");
    let end = reader.offset();
    reader.go_on_after(&plain);
    assert_eq!(reader.offset(), end, "{item}");
    true
}

const NAMES: &[&str] =
    &[r#""cpu""#, r#""hosts.up""#, r#""""#, r#""a\"b""#, "\"\u{e9}\"", "7", "null", r#""tab	""#];
const DTS: &[&str] = &[
    r#""2026-11-22T10:29:59.25Z""#,
    r#""2026-11-22T10:28:00Z""#,
    r#""2026-02-30T00:00:00Z""#,
    r#""yesterday""#,
    "1795343400",
    "1795343400.5",
    "-1",
    "null",
    "true",
    r#""\u0031""#,
    "1e99",
];
const TAGS: &[&str] = &[
    "{}",
    r#"{"a":"b"}"#,
    r#"{"host":"h","a":"b"}"#,
    r#"{"a":"b","a":"c"}"#,
    r#"{"a:b":"c"}"#,
    r#"{"a":7,"b":-1.50,"c":1e3}"#,
    r#"{"":"x"}"#,
    r#"{"a":""}"#,
    r#"{"dt":"x","env":"own"}"#,
    r#"{"a":null}"#,
    r#"{"a":["x"]}"#,
    r#"{"a":{}}"#,
    "[]",
    "null",
    r#"{"a" : "b" , "c" :7 }"#,
    r#"{"a":"b",}"#,
    r#"{"a":01}"#,
    r#"{"a":"\u0041"}"#,
    r#"{"host":"","hostname":"h2"}"#,
    "{\"a\":\"\u{7f}\"}",
    r#"{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkk":"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"}"#,
];
const POINTS: &[&str] = &[
    r#"{"value":1}"#,
    r#"{"value":-0.50}"#,
    r#"{"value":1e400}"#,
    r#"{"value":1e-400}"#,
    r#"{"value":"1"}"#,
    r#"{"value":true}"#,
    "{}",
    "1",
    "null",
    r#"{ "value" : 12 }"#,
    r#"{"value":1,"value":2}"#,
    r#"{"x":1,"value":2}"#,
    r#"{"value":123456789012345678901234567890123}"#,
];
const HISTOGRAMS: &[&str] = &[
    r#"{"count":3,"sum":1.5,"buckets":[{"upper_limit":0.10,"count":1},{"upper_limit":"+Inf","count":2}]}"#,
    r#"{"buckets":[],"sum":-1,"count":0}"#,
    r#"{"count":-1,"sum":1,"buckets":[]}"#,
    r#"{"count":1,"sum":1}"#,
    r#"{"count":1,"sum":1,"buckets":null}"#,
    r#"{"count":1,"sum":1,"buckets":[{"count":1}]}"#,
    r#"{"count":1,"sum":1,"buckets":[{"upper_limit":null,"count":1}]}"#,
    r#"{"count":1,"sum":1,"buckets":[{"count":7e2,"upper_limit":1e9}],"count":2}"#,
    r#"{"count":1,"sum":1,"buckets":[{"upper_limit":"x","count":1}]}"#,
];
const SUMMARIES: &[&str] = &[
    r#"{"count":3,"sum":1.5,"quantiles":[{"quantile":0.5,"value":1},{"value":-2,"quantile":0.99}]}"#,
    r#"{"count":3,"sum":1.5,"quantiles":[{"quantile":0.5,"value":null}]}"#,
    r#"{"count":3,"sum":1.5,"quantiles":[{"quantile":"+Inf","value":1}]}"#,
];
const SETS: &[&str] =
    &[r#"{"values":["a","b"]}"#, r#"{"values":[]}"#, r#"{"values":[null]}"#, "{}", "null", "3"];
const DISTRIBUTIONS: &[&str] = &[
    r#"{"samples":[{"value":1.5,"rate":2},{"value":-1,"rate":1}],"statistic":"summary"}"#,
    r#"{"samples":[]}"#,
    r#"{"samples":[{"value":null,"rate":2}]}"#,
    r#"{"samples":[{"value":1e308,"rate":9}]}"#,
    r#"{"samples":[{"value":1}]}"#,
    "null",
];
const KINDS: &[&str] = &[r#""incremental""#, r#""absolute""#, "null", "3"];

const UNREAD: &[&str] = &[
    "60000",
    "-0",
    "1.5e+3",
    r#""text: {[""#,
    "true",
    "false",
    "null",
    "01",
    "-",
    "tru",
    "nulls",
    r#""a\"b""#,
    "\"\u{e9}\"",
    r#"["x"]"#,
    "{}",
];
const UNREAD_NAMES: &[&str] =
    &["interval_ms", "x", "", "a:b", "names", "Name", "\u{e9}", "\\u0061"];

fn member(random: &mut fastrand::Rng) -> String {
    let pick = |random: &mut fastrand::Rng, of: &[&str]| of[random.usize(..of.len())].to_owned();
    // The first of each list is plain, and most often wanted.
    let mut odd =
        |of: &[&str]| if random.u8(..4) > 0 { of[0].to_owned() } else { pick(random, of) };
    let values = [
        ("name", odd(NAMES)),
        ("name", odd(NAMES)),
        ("dt", odd(DTS)),
        ("timestamp", odd(DTS)),
        ("tags", odd(TAGS)),
        ("gauge", odd(POINTS)),
        ("counter", odd(POINTS)),
        ("histogram", odd(HISTOGRAMS)),
        ("aggregated_histogram", odd(HISTOGRAMS)),
        ("summary", odd(SUMMARIES)),
        ("aggregated_summary", odd(SUMMARIES)),
        ("kind", odd(KINDS)),
        ("namespace", odd(NAMES)),
        ("set", odd(SETS)),
        ("distribution", odd(DISTRIBUTIONS)),
        ("sketch", odd(UNREAD)),
        ("metric", odd(POINTS)),
        ("unknown", odd(TAGS)),
        (&odd(UNREAD_NAMES), odd(UNREAD)),
        (&odd(UNREAD_NAMES), odd(UNREAD)),
        ("n\\u0061me", odd(NAMES)),
    ];
    let (key, value) = &values[random.usize(..values.len())];
    let space = if random.u8(..8) == 0 { " \t\r\n" } else { "" };
    format!("{space}\"{key}\"{space}:{space}{value}{space}")
}

/// Profiles of which each rules differently on something the lane meets.
pub(super) fn profiles() -> Vec<Profile> {
    let fixed = [("env".to_owned(), "prod".to_owned()), ("host".to_owned(), "f".to_owned())];
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        Profile::new(Arc::new(policy), Some("gateway"), &fixed)
    };
    vec![
        Profile::new(Arc::new(Policy::default()), Some("gateway"), &[]),
        with(&|_| {}),
        with(&|policy| policy.reserved_names.action = ReservedAction::Reject),
        with(&|policy| policy.reserved_names.action = ReservedAction::Keep),
        with(&|policy| policy.time.outside = Outside::Reject),
        with(&|policy| policy.time.outside = Outside::Ignore),
        with(&|policy| policy.time.keep_unparsed = false),
        with(&|policy| policy.hostname_tags = vec!["env".to_owned(), "a".to_owned()]),
        with(&|policy| policy.hostname_tags.clear()),
    ]
}

#[test]
fn whatever_the_lane_takes_is_what_the_other_road_makes_of_it() {
    let profiles = profiles();
    let mut random = fastrand::Rng::with_seed(5);
    let (mut total, mut before) = (0, "{}".to_owned());
    for round in 0..60_000 {
        let mut members = vec![r#""name":"cpu""#.to_owned(), r#""gauge":{"value":1}"#.to_owned()];
        members.truncate(random.usize(..3));
        members.extend((0..random.usize(..5)).map(|_| member(&mut random)));
        random.shuffle(&mut members);
        let item = format!("{{{}}}", members.join(","));
        let profile = &profiles[round % profiles.len()];
        assert_eq!(taken(&item, profile), taken_behind(&before, &item, profile), "{before}{item}");
        total += u32::from(taken(&item, profile));
        // The same cut short, which is never taken.
        let cut = item.floor_char_boundary(random.usize(..item.len()));
        assert!(!taken(item.get(..cut).expect("a boundary"), &profiles[0]), "{item} up to {cut}");
        before = item;
    }
    assert!((3_000..50_000).contains(&total), "{total} taken");
}

#[test]
fn tags_are_read_alike_behind_any_others() {
    let fixed = [("env".to_owned(), "prod".to_owned()), ("dt".to_owned(), "f".to_owned())];
    let profiles = [&[][..], &fixed]
        .map(|tags| Profile::new(Arc::new(Policy::default()), Some("gateway"), tags));
    let more = [
        r#"{"a":"b","host":"h"}"#,
        r#"{"a":"c","host":"","b":"x"}"#,
        r#"{"a":"d","b":"x","host":"i"}"#,
        r#"{"a":"d","b":"x","a":"i"}"#,
        r#"{"env":"e","a":"d"}"#,
        r#"{"env":"e","a":"d","dt":"kept"}"#,
        r#"{"a":"d" }"#,
        r#"{"a":"d"} "#,
        r#"{"ab":"d"}"#,
    ];
    let items: Vec<_> = TAGS
        .iter()
        .chain(&more)
        .flat_map(|tags| {
            let item =
                |dt| format!(r#"{{"name":"x","dt":{dt},"tags":{tags},"gauge":{{"value":1}}}}"#);
            [item(r#""2026-11-22T10:29:59Z""#), item(r#""yesterday""#)]
        })
        .collect();
    for (before, item) in items.iter().flat_map(|a| items.iter().map(move |b| (a, b))) {
        for profile in &profiles {
            assert_eq!(taken(item, profile), taken_behind(before, item, profile));
        }
    }
}

#[test]
fn an_ordinary_metric_stays_in_the_lane() {
    let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
    for dt in &DTS[..6] {
        for tags in &TAGS[..3] {
            let (gauge, histogram, summary) = (POINTS[1], HISTOGRAMS[0], SUMMARIES[0]);
            for value in [
                format!(r#""gauge":{gauge}"#),
                format!(r#""kind":"incremental","counter":{gauge}"#),
                format!(r#""histogram":{histogram},"kind":"absolute""#),
                format!(r#""aggregated_summary":{summary},"namespace":"app""#),
            ] {
                let item = format!(r#"{{"name":"cpu","dt":{dt},"tags":{tags},{value}}}"#);
                assert!(taken(&item, &profile), "{item}");
                assert!(
                    taken(&item.replace(':', ": ").replace(',', ", "), &profile)
                        || dt.contains(':')
                );
            }
        }
    }
}

#[test]
fn what_the_lane_keeps_is_bounded() {
    let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
    let list = |of: &dyn Fn(usize) -> String, count: usize| {
        (0..count).map(of).collect::<Vec<_>>().join(",")
    };
    let tags = |count| {
        let tags = list(&|at| format!(r#""k{at}":"v""#), count);
        format!(r#"{{"name":"x","gauge":{{"value":1}},"tags":{{{tags}}}}}"#)
    };
    let buckets = |count| {
        let buckets = list(&|at| format!(r#"{{"upper_limit":{at},"count":1}}"#), count);
        format!(r#"{{"name":"x","histogram":{{"count":1,"sum":1,"buckets":[{buckets}]}}}}"#)
    };
    let value = |length: usize| {
        format!(r#"{{"name":"x","gauge":{{"value":1}},"tags":{{"a":"{}"}}}}"#, "v".repeat(length))
    };
    assert!(taken(&tags(128), &profile) && !taken(&tags(129), &profile));
    assert!(taken(&buckets(1_024), &profile) && !taken(&buckets(1_025), &profile));
    assert!(taken(&value(4_096), &profile) && !taken(&value(4_097), &profile));
}

#[test]
fn plain_members_nobody_reads_stay_in_the_lane_and_no_others() {
    let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
    let takes = |member: &str| {
        let item = |members| format!("{{{members}}}");
        let behind =
            taken(&item(format!(r#""name":"x","gauge":{{"value":1}},{member}"#)), &profile);
        let before =
            taken(&item(format!(r#"{member},"name":"x","gauge":{{"value":1}}"#)), &profile);
        assert_eq!(behind, before, "{member}");
        behind
    };
    for name in &UNREAD_NAMES[..6] {
        for value in &UNREAD[..7] {
            let member = format!(r#""{name}":{value}"#);
            assert!(takes(&member) && takes(&format!("{member},{member}")), "{member}");
        }
        for value in &UNREAD[7..] {
            assert!(!takes(&format!(r#""{name}":{value}"#)), "{name} {value}");
        }
    }
    for name in ["metric", "set", "distribution", "sketch", "name", "gauge"] {
        for value in &UNREAD[..7] {
            assert!(!takes(&format!(r#""{name}":{value},"{name}":null"#)), "{name} {value}");
        }
    }
    for (name, values) in [("set", SETS), ("distribution", DISTRIBUTIONS)] {
        for value in values {
            assert!(!taken(&format!(r#"{{"name":"x","{name}":{value}}}"#), &profile), "{value}");
        }
    }
}

#[test]
fn a_lane_that_was_left_often_is_tried_for_some_items_until_one_stays() {
    let mut luck = Luck::default();
    let mut tried = |count| {
        (0..count)
            .map(|_| {
                let tried = luck.is_worth_a_try();
                luck.left();
                usize::from(tried)
            })
            .sum::<usize>()
    };
    assert_eq!((tried(8), tried(8), tried(80)), (8, 1, 10));
    luck.stayed();
    assert!((0..8).all(|_| {
        let tried = luck.is_worth_a_try();
        luck.left();
        tried
    }));
}
