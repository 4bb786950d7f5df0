//! Whether a receiver may be tried now: one state for all of its deliveries (contract C6.2).
//!
//! ```text
//!              retry                       hold
//!   Flowing ----------> Retrying ----------------------> Held
//!      ^  \                |  one probe when the wait      |  one probe every
//!      |   \               |  is over                      |  `hold_probe`
//!      |    `--------------+--- hold, or suspicion ------> |
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
//!
//! # Suspicion
//!
//! A receiver that refused tuple after tuple and accepted none in between is not believed: it may refuse
//! everything. It is held until an attempt is accepted that began after those refusals: the *evidence*.
//! Attempts are numbered as they begin, so that which came first is never a matter of clocks.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;

/// The state of one receiver. Pure: time and randomness are arguments.
#[derive(Debug)]
pub struct Pace {
    mode: Mode,
    epoch: u64,
    /// The epoch in which the api key last changed.
    key_epoch: u64,
    /// The number of the next attempt; the first has 1.
    next: u64,
    /// The highest number of an accepted one; 0 for none.
    accepted: u64,
    /// What dispels the suspicion: an acceptance of this number or a later one; `None` without one.
    suspected: Option<u64>,
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
        /// What made it so.
        by: Cause,
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

/// Why a receiver is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It refuses whatever is sent.
    Answer,
    /// It refused many tuples and accepted none.
    Suspicion,
}

/// What an attempt says about the receiver as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It accepts.
    Accepted,
    /// Not now.
    Later {
        /// When the receiver said when.
        after: Option<Duration>,
    },
    /// It is there and judges what is sent; this it does not take.
    Refused,
    /// It takes nothing.
    Never,
}

/// The mark of an attempt: which one it is, and the state it was started in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    number: u64,
    epoch: u64,
}

impl Begun {
    /// Its number in the order in which attempts began.
    pub fn number(self) -> u64 {
        self.number
    }
}

impl Pace {
    /// Flowing, until told otherwise.
    pub fn new(backoff: Backoff, hold_probe: Duration) -> Self {
        Self {
            mode: Mode::Flowing,
            epoch: 0,
            key_epoch: 0,
            next: 1,
            accepted: 0,
            suspected: None,
            backoff,
            hold_probe,
            hurried: false,
        }
    }

    /// The state now.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The mark of an attempt that begins now.
    pub fn begin(&mut self) -> Begun {
        let number = self.next;
        self.next += 1;
        Begun { number, epoch: self.epoch }
    }

    /// The number that the next attempt will have.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Whether an attempt was accepted whose number is at least this.
    pub fn evidence_since(&self, number: u64) -> bool {
        self.accepted >= number
    }

    /// Takes in what became of an attempt. `random` is uniform in `[0, 1)`.
    pub fn report(&mut self, begun: Begun, word: Word, now: Instant, random: f64) {
        if word == Word::Accepted {
            self.accepted = self.accepted.max(begun.number);
        }
        let next = if begun.epoch == self.epoch {
            self.after_current(word, now, random)
        } else {
            self.after_old(begun, word, now)
        };
        self.enter(next);
    }

    /// Holds the receiver until there is evidence of that number; `false` when there is already.
    pub fn suspect(&mut self, since: u64, now: Instant) -> bool {
        if self.evidence_since(since) {
            return false;
        }
        // Whatever dispels one suspicion must dispel all.
        self.suspected = self.suspected.max(Some(since));
        let until = now + self.hold_probe;
        let next = match self.mode {
            // No probe is put off, and what the receiver says itself is the better reason.
            Mode::Held { .. } => self.mode,
            Mode::Retrying { until: asked, wait: Wait::Asked } => {
                Mode::Held { until: until.max(asked), by: Cause::Suspicion }
            }
            Mode::Flowing | Mode::Retrying { .. } => Mode::Held { until, by: Cause::Suspicion },
        };
        self.enter(next);
        true
    }

    fn enter(&mut self, next: Mode) {
        if next == Mode::Flowing {
            self.backoff.reset();
            self.suspected = None;
        }
        if std::mem::discriminant(&next) != std::mem::discriminant(&self.mode) {
            self.epoch += 1;
        }
        self.mode = next;
    }

    /// An attempt of this state: its outcome is the truth.
    fn after_current(&mut self, word: Word, now: Instant, random: f64) -> Mode {
        let probe = now + self.hold_probe;
        match (word, self.mode) {
            (Word::Never, _) => Mode::Held { until: probe, by: Cause::Answer },
            // Still held: that the receiver is also busy or gone does not take back its refusal.
            (Word::Later { after }, Mode::Held { by, .. }) => {
                Mode::Held { until: now + after.unwrap_or_default().max(self.hold_probe), by }
            }
            (Word::Later { after }, _) => self.retry(after, now, random),
            // One refusal more is what the suspicion is about.
            (Word::Refused, _) if self.suspected.is_some() => {
                Mode::Held { until: probe, by: Cause::Suspicion }
            }
            // It began before the refusals it would have to dispel, when this was held already. No wait:
            // whatever begins now began after them.
            (Word::Accepted, _)
                if self.suspected.is_some_and(|since| !self.evidence_since(since)) =>
            {
                Mode::Held { until: now, by: Cause::Suspicion }
            }
            (Word::Accepted | Word::Refused, _) => Mode::Flowing,
        }
    }

    /// An attempt of an earlier state: its outcome may be out of date.
    fn after_old(&self, begun: Begun, word: Word, now: Instant) -> Mode {
        match (word, self.mode) {
            (Word::Never, unchanged) if begun.epoch < self.key_epoch => unchanged,
            (Word::Accepted, Mode::Retrying { wait: Wait::Drawn, .. }) => Mode::Flowing,
            // It began before the suspicion and yet after the refusals behind it: evidence all the same.
            (Word::Accepted, Mode::Held { by: Cause::Suspicion, .. })
                if self.suspected.is_some_and(|since| self.evidence_since(since)) =>
            {
                Mode::Flowing
            }
            (Word::Never, Mode::Retrying { .. }) => {
                Mode::Held { until: now + self.hold_probe, by: Cause::Answer }
            }
            // The longest pause asked for counts, whichever answer it came with.
            (Word::Later { after: Some(after) }, Mode::Retrying { until, .. })
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
        self.probe_now(now);
    }

    /// Something changed on our side, the api key: what was answered before says nothing any more, and
    /// the next probe starts at once, unless the receiver asked for the wait itself.
    pub fn retry_now(&mut self, now: Instant) {
        self.epoch += 1;
        self.key_epoch = self.epoch;
        self.probe_now(now);
    }

    fn probe_now(&mut self, now: Instant) {
        match &mut self.mode {
            Mode::Flowing | Mode::Retrying { wait: Wait::Asked, .. } => {}
            Mode::Retrying { until, .. } | Mode::Held { until, .. } => *until = now.min(*until),
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
mod tests;
