//! Whether a receiver may be tried now: one state for all of its deliveries (contract C6.2).
//!
//! ```text
//!              retry                       hold
//!   Flowing ----------> Retrying ----------------------> Held
//!      ^  \                |  one probe when the wait      |  one probe every
//!      |   \               |  is over                      |  `hold_probe`
//!      |    `--------------+-------- hold ---------------> |
//!      `---- accepted -----+------------ accepted ---------'
//! ```
//!
//! While it flows, everybody passes. In the two other states one delivery at a time passes, as a
//! probe, when the wait is over, so a receiver that is down meets one request per wait, however many
//! deliveries are queued up.
//!
//! An answer can be older than the state it meets: it was asked for before a change. The epoch tells.
//! An old refusal says nothing about now, save that a hold outranks a retry; an old success proves that
//! the receiver is up, unless it asked for a pause or refuses on purpose.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::outcome::Outcome;

/// The state of one receiver. Pure: time and randomness are arguments.
#[derive(Debug)]
pub struct Pace {
    mode: Mode,
    epoch: u64,
    backoff: Backoff,
    hold_probe: Duration,
    /// A shutdown has begun.
    hurried: bool,
}

/// The longest wait of our own choosing while a shutdown runs: what time there is should be used.
pub const HURRIED_WAIT_MAX: Duration = Duration::from_millis(500);

/// What the receiver was last known to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Accepts.
    Flowing,
    /// Does not answer, or asks for patience.
    Retrying {
        /// When the next probe may start.
        until: Instant,
        /// Who chose that moment.
        wait: Wait,
    },
    /// Refuses, and will until somebody changes something.
    Held {
        /// When the next probe may start.
        until: Instant,
    },
}

/// Where the length of a wait comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Our own back-off.
    Drawn,
    /// The receiver's `Retry-After`: kept even when an older answer was a success.
    Asked,
}

