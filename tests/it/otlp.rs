//! OTLP over HTTP (`POST /v1/metrics`): protobuf and JSON, one meaning.

use std::fmt::Write as _;
use std::sync::Arc;

use prost::Message as _;
use tidegate::decode::{Format, Otlp};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, BodyError, Step};

mod answers;
mod generate;
mod golden;
mod hostile;
mod model;
mod proto;
mod random;
mod sample;

/// What a request came to.
struct Outcome {
    report: Report,
    text: String,
    /// Most bytes of memory that the reader told of, beside the body.
    beside: u64,
}

impl Outcome {
    /// One tuple each.
    fn tuples(&self) -> Vec<&str> {
        self.text.lines().map(|line| line.trim_end_matches(',')).collect()
    }

    /// The tuples, and what the report says.
    fn lines(&self) -> String {
        let mut lines = String::new();
        for tuple in self.tuples() {
            writeln!(lines, "{tuple}").unwrap();
        }
        writeln!(lines, "{}", serde_json::to_string(&self.report).unwrap()).unwrap();
        writeln!(lines, "{:?}", self.report.asides).unwrap();
        lines
    }
}

/// Random requests, each in protobuf and in JSON: what other tests damage.
pub(crate) fn bodies(seed: u64, count: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let body = |_| generate::request(&mut random).encode_to_vec();
    (0..count).map(body).map(|body| (body.clone(), sample::json(&body))).collect()
}

/// Through the pipeline, for a source without settings, at an instant shortly after the captures.
fn run(body: &[u8], encoding: Otlp) -> Outcome {
    try_run(body, encoding).unwrap_or_else(|error| panic!("{error}"))
}

fn try_run(body: &[u8], encoding: Otlp) -> Result<Outcome, BodyError> {
    try_run_by(Policy::default(), body, encoding)
}

fn try_run_by(policy: Policy, body: &[u8], encoding: Otlp) -> Result<Outcome, BodyError> {
    let profile = Profile::new(Arc::new(policy), Some("gateway"), &[]);
    let now = Timestamp::from_unix(1_795_307_280, 0);
    let (mut text, mut beside) = (String::new(), 0);
    let mut steps = |step: Step| {
        match step {
            Step::Block(block) => {
                text.push_str(std::str::from_utf8(&block.bytes).unwrap());
                text.push('\n');
            }
            Step::Beside(bytes) => beside = beside.max(bytes),
            Step::Held(_) => {}
        }
        Ok(())
    };
    let format = Format::Otlp(encoding);
    let report = pipeline::run_steps(body, format, &profile, now, &mut steps)?;
    Ok(Outcome { report, text, beside })
}
