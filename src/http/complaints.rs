//! Bodies and metrics of known senders that were not taken, for the operator's log: now and then one line
//! of each kind, with the last of them. Few senders show anybody what they were answered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::problem::Problem;
use crate::pipeline::report::Report;

/// Time between two lines of a kind.
const PAUSE: Duration = Duration::from_mins(1);

/// Most bytes of an answer that the log repeats.
const SHOWN_BYTES_MAX: usize = 240;

/// Both kinds.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    bodies: Mutex<Kind>,
    metrics: Mutex<Kind>,
}

/// One kind, since its last line.
#[derive(Debug, Default)]
struct Kind {
    count: u64,
    /// Whose the last was, and what was wrong with it.
    last: String,
    told: Option<Duration>,
}

impl Complaints {
    /// A body of `source` was refused, which is what `problem` is about.
    pub(super) fn body(&self, source: &str, problem: &Problem) {
        note(&self.bodies, 1, || format!("source {source}: {}", shown(&problem.to_string())));
    }

    /// Metrics of `source` were rejected, if its report says so.
    pub(super) fn metrics(&self, source: &str, report: &Report) {
        if let Some(error) = report.errors.last() {
            let why =
                || format!("source {source}: {}: {}", error.code.as_str(), shown(&error.message));
            note(&self.metrics, report.rejected, why);
        }
    }

    /// Writes a line of each kind that has something to tell and was silent for long enough; `now` is a
    /// monotonic reading.
    pub(super) fn tell(&self, now: Duration) {
        if let Some((count, last)) = take(&self.bodies, now) {
            tracing::warn!("{count} bodies were refused, the last of {last}");
        }
        if let Some((count, last)) = take(&self.metrics, now) {
            tracing::warn!("{count} metrics were rejected, the last of {last}");
        }
    }
}

#[cold]
fn note(kind: &Mutex<Kind>, count: u64, last: impl FnOnce() -> String) {
    let mut kind = kind.lock().unwrap_or_else(PoisonError::into_inner);
    kind.count += count;
    kind.last = last();
}

fn take(kind: &Mutex<Kind>, now: Duration) -> Option<(u64, String)> {
    let mut kind = kind.lock().unwrap_or_else(PoisonError::into_inner);
    if kind.count == 0 || kind.told.is_some_and(|at| now < at + PAUSE) {
        return None;
    }
    kind.told = Some(now);
    Some((std::mem::take(&mut kind.count), std::mem::take(&mut kind.last)))
}

/// The first line, cut, without control characters: it is a client's text in part.
fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut = line.get(..line.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or_default();
    cut.replace(char::is_control, "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Code;
    use crate::pipeline::report::Entry;

    #[test]
    fn the_last_of_each_kind_is_told_once_a_minute_with_how_many_there_were() {
        let complaints = Complaints::default();
        let bodies = |seconds| take(&complaints.bodies, Duration::from_secs(seconds));
        assert_eq!(bodies(0), None);
        let unreadable = |why: &str| Problem::Unreadable(why.to_owned());
        complaints.body("a", &unreadable("first"));
        complaints.body("b", &unreadable("sec\u{1b}ond\nline"));
        let last = "source b: Couldn't parse JSON content. sec_ond".to_owned();
        assert_eq!(bodies(5), Some((2, last)));
        complaints.body("c", &unreadable(&"\u{e9}".repeat(500)));
        assert_eq!(bodies(64), None, "not yet");
        let (count, last) = bodies(65).expect("a minute later");
        assert!(count == 1 && last.len() < SHOWN_BYTES_MAX + 20, "{last}");
        assert_eq!(bodies(200), None);
    }

    #[test]
    fn rejected_metrics_are_told_with_their_code() {
        let complaints = Complaints::default();
        complaints.metrics("a", &Report { accepted: 7, ..Report::default() });
        assert_eq!(take(&complaints.metrics, Duration::ZERO), None);
        let (code, message) = (Code::InvalidTags, "more than 128 tags".to_owned());
        let errors = vec![Entry { index: 0, line: None, code, message }];
        complaints.metrics("a", &Report { rejected: 3, errors, ..Report::default() });
        let told = (3, "source a: invalid_tags: more than 128 tags".to_owned());
        assert_eq!(take(&complaints.metrics, Duration::ZERO), Some(told));
    }
}
