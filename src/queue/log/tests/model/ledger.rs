//! The model: every tuple, and what may have become of it. Nothing clever.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::anatomy::Id;
use super::steps::{ALL_SOURCES, NAMES, Shape};
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::queue::{Books, Entry, Lease, Leased, Totals, Want};

mod reopened;

pub(super) use reopened::Seen;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    tuples: Vec<Tuple>,
    requests: Vec<Request>,
    pub(super) sides: [Side; NAMES.len()],
    /// Exactly, between two openings.
    pub(super) totals: Totals,
    /// Requests about which nobody was answered, or found after a crash and not yet followed by one
    /// that was acknowledged.
    unresolved: Vec<usize>,
    /// Totals of the log that belong to no request: those of void requests in its middle, and of
    /// requests that left nothing to append.
    excess: Totals,
    /// Tuples whose record was damaged: each of them may be missing.
    pub(super) excused: BTreeSet<Id>,
    /// Tuples of requests that may be missing whole: damaged in the end that nothing vouches for.
    pub(super) voidable: BTreeSet<Id>,
}

#[derive(Debug)]
struct Tuple {
    request: usize,
    pad: u16,
}

#[derive(Debug)]
struct Request {
    /// Its source, as a bit.
    bit: u8,
    source: Arc<str>,
    received: Timestamp,
    target: Option<usize>,
    tuples: Range<Id>,
    accepted: u64,
    rejected: u64,
    fate: Fate,
    /// A sync that held it failed, and may have dropped what reads still show: it can vanish.
    is_shaky: bool,
    /// The log was opened since, and no destination of it was there to show it.
    is_hidden: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Never to be lost.
    Acknowledged,
    /// There or not, whole.
    Unknown,
    /// It was there after a crash.
    Found,
    /// Never to be seen.
    Absent,
    /// It was there, and was lost in a way that the contract allows. Never to be seen again.
    Voided,
}

/// One destination.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Whether a log opened with it once.
    pub(super) has_begun: bool,
    standing: Vec<Standing>,
    loans: BTreeMap<u64, Vec<Id>>,
    /// Exactly, between two openings.
    pub(super) books: Books,
    /// Its position was damaged, or was too ragged to be saved.
    pub(super) may_repeat: bool,
    /// Nobody delivered to it for a while in a log with a low cap, or it had a bound then: it may have
    /// given up some.
    pub(super) may_expire: bool,
    /// A bit for each source that it leaves out.
    pub(super) foreign: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not for this destination.
    Elsewhere,
    Waiting,
    Lent,
    /// Acknowledged since the last save.
    Done,
    Saved,
    /// Damaged.
    Lost,
    /// Damaged, and acknowledged before in a way that the position may not know of.
    Unclear,
    /// Left out by its filter, passed or not.
    Foreign,
    /// The same, and it may have been done before.
    Blurred,
    /// Expired since the last save.
    Gone,
    GoneForGood,
}

/// Beyond so many stretches that are done a save may have merged some (64 with a margin).
const RUNS_RAGGED: usize = 40;

fn text(id: Id, pad: u16) -> String {
    let mut text = format!("[{id},\"");
    text.extend(std::iter::repeat_n("xxxxxxxxxxxxxxxx", usize::from(pad) / 16));
    text.push_str("\"]");
    text
}

impl Ledger {
    /// A request that is about to be appended.
    pub(super) fn add(&mut self, shape: &Shape, received: Timestamp) -> Entry {
        let begin = self.tuples.len();
        let request = self.requests.len();
        let mut blocks = Vec::new();
        for pads in &shape.blocks {
            let from = self.tuples.len();
            self.tuples.extend(pads.iter().map(|pad| Tuple { request, pad: *pad }));
            let texts = (from..).zip(pads).map(|(id, pad)| text(id, *pad));
            let bytes = Bytes::from(texts.collect::<Vec<_>>().join(",\n"));
            blocks.push(Block { bytes, tuples: pads.len() as u32 });
        }
        let tuples = begin..self.tuples.len();
        for (index, side) in self.sides.iter_mut().enumerate() {
            let is_for = side.has_begun && shape.target.is_none_or(|target| target == index);
            let is_foreign = shape.target.is_none() && side.foreign & (1 << shape.source) != 0;
            let standing = match is_for {
                false => Standing::Elsewhere,
                true if is_foreign => Standing::Foreign,
                true => Standing::Waiting,
            };
            side.standing.resize(tuples.end, standing);
        }
        let source: Arc<str> = Arc::from(format!("source-{}", shape.source));
        let accepted = tuples.len() as u64;
        self.requests.push(Request {
            bit: 1 << shape.source,
            source: Arc::clone(&source),
            received,
            target: shape.target,
            tuples,
            accepted,
            rejected: shape.rejected,
            fate: Fate::Unknown,
            is_shaky: false,
            is_hidden: false,
        });
        self.unresolved.push(request);
        Entry {
            source,
            received,
            blocks,
            target: shape.target.map(|target| Arc::from(NAMES[target])),
            accepted,
            rejected: shape.rejected,
        }
    }

