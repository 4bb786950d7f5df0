//! A word in the log about tokens that expire: once a day for each, and when something about it changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Expiring, Source, expiring};
use crate::metric::timestamp::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// Of whom it was said.
#[derive(Debug, Default)]
pub(super) struct Reminders(BTreeMap<(Arc<str>, &'static str), Said>);

/// What was said, and when.
#[derive(Debug)]
struct Said {
    told: Duration,
    at: Timestamp,
    is_over: bool,
}

impl Reminders {
    /// What is to be said now.
    pub(super) fn due(&mut self, sources: &[Source], clock: &dyn Clock) -> Vec<String> {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        self.0.retain(|_, said| monotonic < said.told + DAY);
        let mut due = Vec::new();
        for Expiring { source, key, at, is_over, text } in expiring(sources, now) {
            let said = Said { told: monotonic, at, is_over };
            let before = self.0.get(&(Arc::clone(&source), key));
            if before.is_none_or(|before| (before.at, before.is_over) != (at, is_over)) {
                self.0.insert((source, key), said);
                due.push(text);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::config::{Environment, load};

    fn sources(expires: &str) -> Vec<Source> {
        let text = format!(
            "[[sources]]\nname = \"s\"\ntoken = \"t\"\ntoken_expires = {expires}\n\
             [receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n"
        );
        load("test", &text, &Environment::default()).unwrap().config.sources
    }

    /// 2027-01-15T08:00:00Z
    const END: i64 = 1_800_000_000;

    #[test]
    fn a_token_that_runs_out_or_gets_another_end_is_spoken_of_at_once() {
        let clock = ManualClock::new(Timestamp::from_unix(END - 6, 0));
        let mut reminders = Reminders::default();
        let mut due = |expires| reminders.due(&sources(expires), &clock).concat();
        assert!(due("2027-01-15T08:00:00Z").contains("within a day"));
        clock.advance(Duration::from_secs(6));
        assert!(due("2027-01-15T08:00:00Z").contains("expired at"));
        assert_eq!(due("2027-01-15T08:00:00Z"), "");
        assert!(due("2027-01-17T08:00:00Z").contains("in 2 days"));
    }

    #[test]
    fn a_token_is_spoken_of_once_a_day() {
        let sources = sources("2027-01-15T08:00:00Z");
        let clock = ManualClock::new(Timestamp::from_unix(END, 0));
        let mut reminders = Reminders::default();
        let mut due = || reminders.due(&sources, &clock).len();
        assert_eq!((due(), due()), (1, 0));
        clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
        assert_eq!(due(), 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!((due(), due()), (1, 0));
    }
}
