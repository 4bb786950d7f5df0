//! A word in the log about tokens that expire, once a day for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Source, expiring};

const DAY: Duration = Duration::from_hours(24);

/// Of whom it was said, and when.
#[derive(Debug, Default)]
pub(super) struct Reminders(BTreeMap<(Arc<str>, &'static str), Duration>);

impl Reminders {
    /// What is to be said now.
    pub(super) fn due(&mut self, sources: &[Source], clock: &dyn Clock) -> Vec<String> {
        let (now, monotonic) = (clock.now(), clock.monotonic());
        self.0.retain(|_, told| monotonic < *told + DAY);
        let mut due = Vec::new();
        for expiring in expiring(sources, now) {
            let token = (expiring.source, expiring.key);
            if let std::collections::btree_map::Entry::Vacant(vacant) = self.0.entry(token) {
                vacant.insert(monotonic);
                due.push(expiring.text);
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
    use crate::metric::timestamp::Timestamp;

    #[test]
    fn a_token_is_spoken_of_once_a_day() {
        let text = "[[sources]]\nname = \"s\"\ntoken = \"t\"\ntoken_expires = 2027-01-15T08:00:00Z\n\
                    [receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n";
        let sources = load("test", text, &Environment::default()).unwrap().config.sources;
        let clock = ManualClock::new(Timestamp::from_unix(1_800_000_000, 0));
        let mut reminders = Reminders::default();
        let mut due = || reminders.due(&sources, &clock).len();
        assert_eq!((due(), due()), (1, 0));
        clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
        assert_eq!(due(), 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!((due(), due()), (1, 0));
    }
}