    /// A request that left nothing to append: a crash may forget it.
    pub(super) fn decided(&mut self, accepted: u64, rejected: u64) {
        for totals in [&mut self.totals, &mut self.excess] {
            totals.accepted += accepted;
            totals.rejected += rejected;
        }
    }

    /// The request that was added last was refused before anything was written.
    pub(super) fn refused(&mut self) {
        let request = self.unresolved.pop().expect("it was just added");
        self.requests[request].fate = Fate::Absent;
    }

    /// The last so many requests were acknowledged; what was uncertain before them no longer is.
    pub(super) fn acknowledged(&mut self, requests: usize) {
        let new = self.unresolved.split_off(self.unresolved.len() - requests);
        let requests = &mut self.requests;
        self.unresolved.retain(|request| {
            let request = &mut requests[*request];
            match request.fate {
                Fate::Unknown if request.is_hidden => return true,
                // Its place in the log is taken.
                Fate::Unknown => request.fate = Fate::Absent,
                Fate::Found if !request.is_shaky => request.fate = Fate::Acknowledged,
                _ => {}
            }
            false
        });
        for request in new {
            let request = &mut self.requests[request];
            request.fate = Fate::Acknowledged;
            let tuples = request.tuples.len() as u64;
            self.totals.accepted += request.accepted;
            self.totals.rejected += request.rejected;
            if request.target.is_none() {
                self.totals.tuples += tuples;
            }
            for side in &mut self.sides {
                if side.standing[request.tuples.start] != Standing::Elsewhere {
                    side.books.queued += tuples;
                    match request.target {
                        None => side.books.series += tuples,
                        Some(_) => side.books.replayed += tuples,
                    }
                }
            }
        }
    }

    /// A sync may have failed and dropped what it should have written.
    pub(super) fn shake(&mut self) {
        for request in &self.unresolved {
            self.requests[*request].is_shaky = true;
        }
    }

    pub(super) fn lent(&mut self, side: usize, lease: &Lease, want: Want) {
        let mut ids = Vec::new();
        let mut firsts = Vec::new();
        for leased in &lease.blocks {
            let block = self.read(side, leased);
            firsts.push(block[0]);
            ids.extend(block);
        }
        assert!(firsts.is_sorted(), "a lease in order: {firsts:?}");
        let bytes: usize = lease.blocks.iter().map(|leased| leased.block.bytes.len() + 2).sum();
        let fits = bytes - 2 <= want.bytes && ids.len() <= want.tuples as usize;
        assert!(fits || lease.blocks.len() == 1, "{bytes} bytes for {want:?}");
        let side = &mut self.sides[side];
        for id in &ids {
            assert_eq!(side.standing[*id], Standing::Waiting, "tuple {id} is leased");
            side.standing[*id] = Standing::Lent;
        }
        assert!(side.loans.insert(lease.id, ids).is_none(), "a new name for every lease");
    }

    /// The tuples of a leased block, which was appended just so.
    pub(super) fn read(&self, side: usize, leased: &Leased) -> Vec<Id> {
        let body = str::from_utf8(&leased.block.bytes).expect("text");
        let id = |tuple: &str| {
            let id = tuple.strip_prefix('[').and_then(|rest| rest.split(',').next());
            let id: Id = id.and_then(|id| id.parse().ok()).expect("a tuple of ours");
            assert_eq!(tuple, text(id, self.tuples[id].pad), "as it was appended");
            id
        };
        let ids: Vec<Id> = body.split(",\n").map(id).collect();
        assert!(ids.is_sorted() && ids.len() == leased.block.tuples as usize, "{ids:?}");
        for id in &ids {
            let request = self.request(*id);
            assert!(request.target.is_none_or(|target| target == side), "tuple {id} for {side}");
            assert_eq!(leased.source, request.source, "tuple {id}");
        }
        assert_eq!(leased.received, self.request(ids[0]).received);
        ids
    }

    pub(super) fn loan_tuples(&self, side: usize, lease: u64) -> u64 {
        self.sides[side].loans[&lease].len() as u64
    }

    pub(super) fn acked(&mut self, side: usize, lease: u64, dead_lettered: u64) {
        let side = &mut self.sides[side];
        let ids = side.loans.remove(&lease).expect("an open lease");
        side.books.queued -= ids.len() as u64;
        side.books.delivered += ids.len() as u64 - dead_lettered;
        side.books.dead_lettered += dead_lettered;
        side.mark(&ids, Standing::Done);
    }

    pub(super) fn released(&mut self, side: usize, lease: u64) {
        let side = &mut self.sides[side];
        let ids = side.loans.remove(&lease).expect("an open lease");
        side.mark(&ids, Standing::Waiting);
    }

