//! A page through the pipeline, and what is said of the scrape itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::counts::Outcome;
use super::fetch::{Failure, Page};
use super::target::Target;
use crate::blocks::Blocks;
use crate::budget::Grant;
use crate::decode::Format;
use crate::decode::labelled::{Clash, Ending, Origin, Timestamps};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Profile;
use crate::pipeline::report::Report;
use crate::pipeline::{self, BodyError, Guard, Step, Terms};
use crate::queue::Queue;
use crate::quota::{Intent, Quota, Rate, Session};

/// What is said of a scrape. A page that says it of the same target would give a series two values in one
/// second: its own are refused, as `invalid_name`.
const HEALTH: [&str; 3] = [UP, DURATION, SAMPLES];
const UP: &str = "up";
const DURATION: &str = "scrape_duration_seconds";
const SAMPLES: &str = "scrape_samples_scraped";

/// What happens to the samples of a job's pages.
pub(super) struct Rules {
    pub(super) profile: Profile,
    /// What its source may send.
    pub(super) quota: Option<Arc<Quota>>,
    pub(super) clash: Clash,
    pub(super) timestamps: Timestamps,
}

/// Samples as tuples.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Of the page, decompressed.
    pub(super) bytes: u64,
    pub(super) report: Report,
    /// The series that the page begins.
    pub(super) session: Option<Session>,
    pub(super) blocks: Vec<Block>,
}

/// What a scrape says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Health {
    pub(super) is_up: bool,
    pub(super) duration_s: f64,
    pub(super) samples: u64,
}

/// Makes tuples of a page, and what holds their memory; `at` is a monotonic reading. Computes.
pub(super) fn read(
    page: Page,
    target: &Target,
    rules: &Rules,
    (now, at): (Timestamp, Duration),
    queue: &Arc<dyn Queue>,
) -> Result<(Samples, Grant), Failure> {
    let Page { body, syntax, looks_like, mut grant } = page;
    let origin = Origin {
        labels: &target.labels,
        clash: rules.clash,
        timestamps: rules.timestamps,
        own: &HEALTH,
        ending: Ending::Open,
        ..Origin::default()
    };
    let mut blocks = Blocks::new(&**queue);
    let mut steps = |step: Step| blocks.take(step, body.memory(), &mut grant);
    let format = Format::Exposition(syntax);
    let mut session = rules.quota.as_ref().and_then(|quota| {
        quota.charge(Rate::Bytes, body.len() as u64, at);
        quota.session(Intent::Take, at)
    });
    let guard = session.as_mut().map(|session| session as &mut dyn Guard);
    let terms = Terms { profile: &rules.profile, now, guard };
    let read = pipeline::run_guarded(&body, format, &origin, terms, &mut steps);
    let report = read.map_err(|error| match (error, blocks.spent()) {
        (BodyError::Refused, Some(spent)) => spent.into(),
        (error @ BodyError::Expanded { .. }, _) => {
            Failure::new(Outcome::TooLarge, error.to_string())
        }
        (error, _) => Failure::new(Outcome::Malformed, malformed(&error, looks_like)),
    })?;
    if let Some(quota) = &rules.quota {
        quota.charge(Rate::Metrics, report.accepted + report.rejected, at);
    }
    let bytes = body.len() as u64;
    drop(body);
    let blocks = blocks.finish(&mut grant)?;
    Ok((Samples { bytes, report, session, blocks }, grant))
}

fn malformed(error: &BodyError, looks_like: Option<&str>) -> String {
    let looks_like =
        looks_like.map_or_else(String::new, |what| format!("; its Content-Type says {what}"));
    format!("its page is {error}{looks_like}")
}

/// `up` and the others, under the names and meanings that Prometheus gave them.
pub(super) fn health(
    health: Health,
    target: &Target,
    profile: &Profile,
    now: Timestamp,
) -> Samples {
    let tags: BTreeMap<_, _> =
        target.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
    let gauge = |name, value| Metric { name, gauge: Gauge { value }, tags: &tags };
    let body = serde_json::to_vec(&[
        gauge(UP, f64::from(u8::from(health.is_up))),
        gauge(DURATION, health.duration_s),
        gauge(SAMPLES, health.samples as f64),
    ])
    .expect("texts and finite numbers are JSON");
    let mut blocks = Vec::new();
    let mut sink = |block| {
        blocks.push(block);
        Ok(())
    };
    let report = pipeline::run(&body, Format::Json, profile, now, &mut sink)
        .expect("what was written as JSON is read as JSON, and three metrics are few");
    Samples { report, blocks, ..Samples::default() }
}

#[derive(Serialize)]
struct Metric<'m> {
    name: &'static str,
    gauge: Gauge,
    tags: &'m BTreeMap<&'m str, &'m str>,
}

#[derive(Serialize)]
struct Gauge {
    value: f64,
}
