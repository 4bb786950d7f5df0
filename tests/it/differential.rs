//! The pipeline and a slow second reading over serde_json agree on every byte of any JSON body.
//!
//! A seeded handful here; `cargo bench --bench differential` runs as many as one likes.

#[path = "support/differential/all.rs"]
pub(crate) mod reading;

use reading::generate::Generator;
use reading::{Outcome, compare, now, predict, profiles};
use tidegate::decode::Format;

/// Executions in `cargo test`.
const EXECUTIONS: u32 = 40_000;

#[test]
fn every_body_reads_the_same_both_ways() {
    let profiles = profiles();
    let mut body = Vec::new();
    let (mut valid, mut taken) = (0_u32, 0_u64);
    for seed in 0..4 {
        let mut generator = Generator::new(seed);
        for execution in 0..EXECUTIONS / 4 {
            let format = generator.body(&mut body);
            let profile = &profiles[generator.below(profiles.len())];
            if let Err(difference) = compare(&body, format, profile, now()) {
                panic!("seed {seed}, execution {execution}: {difference}");
            }
            if execution % 16 == 0 {
                let outcome = predict(&body, format, profile, now());
                valid += u32::from(outcome.is_some());
                taken += outcome.map_or(0, |outcome: Outcome| outcome.accepted);
            }
        }
    }
    // A generator that makes only rubbish, or only good bodies, proves nothing.
    let sampled = EXECUTIONS / 16;
    assert!(valid > sampled / 4 && valid < sampled * 9 / 10, "{valid} of {sampled} valid");
    assert!(taken > u64::from(sampled) / 4, "{taken} metrics taken in {sampled} bodies");
}

#[test]
fn a_difference_is_found_where_there_is_one() {
    // The two readings are given different clocks: only a real comparison sees it.
    let body = br#"{"name":"x","gauge":{"value":1}}"#;
    let profile = &profiles()[0];
    let later = tidegate::metric::timestamp::Timestamp::from_unix(1, 0);
    let ours = reading::read(body, Format::Json, profile, now());
    assert!(ours.is_some());
    assert_ne!(ours, predict(body, Format::Json, profile, later));
    assert_eq!(ours, predict(body, Format::Json, profile, now()));
}
