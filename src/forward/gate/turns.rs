//! Whose turn it is: the pace, the limit and those who wait, in one pure state.
//!
//! While the receiver flows, the first in line passes as long as fewer are in flight than the limit
//! says. Otherwise one at a time passes as a probe: the first in line, so that a delivery that failed
//! last probes last and cannot keep the others from finding out that they would be accepted. Only
//! deliveries that were refused, without any evidence since, stand in a line of their own, and probe in
//! alternation with all others: fresh tuples are the likelier evidence, and go first.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::super::limit::{Ended, Limit, Sample};
use super::super::pace::{Begun, Cause, Mode, Pace, Word};

/// Everything that decides who may try the receiver.
#[derive(Debug)]
pub(in crate::forward) struct Turns {
    pub(super) pace: Pace,
    limit: Limit,
    in_flight: usize,
    is_probing: bool,
    /// Whose probe was the last to be answered.
    probed: Who,
    /// Whether others may probe a suspected receiver without a wait, which nobody did yet.
    is_early: bool,
    waiting: VecDeque<(u64, Who)>,
    next_waiter: u64,
    /// Deliveries that cannot be settled for a reason of our own; nobody passes meanwhile.
    blocked: usize,
}

/// Who asks for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) enum Who {
    /// A worker with fresh tuples, or with a delivery that meets no refusals, or only next to tuples that
    /// are accepted.
    Other,
    /// One of whose tuples some were refused, and none of anybody accepted since.
    Doubtful,
}

/// What one in line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is its turn.
    Pass,
    /// It will be then, if nothing changes.
    At(Instant),
    /// Something has to change first.
    Wait,
}

/// A turn that was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) begun: Begun,
    pub(super) is_probe: bool,
    /// A probe that did not wait.
    is_early: bool,
    who: Who,
}

/// One attempt that ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::forward) struct Attempt {
    /// What it says about the receiver.
    pub(in crate::forward) word: Word,
    /// How long it was on the wire.
    pub(in crate::forward) latency: Duration,
    /// Bytes of its body.
    pub(in crate::forward) bytes: usize,
}

/// What came of a report.
#[derive(Clone, Copy, Debug)]
pub(in crate::forward) struct Change {
    /// The state before ...
    pub(in crate::forward) before: Mode,
    /// ... and after.
    pub(in crate::forward) after: Mode,
    /// Most deliveries in flight from now on.
    pub(in crate::forward) limit: usize,
    /// The number of the first attempt that can begin after this report.
    pub(in crate::forward) next_number: u64,
}

impl Turns {
    pub(super) fn new(pace: Pace, limit: Limit) -> Self {
        Self {
            pace,
            limit,
            in_flight: 0,
            is_probing: false,
            probed: Who::Doubtful,
            is_early: false,
            waiting: VecDeque::new(),
            next_waiter: 0,
            blocked: 0,
        }
    }

    /// A place in the line.
    pub(super) fn join(&mut self, who: Who) -> u64 {
        self.next_waiter += 1;
        self.waiting.push_back((self.next_waiter, who));
        self.next_waiter
    }

    /// The place is given up, or was used.
    pub(super) fn leave(&mut self, place: u64) {
        self.waiting.retain(|(known, _)| *known != place);
    }

    /// Whether it is the turn of this place.
    pub(super) fn look(&self, place: u64, now: Instant) -> Look {
        let mode = self.pace.mode();
        let first = match mode {
            Mode::Flowing => self.waiting.front(),
            Mode::Retrying { .. } | Mode::Held { .. } => self.first_to_probe(now),
        };
        let Some((_, who)) = first.filter(|(first, _)| *first == place && self.blocked == 0) else {
            return Look::Wait;
        };
        match mode {
            Mode::Flowing if self.in_flight < self.limit.now() => Look::Pass,
            Mode::Retrying { until, .. } | Mode::Held { until, .. } if !self.is_probing => {
                let is_early = *who == Who::Other && self.may_be_early();
                if until <= now || is_early { Look::Pass } else { Look::At(until) }
            }
            _ => Look::Wait,
        }
    }

