//! How far a forwarder is on its way out, as its workers see it.

use tokio::sync::watch;
use tokio::time::Instant;

/// What a shutdown still tries to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Requests on the wire: the rest is safe in the queue.
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

    /// Whether a shutdown waits for nothing but requests on the wire.
    pub(super) fn is_leaving_the_rest(&self) -> bool {
        matches!(self.now(), Stage::Draining { what: Drain::InFlight, .. })
    }

    pub(super) fn now(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Resolves once draining has begun, which may be between a look at [`Self::now`] and this call;
    /// never, if the forwarder is gone without that.
    pub(super) async fn drained(&mut self) {
        if self.stage.wait_for(|stage| *stage != Stage::Running).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a shutdown is over by `at`, so that waiting for it is of no use.
    pub(super) fn is_over_by(&self, at: Instant) -> bool {
        matches!(self.now(), Stage::Draining { deadline, .. } if deadline <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shutdown_that_began_since_the_last_look_is_not_missed() {
        let (stage, receiver) = watch::channel(Stage::Running);
        let mut phase = Phase::new(receiver);
        assert_eq!(phase.now(), Stage::Running);
        stage.send_replace(Stage::Draining { what: Drain::All, deadline: Instant::now() });
        phase.drained().await;
        // And may be asked again.
        phase.drained().await;
    }
}
