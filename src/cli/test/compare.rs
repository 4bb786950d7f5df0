//! What differs between what was expected and what came, line by line.

use serde_json::Value;

use super::case::{Expected, REPORT, TUPLES};
use crate::app::Heard;
use crate::cli::words::{count, plain};

/// Lines shown of either side of one difference.
const LINES_MAX: usize = 12;

/// Most characters of a line.
const WIDTH_MAX: usize = 400;

/// Sentences and lines for people; none where nothing differs.
pub(super) fn differences(expected: &Expected, heard: &Heard) -> Vec<String> {
    let mut lines = Vec::new();
    let is_right = match expected.status {
        Some(status) => status == heard.status,
        None => (200..300).contains(&heard.status),
    };
    if !is_right {
        let wanted = expected.status.map_or_else(|| "2xx".to_owned(), |status| status.to_string());
        lines.push(format!("status: {wanted} was expected and {} came", heard.status));
    }
    if !is_right && !heard.answer.is_empty() {
        lines.push(shown("the answer: ", &String::from_utf8_lossy(&heard.answer)));
    }
    match (&expected.tuples, &heard.tuples[..]) {
        (None, []) => {}
        (None, came) => {
            lines.push(format!("{TUPLES} is not there, and {} came", tuples(came.len())));
            side('+', came, &mut lines);
        }
        (Some(wanted), came) => compare(wanted, came, &mut lines),
    }
    if let Some(wanted) = &expected.report {
        let came = report(heard).unwrap_or(Value::Null);
        if *wanted != came {
            lines.push(format!("{REPORT}:"));
            lines.push(shown("- ", &wanted.to_string()));
            lines.push(shown("+ ", &came.to_string()));
        }
    }
    lines
}

/// The answer where it is one.
pub(super) fn report(heard: &Heard) -> Option<Value> {
    serde_json::from_slice(&heard.answer).ok().filter(Value::is_object)
}

fn compare(wanted: &[String], came: &[String], lines: &mut Vec<String>) {
    let is_same = |(a, b): &(&String, &String)| a == b || compact(a) == **b;
    let head = wanted.iter().zip(came).take_while(is_same).count();
    if head == wanted.len() && head == came.len() {
        return;
    }
    let rest = |list: &'_ [String]| list.len() - head;
    let room = rest(wanted).min(rest(came));
    let tail = wanted.iter().rev().zip(came.iter().rev()).take(room).take_while(is_same).count();
    lines.push(format!("{TUPLES}, from line {} on (- was expected, + came):", head + 1));
    side('-', &wanted[head..wanted.len() - tail], lines);
    side('+', &came[head..came.len() - tail], lines);
}

fn side(sign: char, list: &[String], lines: &mut Vec<String>) {
    let few = list.iter().take(LINES_MAX);
    lines.extend(few.map(|line| shown(&format!("{sign} "), line)));
    if let more @ 1.. = list.len().saturating_sub(LINES_MAX) {
        lines.push(format!("{sign} and {} more", tuples(more)));
    }
}

fn tuples(number: usize) -> String {
    count(number as u64, "tuple")
}

/// Fit for a terminal.
fn shown(before: &str, text: &str) -> String {
    let mut line: String = text.trim_end().chars().take(WIDTH_MAX).collect();
    if line.len() < text.trim_end().len() {
        line.push_str(" ...");
    }
    format!("{before}{}", plain(&line))
}

/// Without the white space between its parts: people write some. Digits stay as they are.
fn compact(json: &str) -> String {
    let (mut text, mut in_string, mut is_escaped) = (String::new(), false, false);
    for c in json.chars() {
        if in_string || !c.is_ascii_whitespace() {
            text.push(c);
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(status: u16, answer: &str, tuples: &[&str]) -> Heard {
        let tuples = tuples.iter().map(|&tuple| tuple.to_owned()).collect();
        Heard { status, answer: answer.to_owned().into(), tuples }
    }

    fn expected(tuples: Option<&[&str]>) -> Expected {
        let tuples = tuples.map(|list| list.iter().map(|&tuple| tuple.to_owned()).collect());
        Expected { status: None, tuples, report: None }
    }

    #[test]
    fn what_is_the_same_is_no_difference() {
        let none = Vec::<String>::new();
        let two = heard(202, "", &["[1.0]", "[\"a b\"]"]);
        assert_eq!(differences(&expected(Some(&["[ 1.0 ]", "[\"a b\"]"])), &two), none);
        assert_eq!(differences(&expected(None), &heard(200, "", &[])), none);
        let report = Some(serde_json::json!({"accepted": 1}));
        let with_report = Expected { report, ..expected(None) };
        assert_eq!(differences(&with_report, &heard(202, "{ \"accepted\": 1 }", &[])), none);
    }

    #[test]
    fn only_the_lines_that_differ_are_shown() {
        let came = heard(202, "", &["[1]", "[2.50]", "[x\u{1b}]", "[4]"]);
        let wanted = expected(Some(&["[1]", "[2.5]", "[4]"]));
        assert_eq!(
            differences(&wanted, &came),
            [
                "tuples.ndjson, from line 2 on (- was expected, + came):",
                "- [2.5]",
                "+ [2.50]",
                "+ [x?]",
            ]
        );
        let twice = expected(Some(&["[1]", "[1]"]));
        assert_eq!(differences(&twice, &heard(202, "", &["[1]"]))[1..], ["- [1]"]);
    }

    #[test]
    fn a_status_an_answer_and_a_report_are_compared() {
        let wanted =
            Expected { report: Some(serde_json::json!({"accepted": 1})), ..expected(None) };
        assert_eq!(
            differences(&wanted, &heard(406, "Couldn't parse", &[])),
            [
                "status: 2xx was expected and 406 came",
                "the answer: Couldn't parse",
                "report.json:",
                "- {\"accepted\":1}",
                "+ null",
            ]
        );
    }

    #[test]
    fn long_lists_and_lines_are_cut() {
        let long = "x".repeat(1_000);
        let many = vec![&*long; 20];
        let lines = differences(&expected(None), &heard(202, "", &many));
        assert_eq!(lines.len(), 1 + LINES_MAX + 1);
        assert_eq!(lines[0], "tuples.ndjson is not there, and 20 tuples came");
        assert_eq!(lines.last().unwrap(), "+ and 8 tuples more");
        assert!(lines[1].len() < 410 && lines[1].ends_with(" ..."), "{}", lines[1]);
    }

    #[test]
    fn white_space_counts_within_texts() {
        assert_eq!(compact(r#" [ "a \" b" , 1 ] "#), r#"["a \" b",1]"#);
    }
}
