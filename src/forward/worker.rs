//! The workers of one receiver: each carries one delivery after another.
//!
//! A worker waits for tuples, then for its turn, and only then leases: what is on loan is on its way,
//! and whatever came meanwhile is leased in the queue's own order.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::attempts::Attempts;
use super::backoff::Backoff;
use super::board::{Board, Tuned};
use super::client::{Client, Look};
use super::coding::Coding;
use super::delivery::{Delivery, End};
use super::envelope::Envelope;
use super::gate::{Gate, Turn, Who};
use super::gathering;
use super::key::{self, Found, KeyFile};
use super::loan::{Crew, Loan};
use super::phase::{Drain, Phase, Stage};
use super::size::Size;
use super::status::Trust;
use crate::clock::Clock;
use crate::config::Secret;
use crate::dead_letter::DeadLetters;
use crate::queue::{Outlet, Pending, Want};

/// Pause after a worker died of a bug, so that one bad block cannot spin.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// How often a receiver whose certificate is not looked at is warned of, after the start.
const REMINDED_EVERY: Duration = Duration::from_hours(1);

/// Longest wait for a lease with a turn in hand, which others wait for.
const LEASE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Everything the workers of one receiver share.
pub(super) struct Line {
    pub(super) outlet: Arc<dyn Outlet>,
    /// Held by the worker that is about to lease: not before then, if there is an instant.
    pub(super) next_lease: tokio::sync::Mutex<Option<Instant>>,
    pub(super) dead_letters: Arc<DeadLetters>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client: Client,
    pub(super) key_file: Mutex<Option<Arc<KeyFile>>>,
    pub(super) envelope: ArcSwap<Envelope>,
    pub(super) coding: Coding,
    pub(super) size: Mutex<Size>,
    pub(super) backoff: Backoff,
    pub(super) hold_probe: Duration,
    pub(super) gate: Gate,
    pub(super) crew: Arc<Crew>,
    pub(super) board: Board,
    pub(super) attempts: Arc<Attempts>,
}

/// Runs `workers` of them until a shutdown has ended them all, or its deadline did.
pub(super) async fn supervise(line: Arc<Line>, phase: Phase, workers: usize) {
    let mut crew = JoinSet::new();
    for _ in 0..workers {
        crew.spawn(work(Arc::clone(&line), phase.clone()));
    }
    let mut watching = pin!(watch_key(&line));
    // Apart: a disk that hangs under a certificate keeps nobody from a new key.
    let mut watching_tls = pin!(watch_tls(&line));
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
            ended = crew.join_next() => match ended {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::error!(
                        receiver.name = line.board.name(),
                        "a delivery to receiver {} ended by a bug, its blocks stay queued: {error}",
                        line.board.name(),
                    );
                    let (line, phase) = (Arc::clone(&line), phase.clone());
                    crew.spawn(async move {
                        sleep(RESTART_PAUSE).await;
                        work(line, phase).await;
                    });
                }
            },
            is_over = is_over => if is_over {
                // Waits until they are gone, so that every lease is back.
                return crew.shutdown().await;
            },
            never = &mut watching => match never {},
            never = &mut watching_tls => match never {},
        }
    }
}

async fn work(line: Arc<Line>, mut phase: Phase) {
    while let Some((turn, loan)) = line.begin(&mut phase).await {
        let delivery = Delivery::new(&line, loan, phase.clone());
        match delivery.run(turn).await {
            End::Settled | End::GivenBack => {}
            End::GivenUp => return,
        }
    }
}

async fn watch_key(line: &Line) -> Infallible {
    loop {
        sleep(key::POLL).await;
        line.look_for_key().await;
    }
}

/// Takes up certificates that changed, and says now and then what is not looked at.
async fn watch_tls(line: &Line) -> Infallible {
    let mut said = Instant::now();
    loop {
        sleep(key::POLL).await;
        if line.client.look().await == Look::Another {
            line.gate.retry_now();
        }
        if line.client.trust() == Trust::Unverified && said.elapsed() >= REMINDED_EVERY {
            said = Instant::now();
            tracing::warn!(
                receiver.name = line.board.name(),
                "the certificate of receiver {} is still not looked at (`insecure_skip_verify`): whoever \
                 stands between can read the key and every tuple; name its authority with `ca_file` instead",
                line.board.name(),
            );
        }
    }
}

