//! Keeps the status of one receiver, and logs its changes: once each, with cause and cure.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::gate::Change;
use super::outcome::advice;
use super::pace::{Cause, Mode, Word};
use super::session::Refusal;
use super::status::{State, Status, Trust};
use crate::config::Compression;
use crate::dead_letter::PutError;
use crate::metric::timestamp::Timestamp;

/// A receiver that fails now and then would fill the log with its ups and downs: a second outage
/// within this time after the last one was announced is seen in [`Status`] only. Dead letters likewise.
const QUIET: Duration = Duration::from_secs(10);

/// Where everything about one receiver is told.
#[derive(Debug)]
pub(super) struct Board {
    name: Arc<str>,
    url: String,
    status: watch::Sender<Status>,
    told: Mutex<Told>,
}

/// What stands behind the status, and what the log last said of it.
#[derive(Debug)]
struct Told {
    /// The state as the receiver's answers make it.
    answered: State,
    /// Why its refusals are not believed, while they are not.
    suspicion: Option<State>,
    /// Why dead letters cannot be kept, while they cannot; outranks the answers.
    blocked: Option<Arc<str>>,
    /// Deliveries that wait for that.
    blocked_deliveries: usize,
    trouble: Option<Trouble>,
    outage_at: Option<Instant>,
    letters_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Retrying,
    /// With the status that holds.
    Held(Option<u16>),
}

/// What was learned about the requests the receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuned {
    pub(super) encoding: Compression,
    pub(super) size_bound: usize,
}

/// One attempt that did not succeed.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    pub(super) word: Word,
    /// The status, if there was an answer.
    pub(super) status: Option<u16>,
    pub(super) text: &'a str,
    pub(super) at: Timestamp,
}