    /// The positions of these destinations were saved.
    pub(super) fn saved(&mut self, sides: impl Iterator<Item = usize>) {
        for index in sides {
            let side = &mut self.sides[index];
            let class = |standing: &Standing| match standing {
                Standing::Foreign | Standing::Blurred => 2,
                Standing::Done | Standing::Saved | Standing::Gone | Standing::GoneForGood => 1,
                _ => 0,
            };
            let runs = side.standing.chunk_by(|one, next| class(one) == class(next)).count();
            side.may_repeat |= runs / 2 > RUNS_RAGGED;
            for standing in &mut side.standing {
                match standing {
                    Standing::Done => *standing = Standing::Saved,
                    Standing::Gone => *standing = Standing::GoneForGood,
                    _ => {}
                }
            }
        }
    }

    /// The process is gone, and its loans with it.
    pub(super) fn crashed(&mut self) {
        for side in &mut self.sides {
            for ids in std::mem::take(&mut side.loans).into_values() {
                side.mark(&ids, Standing::Waiting);
            }
        }
    }

    /// The books are exactly as they have to be.
    pub(super) fn check_books(&mut self, index: usize, books: Books) {
        let side = &self.sides[index];
        let mut expected = side.books;
        // When what is left out is passed is up to the log.
        let passed = books.filtered.checked_sub(expected.filtered).expect("none is taken back");
        assert!(books.filtered <= side.foreign_tuples(), "{index}: {books:?}");
        expected.filtered += passed;
        expected.queued = expected.queued.checked_sub(passed).expect("it was queued");
        if books != expected {
            // All else is delivered: what was of unknown size is now known.
            let late = expected.queued - books.queued;
            let is_known = side.may_expire || late <= self.unbooked(side);
            assert!(books.queued == 0 && is_known, "{index}: {books:?}");
            (expected.queued, expected.damaged) = (0, expected.damaged + late);
        }
        assert_eq!(books, expected, "{index}");
        self.sides[index].books = expected;
    }

    /// A destination has expired some of what waits, by its bound the oldest. `left` is what still does.
    pub(super) fn expired(
        &mut self,
        index: usize,
        left: &BTreeSet<Id>,
        tuples: u64,
        is_by_bound: bool,
    ) {
        let gone: Vec<Id> = self.waiting(index).filter(|id| !left.contains(id)).collect();
        let since = |id: &Id| self.request(*id).received.seconds();
        let oldest_left = left.iter().map(since).min();
        let newest_gone = gone.iter().map(since).max();
        let is_oldest = newest_gone <= oldest_left.or(newest_gone);
        assert!(is_oldest || !is_by_bound, "{index}: {gone:?}, {left:?} are left");
        // Damage may leave open how many they were.
        let is_sure = self.excused.is_empty() && self.voidable.is_empty();
        assert!(!is_sure || gone.len() as u64 == tuples, "{index}: {gone:?} for {tuples}");
        let side = &mut self.sides[index];
        side.mark(&gone, Standing::Gone);
        side.books.expired += tuples;
        side.books.queued -= tuples;
    }

    /// Whether something is there to lease.
    pub(super) fn has_waiting(&self, side: usize) -> bool {
        self.waiting(side).next().is_some()
    }

    /// Tuples nobody may ask about any more: the whole request a tuple belongs to.
    pub(super) fn siblings(&self, id: Id) -> Range<Id> {
        self.request(id).tuples.clone()
    }

    fn waiting(&self, side: usize) -> impl Iterator<Item = Id> {
        let standing = self.sides[side].standing.iter().enumerate();
        let waiting = standing.filter(|(_, standing)| **standing == Standing::Waiting);
        waiting.map(|(id, _)| id).filter(|id| self.request(*id).is_there())
    }

    fn request(&self, id: Id) -> &Request {
        &self.requests[self.tuples[id].request]
    }
}

impl Request {
    /// Whether a destination that leaves out these sources does not get it.
    fn is_foreign(&self, foreign: u8) -> bool {
        self.target.is_none() && self.bit & foreign != 0
    }

    /// Whether its tuples are in the log.
    fn is_there(&self) -> bool {
        matches!(self.fate, Fate::Acknowledged | Fate::Found)
    }
}

impl Side {
    /// It is configured to want these sources; all of them while it is not.
    pub(super) fn wants(&mut self, sources: u8) {
        self.foreign = ALL_SOURCES & !sources;
    }

    /// Tuples that its filter leaves out, or did.
    fn foreign_tuples(&self) -> u64 {
        let is_foreign =
            |standing: &&Standing| matches!(standing, Standing::Foreign | Standing::Blurred);
        self.standing.iter().filter(is_foreign).count() as u64
    }

    fn mark(&mut self, ids: &[Id], standing: Standing) {
        for id in ids {
            self.standing[*id] = standing;
        }
    }

    pub(super) fn nth_loan(&self, nth: usize) -> Option<u64> {
        self.loans.keys().nth(nth).copied()
    }
}
