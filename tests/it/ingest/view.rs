//! Outcomes as lines of text, so that what differs can be shown as lines.

#![expect(clippy::format_push_string, reason = "text for people, written when a test fails")]

use serde_json::{Value, json};
use tidegate::pipeline::report;

use super::case::{Case, Entry, Expect};
use super::direct::Direct;
use super::over_http::Answer;

/// Most lines of either side that are shown.
const SHOWN_MAX: usize = 12;

/// What the case says the stages give.
pub(super) fn expected(expect: &Expect, tuples: &[String]) -> Vec<String> {
    lines(expect, tuples)
}

/// What they gave. `expect` lends its status, which is the edge's to choose, and its text where the
/// stages leave that to the edge.
pub(super) fn directly(direct: &Direct, expect: &Expect) -> Vec<String> {
    match direct {
        Direct::Refused { status, text } => {
            let text = text.clone().or_else(|| expect.text.clone()).unwrap_or_default();
            lines(&refusal(*status, text), &[])
        }
        Direct::Judged { report, tuples } => lines(&judgement(expect.status, report), tuples),
    }
}

pub(super) fn refusal(status: u16, text: String) -> Expect {
    Expect {
        status,
        text: Some(text),
        accepted: None,
        rejected: None,
        errors: Vec::new(),
        warnings: Vec::new(),
    }
}

pub(super) fn judgement(status: u16, report: &report::Report) -> Expect {
    Expect {
        status,
        text: None,
        accepted: Some(report.accepted),
        rejected: Some(report.rejected),
        errors: report.errors.iter().map(entry).collect(),
        warnings: report.warnings.iter().map(entry).collect(),
    }
}

fn entry(entry: &report::Entry) -> Entry {
    let report::Entry { index, line, code, message } = entry;
    let code = serde_json::to_value(code).unwrap().as_str().unwrap().to_owned();
    Entry { index: *index, line: *line, code, message: message.clone() }
}

/// `[expect]` as it stands in a case, and the tuples.
fn lines(expect: &Expect, tuples: &[String]) -> Vec<String> {
    let expect = render(expect);
    expect.lines().chain(tuples.iter().map(String::as_str)).map(str::to_owned).collect()
}

/// `[expect]` as it stands in a case.
pub(super) fn render(expect: &Expect) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut out = format!("[expect]\nstatus = {}\n", expect.status);
    if let Some(text) = &expect.text {
        out += &format!("text = {}\n", quoted(text));
        return out;
    }
    out += &format!("accepted = {}\n", expect.accepted.unwrap_or(0));
    out += &format!("rejected = {}\n", expect.rejected.unwrap_or(0));
    for (name, entries) in [("errors", &expect.errors), ("warnings", &expect.warnings)] {
        if entries.is_empty() {
            continue;
        }
        out += &format!("{name} = [\n");
        for Entry { index, line, code, message } in entries {
            let line = line.map_or(String::new(), |line| format!("line = {line}, "));
            let message = quoted(message);
            out += &format!(
                "  {{ index = {index}, {line}code = \"{code}\", message = {message} }},\n"
            );
        }
        out += "]\n";
    }
    out
}

/// What the client and the queue should get.
pub(super) fn expected_answer(case: &Case, expect: &Expect) -> Vec<String> {
    let (content_type, body) = match &expect.text {
        Some(text) if text.is_empty() => (None, String::new()),
        Some(text) => (Some("text/plain; charset=utf-8"), text.clone()),
        // Taken as sent: nothing to say (C1.6).
        None if expect.is_clean() && !case.is_dry_run() => (None, String::new()),
        None => (Some("application/json"), pretty(&report_json(expect))),
    };
    answer_lines(expect.status, content_type, &body, &case.tuples)
}

/// What they got. The tuples of a dry run come in the answer, and none in the queue (C1.14).
pub(super) fn answer(case: &Case, answer: &Answer) -> Vec<String> {
    let reply = &answer.reply;
    // To HEAD, a header may speak of the body that GET would have got.
    let content_type = reply.header("content-type").filter(|_| case.request.method != "HEAD");
    let mut shown = String::from_utf8_lossy(&reply.body).into_owned();
    let mut tuples = answer.queued.clone();
    if content_type == Some("application/json") {
        if let Some((previewed, report)) = case.is_dry_run().then(|| preview(&shown)).flatten() {
            tuples.extend(previewed);
            shown = report;
        }
        shown = serde_json::from_str(&shown).map_or(shown, |value: Value| pretty(&value));
    }
    answer_lines(reply.status, content_type, &shown, &tuples)
}

/// Splits `{"tuples":[...],"accepted":...}`; the tuples keep their digits.
fn preview(body: &str) -> Option<(Vec<String>, String)> {
    let (tuples, report) = body.strip_prefix("{\"tuples\":[")?.rsplit_once("],\"accepted\":")?;
    let tuples = tuples.split(",\n").filter(|tuple| !tuple.is_empty()).map(str::to_owned);
    Some((tuples.collect(), format!("{{\"accepted\":{report}")))
}

fn report_json(expect: &Expect) -> Value {
    let list = |entries: &[Entry]| -> Vec<Value> {
        let entry = |entry: &Entry| {
            let Entry { index, line, code, message } = entry;
            match line {
                Some(line) => {
                    json!({ "index": index, "line": line, "code": code, "message": message })
                }
                None => json!({ "index": index, "code": code, "message": message }),
            }
        };
        entries.iter().map(entry).collect()
    };
    let mut report = json!({
        "accepted": expect.accepted,
        "rejected": expect.rejected,
        "errors": list(&expect.errors),
        "warnings": list(&expect.warnings),
    });
    let codes = expect.errors.iter().chain(&expect.warnings).map(|entry| entry.code.as_str());
    let help: serde_json::Map<_, _> =
        codes.map(|code| (code.to_owned(), format!("docs/codes.md#{code}").into())).collect();
    if !help.is_empty() {
        report["help"] = help.into();
    }
    report
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn answer_lines(
    status: u16,
    content_type: Option<&str>,
    body: &str,
    tuples: &[String],
) -> Vec<String> {
    let head = format!("{status} {}", content_type.unwrap_or("without a body"));
    let lines = [head].into_iter().chain(body.lines().map(str::to_owned));
    lines.chain(tuples.iter().cloned()).collect()
}

/// The lines that differ; empty when none does.
pub(super) fn difference(way: &str, expected: &[String], actual: &[String]) -> String {
    if expected == actual {
        return String::new();
    }
    let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    let (expected, actual) = (&expected[same..], &actual[same..]);
    let ends = expected.iter().rev().zip(actual.iter().rev());
    let same_end = ends.take_while(|(a, b)| a == b).count();
    let mut out = format!("{way}, after {same} equal lines:\n");
    for (sign, lines) in [("- ", expected), ("+ ", actual)] {
        let lines = &lines[..lines.len() - same_end];
        for line in lines.iter().take(SHOWN_MAX) {
            out += &format!("  {sign}{line}\n");
        }
        if lines.len() > SHOWN_MAX {
            out += &format!("  {sign}... and {} more\n", lines.len() - SHOWN_MAX);
        }
    }
    out
}
