//! How far a forwarder is on its way out, as its workers see it.

use tokio::sync::watch;
use tokio::time::Instant;

/// What a shutdown still tries to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// What was leased before: the rest is safe in the queue.
    InFlight,
    /// Everything in the queue, which was closed before: it would be lost (`durability = "memory"`).
    All,
}

/// Running, or draining until a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    Draining { what: Drain, deadline: Instant },
}

/// One worker's view of the stage.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    stage: watch::Receiver<Stage>,
}

impl Phase {
    pub(super) fn new(stage: watch::Receiver<Stage>) -> Self {
        Self { stage }
    }

    pub(super) fn now(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Resolves when draining begins; never, when it already has.
    pub(super) async fn drained(&mut self) {
        if self.now() == Stage::Running && self.stage.changed().await.is_ok() {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Whether a shutdown is over by `at`, so that waiting for it is of no use.
    pub(super) fn is_over_by(&self, at: Instant) -> bool {
        matches!(self.now(), Stage::Draining { deadline, .. } if deadline <= at)
    }
}
