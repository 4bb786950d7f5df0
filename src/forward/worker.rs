//! One delivery after another: lease, pack, post until it is accepted, acknowledge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::attempts::Attempts;
use super::backoff::Backoff;
use super::client::Client;
use super::envelope::Envelope;
use super::gate::Gate;
use super::outcome::{Outcome, classify};
use super::pace::HURRIED_WAIT_MAX;
use super::part::Part;
use super::phase::{Drain, Phase, Stage};
use super::status::{Board, Told};
use crate::clock::Clock;
use crate::config::Compression;
use crate::dead_letter::DeadLetters;
use crate::queue::{Lease, Outlet};

/// Bodies of more raw bytes than this are packed off the reactor: that takes over 0.1 ms.
const PACK_INLINE_BYTES_MAX: usize = 64 << 10;

/// Pause after a worker died of a bug, so that one bad block cannot spin.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Everything the workers of one receiver share.
pub(super) struct Line {
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) dead_letters: Arc<DeadLetters>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client: Client,
    pub(super) envelope: Envelope,
    pub(super) compression: Compression,
    pub(super) backoff: Backoff,
    pub(super) gate: Gate,
    pub(super) board: Board,
    pub(super) attempts: Arc<Attempts>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Accepted,
    /// A shutdown leaves no time for another attempt.
    GivenUp,
}

/// Runs `concurrency` workers until a shutdown has ended them all, or its deadline did.
pub(super) async fn supervise(line: Arc<Line>, phase: Phase, concurrency: usize) {
    let mut workers = JoinSet::new();
    for _ in 0..concurrency.max(1) {
        workers.spawn(work(Arc::clone(&line), phase.clone()));
    }
    loop {
        let mut watched = phase.clone();
        let is_over = async {
            match watched.now() {
                Stage::Running => watched.drained().await,
                Stage::Draining { deadline, .. } => sleep_until(deadline).await,
            }
            watched.is_over_by(Instant::now())
        };
        tokio::select! {
            ended = workers.join_next() => match ended {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::error!(
                        receiver.name = line.board.name(),
                        "a delivery to receiver {} ended by a bug, its blocks stay queued: {error}",
                        line.board.name(),
                    );
                    let (line, phase) = (Arc::clone(&line), phase.clone());
                    workers.spawn(async move {
                        sleep(RESTART_PAUSE).await;
                        work(line, phase).await;
                    });
                }
            },
            is_over = is_over => if is_over {
                // Waits until they are gone, so that every lease is back.
                return workers.shutdown().await;
            },
        }
    }
}

async fn work(line: Arc<Line>, mut phase: Phase) {
    while let Some(loan) = line.borrow_blocks(&mut phase).await {
        let body = line.pack(&loan).await;
        match line.deliver(&loan, body, &mut phase).await {
            Delivery::Accepted => loan.ack().await,
            Delivery::GivenUp => return,
        }
    }
}

impl Line {
    /// The next blocks; `None` when a shutdown wants no more of them.
    async fn borrow_blocks(&self, phase: &mut Phase) -> Option<Loan> {
        let want = self.envelope.want();
        let lease = match phase.now() {
            Stage::Draining { what: Drain::InFlight, .. } => None,
            Stage::Draining { what: Drain::All, .. } => self.outlet.lease(want).await,
            Stage::Running => tokio::select! {
                lease = self.outlet.lease(want) => lease,
                () = phase.drained() => return Box::pin(self.borrow_blocks(phase)).await,
            },
        };
        lease.map(|lease| Loan { outlet: Arc::clone(&self.outlet), lease: Some(lease) })
    }

    async fn pack(self: &Arc<Self>, loan: &Loan) -> Bytes {
        let part = Part::of(&loan.lease().blocks);
        let bytes = part.bytes();
        let line = Arc::clone(self);
        let pack = move || line.envelope.pack(line.clock.now(), &part, line.compression);
        if bytes <= PACK_INLINE_BYTES_MAX {
            return pack();
        }
        tokio::task::spawn_blocking(pack).await.expect("packing does not panic")
    }

    /// Posts until the receiver accepts. The lease is kept all the while.
    async fn deliver(&self, loan: &Loan, body: Bytes, phase: &mut Phase) -> Delivery {
        // Only for failures while the receiver accepted others; the gate keeps the common wait.
        let mut own = self.backoff;
        loop {
            let Some(ticket) = self.gate.enter(phase).await else { return Delivery::GivenUp };
            let answer = {
                let _on_wire = self.board.on_wire();
                self.client.post(body.clone(), self.clock.now()).await
            };
            let (outcome, at) = (classify(answer.reply), self.clock.now());
            self.attempts.count(answer.reply);
            let is_probe = ticket.is_probe();
            let text = &answer.text;
            self.gate.report(ticket, outcome, |modes| match outcome {
                Outcome::Done => self.board.delivered(loan.lease().tuples(), at, modes),
                _ => self.board.refused(&Told { reply: answer.reply, text, at, modes }),
            });
            if outcome == Outcome::Done {
                return Delivery::Accepted;
            }
            tracing::debug!(receiver.name = self.board.name(), "attempt failed: {text}");
            if !is_probe && matches!(outcome, Outcome::Retry { .. }) {
                rest(own.next(fastrand::f64()), phase).await;
            }
        }
    }
}

/// Waits, but not longer than until a shutdown begins; while one runs, only briefly.
async fn rest(wait: Duration, phase: &mut Phase) {
    match phase.now() {
        Stage::Running => tokio::select! {
            () = sleep(wait) => {}
            () = phase.drained() => {}
        },
        Stage::Draining { .. } => sleep(wait.min(HURRIED_WAIT_MAX)).await,
    }
}

/// A lease that goes back to the queue when it is dropped, whatever the reason.
struct Loan {
    outlet: Arc<dyn Outlet>,
    /// Taken by [`Self::ack`] and by drop.
    lease: Option<Lease>,
}

impl Loan {
    fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("a loan has its lease until it ends")
    }

    async fn ack(mut self) {
        if let Some(lease) = self.lease.take() {
            self.outlet.deliver(lease).await;
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.outlet.release(lease);
        }
    }
}
