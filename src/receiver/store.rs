//! What was received: the newest tuples and requests, and running totals.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::options::Keep;
use super::tuple::Tuple;

/// What a receiver has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Counted since the start; never forgotten.
    pub totals: Totals,
    /// Accepted tuples, oldest first, as many as are kept.
    pub tuples: VecDeque<Tuple>,
    /// Intake requests, oldest first, as many as are kept.
    pub requests: VecDeque<Seen>,
}

/// Counts of intake requests; other routes are not counted. Every request is in exactly one of
/// `statuses`, `cut`, `hung` and `broken`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests whose head was read.
    pub requests: u64,
    /// Connections that were accepted, with requests or without.
    pub connections: u64,
    /// Accepted tuples.
    pub tuples: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests whose connection was reset by a fault.
    pub cut: u64,
    /// Requests left without an answer by a fault.
    pub hung: u64,
    /// Requests whose body never ended: the client left or stalled.
    pub broken: u64,
    /// Requests no rule could make right, in whichever of the others they are ([`Seen::is_malformed`]).
    pub malformed: u64,
}

/// One intake request. Holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it ended.
    pub outcome: Outcome,
    /// The number of its connection, from 1.
    pub connection: u64,
    /// Whether it has no key, no JSON media type, an encoding nobody knows or that it is not in, or no
    /// valid envelope: looked at as far as it was read, also where a fault decided its answer.
    pub is_malformed: bool,
    /// Tuples accepted from it.
    pub tuples: usize,
    /// The tuples in it, accepted or not; empty where its body was not read, or could not be.
    pub carried: Vec<Tuple>,
    /// Body bytes read from the wire.
    pub wire_bytes: usize,
    /// Body bytes after decoding; 0 when it was not decoded.
    pub body_bytes: usize,
    /// The `Content-Encoding` header.
    pub encoding: Option<String>,
    /// Where the key was.
    pub key: KeyPlace,
    /// `internalHostname`, of an accepted request.
    pub internal_hostname: Option<String>,
    /// `collection_timestamp`, of an accepted request, in milliseconds since 1970 whatever its unit was.
    pub collected_ms: Option<i64>,
}

/// How an intake request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this status.
    Answered(u16),
    /// By a reset this receiver was told to make.
    Cut,
    /// Not at all, as told.
    Hung,
    /// By the client, in the middle of the body.
    Broken,
}

/// Where a request carried its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// `?api_key=`
    Query,
    /// `sts-api-key:`
    Header,
    /// Nowhere.
    Absent,
}

/// What was waited for did not happen in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waited {waited:?} in vain; received so far: {totals:?}")]
pub struct TimedOut {
    /// The limit.
    pub waited: Duration,
    /// What had come by then.
    pub totals: Totals,
}

impl Received {
    /// The requests that were answered with 2xx.
    pub fn accepted(&self) -> impl Iterator<Item = &Seen> {
        self.requests.iter().filter(|seen| seen.is_accepted())
    }

    /// How the requests ended, oldest first.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.requests.iter().map(|seen| seen.outcome).collect()
    }

    /// The decoded size of the largest accepted body; 0 before the first.
    pub fn largest_accepted(&self) -> usize {
        self.accepted().map(|seen| seen.body_bytes).max().unwrap_or(0)
    }

    /// The encodings of accepted requests; no header is `identity`.
    pub fn encodings(&self) -> BTreeSet<String> {
        let name = |seen: &Seen| seen.encoding.as_deref().unwrap_or("identity").to_owned();
        self.accepted().map(name).collect()
    }
}

impl Seen {
    /// Whether it was answered with 2xx.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(200..=299))
    }

    /// The names of the tuples in it.
    pub fn names(&self) -> Vec<String> {
        self.carried.iter().map(|tuple| tuple.parts().name.into_owned()).collect()
    }
}

/// Keeps [`Received`] and wakes whoever waits for it to change.
#[derive(Debug)]
pub(super) struct Book {
    keep: Keep,
    received: watch::Sender<Received>,
}

impl Book {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, received: watch::Sender::new(Received::default()) }
    }

    /// Counts one connection; its number.
    pub(super) fn connected(&self) -> u64 {
        let mut number = 0;
        self.received.send_modify(|received| {
            received.totals.connections += 1;
            number = received.totals.connections;
        });
        number
    }

    /// Counts one request and keeps its tuples.
    pub(super) fn record(&self, seen: Seen, tuples: Vec<Tuple>) {
        debug_assert_eq!(seen.tuples, tuples.len());
        self.received.send_modify(|received| {
            let totals = &mut received.totals;
            totals.requests += 1;
            totals.tuples += tuples.len() as u64;
            totals.malformed += u64::from(seen.is_malformed);
            match seen.outcome {
                Outcome::Answered(status) => *totals.statuses.entry(status).or_default() += 1,
                Outcome::Cut => totals.cut += 1,
                Outcome::Hung => totals.hung += 1,
                Outcome::Broken => totals.broken += 1,
            }
            received.tuples.extend(tuples);
            received.requests.push_back(seen);
            if let Keep::Newest(most) = self.keep {
                let excess = received.tuples.len().saturating_sub(most);
                received.tuples.drain(..excess);
                let excess = received.requests.len().saturating_sub(most);
                received.requests.drain(..excess);
            }
        });
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.borrow())
    }

    /// Waits until `until` holds, checked now and after each request.
    pub(super) async fn wait_for(
        &self,
        within: Duration,
        until: impl FnMut(&Received) -> bool,
    ) -> Result<Received, TimedOut> {
        let mut changes = self.received.subscribe();
        match tokio::time::timeout(within, changes.wait_for(until)).await {
            Ok(seen) => Ok(seen.expect("the sender lives as long as the book").clone()),
            Err(_) => {
                Err(TimedOut { waited: within, totals: self.read(|seen| seen.totals.clone()) })
            }
        }
    }
}
