//! Items to tuples, in full (C3, C4).

use tidegate::decode::Format;
use tidegate::normalize::{Outside, Profile, ReservedAction, TupleType};

use super::{NOW_S, entries, plain, run, with};

/// The tuples of a sound body, and its warnings.
fn tuples(body: &str, profile: &Profile) -> (Vec<String>, String) {
    let (report, tuples) =
        run(body.as_bytes(), Format::Json, profile).unwrap_or_else(|e| panic!("{body}: {e}"));
    assert!(report.errors.is_empty(), "{body}: {:?}", report.errors);
    (tuples, entries(&report.warnings).join(", "))
}

/// The tuple of a gauge with these further members, less what every gauge's has.
fn gauge(members: &str, profile: &Profile) -> (String, String) {
    let body = format!(r#"{{"name":"x","gauge":{{"value":1}},{members}}}"#);
    let (tuples, warnings) = tuples(&body, profile);
    assert_eq!(tuples.len(), 1);
    let tuple =
        tuples[0].strip_prefix(r#"["x","#).and_then(|t| t.strip_suffix(r#","type":"gauge"}]"#));
    (tuple.expect("a gauge named x").to_owned(), warnings)
}

#[test]
fn numbers_keep_their_digits() {
    let rows = [
        ("42", "42.0"),
        ("-0", "-0.0"),
        ("0", "0.0"),
        ("1.50", "1.50"),
        ("1E5", "1E5"),
        ("1e+05", "1e+05"),
        ("1e308", "1e308"),
        ("0.1000000000000000055511151231", "0.1000000000000000055511151231"),
        ("9007199254740993", "9007199254740993.0"),
        ("123456789012345678901234567890", "123456789012345678901234567890.0"),
        // Over 32 bytes, or an exponent beyond 308: the shortest double.
        ("0.1000000000000000055511151231257827", "0.1"),
        ("100000000000000000000000000000000000", "1e+35"),
        ("1e-309", "1e-309"),
        ("0.00001e309", "1e+304"),
        ("0e999", "0.0"),
        ("true", "1.0"),
        ("false", "0.0"),
    ];
    for (sent, expected) in rows {
        for (kind, kind_out) in [("gauge", "gauge"), ("counter", "counter")] {
            let body = format!(r#"{{"name":"x","{kind}":{{"value":{sent}}}}}"#);
            let expected = format!(
                r#"["x",{NOW_S},{expected},{{"hostname":"shop-1","tags":[],"type":"{kind_out}"}}]"#
            );
            assert_eq!(tuples(&body, &plain()), (vec![expected], String::new()), "{sent}");
        }
    }
}

#[test]
fn messagepack_numbers_are_the_shortest_double() {
    let rows: [(&[u8], &str); 10] = [
        (b"\x01", "1.0"),
        (b"\xff", "-1.0"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615.0"),
        (b"\xd3\x80\0\0\0\0\0\0\0", "-9223372036854775808.0"),
        (b"\xca\x3d\xcc\xcc\xcd", "0.10000000149011612"),
        (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1"),
        (b"\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c", "1e+300"),
        (b"\xcb\x80\0\0\0\0\0\0\0", "-0.0"),
        (b"\xc3", "1.0"),
        (b"\xc2", "0.0"),
    ];
    for (value, expected) in rows {
        let body = [b"\x82\xa4name\xa1x\xa5gauge\x81\xa5value".as_slice(), value].concat();
        let (report, tuples) = run(&body, Format::MessagePack, &plain()).expect("valid");
        assert_eq!(report.accepted, 1, "{value:x?}");
        let expected =
            format!(r#"["x",{NOW_S},{expected},{{"hostname":"shop-1","tags":[],"type":"gauge"}}]"#);
        assert_eq!(tuples, [expected]);
    }
    // As a tag's value: the shortest, and integers without `.0`.
    let tags: &[u8] = b"\xa4tags\x84\xa1a\xca\x3d\xcc\xcc\xcd\xa1b\xcb\x40\x08\0\0\0\0\0\0\xa1c\xff\xa1d\xc4\x01y";
    let body = [b"\x83\xa4name\xa1x\xa5gauge\x81\xa5value\x01".as_slice(), tags].concat();
    let (_, tuples) = run(&body, Format::MessagePack, &plain()).expect("valid");
    assert!(tuples[0].contains(r#""tags":["a:0.1","b:3","c:-1","d:y"]"#), "{}", tuples[0]);
}

#[test]
fn histograms_and_summaries_become_their_series() {
    let bounds = [
        ("0.10", "0.1"),
        ("1.0", "1"),
        ("-0", "0"),
        ("1e3", "1000"),
        ("1e-7", "0.0000001"),
        ("null", "+Inf"),
        ("1e400", "+Inf"),
        ("-1e400", "-Inf"),
        ("\"inf\"", "+Inf"),
        ("\"INF\"", "+Inf"),
        ("\"+Inf\"", "+Inf"),
        ("\"-inf\"", "-Inf"),
        ("\"Infinity\"", "+Inf"),
        ("\"+infinity\"", "+Inf"),
        ("\"-INFINITY\"", "-Inf"),
    ];
    let buckets: Vec<String> =
        bounds.iter().map(|(sent, _)| format!(r#"{{"upper_limit":{sent},"count":2}}"#)).collect();
    let tuple = |name: &str, value: &str, tags: &str, kind: &str| {
        format!(
            r#"["{name}",{NOW_S},{value},{{"hostname":"shop-1","tags":[{tags}],"type":"{kind}"}}]"#
        )
    };
    for (kind, kind_out) in [
        ("", "counter"),
        (r#""kind":"incremental","#, "count"),
        (r#""kind":"absolute","#, "counter"),
    ] {
        let body = format!(
            r#"{{"name":"x",{kind}"tags":{{"upper_limit":"mine","a":"b"}},"histogram":{{"count":3,"sum":4.50,"buckets":[{}]}}}}"#,
            buckets.join(",")
        );
        let mut expected: Vec<String> = bounds
            .iter()
            .map(|(_, bound)| {
                tuple("x", "2.0", &format!(r#""a:b","upper_limit:{bound}""#), kind_out)
            })
            .collect();
        // The generated tag wins where it is generated; elsewhere the metric's own stays.
        let own = r#""upper_limit:mine","a:b""#;
        expected.push(tuple("x_sum", "4.50", own, kind_out));
        expected.push(tuple("x_count", "3.0", own, kind_out));
        assert_eq!(tuples(&body, &plain()).0, expected);

        let body = format!(
            r#"{{"name":"x",{kind}"tags":{{"quantile":1}},"summary":{{"count":3,"sum":-1,"quantiles":[
                {{"quantile":0.990,"value":7}},{{"quantile":0.5,"value":null}},{{"quantile":1,"value":-2.50}}]}}}}"#
        );
        let expected = vec![
            tuple("x", "7.0", r#""quantile:0.99""#, "gauge"),
            tuple("x", "-2.50", r#""quantile:1""#, "gauge"),
            tuple("x_sum", "-1.0", r#""quantile:1""#, kind_out),
            tuple("x_count", "3.0", r#""quantile:1""#, kind_out),
        ];
        assert_eq!(tuples(&body, &plain()), (expected, "0 skipped_quantile".to_owned()));
    }
    let raw = with(|policy| policy.tuple_type = TupleType::Raw, &[]);
    let body =
        r#"{"name":"x","histogram":{"count":3,"sum":1,"buckets":[{"upper_limit":1,"count":3}]}}"#;
    let (tuples, _) = tuples(body, &raw);
    assert!(tuples.len() == 3 && tuples.iter().all(|tuple| tuple.ends_with(r#""type":"raw"}]"#)));
}

#[test]
fn tags_become_texts() {
    let rows = [
        (r#"{"a":"b","c":""}"#, r#""a:b","c:""#),
        (
            r#"{"a":1,"b":1.50,"c":-0,"d":1e400,"e":true,"f":false}"#,
            r#""a:1","b:1.50","c:-0","d:1e400","e:true","f:false""#,
        ),
        (r#"{"a":null,"b":"c"}"#, r#""a","b:c""#),
        (r#"{"a":["x",null,1,true]}"#, r#""a:x","a:1","a:true""#),
        (r#"{"a":[],"b":[null]}"#, ""),
        (r#"{"a":1,"b":2,"a":3}"#, r#""b:2","a:3""#),
        (r#"{"a":1,"a":[]}"#, ""),
        (r#"{"a":["x","y"],"a":["z"]}"#, r#""a:z""#),
        (r#"{"a":{},"a":1}"#, r#""a:1""#),
        (r#"{"a:b":1,"c":2,"a_b":3}"#, r#""c:2","a_b:3""#),
        (r#"{"a:b:c":"d:e:f"}"#, r#""a_b_c:d:e:f""#),
        (r#"{"a\tb":"c\nd","e\u0000":"\u001f\u007f\u0085"}"#, r#""a_b:c_d","e_:___""#),
        (r#"{"\u00e9":"\ud83d\ude00","q":"\"\\\/"}"#, "\"\u{e9}:\u{1f600}\",\"q:\\\"\\\\/\""),
    ];
    for (tags, expected) in rows {
        let (tuple, warnings) = gauge(&format!(r#""tags":{tags}"#), &plain());
        let expected = format!(r#"{NOW_S},1.0,{{"hostname":"shop-1","tags":[{expected}]"#);
        assert_eq!((tuple, warnings), (expected, String::new()), "{tags}");
    }
    let last = r#""tags":{"a":1},"tags":{"b":2}"#;
    assert!(gauge(last, &plain()).0.ends_with(r#""tags":["b:2"]"#));
    let none = r#""tags":{"a":1},"tags":null"#;
    assert!(gauge(none, &plain()).0.ends_with(r#""tags":[]"#));
}

#[test]
fn the_host_is_named_by_tags_then_source_then_gateway() {
    let profiles = [
        plain(),
        with(|policy| policy.hostname_tags = vec!["hostname".to_owned(), "node".to_owned()], &[]),
        with(|_| {}, &[("host", "fixed"), ("env", "prod")]),
    ];
    let rows = [
        ("{}", ["shop-1", "shop-1", "fixed"]),
        (r#"{"hostname":"b","host":"a"}"#, ["a", "b", "a"]),
        (r#"{"hostname":"b","host":""}"#, ["b", "b", "b"]),
        (r#"{"host":null}"#, ["shop-1", "shop-1", "shop-1"]),
        (r#"{"host":["a"]}"#, ["shop-1", "shop-1", "shop-1"]),
        (r#"{"host":7,"node":true}"#, ["7", "true", "7"]),
        (r#"{"host":"a\nb"}"#, ["a_b", "shop-1", "a_b"]),
        (r#"{"host":"a","host":"b"}"#, ["b", "shop-1", "b"]),
        (r#"{"Host":"a"}"#, ["shop-1", "shop-1", "fixed"]),
    ];
    for (tags, expected) in rows {
        for (profile, host) in profiles.iter().zip(expected) {
            let (tuple, _) = gauge(&format!(r#""tags":{tags}"#), profile);
            let start = format!(r#"{NOW_S},1.0,{{"hostname":"{host}","#);
            assert!(tuple.starts_with(&start), "{tags}: {tuple}, not {host}");
        }
    }
    let gateway = tidegate::normalize::Policy {
        gateway_hostname: "gw".to_owned(),
        ..tidegate::normalize::Policy::default()
    };
    let gateway = Profile::new(std::sync::Arc::new(gateway), None, &[]);
    assert!(gauge(r#""tags":{}"#, &gateway).0.contains(r#""hostname":"gw""#));
}

#[test]
fn fixed_tags_stand_behind_the_metrics_own_and_before_generated_ones() {
    let fixed =
        with(|_| {}, &[("env", "prod"), ("dt", "d"), ("a:b", "c\td"), ("upper_limit", "u")]);
    let rows = [
        (r#""tags":{}"#, r#""env:prod","dt:d","a_b:c_d","upper_limit:u""#),
        (r#""tags":{"env":"mine"}"#, r#""env:mine","dt:d","a_b:c_d","upper_limit:u""#),
        (r#""tags":{"env":null,"a:b":1}"#, r#""env","a_b:1","dt:d","upper_limit:u""#),
        (r#""tags":{"dt":1},"dt":"soon""#, r#""env:prod","a_b:c_d","upper_limit:u","dt:soon""#),
    ];
    for (members, expected) in rows {
        let (tuple, _) = gauge(members, &fixed);
        assert!(tuple.ends_with(&format!(r#""tags":[{expected}]"#)), "{members}: {tuple}");
    }
    let body =
        r#"{"name":"x","histogram":{"count":1,"sum":1,"buckets":[{"upper_limit":1,"count":1}]}}"#;
    let (tuples, _) = tuples(body, &fixed);
    assert!(
        tuples[0].contains(r#""tags":["env:prod","dt:d","a_b:c_d","upper_limit:1"]"#),
        "{}",
        tuples[0]
    );
}

#[test]
fn instants_are_read_judged_and_kept_when_not_understood() {
    let long = "x".repeat(140);
    let (cut, cut_before) = ("x".repeat(128), "x".repeat(127));
    let wide = format!("{cut_before}\u{e9}\u{e9}");
    let rows = [
        (format!("\"dt\":{NOW_S}"), NOW_S, "", ""),
        ("\"dt\":\"2026-11-22T10:29:59.999Z\"".to_owned(), NOW_S - 1, "", ""),
        (format!("\"timestamp\":{}", NOW_S - 5), NOW_S - 5, "", ""),
        (format!("\"timestamp\":{},\"dt\":null", NOW_S - 5), NOW_S - 5, "", ""),
        (format!("\"timestamp\":1,\"dt\":{}", NOW_S - 5), NOW_S - 5, "", ""),
        (format!("\"dt\":{}", NOW_S - 900), NOW_S - 900, "", ""),
        (format!("\"dt\":{}.999", NOW_S - 901), NOW_S - 901, "", "0 too_old"),
        (format!("\"dt\":{}", NOW_S + 900), NOW_S + 900, "", ""),
        (format!("\"dt\":{}.001", NOW_S + 900), NOW_S + 900, "", "0 in_future"),
        (
            "\"dt\":\"2026-02-30T00:00:00Z\"".to_owned(),
            NOW_S,
            "\"dt:2026-02-30T00:00:00Z\"",
            "0 unparsed_dt",
        ),
        ("\"dt\":-5.50".to_owned(), NOW_S, "\"dt:-5.50\"", "0 unparsed_dt"),
        ("\"dt\":true".to_owned(), NOW_S, "\"dt:true\"", "0 unparsed_dt"),
        ("\"dt\":[1]".to_owned(), NOW_S, "", "0 unparsed_dt"),
        ("\"dt\":{},\"timestamp\":1".to_owned(), NOW_S, "", "0 unparsed_dt"),
        ("\"dt\":\"\"".to_owned(), NOW_S, "\"dt:\"", "0 unparsed_dt"),
        (
            "\"dt\":\"a\\tb\",\"tags\":{\"dt\":1,\"e\":2}".to_owned(),
            NOW_S,
            "\"e:2\",\"dt:a_b\"",
            "0 unparsed_dt",
        ),
        (format!("\"dt\":\"{long}\""), NOW_S, &format!("\"dt:{cut}\""), "0 unparsed_dt"),
        (format!("\"dt\":\"{wide}\""), NOW_S, &format!("\"dt:{cut_before}\""), "0 unparsed_dt"),
    ];
    for (members, seconds, tags, warnings) in rows {
        let (tuple, warned) = gauge(&members, &plain());
        let expected = format!(r#"{seconds},1.0,{{"hostname":"shop-1","tags":[{tags}]"#);
        assert_eq!((tuple, warned.as_str()), (expected, warnings), "{members}");
    }
    let dropped = with(|policy| policy.time.keep_unparsed = false, &[]);
    let (tuple, warned) = gauge(r#""dt":"soon""#, &dropped);
    assert!(tuple.ends_with(r#""tags":[]"#) && warned == "0 unparsed_dt");
    let easy = with(|policy| policy.time.outside = Outside::Ignore, &[]);
    assert_eq!(gauge(r#""dt":1"#, &easy).1, "");
}

#[test]
fn reserved_names_are_prefixed_rejected_or_kept() {
    let action = |action| with(|policy| policy.reserved_names.action = action, &[]);
    let custom = with(|policy| policy.reserved_names.prefix = "my_".to_owned(), &[]);
    for prefix in ["host", "name", "timestamp", "timeReceived", "labels", "tags", "values"] {
        for name in [prefix.to_owned(), format!("{prefix}_x"), format!("{prefix}s.total")] {
            let body = format!(r#"{{"name":"{name}","gauge":{{"value":1}}}}"#);
            let sent = |profile: &Profile| {
                let (tuples, warnings) = tuples(&body, profile);
                (tuples[0].split('"').nth(1).map(str::to_owned), warnings)
            };
            let renamed = "0 renamed".to_owned();
            assert_eq!(sent(&plain()), (Some(format!("metric.{name}")), renamed.clone()));
            assert_eq!(sent(&custom), (Some(format!("my_{name}")), renamed));
            assert_eq!(sent(&action(ReservedAction::Keep)), (Some(name), String::new()));
            let rejected = super::verdict(&body, &action(ReservedAction::Reject));
            assert_eq!(rejected, "invalid_name");
        }
    }
    for name in ["Host", "cpu.host", "timereceived", "value", "label", "tag", "\\u00e9name"] {
        let body = format!(r#"{{"name":"{name}","gauge":{{"value":1}}}}"#);
        assert_eq!(tuples(&body, &plain()).1, "", "{name}");
    }
    let body = r#"{"name":"a\n\"b\\\u007f","gauge":{"value":1}}"#;
    assert!(tuples(body, &plain()).0[0].starts_with(r#"["a_\"b\\_","#));
}
