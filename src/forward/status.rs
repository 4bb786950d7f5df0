//! What the outside may know about a receiver, and the log lines when it changes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::outcome::{Reply, advice};
use super::pace::Mode;
use crate::metric::timestamp::Timestamp;

/// A receiver that fails now and then would fill the log with its ups and downs: a second outage
/// within this time after the last one was announced is seen in [`Status`] only.
const QUIET: Duration = Duration::from_secs(10);

/// A receiver as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub state: State,
    /// Since when it does that; the start, at first. A new reason to hold is no new state.
    pub since: Timestamp,
    /// Requests on the wire now; deliveries that wait for another try are not counted.
    pub in_flight: usize,
    /// Tuples it accepted since the start.
    pub delivered_tuples: u64,
    /// When it last accepted something.
    pub last_success: Option<Timestamp>,
    /// When and how it last did not. Never holds the key.
    pub last_error: Option<(Timestamp, Arc<str>)>,
}

impl Status {
    fn enter(&mut self, state: State, at: Timestamp) {
        if std::mem::discriminant(&state) != std::mem::discriminant(&self.state) {
            self.since = at;
        }
        self.state = state;
    }
}

/// What a receiver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepts deliveries, or has not been tried.
    Flowing,
    /// Fails in a way that passes; tried again with growing waits.
    Retrying,
    /// Refuses in a way that somebody has to cure; probed now and then.
    Held {
        /// The status of that answer.
        status: u16,
        /// The answer in the receiver's own words, and what to do.
        why: Arc<str>,
    },
}

/// One attempt's result, ready to be told.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) reply: Reply,
    pub(super) text: &'a str,
    pub(super) at: Timestamp,
    /// The gate's state before and after.
    pub(super) modes: (Mode, Mode),
}

/// Keeps the status of one receiver and logs its changes: once each, with cause and cure.
#[derive(Debug)]
pub(super) struct Board {
    name: Arc<str>,
    url: String,
    status: watch::Sender<Status>,
    announced: Mutex<Announced>,
}

/// What the log last said.
#[derive(Debug, Default)]
struct Announced {
    trouble: Option<Trouble>,
    outage_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Retrying,
    /// With the status that holds.
    Held(u16),
}

impl Board {
    pub(super) fn new(name: &str, url: &str, now: Timestamp) -> Self {
        let status = Status {
            state: State::Flowing,
            since: now,
            in_flight: 0,
            delivered_tuples: 0,
            last_success: None,
            last_error: None,
        };
        Self {
            name: Arc::from(name),
            url: url.to_owned(),
            status: watch::Sender::new(status),
            announced: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Counts a request on the wire until the guard is dropped.
    pub(super) fn on_wire(&self) -> OnWire<'_> {
        self.status.send_modify(|status| status.in_flight += 1);
        OnWire(self)
    }

    pub(super) fn delivered(&self, tuples: u64, at: Timestamp, modes: (Mode, Mode)) {
        self.status.send_modify(|status| {
            status.delivered_tuples += tuples;
            status.last_success = Some(at);
            if modes.1 == Mode::Flowing {
                status.enter(State::Flowing, at);
            }
        });
        if modes.1 == Mode::Flowing && modes.0 != Mode::Flowing {
            self.announce_flow();
        }
    }

    pub(super) fn refused(&self, told: &Told<'_>) {
        let state = match (told.modes.1, told.reply) {
            (Mode::Flowing, _) => Some(State::Flowing),
            (Mode::Retrying { .. }, _) => Some(State::Retrying),
            (Mode::Held { .. }, Reply::Answered { status, .. }) if is_hold(told.reply) => {
                let why = format!("{}; {}", told.text, advice(status)).into();
                Some(State::Held { status, why })
            }
            // Held before, and this failure is not why.
            (Mode::Held { .. }, _) => None,
        };
        self.status.send_modify(|status| {
            status.last_error = Some((told.at, told.text.into()));
            if let Some(state) = &state {
                status.enter(state.clone(), told.at);
            }
        });
        match state {
            Some(State::Retrying) if told.modes.0 == Mode::Flowing => {
                self.announce_outage(told.text);
            }
            Some(State::Held { status, why }) => self.announce_hold(status, &why),
            _ => {}
        }
    }

    fn announce_outage(&self, cause: &str) {
        let mut said = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if said.outage_at.is_some_and(|at| now.duration_since(at) < QUIET) {
            return;
        }
        *said = Announced { trouble: Some(Trouble::Retrying), outage_at: Some(now) };
        tracing::warn!(
            receiver.name = &*self.name,
            receiver.url = self.url,
            cause,
            "deliveries to receiver {} fail and are retried until they succeed: {cause}; \
             check that it is up and that `receiver.url` leads to it",
            self.name,
        );
    }

    /// A receiver that holds for a new reason says so again.
    fn announce_hold(&self, status: u16, why: &str) {
        let mut said = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if said.trouble == Some(Trouble::Held(status)) {
            return;
        }
        said.trouble = Some(Trouble::Held(status));
        tracing::error!(
            receiver.name = &*self.name,
            receiver.url = self.url,
            receiver.status = status,
            "all deliveries to receiver {} are held, nothing is thrown away: {why}",
            self.name,
        );
    }

    fn announce_flow(&self) {
        let mut said = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if said.trouble.take().is_some() {
            tracing::info!(
                receiver.name = &*self.name,
                receiver.url = self.url,
                "receiver {} accepts deliveries again",
                self.name,
            );
        }
    }
}

fn is_hold(reply: Reply) -> bool {
    use super::outcome::{Outcome, classify};
    !matches!(classify(reply), Outcome::Done | Outcome::Retry { .. })
}

/// A request on the wire.
#[derive(Debug)]
pub(super) struct OnWire<'a>(&'a Board);

impl Drop for OnWire<'_> {
    fn drop(&mut self) {
        self.0.status.send_modify(|status| status.in_flight -= 1);
    }
}
