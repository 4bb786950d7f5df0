//! Pages made to cost: what a reader keeps beside the body is told, and is a small multiple of the body.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate::decode::{Exposition, Format};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, BodyError, Refused, Step};

/// A small part of the largest body, because these builds are slow.
const BODY_BYTES: usize = (20 << 20) / 32;

/// The most memory beside the body that was told of, and the outcome.
fn beside(page: &str, syntax: Exposition) -> (u64, Result<Report, BodyError>) {
    let (told, outcome) = told(page, syntax, u64::MAX);
    (told.into_iter().max().unwrap_or_default(), outcome)
}

/// All the memory beside the body that was told of, one after the other, and the outcome where no more
/// than `room` is there.
fn told(page: &str, syntax: Exposition, room: u64) -> (Vec<u64>, Result<Report, BodyError>) {
    let policy = Policy { expanded_bytes: u64::MAX, ..Policy::default() };
    let profile = Profile::new(Arc::new(policy), None, &[]);
    let now = Timestamp::from_unix(1_795_343_400, 0);
    let format = Format::Exposition(syntax);
    let mut told = Vec::new();
    let outcome = pipeline::run_steps(page.as_bytes(), format, &profile, now, &mut |step| {
        if let Step::Beside(bytes) = step {
            told.push(bytes);
            if bytes > room {
                return Err(Refused);
            }
        }
        Ok(())
    });
    (told, outcome)
}

fn filled(mut line: impl FnMut(&mut String, usize)) -> String {
    let mut page = String::new();
    let mut number = 0;
    while page.len() < BODY_BYTES {
        line(&mut page, number);
        number += 1;
    }
    page
}

/// Short names, all different.
fn name(mut number: usize) -> String {
    let mut name = String::new();
    loop {
        name.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
        if number == 0 {
            return name;
        }
    }
}

#[test]
fn pages_of_the_same_short_line_cost_nothing_beside_the_body() {
    for line in ["\n", "#\n", "a 1\n", "a{} NaN\n", "a{b=\"\"}1\n", "# HELP a\n"] {
        let page = line.repeat(BODY_BYTES / line.len());
        let (bytes, outcome) = beside(&page, Exposition::Text);
        assert!(outcome.is_ok(), "{line:?}: {outcome:?}");
        assert_eq!(bytes, 0, "{line:?}");
    }
}

#[test]
fn pages_of_different_short_lines_cost_a_small_multiple_of_them() {
    let pages = [
        (Exposition::Text, filled(|page, number| writeln!(page, "{} 1", name(number)).unwrap())),
        (
            Exposition::Text,
            filled(|page, number| writeln!(page, "# TYPE {} gauge", name(number)).unwrap()),
        ),
        (
            Exposition::Text,
            filled(|page, number| writeln!(page, "# HELP {}", name(number)).unwrap()),
        ),
        (
            Exposition::Text,
            filled(|page, number| writeln!(page, "a{{b=\"\\\"{number}\"}} 1").unwrap()),
        ),
        (
            Exposition::OpenMetrics,
            filled(|page, number| writeln!(page, "{} 1", name(number)).unwrap()),
        ),
        (
            Exposition::OpenMetrics,
            filled(|page, number| writeln!(page, "# TYPE {} histogram", name(number)).unwrap()),
        ),
        (
            Exposition::OpenMetrics,
            filled(|page, number| writeln!(page, "a{{b=\"{number}\"}} 1").unwrap()),
        ),
        (Exposition::OpenMetrics, {
            let head = "# TYPE a stateset\n".to_owned();
            head + &filled(|page, number| writeln!(page, "a{{a=\"{number}\"}} 1").unwrap())
        }),
    ];
    for (syntax, mut page) in pages {
        if syntax == Exposition::OpenMetrics {
            page.push_str("# EOF\n");
        }
        let begins: String = page.chars().take(40).collect();
        let (bytes, outcome) = beside(&page, syntax);
        assert!(outcome.is_ok(), "{begins:?}: {outcome:?}");
        let multiple = bytes as f64 / page.len() as f64;
        assert!((0.1..3.0).contains(&multiple), "{begins:?}: {bytes} bytes");
    }
}

