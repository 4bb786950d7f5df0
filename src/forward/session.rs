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

use guard::{Guard, Reason};

use super::part::{Part, Piece};
use crate::dead_letter::Letter;
use crate::metric::timestamp::Timestamp;

mod guard;
#[cfg(test)]
mod tests;

pub use guard::Evidence;

/// So many tuples refused alone without any evidence make a session suspect.
pub const LONE_REFUSALS_MAX: usize = 16;

/// What one worker does about one lease.
#[derive(Clone, Debug)]
pub struct Session {
    /// What is still to be posted, the next part last.
    stack: Vec<Job>,
    /// Refused alone when there was no evidence.
    doubtful: Vec<Doubtful>,
    /// Refused for good.
    lone: Vec<Lone>,
    delivered: u64,
    guard: Guard,
}

/// A part, and what its neighbour on the stack has to do with it.
#[derive(Clone, Debug)]
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

#[derive(Clone, Debug)]
struct Doubtful {
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

impl Session {
    /// A session about these tuples.
    pub fn new(part: Part) -> Self {
        Self {
            stack: vec![Job { part, tie: Tie::None }],
            doubtful: Vec::new(),
            lone: Vec::new(),
            delivered: 0,
            guard: Guard::Calm,
        }
    }

    /// What to do now. `has_evidence`: the receiver accepted something, of whichever session, in an
    /// attempt begun after the last [`Evidence::Anew`] of this one; of no meaning before the first.
    /// `bytes_max`: larger parts ([`Part::bytes`]) are cut before they are posted, save single tuples.
    ///
    /// Asked again before the answer to a part was reported, it names the same part, or the first of
    /// its cuts.
    pub fn next(&mut self, has_evidence: bool, bytes_max: usize) -> Step {
        if has_evidence {
            self.prove();
        }
        if self.doubtful.len() >= LONE_REFUSALS_MAX && self.guard.suspect() {
            return Step::Suspect;
        }
        loop {
            let Some(job) = self.stack.pop() else {
                match self.settle() {
                    Some(step) => return step,
                    None => continue,
                }
            };
            let is_alone = job.part.tuples() == 1;
            if !is_alone && job.tie == Tie::Guilty {
                self.push_halves(job.part.halves().expect("it has several tuples"));
            } else if !is_alone && job.part.bytes() > bytes_max {
                // The cuts of a first half would have to be accepted all for a conclusion about the
                // second: not worth the bookkeeping, so that one is posted itself.
                let cuts = job.part.within(bytes_max).into_iter().rev();
                self.stack.extend(cuts.map(|part| Job { part, tie: Tie::None }));
            } else {
                let part = job.part.clone();
                self.stack.push(job);
                return Step::Post(part);
            }
        }
    }

    /// The part was accepted.
    pub fn accepted(&mut self) {
        let job = self.posted();
        self.delivered += u64::from(job.part.tuples());
        if job.tie == Tie::FirstHalf {
            let second = self.stack.last_mut().expect("the second half lies below the first");
            second.tie = Tie::Guilty;
        }
        self.prove();
    }

    /// The part was refused for its content: 400, 422.
    pub fn refused(&mut self, refusal: Refusal) -> Evidence {
        let evidence = self.guard.refuse(Reason::Content);
        let job = self.posted();
        match job.part.halves() {
            Some(halves) => self.push_halves(halves),
            None => self.keep(&job.part, refusal, Reason::Content),
        }
        evidence
    }

    /// The part was refused for its size: 413.
    pub fn too_large(&mut self, refusal: Refusal) -> Evidence {
        let evidence = self.guard.refuse(Reason::Size);
        let job = self.posted();
        match job.part.halves_by_bytes() {
            Some((first, second)) => {
                let jobs = [second, first].map(|part| Job { part, tie: Tie::None });
                self.stack.extend(jobs);
            }
            None => self.keep(&job.part, refusal, Reason::Size),
        }
        evidence
    }

    /// Whether anything was accepted or refused: such a session keeps its lease while it waits, because
    /// it would have to begin again.
    pub fn has_progress(&self) -> bool {
        self.delivered > 0 || self.guard != Guard::Calm
    }

    /// Whether it is suspect: it posts only as a probe, and fresh sessions probe before it.
    pub fn is_suspect(&self) -> bool {
        self.guard.is_suspect()
    }

    /// Whether something of it was refused, and nothing accepted since by anybody, as far as it was
    /// told: it may be the receiver, so other tuples are the better ones to try.
    pub fn is_doubtful(&self) -> bool {
        self.guard.is_doubtful()
    }

    /// There is evidence. It settles the refusals that were about size; those of content are from
    /// before it, when the receiver may have refused everything. So are all of a suspect session: what was
    /// too large for everything may have been mended.
    fn prove(&mut self) {
        let was_suspect = self.guard.is_suspect();
        if self.guard.prove() && !was_suspect {
            let doubtful = std::mem::take(&mut self.doubtful);
            let (size, content): (Vec<_>, Vec<_>) =
                doubtful.into_iter().partition(|refused| refused.reason == Reason::Size);
            self.lone.extend(size.into_iter().map(|refused| refused.lone));
            self.doubtful = content;
        }
    }

    /// Nothing is left to post: the end, or the doubtful ones once more.
    fn settle(&mut self) -> Option<Step> {
        let is_few = self.doubtful.len() < LONE_REFUSALS_MAX;
        if is_few && self.doubtful.iter().all(|refused| refused.reason == Reason::Size) {
            self.lone.extend(self.doubtful.drain(..).map(|refused| refused.lone));
            return Some(Step::Over {
                delivered: self.delivered,
                lone: std::mem::take(&mut self.lone),
            });
        }
        let again = self.doubtful.drain(..).rev();
        let again = again.map(|refused| Job { part: refused.lone.piece.into(), tie: Tie::None });
        self.stack.extend(again);
        self.guard.suspect().then_some(Step::Suspect)
    }

    fn push_halves(&mut self, (first, second): (Part, Part)) {
        self.stack.push(Job { part: second, tie: Tie::None });
        self.stack.push(Job { part: first, tie: Tie::FirstHalf });
    }

    /// Keeps the refusal of a lone tuple.
    fn keep(&mut self, part: &Part, mut refusal: Refusal, reason: Reason) {
        let [piece] = part.pieces() else { unreachable!("a tuple alone is one piece") };
        // Thousands of tuples that are refused in the same words share them.
        let last = self.doubtful.last().map(|refused| &refused.lone).or(self.lone.last());
        if let Some(last) = last.filter(|last| last.refusal.answer == refusal.answer) {
            refusal.answer = Arc::clone(&last.refusal.answer);
        }
        let lone = Lone { piece: piece.clone(), refusal };
        if self.guard.is_evident() {
            self.lone.push(lone);
        } else {
            self.doubtful.push(Doubtful { lone, reason });
        }
    }

    /// The part that was posted last.
    fn posted(&mut self) -> Job {
        self.stack.pop().expect("an answer belongs to a posted part")
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
