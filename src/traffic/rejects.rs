//! The last reasons why something of a source was not taken: few, short, and taken seldom, so that a flood of
//! rejects costs nothing.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::metric::timestamp::Timestamp;
use crate::pipeline::report::{Entry, Report};

/// Reasons that are remembered.
pub const REJECTS_MAX: usize = 5;

/// Reports and bodies that are looked at in a second; the others of it are only counted.
const TAKES_PER_SECOND: u32 = 4;

/// Reasons that are taken from one report, each of another code.
const REASONS_PER_REPORT: usize = 3;

/// Most bytes of a reason.
const MESSAGE_BYTES_MAX: usize = 240;

/// The code of a body that was refused as a whole; no item has it (contract C2.4).
const BODY: &str = "body_refused";

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// When it was decided.
    pub at: Timestamp,
    /// A code of contract C2.4, or `body_refused`.
    pub code: &'static str,
    /// What was wrong, cut to 240 bytes, without control characters.
    pub message: String,
    /// The item as sent, cut, without control characters; where it could be had cheaply.
    pub example: Option<String>,
}

/// The last of them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rejects(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    list: VecDeque<Reject>,
    /// The second of the last take, and how many it had.
    second: i64,
    takes: u32,
}

impl Rejects {
    /// Whether a take now would be one.
    pub(super) fn wants(&self, now: Timestamp) -> bool {
        let kept = self.lock();
        kept.second != now.seconds() || kept.takes < TAKES_PER_SECOND
    }

    /// Takes what a report says was rejected.
    #[cold]
    pub(super) fn take(&self, report: &Report, examples: &[(u64, String)], now: Timestamp) {
        let mut kept = self.lock();
        if !kept.begins(now) {
            return;
        }
        for entry in reasons(report) {
            let example = examples.iter().find(|(index, _)| *index == entry.index);
            kept.put(Reject {
                at: now,
                code: entry.code.as_str(),
                message: shown(&entry.message, MESSAGE_BYTES_MAX),
                example: example.map(|(_, text)| text.clone()),
            });
        }
    }

    /// Takes a body that was refused.
    #[cold]
    pub(super) fn take_body(&self, why: &dyn Display, now: Timestamp) {
        let mut kept = self.lock();
        if kept.begins(now) {
            let why = why.to_string();
            let message = shown(why.lines().next().unwrap_or_default(), MESSAGE_BYTES_MAX);
            kept.put(Reject { at: now, code: BODY, message, example: None });
        }
    }

    pub(super) fn list(&self) -> Vec<Reject> {
        self.lock().list.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn begins(&mut self, now: Timestamp) -> bool {
        if self.second != now.seconds() {
            (self.second, self.takes) = (now.seconds(), 0);
        }
        self.takes = self.takes.saturating_add(1);
        self.takes <= TAKES_PER_SECOND
    }

    /// A reason that is there already is told with its newest example, so that one sender who repeats
    /// itself does not hide the others.
    fn put(&mut self, reject: Reject) {
        let is_same = |of: &Reject| (of.code, &of.message) == (reject.code, &reject.message);
        self.list.retain(|of| !is_same(of));
        if self.list.len() == REJECTS_MAX {
            self.list.pop_front();
        }
        self.list.push_back(reject);
    }
}

/// The first entry of each code, of the first few codes.
pub(super) fn reasons(report: &Report) -> Vec<&Entry> {
    let mut reasons: Vec<&Entry> = Vec::new();
    for entry in &report.errors {
        if reasons.iter().all(|other| other.code != entry.code) {
            reasons.push(entry);
            if reasons.len() == REASONS_PER_REPORT {
                break;
            }
        }
    }
    reasons
}

/// Cut at a character, without control characters: it is a client's text in part.
pub(super) fn shown(text: &str, bytes_max: usize) -> String {
    let cut = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    [&cut.replace(char::is_control, "_"), dots].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Code;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second, 0)
    }

    fn report(errors: &[(u64, Code, &str)]) -> Report {
        let entry = |&(index, code, message): &(u64, Code, &str)| Entry {
            index,
            line: None,
            code,
            message: message.to_owned(),
        };
        let errors: Vec<Entry> = errors.iter().map(entry).collect();
        Report { rejected: errors.len() as u64, errors, ..Report::default() }
    }

    fn messages(rejects: &Rejects) -> Vec<String> {
        rejects.list().into_iter().map(|reject| reject.message).collect()
    }

    #[test]
    fn the_last_reasons_are_told_newest_first_and_each_once() {
        let rejects = Rejects::default();
        for (second, message) in [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "d"), (6, "e")] {
            rejects.take(&report(&[(0, Code::InvalidTags, message)]), &[], at(second));
        }
        assert_eq!(messages(&rejects), ["e", "d", "c", "a", "b"]);
        assert_eq!(rejects.list()[3].at, at(3));
        rejects.take_body(&"f\u{1b}\nmore", at(7));
        assert_eq!(messages(&rejects), ["f_", "e", "d", "c", "a"]);
        assert_eq!(rejects.list()[0].code, "body_refused");
    }

    #[test]
    fn a_report_gives_one_reason_of_each_code_with_its_example() {
        let rejects = Rejects::default();
        let of = report(&[
            (3, Code::InvalidTags, "t"),
            (4, Code::InvalidTags, "t again"),
            (9, Code::InvalidName, "n"),
        ]);
        let examples = [(9, "nine".to_owned()), (4, "four".to_owned())];
        rejects.take(&of, &examples, at(1));
        let told: Vec<_> =
            rejects.list().into_iter().map(|of| (of.code, of.message, of.example)).collect();
        let nine = Some("nine".to_owned());
        assert_eq!(
            told,
            [("invalid_name", "n".to_owned(), nine), ("invalid_tags", "t".to_owned(), None)]
        );
    }

    #[test]
    fn a_flood_is_looked_at_a_few_times_a_second() {
        let rejects = Rejects::default();
        for nth in 0..1000 {
            assert_eq!(rejects.wants(at(1)), nth < TAKES_PER_SECOND, "{nth}");
            rejects.take(&report(&[(0, Code::InvalidTags, &nth.to_string())]), &[], at(1));
        }
        assert_eq!(messages(&rejects), ["3", "2", "1", "0"]);
        // Also when the clock was set back.
        assert!(rejects.wants(at(0)));
    }

    #[test]
    fn texts_are_cut_and_hold_no_control_characters() {
        let rejects = Rejects::default();
        let long = format!("\u{7}{}", "\u{e9}".repeat(500));
        rejects.take(&report(&[(0, Code::InvalidTags, &long)]), &[], at(1));
        let message = &messages(&rejects)[0];
        assert!(message.starts_with("_\u{e9}") && message.ends_with("..."), "{message}");
        assert!(message.len() <= MESSAGE_BYTES_MAX + 3, "{message}");
    }
}