/// What comes of it; `None` once a shutdown leaves in the queue what is there.
async fn unless_leaving<T>(phase: &mut Phase, mut pending: Pending<'_, T>) -> Option<T> {
    loop {
        match phase.now() {
            Stage::Draining { what: Drain::InFlight, .. } => return None,
            Stage::Draining { what: Drain::All, .. } => return Some(pending.await),
            Stage::Running => tokio::select! {
                done = &mut pending => return Some(done),
                () = phase.drained() => {}
            },
        }
    }
}

impl Line {
    /// The next blocks, and the turn to deliver them; `None` when a shutdown wants no more of them.
    async fn begin(&self, phase: &mut Phase) -> Option<(Turn<'_>, Loan)> {
        // One at a time: the others would wait for the same blocks, and take turns for nothing.
        let mut not_before = self.next_lease.lock().await;
        loop {
            if !self.wait_for_blocks(phase).await {
                return None;
            }
            if let Some(instant) = not_before.take() {
                tokio::select! {
                    () = sleep_until(instant) => {}
                    () = phase.drained() => {}
                }
            }
            let mut turn = self.gate.enter(Who::Other, phase).await?;
            let mut lease = self.outlet.lease(self.want());
            let loan = |lease| Loan::new(Arc::clone(&self.outlet), lease);
            let loan = if let Ok(lease) = timeout(LEASE_WAIT_MAX, &mut lease).await {
                loan(lease?)
            } else {
                // A slow disk, one that fails, or what was ready has expired meanwhile. It is read to its
                // end, so that slow is not never; and without the turn, which others can use.
                drop(turn);
                let loan = loan(unless_leaving(phase, lease).await??);
                turn = self.gate.enter(Who::Other, phase).await?;
                loan
            };
            // The lease took time, in which the receiver may have begun to refuse.
            if turn.is_good() && !phase.is_leaving_the_rest() {
                let pause = gathering::pause(loan.lease(), || self.outlet.depth(), self.want());
                *not_before = pause.map(|pause| Instant::now() + pause);
                return Some((turn, loan));
            }
        }
    }

    /// Whether there is, or soon may be, something to lease.
    async fn wait_for_blocks(&self, phase: &mut Phase) -> bool {
        unless_leaving(phase, self.outlet.ready()).await.unwrap_or(false)
    }

    fn want(&self) -> Want {
        Want { bytes: self.room(), ..self.envelope.load().want() }
    }

    /// Most bytes of tuples in one request, as learned by now.
    pub(super) fn room(&self) -> usize {
        self.envelope.load().room(self.size().bound())
    }

    /// Takes in what an answer says about sizes.
    pub(super) fn learn(&self, learn: impl FnOnce(&mut Size)) {
        learn(&mut self.size());
        self.tuned();
    }

    /// Tells what was learned.
    pub(super) fn tuned(&self) {
        self.board.tuned(self.now_tuned());
    }

    /// The same, for an encoding that was refused while another is left.
    pub(super) fn stepped_down(&self) {
        self.board.stepped_down(self.now_tuned());
    }

    fn now_tuned(&self) -> Tuned {
        Tuned { encoding: self.coding.current(), size_bound: self.size().bound() }
    }

    /// Sends with the key that is in its file now; a new one is tried at once.
    pub(super) async fn look_for_key(&self) -> Found {
        let Some(file) = self.key_file().clone() else { return Found::Same };
        let take = |key: &Secret| {
            let current = self.key_file();
            // Another key may have been configured while the file was read.
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &file)) {
                self.client.change_key(key).expect("a key that was read fits a header");
            }
        };
        let found = file.look(take).await;
        if found == Found::Another {
            self.gate.retry_now();
        }
        found
    }

    /// Sends with this key from now on, and looks for later ones in this file; tried at once.
    pub(super) fn change_key(&self, key: &Secret, file: Option<KeyFile>) {
        let mut current = self.key_file();
        self.client.change_key(key).expect("a key that was configured fits a header");
        *current = file.map(Arc::new);
        drop(current);
        self.gate.retry_now();
    }

    fn key_file(&self) -> MutexGuard<'_, Option<Arc<KeyFile>>> {
        self.key_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