#[test]
fn of_texts_that_are_too_long_anyhow_nobody_makes_a_copy() {
    let long = "\u{1}".repeat(BODY_BYTES);
    for page in [format!("a{{b=\"{long}\"}} 1\n"), format!("a{{\"{long}\"=\"b\"}} 1\n")] {
        let (bytes, outcome) = beside(&page, Exposition::Text);
        assert_eq!((outcome.expect("sound").rejected, bytes), (1, 0));
    }
}

#[test]
fn what_is_kept_of_a_page_is_told_while_it_is_read() {
    for (begins, ends) in [("", "1"), ("# TYPE ", "gauge"), ("# HELP ", "x")] {
        let line = |page: &mut String, number| writeln!(page, "{begins}{} {ends}", name(number));
        let page = filled(|page, number| line(page, number).unwrap());
        let (told, outcome) = told(&page, Exposition::Text, u64::MAX);
        assert!(outcome.is_ok(), "{begins:?}: {outcome:?}");
        // A table doubles, so it is told of a few times, long before the last line.
        assert!(told.len() > 2 && told.is_sorted(), "{begins:?}: {told:?}");
        let most = told.last().copied().unwrap_or_default();
        assert!(most > page.len() as u64 / 3, "{begins:?}: {most} bytes");
        let broken = page + "\u{1}\n";
        let (_, outcome) = self::told(&broken, Exposition::Text, most - 1);
        assert_eq!(outcome, Err(BodyError::Refused), "{begins:?}: before the fault at the end");
    }
}

#[test]
fn one_enormous_line_is_an_answer() {
    let labels = filled(|page, number| write!(page, "{}=\"1\",", name(number)).unwrap());
    let trimmed = labels.trim_end_matches(',');
    let digits = "7".repeat(BODY_BYTES);
    for (line, expected) in [
        // Too many labels cost the sample.
        (format!("a{{{trimmed}}} 1\n"), Some((0, 1))),
        (format!("a{{b=\"{digits}\"}} 1\n"), Some((0, 1))),
        (format!("a{{b=\"{}\"}} 1\n", "\\n".repeat(BODY_BYTES / 2)), Some((0, 1))),
        (format!("a{digits} 1\n"), Some((0, 1))),
        (format!("a{{{trimmed}\n"), None),
        (format!("a{{b=\"{digits}\n"), None),
        (format!("a {digits}\n"), None),
        (format!("a 0.{digits}\n"), Some((1, 0))),
        (format!("a 1 {digits}\n"), None),
        (format!("a {}1\n", "(".repeat(BODY_BYTES)), None),
    ] {
        for syntax in [Exposition::Text, Exposition::OpenMetrics] {
            let end = if syntax == Exposition::OpenMetrics { "# EOF\n" } else { "" };
            let (_, outcome) = beside(&(line.clone() + end), syntax);
            let begins: String = line.chars().take(20).collect();
            match (outcome, expected) {
                (Ok(report), Some(counts)) => {
                    assert_eq!((report.accepted, report.rejected), counts, "{begins:?}");
                }
                // Seconds beyond all instants are a sample's fault, not the page's.
                (Ok(report), None) if syntax == Exposition::OpenMetrics => {
                    assert_eq!((report.accepted, report.rejected), (0, 1), "{begins:?}");
                    assert!(line.starts_with("a 1 "), "{begins:?}");
                }
                (Err(BodyError::Malformed { fault, .. }), None) => assert!(fault.len() < 1_024),
                (outcome, _) => panic!("{begins:?} as {syntax:?}: {outcome:?}"),
            }
        }
    }
}
