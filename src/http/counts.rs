//! What the edge has seen since it started, for whoever watches it: plain atomics, so that a request
//! pays next to nothing and a reader asks whenever it likes.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

use super::protocol::Protocol;
use crate::decode::labelled::Asides;
use crate::normalize::Code;
use crate::pipeline::report::{Codes, Report};

/// What the edge has seen since it started.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections turned away at `limits.connections`.
    pub turned_away: AtomicU64,
    /// Silent connections closed for the sake of others at `limits.connections`.
    pub made_way: AtomicU64,
    /// Requests over the per-IP limit.
    pub over_limit: AtomicU64,
    /// Requests that ended in a panic, a bug.
    pub panics: AtomicU64,
    /// Metrics of requests that were decided, whatever the number of the answer (contract C7), as sent.
    pub accepted: AtomicU64,
    /// Metrics of the same requests that were not taken.
    pub rejected: AtomicU64,
    requests: [AtomicU64; Protocol::COUNT],
    answers: Answers,
    codes: Codes,
}

impl Counts {
    /// Takes in the report of a request that was decided.
    pub(super) fn decided(&self, report: &Report) {
        self.accepted.fetch_add(report.accepted, Ordering::Relaxed);
        self.rejected.fetch_add(report.rejected, Ordering::Relaxed);
        self.codes.take(report);
    }

    /// A request brought metrics, or tried to.
    pub(super) fn came(&self, protocol: Protocol) {
        self.requests[protocol.number()].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that brought metrics or tried to, by the name of their protocol.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.requests.iter().map(|count| count.load(Ordering::Relaxed));
        Protocol::NAMES.into_iter().zip(counts)
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.answers.count(status);
    }

    /// How many requests got each status, by rising status; those that occur by design also at zero.
    pub fn answers(&self) -> Vec<(u16, u64)> {
        self.answers.read()
    }

    /// Items rejected, of the requests that [`Self::accepted`] and
    /// [`Self::rejected`] count.
    pub fn rejections(&self, code: Code) -> u64 {
        self.codes.rejections(code)
    }

    /// What came along with the same requests.
    pub fn asides(&self) -> Asides {
        self.codes.asides()
    }

    /// Accepted items warned of, of the same requests.
    pub fn warnings(&self, code: Code) -> u64 {
        self.codes.warnings(code)
    }
}

const STATUS_MIN: u16 = 200;
const STATUSES: usize = 400;

/// Shown also while nobody got one: a rate needs a value to start from.
const BY_DESIGN: [u16; 15] =
    [200, 202, 204, 400, 403, 404, 405, 406, 408, 413, 415, 422, 429, 500, 503];

/// Final answers by status.
#[derive(Debug)]
struct Answers([AtomicU64; STATUSES]);

impl Default for Answers {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Answers {
    /// A status outside 200 to 599 is nothing the edge answers with, and is not counted.
    fn count(&self, status: StatusCode) {
        let slot = status.as_u16().checked_sub(STATUS_MIN).map(usize::from);
        if let Some(count) = slot.and_then(|slot| self.0.get(slot)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Vec<(u16, u64)> {
        let counts = (STATUS_MIN..).zip(&self.0);
        let counts = counts.map(|(status, count)| (status, count.load(Ordering::Relaxed)));
        counts.filter(|(status, count)| *count > 0 || BY_DESIGN.contains(status)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_apart_and_the_usual_ones_shown_from_the_start() {
        let answers = Answers::default();
        assert!(answers.read().iter().map(|(status, _)| *status).eq(BY_DESIGN));
        for status in [200, 418, 418, 599, 199, 600, 999] {
            answers.count(StatusCode::from_u16(status).unwrap());
        }
        let seen: Vec<_> = answers.read().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(seen, [(200, 1), (418, 2), (599, 1)]);
    }
}