impl Board {
    pub(super) fn new(name: &str, url: &str, tuned: Tuned, now: Timestamp) -> Self {
        let status = Status {
            state: State::Flowing,
            since: now,
            is_probing: false,
            in_flight: 0,
            limit: 1,
            encoding: tuned.encoding,
            size_bound: tuned.size_bound,
            delivered_tuples: 0,
            last_success: None,
            last_error: None,
            trust: Trust::Clear,
        };
        let told = Told {
            answered: State::Flowing,
            suspicion: None,
            blocked: None,
            blocked_deliveries: 0,
            trouble: None,
            outage_at: None,
            letters_at: None,
        };
        Self {
            name: Arc::from(name),
            url: url.to_owned(),
            status: watch::Sender::new(status),
            told: Mutex::new(told),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How far it is believed to be who it says, from now on.
    pub(super) fn trusts(&self, trust: Trust) {
        self.status.send_if_modified(|status| std::mem::replace(&mut status.trust, trust) != trust);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Counts a request on the wire until the guard is dropped.
    pub(super) fn on_wire(&self, is_probe: bool) -> OnWire<'_> {
        self.status.send_modify(|status| {
            status.in_flight += 1;
            status.is_probing |= is_probe;
        });
        OnWire { board: self, is_probe }
    }

    /// An attempt was accepted.
    pub(super) fn accepted(&self, tuples: u64, at: Timestamp, change: &Change) {
        let mut told = self.lock();
        self.status.send_modify(|status| {
            status.delivered_tuples += tuples;
            status.last_success = Some(at);
        });
        self.follow(&mut told, change, None, at, "");
        self.announce_flow(&mut told);
    }

    /// An attempt was not.
    pub(super) fn failed(&self, failure: &Failure<'_>, change: &Change) {
        let mut told = self.lock();
        self.status.send_modify(|status| {
            status.last_error = Some((failure.at, failure.text.into()));
        });
        let reason = failure.status.filter(|_| failure.word == Word::Never).map(|status| {
            let why = format!("{}; {}", failure.text, advice(status, &self.name)).into();
            State::Held { status: Some(status), why }
        });
        self.follow(&mut told, change, reason, failure.at, failure.text);
    }

    /// A delivery became suspect: tuple after tuple of it was refused, the last of them like this.
    pub(super) fn suspected(&self, last: &Refusal, change: &Change) {
        let mut told = self.lock();
        let why = format!(
            "{}; what it refused is down to single tuples, and it took nothing meanwhile: {}",
            last.answer,
            advice(last.status, &self.name)
        );
        told.suspicion = Some(State::Held { status: Some(last.status), why: why.into() });
        self.follow(&mut told, change, None, last.at, &last.answer);
    }

    /// Takes over what the gate decided.
    fn follow(
        &self,
        told: &mut Told,
        change: &Change,
        reason: Option<State>,
        at: Timestamp,
        cause: &str,
    ) {
        let state = match change.after {
            Mode::Flowing => {
                told.suspicion = None;
                State::Flowing
            }
            Mode::Retrying { .. } => State::Retrying,
            Mode::Held { by: Cause::Suspicion, .. } => {
                told.suspicion.clone().unwrap_or_else(|| told.answered.clone())
            }
            // Held before, and this failure is not why.
            Mode::Held { by: Cause::Answer, .. } => reason.unwrap_or_else(|| told.answered.clone()),
        };
        told.answered = state;
        self.status.send_modify(|status| status.limit = change.limit);
        self.show(told, at);
        if told.blocked.is_some() {
            return;
        }
        match told.answered.clone() {
            State::Retrying if change.before == Mode::Flowing => self.announce_outage(told, cause),
            State::Held { status, why } => self.announce_hold(told, status, &why),
            // An acceptance is announced by whoever has one: that it refuses this and that again is no
            // end of the trouble.
            State::Flowing | State::Retrying => {}
        }
    }

    /// The dead letters of one more delivery cannot be kept: nothing is delivered until it ends with
    /// [`Self::unblocked`].
    pub(super) fn blocked(&self) {
        self.lock().blocked_deliveries += 1;
    }

    /// Why they could not be kept when that was last tried.
    pub(super) fn not_kept(&self, error: &PutError, at: Timestamp) {
        let mut told = self.lock();
        let why: Arc<str> = error.to_string().into();
        told.blocked = Some(Arc::clone(&why));
        self.status.send_modify(|status| status.last_error = Some((at, Arc::clone(&why))));
        self.show(&told, at);
        self.announce_hold(&mut told, None, &why);
    }

    /// Those of one delivery are kept, or it gave up.
    pub(super) fn unblocked(&self, at: Timestamp) {
        let mut told = self.lock();
        told.blocked_deliveries -= 1;
        if told.blocked_deliveries > 0 {
            return;
        }
        told.blocked = None;
        self.show(&told, at);
        self.announce_flow(&mut told);
    }

    /// So many tuples are dead letters now, refused like this.
    pub(super) fn dead_lettered(&self, tuples: usize, last: &Refusal) {
        let mut told = self.lock();
        let now = Instant::now();
        if told.letters_at.is_some_and(|at| now.duration_since(at) < QUIET) {
            return;
        }
        told.letters_at = Some(now);
        tracing::warn!(
            receiver.name = &*self.name,
            receiver.url = self.url,
            receiver.status = last.status,
            tuples,
            "receiver {} refused {tuples} tuples for good while it accepted others, they are kept as \
             dead letters: {}; see `tidegate dead-letters ls`",
            self.name,
            last.answer,
        );
    }

    /// What requests look like from now on. The encoding they had, where that is another.
    pub(super) fn tuned(&self, tuned: Tuned) -> Option<Compression> {
        let mut before = None;
        self.status.send_if_modified(|status| {
            let is_new = (status.encoding, status.size_bound) != (tuned.encoding, tuned.size_bound);
            before = (status.encoding != tuned.encoding).then_some(status.encoding);
            (status.encoding, status.size_bound) = (tuned.encoding, tuned.size_bound);
            is_new
        });
        before
    }

    /// The same, since the encoding before was refused. Those that probes try are not for the log.
    pub(super) fn stepped_down(&self, tuned: Tuned) {
        if let Some(before) = self.tuned(tuned) {
            tracing::warn!(
                receiver.name = &*self.name,
                receiver.url = self.url,
                "receiver {} takes no bodies in {}, it gets {} from now on; set its \
                 `compression` to spare the detour",
                self.name,
                before.as_str(),
                tuned.encoding.as_str(),
            );
        }
    }

    fn show(&self, told: &Told, at: Timestamp) {
        let state = match &told.blocked {
            Some(why) => State::Held { status: None, why: Arc::clone(why) },
            None => told.answered.clone(),
        };
        self.status.send_if_modified(|status| {
            let is_new = status.state != state;
            status.enter(state, at);
            is_new
        });
    }

    fn announce_outage(&self, told: &mut Told, cause: &str) {
        let now = Instant::now();
        if told.outage_at.is_some_and(|at| now.duration_since(at) < QUIET) {
            return;
        }
        (told.trouble, told.outage_at) = (Some(Trouble::Retrying), Some(now));
        tracing::warn!(
            receiver.name = &*self.name,
            receiver.url = self.url,
            cause,
            "deliveries to receiver {} fail and are retried until they succeed: {cause}; \
             check that it is up and that its `url` leads to it",
            self.name,
        );
    }

    /// A receiver that holds for a new reason says so again.
    fn announce_hold(&self, told: &mut Told, status: Option<u16>, why: &str) {
        if told.trouble == Some(Trouble::Held(status)) {
            return;
        }
        told.trouble = Some(Trouble::Held(status));
        tracing::error!(
            receiver.name = &*self.name,
            receiver.url = self.url,
            receiver.status = status,
            "all deliveries to receiver {} are held, what is for it waits: {why}",
            self.name,
        );
    }

    fn announce_flow(&self, told: &mut Told) {
        let is_flowing = told.answered == State::Flowing && told.blocked.is_none();
        if is_flowing && told.trouble.take().is_some() {
            tracing::info!(
                receiver.name = &*self.name,
                receiver.url = self.url,
                "receiver {} accepts deliveries again",
                self.name,
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on the wire.
#[derive(Debug)]
pub(super) struct OnWire<'a> {
    board: &'a Board,
    is_probe: bool,
}

impl Drop for OnWire<'_> {
    fn drop(&mut self) {
        self.board.status.send_modify(|status| {
            status.in_flight -= 1;
            status.is_probing &= !self.is_probe;
        });
    }
}
