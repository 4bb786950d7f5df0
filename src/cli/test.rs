//! `tidegate test`: a user's own requests and the tuples they expect, tried against a configuration.
//!
//! 0: all as expected. 1: something differs. 2: wrong arguments or configuration, or nothing to try.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::runtime::{self, Runtime};

use super::words::{count, plain};
use super::{ConfigArg, Failure, convert, load};
use crate::app::{Heard, Rehearsal, Request};
use crate::config::{self, Environment, Shaping};

mod bless;
mod case;
mod compare;

use case::{Case, Expected};

/// Try requests of your own against a configuration, without a server
///
/// DIR holds cases, one folder each, at any depth; it may be a case itself. A case is a request and what
/// should come of it:
///
///   request.json    the body as it is posted. The ending says what it is: .json, .ndjson, .msgpack,
///                   .prom (Prometheus), .om (OpenMetrics), .pb (a message), .txt (without a content
///                   type), and behind it .gz, .zst or .sz (snappy)
///
///   tuples.ndjson   the tuples, one a line, in order; without it none are expected
///
///   report.json     the body of the answer where it is a report; without it the report may be any
///
///   case.toml       may be left out: content_type, content_encoding, path ("/metrics"), source (may be
///                   left out where there is only one), now (2026-01-01T00:00:00Z), status (any 2xx),
///                   about
///
/// It goes through the routes, limits and stages of the gateway itself, with a clock that stands still at
/// `now`. Neither tokens nor other secrets are read, and nothing is sent. Exits with 1 when anything differs.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  tidegate test tests/metrics --config tidegate.toml

  tidegate test tests/metrics --bless
      Writes down what comes out now. Read it before you trust it.

The sources of tidegate have a few cases to begin with:
  tidegate test fixtures/user-tests --config fixtures/user-tests/tidegate.toml"
)]
pub(super) struct TestArgs {
    /// Where the cases are
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    config: ConfigArg,

    /// Write what came out into the files of each case that differs
    #[arg(long)]
    bless: bool,
}

pub(super) fn run(args: &TestArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let shaping = load::shaping_found(&args.config, environment)?;
    let folders = case::find(&args.directory).map_err(Failure::Usage)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start").map_err(Failure::Run)?;
    let mut tally = Tally::default();
    for folder in &folders {
        let name = plain(&folder.name);
        let (verdict, details) = match judge(folder, &shaping, &runtime, args.bless) {
            Ok(verdict) => verdict,
            Err(error) => (Verdict::Failed, vec![plain(&format!("{error:#}"))]),
        };
        let mut lines = vec![format!("{}  {name}\n", verdict.mark())];
        lines.extend(details.iter().map(|line| format!("         {line}\n")));
        convert::print(&lines.concat()).map_err(|error| Failure::Run(error.into()))?;
        tally.add(verdict);
    }
    convert::print(&tally.sentence()).map_err(|error| Failure::Run(error.into()))?;
    Ok(if tally.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Blessed,
    Failed,
}

impl Verdict {
    fn mark(self) -> &'static str {
        match self {
            Self::Passed => "ok     ",
            Self::Blessed => "blessed",
            Self::Failed => "FAILED ",
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    blessed: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Blessed => &mut self.blessed,
            Verdict::Failed => &mut self.failed,
        } += 1;
    }

    fn sentence(&self) -> String {
        let Self { passed, blessed, failed } = self;
        let blessed = match blessed {
            0 => String::new(),
            some => format!(", {some} blessed"),
        };
        let all = passed + failed + self.blessed;
        format!("\n{}: {passed} as expected{blessed}, {failed} not\n", count(all, "case"))
    }
}

/// What to say of a case, and the lines that explain it.
fn judge(
    folder: &case::Folder,
    shaping: &Shaping,
    runtime: &Runtime,
    bless: bool,
) -> anyhow::Result<(Verdict, Vec<String>)> {
    let case = Case::read(folder)?;
    let heard = rehearse(&case, shaping, runtime)?;
    let expected = Expected::read(folder, &case)?;
    let differences = compare::differences(&expected, &heard);
    if differences.is_empty() {
        return Ok((Verdict::Passed, Vec::new()));
    }
    if bless {
        let written = bless::write(folder, &expected, &heard)?;
        return Ok((Verdict::Blessed, written));
    }
    Ok((Verdict::Failed, differences))
}

fn rehearse(case: &Case, shaping: &Shaping, runtime: &Runtime) -> anyhow::Result<Heard> {
    let source = source(shaping, case.source.as_deref())?;
    let Shaping { policy, auth, http, limits, .. } = shaping;
    let rehearsal = Rehearsal::new(source, policy, *auth, http.clone(), limits.clone(), case.now);
    let request = Request {
        path: case.path.clone(),
        content_type: case.content_type.clone(),
        content_encoding: case.content_encoding.clone(),
        body: case.body.clone(),
    };
    Ok(runtime.block_on(rehearsal.post(request))?)
}

/// The source that a case names, or the only one.
fn source(shaping: &Shaping, name: Option<&str>) -> anyhow::Result<config::Source> {
    let known = &shaping.sources;
    let names = || known.iter().map(|source| &*source.name).collect::<Vec<_>>().join(", ");
    match (name, &known[..]) {
        (None, [only]) => Ok(only.clone()),
        // What a configuration without sources is tried with.
        (None, []) => Ok(config::Source::plain("test", Vec::new())),
        (None, _) => Err(anyhow!(
            "the configuration has several sources: name one with `source` in case.toml, of {}",
            names()
        )),
        (Some(name), _) => {
            let found = known.iter().find(|source| &*source.name == name);
            found.cloned().with_context(|| {
                let has = if known.is_empty() { "none".to_owned() } else { names() };
                format!("the configuration has no source {name:?}; it has: {has}")
            })
        }
    }
}
