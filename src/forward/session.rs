//! Everything one worker does about one lease until it is acknowledged (contract C6.2): which tuples
//! go into the next request, and which are refused for good. Pure: no I/O, no clock.
//!
//! # Halving
//!
//! The parts still to be posted are a stack. A part of several tuples that is refused for its content
//! (400, 422) is replaced by its halves, and the first half is posted next. When that one is accepted
//! the refused tuple must be in the other half, which is halved again without being posted; a tuple
//! alone is always posted itself. One bad tuple among `n` is found in at most `2 * log2(n) + 1`
//! requests after the first. A part that is too large (413) is cut in two by bytes, which says
//! nothing about either half.
//!
//! # Guard
//!
//! A receiver that refuses everything must cost nobody a tuple. *Evidence* is that it accepted
//! something in an attempt begun after this session's first refusal. Only a tuple that was refused
//! alone while there was evidence becomes a dead letter; one refused before that is asked about once
//! more when the evidence is there. Without any, a session is *suspect*: at
//! [`LONE_REFUSALS_MAX`] lone refusals, or when nothing else is left to post. A suspect session goes
//! on with one request at each probe of its receiver, and posts its refused tuples again and again,
//! until something is accepted. A lone tuple that is too large needs no evidence (its size is the
//! reason), but counts towards suspicion.

use std::sync::Arc;

use super::part::{Part, Piece};
use crate::dead_letter::Letter;
use crate::metric::timestamp::Timestamp;

/// So many tuples refused alone without any evidence make a session suspect.
pub const LONE_REFUSALS_MAX: usize = 16;

/// What one worker does about one lease.
#[derive(Debug)]
pub struct Session {
    /// What is still to be posted, the next part last.
    stack: Vec<Job>,
    /// Refused alone, without evidence at that time.
    doubtful: Vec<Refused>,
    /// Refused for good.
    lone: Vec<Lone>,
    delivered: u64,
    guard: Guard,
    has_progress: bool,
}

/// A part, and what its neighbour on the stack has to do with it.
#[derive(Debug)]
struct Job {
    part: Part,
    tie: Tie,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    None,
    /// The first half of a refused part; the job below is the second.
    FirstHalf,
    /// The first half was accepted: this one holds the refused tuple.
    Guilty,
}

/// How far the guard against a receiver that refuses everything has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// Nothing was refused.
    Calm,
    /// Refused so far: the reason, and whether there is evidence.
    Refusing(Reason, Standing),
}

/// Why something was refused. A refusal of content outranks one of size: evidence begins anew with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Size,
    Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Suspect,
    Evident,
}

#[derive(Debug)]
struct Refused {
    lone: Lone,
    reason: Reason,
}

/// An answer that refused something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// Its words, bounded and without the key.
    pub answer: Arc<str>,
    /// When it came.
    pub at: Timestamp,
}

/// A tuple that was refused when it stood alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lone {
    /// The one tuple.
    pub piece: Piece,
    /// The last answer to it.
    pub refusal: Refusal,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Post these tuples and report the answer. An attempt that decides nothing (retry, hold, step
    /// down) is not reported: the next part is the same again.
    Post(Part),
    /// This session has become suspect: hold the receiver, and ask for the next step at a probe of it.
    /// Said once; from then on [`Session::is_suspect`] says so until there is evidence.
    Suspect,
    /// All of it is settled. Every tuple is in one of the two.
    Over {
        /// Tuples that were accepted.
        delivered: u64,
        /// Tuples that were refused for good; they are handed out only once.
        lone: Vec<Lone>,
    },
}

/// What counts as evidence after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Evidence {
    /// The same as before it.
    Stands,
    /// Only acceptances in attempts that begin after now: note the number of the latest attempt.
    Anew,
}

impl Session {
    /// A session about these tuples.
    pub fn new(part: Part) -> Self {
        Self {
            stack: vec![Job { part, tie: Tie::None }],
            doubtful: Vec::new(),
            lone: Vec::new(),
            delivered: 0,
            guard: Guard::Calm,
            has_progress: false,
        }
    }

    /// What to do now. `has_evidence`: the receiver accepted something, of whichever session, in an
    /// attempt begun after the last [`Evidence::Anew`] of this one; of no meaning before the first.
    /// `bytes_max`: larger parts ([`Part::bytes`]) are cut before they are posted, save single tuples.
    ///
    /// Asked again before the answer to a part was reported, it names the same part, or the first of
    /// its cuts.
    pub fn next(&mut self, has_evidence: bool, bytes_max: usize) -> Step {
        let _ = (has_evidence, bytes_max);
        match self.stack.last() {
            Some(job) => Step::Post(job.part.clone()),
            None => Step::Over { delivered: self.delivered, lone: std::mem::take(&mut self.lone) },
        }
    }

    /// The part was accepted.
    pub fn accepted(&mut self) {
        let job = self.stack.pop().expect("an answer belongs to a posted part");
        self.delivered += u64::from(job.part.tuples());
        self.has_progress = true;
    }

    /// The part was refused for its content: 400, 422.
    pub fn refused(&mut self, refusal: Refusal) -> Evidence {
        let _ = refusal;
        Evidence::Anew
    }

    /// The part was refused for its size: 413.
    pub fn too_large(&mut self, refusal: Refusal) -> Evidence {
        let _ = refusal;
        Evidence::Anew
    }

    /// Whether anything was accepted or refused: such a session keeps its lease while it waits, because
    /// it would have to begin again.
    pub fn has_progress(&self) -> bool {
        self.has_progress
    }

    /// Whether it is suspect: it posts only as a probe, and fresh sessions probe before it.
    pub fn is_suspect(&self) -> bool {
        matches!(self.guard, Guard::Refusing(_, Standing::Suspect))
    }

    /// Whether it looks for tuples that are refused for their content.
    pub fn is_halving(&self) -> bool {
        matches!(self.guard, Guard::Refusing(Reason::Content, _))
    }
}

impl From<Lone> for Letter {
    fn from(Lone { piece, refusal }: Lone) -> Self {
        Self {
            sequence: piece.sequence,
            index: piece.first,
            received: piece.received,
            source: piece.source,
            at: refusal.at,
            status: refusal.status,
            answer: refusal.answer,
            tuple: piece.bytes,
        }
    }
}
