//! Deliveries to every receiver: each has its outlet, its dead letters and its forwarder.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::StartError;
use crate::admin;
use crate::clock::Clock;
use crate::config::{Config, Receiver};
use crate::dead_letter::{DeadLetters, LateLock, OpenError, Ownership};
use crate::forward::{Changes, Drain, Forwarder, State, Status};
use crate::queue::{Durability, Queue};

/// All of them.
pub(super) struct Receivers(Vec<Line>);

/// Deliveries to one.
struct Line {
    receiver: Receiver,
    dead_letters: Arc<DeadLetters>,
    forwarder: Forwarder,
}

/// A receiver at the end.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) name: Arc<str>,
    pub(super) state: State,
}

impl Receivers {
    /// Makes all of them ready; none delivers before [`Self::run`], so that what is wrong with one is
    /// found before anything runs.
    pub(super) async fn new(
        config: &Config,
        queue: &Arc<dyn Queue>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let (settings, to) = (config.clone(), Arc::clone(queue));
        // It reads what is there: not on a thread that others wait for.
        let open = move || open_dead_letters(&settings, &*to);
        let opened = tokio::task::spawn_blocking(open).await;
        let opened = opened.unwrap_or_else(|error| resume_unwind(error.into_panic()))?;
        let mut lines = Vec::with_capacity(opened.len());
        for (receiver, dead_letters) in config.receivers.iter().zip(opened) {
            let outlet =
                queue.outlet(&receiver.name).expect("the queue was made for this receiver");
            let (letters, clock) = (Arc::clone(&dead_letters), Arc::clone(clock));
            let forwarder = Forwarder::new(receiver, &config.hostname, outlet, letters, clock)?;
            lines.push(Line { receiver: receiver.clone(), dead_letters, forwarder });
        }
        Ok(Self(lines))
    }

    /// Begins to deliver.
    pub(super) fn run(&mut self) {
        for line in &mut self.0 {
            line.forwarder.run();
        }
    }

    /// What the admin port tells about.
    pub(super) fn deliveries(&self) -> Vec<admin::Delivery> {
        let delivery = |line: &Line| {
            admin::Delivery::of(&line.receiver, &line.forwarder, Arc::clone(&line.dead_letters))
        };
        self.0.iter().map(delivery).collect()
    }

    /// What changes them while they run.
    pub(super) fn changes(&self) -> Vec<(Arc<str>, Changes)> {
        let change = |line: &Line| (Arc::clone(&line.receiver.name), line.forwarder.changes());
        self.0.iter().map(change).collect()
    }

    /// Ends all of them at once, so that one that hangs costs no other its time; what each was doing
    /// last.
    pub(super) async fn shutdown(self, drain: Drain, deadline: Instant) -> Vec<Last> {
        let (mut ending, mut seen) = (JoinSet::new(), Vec::new());
        for Line { receiver, forwarder, .. } in self.0 {
            seen.push((receiver.name, forwarder.status()));
            ending.spawn(forwarder.shutdown(drain, deadline));
        }
        while let Some(ended) = ending.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "deliveries ended abnormally");
            }
        }
        let last = |(name, status): (_, watch::Receiver<Status>)| {
            let state = status.borrow().state.clone();
            Last { name, state }
        };
        seen.into_iter().map(last).collect()
    }
}

/// Those of each receiver, in the order of the configuration. A replay that was cut short is finished
/// before a delivery could change the books that tell how far it came.
fn open_dead_letters(
    config: &Config,
    queue: &dyn Queue,
) -> Result<Vec<Arc<DeadLetters>>, OpenError> {
    let ownership = match config.queue.durability {
        // Only the log has a lock of its own from the start.
        Durability::Memory => Ownership::OnFirstLetter(LateLock::of(&config.data_dir)),
        Durability::Fsync | Durability::Os => Ownership::Held,
    };
    let max_bytes = config.dead_letters.max_bytes;
    let open = |receiver: &Receiver| {
        let (name, ownership) = (&*receiver.name, ownership.clone());
        let letters = DeadLetters::open(&config.data_dir, name, max_bytes, ownership)?;
        if let Err(error) = letters.settle(queue) {
            // The next replay tries again; nothing else depends on it.
            tracing::warn!(
                receiver.name = name,
                "an earlier replay of dead letters of receiver {name} could not be finished: {error}"
            );
        }
        Ok(Arc::new(letters))
    };
    config.receivers.iter().map(open).collect()
}

/// Tuples that wait, all receivers of the configuration together.
pub(super) fn backlog(config: &Config, queue: &dyn Queue) -> u64 {
    config.receivers.iter().map(|receiver| waiting(&receiver.name, queue)).sum()
}

/// Tuples that wait for one.
pub(super) fn waiting(name: &str, queue: &dyn Queue) -> u64 {
    queue.account(name).map_or(0, |account| account.depth.tuples)
}
