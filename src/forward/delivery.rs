//! One delivery: the session of one lease, carried out until it is acknowledged or given back
//! (contract C6.2).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::attempts::Expense;
use super::backoff::Backoff;
use super::blocking::blocking;
use super::board::Failure;
use super::body::Body;
use super::client::Answer;
use super::coding::Stepped;
use super::gate::{Attempt, Turn, Who};
use super::key::Found;
use super::loan::{Bond, Loan, Why};
use super::outcome::{Outcome, Reply, classify};
use super::pace::{HURRIED_WAIT_MAX, Mode, Word};
use super::part::Part;
use super::phase::{Phase, Stage};
use super::session::{Evidence, Refusal, Session, Step};
use super::worker::Line;
use crate::config::Compression;

mod letters;

/// Bodies that have to be gone through for more bytes than this are packed off the reactor: that may
/// take over 0.1 ms.
const PACK_INLINE_BYTES_MAX: usize = 64 << 10;

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Acknowledged.
    Settled,
    /// Its lease is back in the queue, for now.
    GivenBack,
    /// Its lease is back in the queue: a shutdown leaves no time for another attempt.
    GivenUp,
}

/// A session, and what it takes to carry it out.
pub(super) struct Delivery<'a> {
    line: &'a Arc<Line>,
    loan: Loan,
    session: Session,
    phase: Phase,
    /// The number from which on an accepted attempt is evidence; `None` before the first refusal.
    since: Option<u64>,
    /// Only for failures while the receiver accepted others; the gate keeps the common wait.
    own: Backoff,
    last_refusal: Option<Refusal>,
    /// Whether an answer named the encoding, which was taken for the content's fault.
    blames_encoding: bool,
    packed: Option<Packed>,
    /// Leave to keep the lease while nothing gets on.
    bond: Option<Bond>,
}

/// A body that may be sent again.
struct Packed {
    part: Part,
    encoding: Compression,
    body: Body,
}

/// What is known after an attempt.
enum After {
    /// Ask the session.
    Next,
    /// The same again after this wait of its own.
    Rest(Duration),
    End(End),
}

impl<'a> Delivery<'a> {
    pub(super) fn new(line: &'a Arc<Line>, loan: Loan, phase: Phase) -> Self {
        Self {
            session: Session::new(Part::of(&loan.lease().blocks)),
            line,
            loan,
            phase,
            since: None,
            own: line.backoff,
            last_refusal: None,
            blames_encoding: false,
            packed: None,
            bond: None,
        }
    }

