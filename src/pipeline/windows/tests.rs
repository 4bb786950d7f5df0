//! Bodies by windows of a few bytes become what they become by one window.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Policy;
use crate::normalize::Profile;
use crate::pipeline::step;

/// The blocks and the report of `body`, or what was wrong with it and where.
fn by(window_bytes: usize, body: &[u8], profile: &Profile) -> Result<(Vec<u8>, Report), BodyError> {
    let now = Timestamp::from_unix(1_795_343_400, 0);
    let mut tuples = Vec::new();
    let mut sink = |block: crate::encode::Block| {
        tuples.extend_from_slice(&block.bytes);
        Ok(())
    };
    let mut steps = step::blocks_only(&mut sink);
    let done = read_by(window_bytes, Start::default(), body, Terms::new(profile, now), &mut steps);
    drop(steps);
    let report = done?;
    Ok((tuples, report))
}

/// Items that stay in the lane, leave it and are rejected.
fn items() -> Vec<Value> {
    vec![
        json!({"name": "a", "tags": {"host": "h", "env": "e"}, "gauge": {"value": 1.5}}),
        json!({"name": "b", "tags": {"host": "h\u{e9}"}, "unread": [[], {"x": 1}], "counter": {"value": 7}}),
        json!({"tags": {}}),
        json!({"name": "hosts", "dt": "yesterday", "kind": "incremental", "counter": {"value": 300}}),
        json!({"name": "c", "histogram": {"count": 1, "sum": 2, "buckets": [{"upper_limit": 1, "count": 1}]}}),
        json!("no object"),
        json!([]),
        json!({"name": "d\"", "tags": {"k": ["x", "y"], "long": "v".repeat(90)}, "gauge": {"value": -1}}),
    ]
}

/// The same items in bodies of every shape.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let items = items();
    let pack = |value: &Value| rmp_serde::to_vec(value).expect("values encode");
    let array = |items: &[Value]| pack(&Value::from(items.to_vec()));
    let one_array = array(&items);
    let in_a_row: Vec<u8> = items.iter().filter(|item| !item.is_array()).flat_map(pack).collect();
    let arrays_in_a_row: Vec<u8> = items.chunks(3).flat_map(array).collect();
    let single = pack(&items[0]);
    let mixed = [&[0x90][..], &single, &one_array, &[0x90, 0x90], &in_a_row, &[0x90]].concat();
    let broken_behind = [&one_array[..], &[0xc1]].concat();
    let mut broken_within = arrays_in_a_row.clone();
    broken_within.splice(single.len() + 1..=single.len() + 1, [0xc1]);
    vec![
        ("one metric", single),
        ("one array", one_array),
        ("values in a row", in_a_row),
        ("arrays in a row", arrays_in_a_row),
        ("both in a row, and empty arrays", mixed),
        ("no value behind the array", broken_behind),
        ("no value within an array", broken_within),
    ]
}

#[test]
fn windows_of_any_size_make_the_same_of_a_body_wherever_it_is_cut() {
    let profile = Profile::new(Arc::new(Policy::default()), Some("gateway"), &[]);
    let (mut sound, mut broken) = (0, 0);
    for (shape, body) in bodies() {
        for end in (0..body.len()).step_by(3).chain([body.len()]) {
            let body = &body[..end];
            let expected = by(WINDOW_BYTES, body, &profile);
            for window_bytes in [1, 7, 64] {
                assert_eq!(
                    by(window_bytes, body, &profile),
                    expected,
                    "{shape}, the first {end} bytes, by {window_bytes}"
                );
            }
            sound += u32::from(expected.is_ok());
            broken += u32::from(expected.is_err());
        }
    }
    assert!(sound > 7 && broken > 300, "{sound} sound, {broken} broken");
}

#[test]
fn the_fault_behind_many_windows_is_found_where_it_is() {
    let profile = Profile::new(Arc::new(Policy::default()), Some("gateway"), &[]);
    let all = bodies();
    let (_, body) = all.iter().find(|(_, body)| body.last() == Some(&0xc1)).expect("made above");
    for window_bytes in [1, 7, 64, WINDOW_BYTES] {
        let error = by(window_bytes, body, &profile).expect_err("0xc1 begins no value");
        let place = (body.len() - 1).to_string();
        assert!(error.to_string().contains(&place), "{error}");
    }
}