/// The state an attempt was started in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Pace {
    /// Flowing, until told otherwise.
    pub fn new(backoff: Backoff, hold_probe: Duration) -> Self {
        Self { mode: Mode::Flowing, epoch: 0, backoff, hold_probe, hurried: false }
    }

    /// The state now.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The mark of an attempt that starts now.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// Takes in what became of an attempt. `random` is uniform in `[0, 1)`.
    pub fn report(&mut self, begun: Epoch, outcome: Outcome, now: Instant, random: f64) {
        let next = if begun.0 == self.epoch {
            self.after_current(outcome, now, random)
        } else {
            self.after_old(outcome, now)
        };
        if next == Mode::Flowing {
            self.backoff.reset();
        }
        if std::mem::discriminant(&next) != std::mem::discriminant(&self.mode) {
            self.epoch += 1;
        }
        self.mode = next;
    }

    /// An attempt of this state: its outcome is the truth.
    fn after_current(&mut self, outcome: Outcome, now: Instant, random: f64) -> Mode {
        match (outcome, self.mode) {
            (Outcome::Done, _) => Mode::Flowing,
            (Outcome::Hold | Outcome::Split | Outcome::StepDown | Outcome::Halve, _) => {
                Mode::Held { until: now + self.hold_probe }
            }
            // Still held: that the receiver is also busy or gone does not take back its refusal.
            (Outcome::Retry { after }, Mode::Held { .. }) => {
                Mode::Held { until: now + after.unwrap_or_default().max(self.hold_probe) }
            }
            (Outcome::Retry { after }, _) => self.retry(after, now, random),
        }
    }

    /// An attempt of an earlier state: its outcome may be out of date.
    fn after_old(&self, outcome: Outcome, now: Instant) -> Mode {
        match (outcome, self.mode) {
            (Outcome::Done, Mode::Retrying { wait: Wait::Drawn, .. }) => Mode::Flowing,
            (Outcome::Hold, Mode::Retrying { .. }) => Mode::Held { until: now + self.hold_probe },
            // The longest pause asked for counts, whichever answer it came with.
            (Outcome::Retry { after: Some(after) }, Mode::Retrying { until, .. })
                if now + after > until =>
            {
                Mode::Retrying { until: now + after, wait: Wait::Asked }
            }
            (_, unchanged) => unchanged,
        }
    }

    /// Lets the next probe start at once, unless the receiver asked for the wait itself: before a
    /// shutdown, everything gets a last chance.
    /// From then on the waits between attempts stay short; who refuses is asked once more and no
    /// longer waited for.
    pub fn hurry(&mut self, now: Instant) {
        self.hurried = true;
        match &mut self.mode {
            Mode::Flowing | Mode::Retrying { wait: Wait::Asked, .. } => {}
            Mode::Retrying { until, .. } | Mode::Held { until } => *until = now.min(*until),
        }
    }

    fn retry(&mut self, after: Option<Duration>, now: Instant, random: f64) -> Mode {
        let mut drawn = self.backoff.next(random);
        if self.hurried {
            drawn = drawn.min(HURRIED_WAIT_MAX);
        }
        match after {
            None => Mode::Retrying { until: now + drawn, wait: Wait::Drawn },
            // A little later than asked, never sooner: many were told the same moment.
            Some(after) => {
                let floor = self.backoff.floor();
                let until = now + after.max(floor) + floor.mul_f64(random);
                Mode::Retrying { until, wait: Wait::Asked }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Outcome = Outcome::Retry { after: None };
    const PROBE: Duration = Duration::from_secs(30);

    fn asked(seconds: u64) -> Outcome {
        Outcome::Retry { after: Some(Duration::from_secs(seconds)) }
    }

    fn pace() -> Pace {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));
        Pace::new(backoff, PROBE)
    }

    /// What is left to wait, in milliseconds, with a letter for the state.
    fn shown(pace: &Pace, now: Instant) -> String {
        let left = |until: Instant| until.saturating_duration_since(now).as_millis();
        match pace.mode() {
            Mode::Flowing => "flowing".to_owned(),
            Mode::Retrying { until, wait: Wait::Drawn } => format!("retrying {}", left(until)),
            Mode::Retrying { until, wait: Wait::Asked } => format!("asked {}", left(until)),
            Mode::Held { until } => format!("held {}", left(until)),
        }
    }

    #[test]
    fn answers_to_attempts_of_this_state_move_it() {
        let cases: [(&[Outcome], &str); 11] = [
            (&[Outcome::Done], "flowing"),
            (&[RETRY], "retrying 400"),
            (&[RETRY, RETRY, RETRY], "retrying 1600"),
            (&[RETRY, RETRY, Outcome::Done, RETRY], "retrying 400"),
            (&[RETRY, Outcome::Hold], "held 30000"),
            (&[asked(7)], "asked 7200"),
            (&[asked(0)], "asked 400"),
            (&[Outcome::Hold, RETRY], "held 30000"),
            (&[Outcome::Hold, asked(60)], "held 60000"),
            (&[Outcome::Hold, Outcome::Hold], "held 30000"),
            (&[Outcome::Hold, Outcome::Done], "flowing"),
        ];
        let now = Instant::now();
        for (outcomes, expected) in cases {
            let mut pace = pace();
            for outcome in outcomes {
                pace.report(pace.epoch(), *outcome, now, 1.0);
            }
            assert_eq!(shown(&pace, now), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn answers_to_attempts_of_an_earlier_state_count_only_where_they_prove_something() {
        // The state is made by the first outcome; the second was asked for before it.
        let cases = [
            (RETRY, RETRY, "retrying 400"),
            (RETRY, asked(9), "asked 9000"),
            (asked(9), asked(3), "asked 9200"),
            (RETRY, Outcome::Done, "flowing"),
            (asked(9), Outcome::Done, "asked 9200"),
            (RETRY, Outcome::Hold, "held 30000"),
            (Outcome::Hold, RETRY, "held 30000"),
            (Outcome::Hold, Outcome::Done, "held 30000"),
            (Outcome::Hold, Outcome::Hold, "held 30000"),
        ];
        let now = Instant::now();
        for (first, second, expected) in cases {
            let mut pace = pace();
            let begun = pace.epoch();
            pace.report(begun, first, now, 1.0);
            pace.report(begun, second, now, 1.0);
            assert_eq!(shown(&pace, now), expected, "{first:?}, then an old {second:?}");
        }
    }

    #[test]
    fn a_refusal_from_before_an_outage_does_not_stop_the_flow_after_it() {
        let now = Instant::now();
        for old in [RETRY, asked(9), Outcome::Hold] {
            let mut pace = pace();
            let begun = pace.epoch();
            pace.report(begun, RETRY, now, 1.0);
            pace.report(pace.epoch(), Outcome::Done, now, 1.0);
            pace.report(begun, old, now, 1.0);
            assert_eq!(shown(&pace, now), "flowing", "an old {old:?}");
        }
    }

    #[test]
    fn a_shutdown_shortens_every_wait_but_the_one_asked_for() {
        let cases = [(RETRY, "retrying 0"), (Outcome::Hold, "held 0"), (asked(7), "asked 7200")];
        let now = Instant::now();
        for (outcome, expected) in cases {
            let mut pace = pace();
            pace.report(pace.epoch(), outcome, now, 1.0);
            pace.hurry(now);
            assert_eq!(shown(&pace, now), expected);
        }
    }
}