    /// Carries it out; the first attempt has its turn already.
    pub(super) async fn run(mut self, first: Turn<'a>) -> End {
        let mut turn = Some(first);
        loop {
            match self.next() {
                Step::Over { delivered, lone } => {
                    drop(turn);
                    return self.settle(delivered, lone).await;
                }
                Step::Suspect => {
                    turn = None;
                    if !self.suspect() {
                        return End::GivenBack;
                    }
                }
                Step::Post(part) => {
                    let Some(turn) = turn.take().filter(Turn::is_good) else {
                        let who =
                            if self.session.is_doubtful() { Who::Doubtful } else { Who::Other };
                        turn = self.line.gate.enter(who, &self.phase).await;
                        if turn.is_none() {
                            return End::GivenUp;
                        }
                        // While it waited others may have brought evidence, or learned the size.
                        continue;
                    };
                    match self.attempt(part, turn).await {
                        After::Next => {}
                        After::Rest(wait) => self.rest(wait).await,
                        After::End(end) => return end,
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Step {
        let has_evidence = self.since.is_some_and(|since| self.line.gate.evidence_since(since));
        if has_evidence {
            self.bond = None;
        }
        self.session.next(has_evidence, self.line.room())
    }

    /// Holds the receiver. Whether the lease may be kept: one worker stays free for fresh tuples.
    fn suspect(&mut self) -> bool {
        self.hold();
        if self.blames_encoding {
            self.line.coding.doubt();
        }
        self.keeps(Why::Refused)
    }

    fn hold(&self) {
        let since = self.since.expect("only refusals make a session suspect");
        let last = self.last_refusal.as_ref().expect("they were kept");
        let line = self.line;
        line.gate.suspect(since, |change| line.board.suspected(last, change));
    }

    async fn attempt(&mut self, part: Part, turn: Turn<'a>) -> After {
        let line = self.line;
        if turn.is_probe() {
            if line.look_for_key().await == Found::Another {
                // What this turn was given for was another key's state.
                return After::Next;
            }
            line.coding.rotate();
            line.tuned();
        }
        let encoding = line.coding.current();
        let body = self.pack(&part, encoding).await;
        if self.phase.is_leaving_the_rest() {
            return After::End(End::GivenUp);
        }
        if !turn.is_good() {
            return After::Next;
        }
        let (bytes, begun) = (body.len(), Instant::now());
        let answer = {
            let _on_wire = line.board.on_wire(turn.is_probe());
            line.client.post(body, encoding, line.clock.now()).await
        };
        let (latency, raw_bytes) = (begun.elapsed(), line.envelope.load().raw_bytes(&part));
        line.attempts.count(answer.reply, Expense { latency, sent_bytes: bytes, raw_bytes });
        let (outcome, word) = self.judge(answer.reply, encoding);
        self.report(&part, turn, &answer, outcome, Attempt { word, latency, bytes })
    }

    /// What an answer means, with what it says about encodings carried out.
    fn judge(&mut self, reply: Reply, encoding: Compression) -> (Outcome, Word) {
        let outcome = classify(reply);
        let word = match outcome {
            Outcome::Done => {
                self.line.coding.accepted(encoding);
                Word::Accepted
            }
            Outcome::Retry { after } => Word::Later { after },
            Outcome::Split | Outcome::Halve => Word::Refused,
            Outcome::Hold => Word::Never,
            Outcome::StepDown => {
                match self.line.coding.step(encoding, status(reply).unwrap_or_default()) {
                    Stepped::To(_) => Word::Refused,
                    Stepped::Exhausted => Word::Never,
                    Stepped::Doubtful => {
                        self.blames_encoding = true;
                        return (Outcome::Halve, Word::Never);
                    }
                    // The encoding is not the reason, so the content is.
                    Stepped::Proven => {
                        self.blames_encoding = true;
                        return (Outcome::Halve, Word::Refused);
                    }
                }
            }
        };
        (outcome, word)
    }

    fn report(
        &mut self,
        part: &Part,
        turn: Turn<'a>,
        answer: &Answer,
        outcome: Outcome,
        attempt: Attempt,
    ) -> After {
        let (line, at, is_probe) = (self.line, self.line.clock.now(), turn.is_probe());
        let raw_bytes = line.envelope.load().raw_bytes(part);
        let (word, tuples) = (attempt.word, u64::from(part.tuples()));
        let status = status(answer.reply);
        let change = turn.report(attempt, |change| {
            if word == Word::Accepted {
                line.board.accepted(tuples, at, change);
            } else {
                let failure = Failure { word, status, text: &answer.text, at };
                line.board.failed(&failure, change);
            }
        });
        if word != Word::Accepted {
            tracing::debug!(receiver.name = line.board.name(), "attempt failed: {}", answer.text);
        }
        let refusal = || Refusal {
            status: status.unwrap_or_default(),
            answer: answer.text.as_str().into(),
            at,
        };
        match outcome {
            Outcome::Done => {
                line.learn(|size| size.accepted(raw_bytes));
                self.session.accepted();
                (self.own, self.bond) = (line.backoff, None);
                After::Next
            }
            Outcome::Split | Outcome::Halve => {
                let refusal = refusal();
                self.last_refusal = Some(refusal.clone());
                let evidence = if outcome == Outcome::Split {
                    // Of one tuple alone nothing can be sent but all of it.
                    if part.tuples() > 1 {
                        line.learn(|size| size.too_large(raw_bytes));
                    }
                    self.session.too_large(refusal)
                } else {
                    self.session.refused(refusal)
                };
                if evidence == Evidence::Anew {
                    self.since = Some(change.next_number);
                    if self.session.is_suspect() {
                        // What dispels the suspicion has to be evidence for this session, too.
                        self.hold();
                    }
                }
                self.after_refusal(change.after)
            }
            Outcome::StepDown if word == Word::Refused => {
                line.stepped_down();
                After::Next
            }
            // Nothing was decided.
            _ if !self.may_wait() => After::End(End::GivenBack),
            Outcome::Retry { .. } if !is_probe => After::Rest(self.own.next(fastrand::f64())),
            Outcome::Retry { .. } | Outcome::StepDown | Outcome::Hold => After::Next,
        }
    }

    /// While the receiver is held every refusal without evidence needs leave to keep its lease: one
    /// worker stays free for fresh tuples, which are the likelier evidence.
    fn after_refusal(&mut self, mode: Mode) -> After {
        let is_held = matches!(mode, Mode::Held { .. });
        if is_held && self.session.is_doubtful() && !self.keeps(Why::Refused) {
            return After::End(End::GivenBack);
        }
        After::Next
    }

    /// Whether there is leave to keep the lease, now at the latest.
    fn keeps(&mut self, why: Why) -> bool {
        if self.bond.as_ref().is_none_or(|bond| !bond.is_for(why)) {
            self.bond = None;
            self.bond = self.line.crew.bind(why);
        }
        self.bond.is_some()
    }

    /// Whether the lease is kept for another try. A session that has nothing to lose gives it back, but
    /// for a few: a receiver that is down pins little, and fresh tuples can go first.
    fn may_wait(&mut self) -> bool {
        if !self.session.has_progress() && self.bond.is_none() {
            self.bond = self.line.crew.bind(Why::Waiting);
            return self.bond.is_some();
        }
        true
    }

    /// The body of this part, again if it was packed before.
    async fn pack(&mut self, part: &Part, encoding: Compression) -> Body {
        if let Some(packed) = &self.packed
            && packed.encoding == encoding
            && std::ptr::eq(packed.part.pieces(), part.pieces())
        {
            return packed.body.clone();
        }
        let is_short =
            self.line.envelope.load().pack_bytes(part, encoding) <= PACK_INLINE_BYTES_MAX;
        let (line, cut) = (Arc::clone(self.line), part.clone());
        let pack = move || line.envelope.load().pack(line.clock.now(), &cut, encoding);
        let body = if is_short { pack() } else { blocking(pack).await };
        self.packed = Some(Packed { part: part.clone(), encoding, body: body.clone() });
        body
    }

    /// Waits, but not longer than until a shutdown begins; while one runs, only briefly.
    async fn rest(&mut self, wait: Duration) {
        match self.phase.now() {
            Stage::Running => tokio::select! {
                () = sleep(wait) => {}
                () = self.phase.drained() => {}
            },
            Stage::Draining { .. } => sleep(wait.min(HURRIED_WAIT_MAX)).await,
        }
    }
}

fn status(reply: Reply) -> Option<u16> {
    match reply {
        Reply::Answered { status, .. } => Some(status),
        Reply::Failed(_) => None,
    }
}
