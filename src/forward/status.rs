//! What the outside may know about a receiver.

use std::sync::Arc;

use crate::config::Compression;
use crate::metric::timestamp::Timestamp;

/// A receiver as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub state: State,
    /// Since when it does that; the start, at first. A new reason to hold is no new state.
    pub since: Timestamp,
    /// Whether a request is on the wire now that finds out if it is back.
    pub is_probing: bool,
    /// Requests on the wire now; deliveries that wait for another try are not counted.
    pub in_flight: usize,
    /// Most requests on the wire, as adapted by now (contract C6.4).
    pub limit: usize,
    /// Content-Encoding in use: as configured, or what is left of it.
    pub encoding: Compression,
    /// Most raw bytes of one request, as learned by now.
    pub size_bound: usize,
    /// Tuples it accepted since the start.
    pub delivered_tuples: u64,
    /// When it last accepted something.
    pub last_success: Option<Timestamp>,
    /// When and how it last did not. Never holds the key.
    pub last_error: Option<(Timestamp, Arc<str>)>,
    /// How far it is believed to be who it says.
    pub trust: Trust,
}

/// How far a receiver is believed to be who it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// `http:`: there is nothing to believe.
    Clear,
    /// Its certificate has to be good.
    Verified,
    /// Any certificate will do (`insecure_skip_verify`).
    Unverified,
}

impl Trust {
    /// As `/receivers` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "none",
            Self::Verified => "verified",
            Self::Unverified => "unverified",
        }
    }
}

impl Status {
    pub(super) fn enter(&mut self, state: State, at: Timestamp) {
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
    /// Nothing is delivered until somebody cures the cause; tried now and then.
    Held {
        /// The status of the answer that holds; `None` when the cause is on this side: dead letters
        /// that cannot be kept (contract C6.3).
        status: Option<u16>,
        /// The cause in its own words, and what to do.
        why: Arc<str>,
    },
}
