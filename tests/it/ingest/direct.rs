//! A case through the stages, called one after the other as the edge calls them.

use tidegate::decode::inflate::Inflater;
use tidegate::decode::labelled::{Clash, Origin, Timestamps};
use tidegate::decode::media::{self, Coding, Declared};
use tidegate::decode::{Exposition, Format};
use tidegate::http::problem::Problem;
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, BodyError, Step};

use super::case::Case;

/// What became of the body.
pub(super) enum Direct {
    /// The whole of it was refused; the text is the answer's, save where the edge has its own words.
    Refused { status: u16, text: Option<String> },
    /// Its items were judged.
    Judged { report: Report, tuples: Vec<String> },
}

impl Direct {
    /// Nothing is there to tell.
    fn is_taken(&self) -> bool {
        matches!(self, Self::Judged { report, .. } if report.is_clean())
    }
}

/// None when the request is answered before its body matters.
pub(super) fn run(case: &Case) -> Option<Direct> {
    if !case.reaches_the_body() {
        return None;
    }
    // How remote write is told of a fault is the edge's alone.
    if let Ok(Declared::Format(Format::RemoteWrite(_))) =
        media::content_type(case.header("content-type"))
    {
        return judge(case).ok().filter(Direct::is_taken);
    }
    Some(judge(case).unwrap_or_else(|problem| {
        let text = (problem != unknown()).then(|| problem.to_string());
        Direct::Refused { status: problem.status().as_u16(), text }
    }))
}

fn judge(case: &Case) -> Result<Direct, Problem> {
    let declared = declared(case)?;
    let coding = declared.codings().read(case.header("content-encoding"))?;
    let body = inflate(case, coding).map_err(|problem| match (declared, problem) {
        (Declared::Format(Format::Exposition(_)), Problem::Unreadable(why)) => {
            Problem::Undecodable(why)
        }
        (_, problem) => problem,
    })?;
    let format = match declared {
        Declared::Format(format) => format,
        Declared::Sniff => media::sniff(&body).ok_or_else(unknown)?,
    };
    // A page without a line is one; a value that is not there is no JSON.
    if body.is_empty() && !matches!(format, Format::Exposition(_)) {
        return Err(unknown());
    }
    let (report, tuples) = pipe(case, &body, format)?;
    Ok(Direct::Judged { report, tuples })
}

fn declared(case: &Case) -> Result<Declared, Problem> {
    let declared = media::content_type(case.header("content-type"))?;
    Ok(match declared {
        Declared::Format(Format::Exposition(_)) => declared,
        _ if case.request.labels.is_some() => {
            Declared::Format(Format::Exposition(Exposition::Text))
        }
        _ => declared,
    })
}

fn inflate(case: &Case, coding: Coding) -> Result<Vec<u8>, Problem> {
    let mut inflater = Inflater::new(coding, case.config.limits.body_bytes);
    inflater.push(case.body.as_deref().unwrap_or_default())?;
    Ok(inflater.finish()?.to_vec())
}

/// The edge finds this out itself, and in its own words.
fn unknown() -> Problem {
    Problem::Unreadable(String::new())
}

fn pipe(case: &Case, body: &[u8], format: Format) -> Result<(Report, Vec<String>), Problem> {
    let profile = case.profile();
    let mut tuples = Vec::new();
    let origin = match &case.request.labels {
        Some(labels) => Origin {
            labels,
            clash: Clash::Replaced,
            timestamps: Timestamps::Refused,
            ..Origin::default()
        },
        None => Origin::default(),
    };
    let report = pipeline::run_of(body, format, &origin, &profile, case.now, &mut |step| {
        let Step::Block(block) = step else { return Ok(()) };
        let lines = std::str::from_utf8(&block.bytes).unwrap().split(",\n");
        let before = tuples.len();
        tuples.extend(lines.map(str::to_owned));
        assert_eq!(tuples.len() - before, block.tuples as usize, "a block miscounts");
        Ok(())
    });
    let report = report.map_err(|error| match error {
        BodyError::Syntax(_) => Problem::Syntax(error),
        BodyError::Malformed { .. } => Problem::Malformed(error),
        BodyError::Expanded { .. } => Problem::ExpandedTooLarge(error),
        BodyError::Refused => unreachable!("the sink takes every block"),
    })?;
    assert_eq!(report.tuples, tuples.len() as u64, "the report miscounts");
    Ok((report, tuples))
}
