//! The guard of series, on and off: the same bodies with every series known, and with nearly all refused or
//! stripped.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tidegate::config::{OverSeries, SourceLimits};
use tidegate::decode::labelled::Origin;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::Profile;
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, Guard, Terms};
use tidegate::quota::{Intent, Quota, Quotas};

use super::{Case, cpu_time::timed};

/// Pairs of which the median counts.
const PAIRS: usize = 41;

fn quota(series: u64, over_series: OverSeries) -> Arc<Quota> {
    let series = NonZeroU64::new(series);
    let limits = SourceLimits { series, over_series, ..SourceLimits::default() };
    Quotas::default().of(&"bench".into(), &limits).expect("series are limited")
}

fn run(case: &Case, quota: Option<&Arc<Quota>>, profile: &Profile, now: Timestamp) -> Report {
    let mut session = quota.and_then(|quota| quota.session(Intent::Take, Duration::ZERO));
    let guard = session.as_mut().map(|session| session as &mut dyn Guard);
    let terms = Terms { profile, now, guard };
    let origin = Origin::default();
    let mut steps = |step| {
        black_box(&step);
        Ok(())
    };
    let report = pipeline::run_guarded(&case.body, case.format, &origin, terms, &mut steps);
    if let Some(session) = session {
        session.commit();
    }
    report.expect("the bodies are sound")
}

/// Prints how much longer a body takes with a guard than without one.
pub(crate) fn ratios(cases: &[Case], profile: &Profile, now: Timestamp) {
    println!(
        "\n{:<24}{:>16}{:>16}{:>16}{:>16}",
        "case", "ns a metric, off", "on, all known", "all refused", "all stripped"
    );
    for case in cases {
        let rounds = (200_000 / case.body.len()).clamp(1, 20_000);
        let guards = [
            None,
            Some(quota(1_000_000, OverSeries::Reject)),
            Some(quota(1, OverSeries::Reject)),
            Some(quota(1, OverSeries::Strip)),
        ];
        let times = guards.each_ref().map(|guard| {
            run(case, guard.as_ref(), profile, now);
            let mut times: Vec<f64> = (0..PAIRS)
                .map(|_| {
                    let body =
                        || (0..rounds).for_each(|_| drop(run(case, guard.as_ref(), profile, now)));
                    timed(body) / (rounds * case.metrics) as f64 * 1e9
                })
                .collect();
            times.sort_by(f64::total_cmp);
            times[PAIRS / 2]
        });
        let [off, known, refused, stripped] = times;
        let ratio = |on: f64| format!("{on:.0} ({:.2}x)", on / off);
        println!(
            "{:<24}{off:>16.0}{:>16}{:>16}{:>16}",
            case.name,
            ratio(known),
            ratio(refused),
            ratio(stripped)
        );
    }
}
