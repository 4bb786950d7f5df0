//! What the edge has seen since it started, for whoever watches it: plain atomics, so that a request
//! pays next to nothing and a reader asks whenever it likes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;

use super::protocol::Protocol;
use crate::decode::labelled::Asides;
use crate::decode::media::Coding;
use crate::normalize::Code;
use crate::pipeline::report::{Codes, Kinds, Report};
use crate::spread::{Durations, Seen, Sizes};

/// What the edge has seen since it started.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections that were served, those open included.
    pub connections_accepted: AtomicU64,
    /// Connections turned away at `limits.connections`.
    pub turned_away: AtomicU64,
    /// Silent connections closed for the sake of others at `limits.connections`.
    pub made_way: AtomicU64,
    /// Requests over the per-IP limit.
    pub over_limit: AtomicU64,
    /// Requests for whose body there was no memory, or no room in the queue.
    pub no_room: AtomicU64,
    /// Requests that ended in a panic, a bug.
    pub panics: AtomicU64,
    /// Metrics of requests that were decided, whatever the number of the answer (contract C7), as sent.
    pub accepted: AtomicU64,
    /// Metrics of the same requests that were not taken.
    pub rejected: AtomicU64,
    requests: [AtomicU64; Protocol::COUNT],
    bodies: [Bodies; Protocol::COUNT],
    answers: Answers,
    codes: Codes,
}

/// Bodies of one protocol.
#[derive(Debug, Default)]
struct Bodies {
    wire: [AtomicU64; CODINGS.len()],
    sizes: Sizes,
    decoding: Durations,
    handling: Durations,
}

/// How bodies are compressed, as Content-Encoding has it, in the order of [`coding_number`].
const CODINGS: [&str; 5] = ["identity", "gzip", "deflate", "zstd", "snappy"];

fn coding_number(coding: Coding) -> usize {
    match coding {
        Coding::Identity => 0,
        Coding::Gzip => 1,
        Coding::Deflate => 2,
        Coding::Zstd => 3,
        Coding::Snappy => 4,
    }
}

/// Of bodies that are worked on where they were read, which takes some ten microseconds, one in as many is
/// timed: two looks at a clock are a part of that.
const TIMED_ONE_IN: u64 = 16;

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

    /// Whether the request at hand is one of those whose decoding is timed though it is small.
    pub(super) fn is_timed(&self, protocol: Protocol) -> bool {
        // The first of each protocol is, so that there is something to see.
        self.requests[protocol.number()].load(Ordering::Relaxed) % TIMED_ONE_IN == 1
    }

    /// So many bytes of a body came in, whatever became of them.
    pub(super) fn received(&self, protocol: Protocol, coding: Coding, wire_bytes: usize) {
        let bodies = &self.bodies[protocol.number()];
        bodies.wire[coding_number(coding)].fetch_add(wire_bytes as u64, Ordering::Relaxed);
    }

    /// A body is here as a whole.
    pub(super) fn is_here(&self, protocol: Protocol, bytes: usize) {
        self.bodies[protocol.number()].sizes.add(bytes as u64);
    }

    /// Tuples were made of a body, or the reasons why there are none.
    pub(super) fn decoded(&self, protocol: Protocol, within: Duration) {
        self.bodies[protocol.number()].decoding.took(within);
    }

    /// A body was decided and what it brought is safe.
    pub(super) fn handled(&self, protocol: Protocol, within: Duration) {
        self.bodies[protocol.number()].handling.took(within);
    }

    /// Bytes of bodies as they came, by protocol and Content-Encoding.
    pub fn wire_bytes(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.by_protocol().flat_map(|(protocol, bodies)| {
            let counts = bodies.wire.iter().map(|count| count.load(Ordering::Relaxed));
            CODINGS.into_iter().zip(counts).map(move |(coding, bytes)| (protocol, coding, bytes))
        })
    }

    /// Sizes of whole bodies, decompressed, by protocol; bytes.
    pub fn body_sizes(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        self.by_protocol().map(|(protocol, bodies)| (protocol, bodies.sizes.read()))
    }

    /// How long it took to make tuples of bodies, by protocol; nanoseconds. Of small bodies one in
    /// sixteen is timed.
    pub fn decode_times(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        self.by_protocol().map(|(protocol, bodies)| (protocol, bodies.decoding.read()))
    }

    /// How long it took from the last byte of a body until its metrics were safe, by protocol; nanoseconds.
    pub fn handling_times(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        self.by_protocol().map(|(protocol, bodies)| (protocol, bodies.handling.read()))
    }

    fn by_protocol(&self) -> impl Iterator<Item = (&'static str, &Bodies)> {
        Protocol::NAMES.into_iter().zip(&self.bodies)
    }

    /// Tuples by what their metric was sent as, of the requests that [`Self::accepted`] counts.
    pub fn kinds(&self) -> [u64; Kinds::NAMES.len()] {
        self.codes.kinds()
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
