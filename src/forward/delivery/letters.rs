//! The end of a delivery: what was refused for good is on the disk before the queue forgets it
//! (contract C6.3).

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::{Delivery, End};
use crate::dead_letter::{Letter, PutError};
use crate::forward::blocking::blocking;
use crate::forward::board::Board;
use crate::forward::gate::Blocked;
use crate::forward::phase::Stage;
use crate::forward::session::Lone;
use crate::forward::worker::Line;
use crate::queue::Fate;

/// Nothing is delivered while this lives: dead letters cannot be kept.
struct Stuck<'a> {
    line: &'a Line,
    _blocked: Blocked<'a>,
}

impl<'a> Stuck<'a> {
    fn new(line: &'a Line) -> Self {
        line.board.blocked();
        Self { line, _blocked: line.gate.block() }
    }

    fn board(&self) -> &Board {
        &self.line.board
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.board().unblocked(self.line.clock.now());
    }
}

impl Delivery<'_> {
    /// Keeps the refused tuples, for as long as it takes, and acknowledges the lease.
    pub(super) async fn settle(mut self, delivered: u64, lone: Vec<Lone>) -> End {
        let fate = Fate { delivered, dead_lettered: lone.len() as u64 };
        let last = lone.last().map(|lone| lone.refusal.clone());
        if let Some(last) = last {
            let letters: Arc<[Letter]> = lone.into_iter().map(Letter::from).collect();
            if !self.keep(&letters).await {
                return End::GivenUp;
            }
            self.line.board.dead_lettered(letters.len(), &last);
        }
        self.loan.ack(fate).await;
        End::Settled
    }

    /// Whether they are on the disk; if not, a shutdown leaves no time for another try.
    async fn keep(&mut self, letters: &Arc<[Letter]>) -> bool {
        let mut stuck = None;
        loop {
            let Err(error) = put(self.line, letters).await else { return true };
            let stuck = stuck.get_or_insert_with(|| Stuck::new(self.line));
            stuck.board().not_kept(&error, self.line.clock.now());
            let again = Instant::now() + self.line.hold_probe;
            if self.phase.is_leaving_the_rest() || self.phase.is_over_by(again) {
                return false;
            }
            match self.phase.now() {
                Stage::Running => tokio::select! {
                    () = sleep(self.line.hold_probe) => {}
                    // One last try.
                    () = self.phase.drained() => {}
                },
                Stage::Draining { .. } => sleep(self.line.hold_probe).await,
            }
        }
    }
}

async fn put(line: &Arc<Line>, letters: &Arc<[Letter]>) -> Result<(), PutError> {
    let (dead_letters, letters) = (Arc::clone(&line.dead_letters), Arc::clone(letters));
    blocking(move || dead_letters.put(&letters)).await
}
