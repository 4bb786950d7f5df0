//! What a sender of remote write is told: 204 when everything was taken, else 400 with what was kept.
//!
//! A 400 is never repeated, a 5xx for ever; a 2xx over something that was not taken is what version 2.0
//! forbids. Version 1.0 gets the same: it takes any 2xx, and its senders log the first line of a refusal.

use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};

use super::content::{Content, Response};
use super::problem::TEXT;
use crate::pipeline::report::Report;

/// Most faults that a refusal names.
const FAULTS_MAX: usize = 10;

const SAMPLES: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// The answer to a request that was read and whose tuples are safe.
pub(super) fn respond(report: &Report) -> Response {
    let mut response = if report.rejected == 0 {
        let mut response = Response::new(Content::EMPTY);
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        let mut response = Response::new(Content::Whole(refusal(report).into()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
        response
    };
    let histograms = report.asides.histograms;
    say(&mut response, [report.accepted - histograms, histograms, report.asides.exemplars]);
    response
}

/// The answer to a request of which nothing was written, beside the problem's own.
pub(super) fn nothing(mut problem: Response) -> Response {
    say(&mut problem, [0; 3]);
    problem
}

/// What was written: samples, histograms, exemplars. Version 2.0 takes an answer without for one of a
/// receiver that knows only 1.0.
fn say(response: &mut Response, counts: [u64; 3]) {
    for (name, count) in [SAMPLES, HISTOGRAMS, EXEMPLARS].into_iter().zip(counts) {
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
}

/// The first line says everything that a sender which logs one line can use.
fn refusal(report: &Report) -> String {
    let Report { accepted, rejected, .. } = report;
    let mut text = format!(
        "{rejected} of {} measurements rejected, {accepted} written: ",
        accepted + rejected
    );
    for (nth, entry) in report.errors.iter().take(FAULTS_MAX).enumerate() {
        let separator = if nth == 0 { "" } else { "\n" };
        let code = entry.code.as_str();
        // Into a text of its own, which takes everything.
        write!(text, "{separator}item {}: {code}: {}", entry.index, entry.message).ok();
    }
    let named = report.errors.len().min(FAULTS_MAX) as u64;
    if *rejected > named {
        write!(text, "\nand {} more", rejected - named).ok();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::labelled::Asides;
    use crate::normalize::Code;
    use crate::pipeline::report::Entry;

    fn header(response: &Response, name: HeaderName) -> &str {
        response.headers()[name].to_str().unwrap()
    }

    #[test]
    fn what_was_taken_is_counted_by_what_it_was() {
        let asides = Asides { histograms: 3, exemplars: 2, ..Asides::default() };
        let response = respond(&Report { accepted: 10, asides, ..Report::default() });
        assert_eq!((response.status().as_u16(), response.body().left()), (204, 0));
        assert_eq!(header(&response, SAMPLES), "7");
        assert_eq!(header(&response, HISTOGRAMS), "3");
        assert_eq!(header(&response, EXEMPLARS), "2");
    }

    #[test]
    fn the_first_line_of_a_refusal_stands_alone_and_few_follow() {
        let entry = |index| Entry {
            index,
            line: None,
            code: Code::MissingName,
            message: "the series has no name".to_owned(),
        };
        let report = Report {
            accepted: 1,
            rejected: 12,
            errors: (0..12).map(entry).collect(),
            ..Report::default()
        };
        let text = refusal(&report);
        assert!(text.starts_with(
            "12 of 13 measurements rejected, 1 written: item 0: missing_name: the series has no name\n"
        ));
        assert_eq!(text.lines().count(), FAULTS_MAX + 1, "{text}");
        assert!(text.ends_with("\nand 2 more\n"), "{text}");
        assert_eq!(respond(&report).status(), 400);
    }
}