    fn first_to_probe(&self, now: Instant) -> Option<&(u64, Who)> {
        let is_due = matches!(self.pace.mode(), Mode::Held { until, .. } if until <= now);
        let is_others = self.probed == Who::Doubtful || (self.may_be_early() && !is_due);
        let wanted = |(_, who): &&(u64, Who)| (*who == Who::Other) == is_others;
        // Without a doubtful one in line the line is all there is.
        self.waiting.iter().find(wanted).or_else(|| self.waiting.front())
    }

    /// Whether others need not wait. What the receiver says itself is a reason to.
    fn may_be_early(&self) -> bool {
        self.is_early && matches!(self.pace.mode(), Mode::Held { by: Cause::Suspicion, .. })
    }

    /// Gives the turn to this place, which was told to pass.
    pub(super) fn grant(&mut self, place: u64) -> Granted {
        let who = self.waiting.iter().find(|(known, _)| *known == place).map(|(_, who)| *who);
        let who = who.unwrap_or(Who::Other);
        self.leave(place);
        let is_early = who == Who::Other && self.may_be_early();
        self.is_early &= !is_early;
        let is_probe = self.pace.mode() != Mode::Flowing;
        self.is_probing |= is_probe;
        self.in_flight += 1;
        Granted { begun: self.pace.begin(), is_probe, is_early, who }
    }

    /// Whether an attempt may still begin with this turn: the state may have changed since.
    pub(super) fn is_good(&self, granted: &Granted, now: Instant) -> bool {
        let may = match self.pace.mode() {
            Mode::Flowing => true,
            Mode::Held { by: Cause::Suspicion, .. } if granted.is_early => true,
            Mode::Retrying { until, .. } | Mode::Held { until, .. } => {
                granted.is_probe && until <= now
            }
        };
        may && self.blocked == 0
    }

    /// The turn ends without an attempt.
    pub(super) fn give_back(&mut self, granted: &Granted) {
        // A probe that was not made is still to be made.
        self.is_early |= granted.is_early;
        self.end(granted);
    }

    fn end(&mut self, granted: &Granted) {
        self.in_flight -= 1;
        self.is_probing &= !granted.is_probe;
    }

    /// The turn ends with an attempt.
    pub(super) fn report(
        &mut self,
        granted: &Granted,
        attempt: Attempt,
        now: Instant,
        random: f64,
    ) -> Change {
        let before = self.pace.mode();
        self.pace.report(granted.begun, attempt.word, now, random);
        let ended = match attempt.word {
            Word::Accepted => Ended::Accepted,
            Word::Later { .. } => Ended::Failed,
            Word::Refused | Word::Never => Ended::Refused,
        };
        self.limit.report(Sample {
            number: granted.begun.number(),
            next: self.pace.next_number(),
            ended,
            latency: attempt.latency,
            bytes: attempt.bytes,
            in_flight: self.in_flight,
        });
        if granted.is_probe {
            self.probed = granted.who;
        }
        self.end(granted);
        self.change(before)
    }

    /// Holds the receiver on suspicion; `None` when there is evidence already.
    pub(super) fn suspect(&mut self, since: u64, now: Instant) -> Option<Change> {
        let before = self.pace.mode();
        let is_held = self.pace.suspect(since, now);
        // Only once for each time it is held: not again while the suspicion lasts.
        if before == Mode::Flowing {
            self.is_early = is_held;
        }
        is_held.then(|| self.change(before))
    }

    /// Nobody passes until as many are unblocked.
    pub(super) fn block(&mut self) {
        self.blocked += 1;
    }

    pub(super) fn unblock(&mut self) {
        self.blocked -= 1;
    }

    fn change(&self, before: Mode) -> Change {
        let (after, limit) = (self.pace.mode(), self.limit.now());
        Change { before, after, limit, next_number: self.pace.next_number() }
    }
}
