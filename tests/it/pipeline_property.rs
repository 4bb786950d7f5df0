//! Properties of the pipeline: what was encoded comes out as meant, no bytes do harm, books balance.

mod model;

use model::{Sent, Wire};
use proptest::prelude::*;
use tidegate::decode::Format;

use crate::differential::reading::{compare, now, profiles};
use crate::mutation::robust;

/// Everything the pipeline makes of a sound body.
fn tuples(body: &[u8], format: Format, metrics: usize) -> Vec<String> {
    let mut tuples = Vec::new();
    let profile = &profiles()[0];
    let report = tidegate::pipeline::run(body, format, profile, now(), &mut |block| {
        let text = std::str::from_utf8(&block.bytes).expect("a block is UTF-8");
        tuples.extend(text.split(",\n").map(str::to_owned));
        Ok(())
    });
    let report = report.expect("a sound body");
    assert_eq!((report.accepted as usize, report.rejected), (metrics, 0), "{:?}", report.errors);
    tuples
}

fn expected(metrics: &[Sent], wire: Wire) -> Vec<String> {
    metrics.iter().flat_map(|metric| metric.tuples(wire, "shop-1", now())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn json_metrics_come_out_as_they_were_meant(metrics in prop::collection::vec(model::sent(), 1..6)) {
        let expected = expected(&metrics, Wire::Json);
        let array = serde_json::to_vec(&metrics).expect("metrics are JSON");
        prop_assert_eq!(&tuples(&array, Format::Json, metrics.len()), &expected);
        prop_assert_eq!(&tuples(&array, Format::JsonStream, metrics.len()), &expected);
        let each: Vec<String> =
            metrics.iter().map(|metric| serde_json::to_string(metric).expect("JSON")).collect();
        let lines = each.join("\n");
        prop_assert_eq!(&tuples(lines.as_bytes(), Format::Ndjson, metrics.len()), &expected);
        let stripped = each.concat();
        prop_assert_eq!(&tuples(stripped.as_bytes(), Format::Ndjson, metrics.len()), &expected);
        prop_assert_eq!(&tuples(stripped.as_bytes(), Format::JsonStream, metrics.len()), &expected);
        let pretty = serde_json::to_vec_pretty(&metrics).expect("metrics are JSON");
        prop_assert_eq!(&tuples(&pretty, Format::Json, metrics.len()), &expected);
        prop_assert_eq!(compare(&array, Format::Json, &profiles()[0], now()), Ok(()));
    }

    #[test]
    fn messagepack_metrics_come_out_as_they_were_meant(
        metrics in prop::collection::vec(model::sent(), 1..6)
    ) {
        let expected = expected(&metrics, Wire::MessagePack);
        let array = rmp_serde::to_vec_named(&metrics).expect("memory takes all");
        prop_assert_eq!(&tuples(&array, Format::MessagePack, metrics.len()), &expected);
        let each: Vec<Vec<u8>> = metrics
            .iter()
            .map(|metric| rmp_serde::to_vec_named(metric).expect("memory takes all"))
            .collect();
        prop_assert_eq!(&tuples(&each.concat(), Format::MessagePack, metrics.len()), &expected);
    }

    #[test]
    fn no_body_is_read_past_where_it_was_cut(
        metrics in prop::collection::vec(model::sent(), 1..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let json = serde_json::to_vec(&metrics).expect("metrics are JSON");
        let head = &json[..cut.index(json.len())];
        prop_assert!(robust::body(head, Format::Json).is_err(), "an array that does not end");
        let packed = rmp_serde::to_vec_named(&metrics).expect("memory takes all");
        let head = &packed[..cut.index(packed.len())];
        prop_assert!(robust::body(head, Format::MessagePack).is_err());
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        robust::json(&bytes);
        robust::ndjson(&bytes);
        robust::msgpack(&bytes);
        robust::timestamp(&bytes);
        robust::inflate(&bytes);
    }

    #[test]
    fn any_text_made_of_the_grammars_characters_gets_an_answer(
        text in "([\\[\\]{},:\"\\\\ \n0-9eE.+-]|true|null|\\\\u|\"name\":|\"gauge\":\\{\"value\":){0,60}"
    ) {
        robust::json(text.as_bytes());
        robust::ndjson(text.as_bytes());
        robust::timestamp(text.as_bytes());
        for format in [Format::Json, Format::JsonStream, Format::Ndjson] {
            for profile in &profiles() {
                prop_assert_eq!(compare(text.as_bytes(), format, profile, now()), Ok(()));
            }
        }
    }

    #[test]
    fn every_item_is_accepted_or_rejected_once(
        items in prop::collection::vec(prop_oneof![
            model::sent().prop_map(|metric| serde_json::to_string(&metric).expect("JSON")),
            Just(r#"{"name":"x"}"#.to_owned()),
            Just(r#"{"name":"values","gauge":{"value":true},"dt":"soon"}"#.to_owned()),
            Just("[1,[2]]".to_owned()),
            Just("null".to_owned()),
        ], 0..250)
    ) {
        let good = items.iter().filter(|item| item.contains("\"kind\"")).count();
        let renamed = items.iter().filter(|item| item.contains("\"name\":\"values\"")).count();
        let body = format!("[{}]", items.join(","));
        let report = robust::body(body.as_bytes(), Format::Json).expect("valid");
        prop_assert_eq!(report.accepted as usize, good + renamed);
        prop_assert_eq!((report.accepted + report.rejected) as usize, items.len());
        prop_assert_eq!(report.errors.len(), (items.len() - good - renamed).min(100));
        // Beside the others' skipped quantiles.
        prop_assert!(report.warnings.len() >= (2 * renamed).min(100));
    }
}

#[test]
fn blocks_end_at_their_bounds_and_lose_nothing() {
    // 10,000 small tuples fill a block by count, long ones by bytes.
    for (name, tag) in [("x".to_owned(), String::new()), ("y".repeat(900), "t".repeat(4_000))] {
        let count = if tag.is_empty() { 25_001 } else { 1_500 };
        let item = format!(r#"{{"name":"{name}","gauge":{{"value":1}},"tags":{{"a":"{tag}"}}}}"#);
        for (format, body) in [
            (Format::Json, format!("[{}]", vec![item.as_str(); count].join(","))),
            (Format::Ndjson, format!("{item}\n").repeat(count)),
            // One line of many values: no block leaves before it is whole.
            (Format::Ndjson, item.repeat(count)),
        ] {
            let report = robust::body(body.as_bytes(), format).expect("sound");
            assert_eq!((report.accepted, report.tuples), (count as u64, count as u64));
            // With a broken end, the line's tuples go, however many blocks they filled.
            if format == Format::Ndjson && !body.contains('\n') {
                let broken = format!("{item}\n{body}{{\n{item}");
                let report = robust::body(broken.as_bytes(), format).expect("two lines are whole");
                assert_eq!((report.accepted, report.rejected, report.tuples), (2, 1, 2));
            }
        }
    }
}
