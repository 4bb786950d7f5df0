//! What expires, told of once a minute: a receiver that is dead gives some up in every round, for as
//! long as it is dead.

use std::time::Duration;

use super::super::notice::{Expiry, Notice};

/// The least time between two lines about one receiver.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What was not told of yet, by receiver and cause; those that are through with it are forgotten.
#[derive(Debug, Default)]
pub(super) struct Expired {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    destination: String,
    why: Expiry,
    /// Not told of.
    tuples: u64,
    tell_at: Duration,
}

impl Expired {
    /// Takes what expired out of `notices`, and puts in what is to be told of now. The first to expire
    /// after a minute without is told of at once, what follows is added up.
    pub(super) fn hold(&mut self, notices: Vec<Notice>, now: Duration) -> Vec<Notice> {
        let mut told = Vec::with_capacity(notices.len());
        for notice in notices {
            match notice {
                Notice::Expired { destination, tuples, why } => {
                    self.add(destination, why, tuples, now);
                }
                other => told.push(other),
            }
        }
        self.held.retain_mut(|held| {
            if held.tell_at > now {
                return true;
            }
            held.tell_at = now + TELL_EVERY;
            let notice = held.tell();
            let is_going_on = notice.is_some();
            told.extend(notice);
            is_going_on
        });
        told
    }

    /// Everything that was not told of.
    pub(super) fn rest(&mut self) -> Vec<Notice> {
        self.held.iter_mut().filter_map(Held::tell).collect()
    }

    fn add(&mut self, destination: String, why: Expiry, tuples: u64, now: Duration) {
        let is = |held: &&mut Held| held.destination == destination && held.why == why;
        match self.held.iter_mut().find(is) {
            Some(held) => held.tuples += tuples,
            None => self.held.push(Held { destination, why, tuples, tell_at: now }),
        }
    }
}

impl Held {
    fn tell(&mut self) -> Option<Notice> {
        let tuples = std::mem::take(&mut self.tuples);
        let destination = self.destination.clone();
        (tuples > 0).then_some(Notice::Expired { destination, tuples, why: self.why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(name: &str, tuples: u64, why: Expiry) -> Notice {
        Notice::Expired { destination: name.to_owned(), tuples, why }
    }

    #[test]
    fn a_receiver_that_gives_some_up_every_second_is_told_of_once_a_minute_with_all_of_it() {
        let mut expired = Expired::default();
        let mut told = Vec::new();
        for second in 0..150 {
            let notices = vec![gone("dead", 2, Expiry::Bound)];
            let now = expired.hold(notices, Duration::from_secs(second));
            told.extend(now.into_iter().map(|notice| (second, notice)));
        }
        let lines = [(0, 2), (60, 120), (120, 120)];
        assert_eq!(
            told,
            lines.map(|(second, tuples)| (second, gone("dead", tuples, Expiry::Bound)))
        );
        assert_eq!(expired.rest(), [gone("dead", 58, Expiry::Bound)], "nothing is left out");
        assert_eq!(expired.rest(), []);
    }

    #[test]
    fn receivers_and_causes_are_told_apart_and_everything_else_at_once() {
        let mut expired = Expired::default();
        let orphan = || Notice::Orphan { destination: "dead".to_owned() };
        let two = || vec![gone("a", 1, Expiry::Bound), orphan(), gone("a", 1, Expiry::Cap)];
        let told = expired.hold(two(), Duration::ZERO);
        let all = [orphan(), gone("a", 1, Expiry::Bound), gone("a", 1, Expiry::Cap)];
        assert_eq!(told, all);
        let more = [two(), vec![gone("b", 1, Expiry::Bound)]].concat();
        let told = expired.hold(more, Duration::from_secs(1));
        assert_eq!(told, [orphan(), gone("b", 1, Expiry::Bound)]);
    }

    #[test]
    fn after_a_minute_without_the_next_one_is_told_of_at_once() {
        let mut expired = Expired::default();
        for begin in [0, 200] {
            let at = |second: u64| Duration::from_secs(begin + second);
            let first = gone("dead", 1, Expiry::Orphan);
            assert_eq!(expired.hold(vec![first.clone()], at(0)), [first]);
            assert_eq!(expired.hold(Vec::new(), at(61)), []);
            assert!(expired.held.is_empty(), "forgotten");
        }
    }
}
