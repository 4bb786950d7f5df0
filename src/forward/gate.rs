//! Where deliveries wait for their turn: [`Turns`] with a clock, and a bell for those in line.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limit::Limit;
use super::pace::{Mode, Pace};
use super::phase::{Phase, Stage};

mod turns;

pub(super) use turns::{Attempt, Change, Who};
use turns::{Granted, Look, Turns};

/// All deliveries of one receiver pass here before every attempt.
#[derive(Debug)]
pub(super) struct Gate {
    turns: Mutex<Turns>,
    changed: Notify,
}

/// Leave for one attempt, held from its preparation to its answer; ends when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    gate: &'a Gate,
    /// Taken when it is reported.
    granted: Option<Granted>,
}

/// Keeps everybody out until it is dropped.
#[derive(Debug)]
pub(super) struct Blocked<'a>(&'a Gate);

/// A place in the line, given up when dropped.
struct Place<'a> {
    gate: &'a Gate,
    place: u64,
}

impl Gate {
    pub(super) fn new(pace: Pace, limit: Limit) -> Self {
        Self { turns: Mutex::new(Turns::new(pace, limit)), changed: Notify::new() }
    }

    /// Waits until the receiver may be tried; `None` when a shutdown ends before that.
    pub(super) async fn enter(&self, who: Who, phase: &Phase) -> Option<Turn<'_>> {
        let place = Place { gate: self, place: self.lock().join(who) };
        let mut watched = phase.clone();
        loop {
            // Made before the look: it hears every change from here on.
            let changed = self.changed.notified();
            let is_running = phase.now() == Stage::Running;
            // What is not on the wire is safe in the queue: no stop waits for more.
            if phase.is_leaving_the_rest() {
                return None;
            }
            let (look, mode) = {
                let mut turns = self.lock();
                let look = turns.look(place.place, Instant::now());
                if look == Look::Pass {
                    let granted = turns.grant(place.place);
                    return Some(Turn { gate: self, granted: Some(granted) });
                }
                (look, turns.pace.mode())
            };
            if let Mode::Retrying { until, .. } | Mode::Held { until, .. } = mode
                && phase.is_over_by(until)
            {
                return None;
            }
            let until = if let Look::At(until) = look { Some(until) } else { None };
            tokio::select! {
                () = changed => {}
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
                () = watched.drained(), if is_running => {}
            }
        }
    }

    /// Whether an attempt was accepted whose number is at least this.
    pub(super) fn evidence_since(&self, number: u64) -> bool {
        self.lock().pace.evidence_since(number)
    }

    /// Holds the receiver until an attempt of at least this number is accepted, unless one was. `tell`
    /// as in [`Turn::report`].
    pub(super) fn suspect(&self, since: u64, tell: impl FnOnce(&Change)) {
        let mut turns = self.lock();
        if let Some(change) = turns.suspect(since, Instant::now()) {
            tell(&change);
        }
        drop(turns);
        self.changed.notify_waiters();
    }

    /// Keeps everybody out: something on our side has to be mended first.
    pub(super) fn block(&self) -> Blocked<'_> {
        self.lock().block();
        Blocked(self)
    }

    /// The api key changed: see [`Pace::retry_now`].
    pub(super) fn retry_now(&self) {
        self.lock().pace.retry_now(Instant::now());
        self.changed.notify_waiters();
    }

    /// A shutdown began: see [`Pace::hurry`].
    pub(super) fn hurry(&self) {
        self.lock().pace.hurry(Instant::now());
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Whether this attempt finds out if the receiver is back.
    pub(super) fn is_probe(&self) -> bool {
        self.granted.is_some_and(|granted| granted.is_probe)
    }

    /// Whether the attempt may still begin: the state may have changed while it was prepared.
    pub(super) fn is_good(&self) -> bool {
        let turns = self.gate.lock();
        self.granted.is_some_and(|granted| turns.is_good(&granted, Instant::now()))
    }

    /// Takes in what became of the attempt and lets go whoever it concerns. `tell` hears the change in
    /// the order in which the states follow each other: it runs under the lock.
    pub(super) fn report(mut self, attempt: Attempt, tell: impl FnOnce(&Change)) -> Change {
        let granted = self.granted.take().expect("a turn is reported once");
        let mut turns = self.gate.lock();
        let change = turns.report(&granted, attempt, Instant::now(), fastrand::f64());
        tell(&change);
        drop(turns);
        self.gate.changed.notify_waiters();
        change
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(granted) = self.granted.take() {
            self.gate.lock().give_back(&granted);
            self.gate.changed.notify_waiters();
        }
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.0.lock().unblock();
        self.0.changed.notify_waiters();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.lock().leave(self.place);
        // Whoever is first now may have waited for this one.
        self.gate.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
