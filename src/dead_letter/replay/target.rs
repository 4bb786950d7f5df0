//! The queue as a replay needs it.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::queue::{AppendError, Durability, Entry, Queue};

/// An interface, because the proof has a log without threads.
pub(in super::super) trait Target {
    /// Whether somebody delivers to this receiver.
    fn serves(&self, receiver: &str) -> bool;

    /// What its books have as replayed.
    fn replayed(&self, receiver: &str) -> Option<u64>;

    fn append(&self, entry: Entry) -> Result<(), AppendError>;

    fn durability(&self) -> Durability;
}

/// The queue itself.
pub(super) struct QueueTarget<'q> {
    pub(super) queue: &'q dyn Queue,
    /// To wait on; `None` where nothing is appended.
    pub(super) runtime: Option<Handle>,
}

impl Target for QueueTarget<'_> {
    fn serves(&self, receiver: &str) -> bool {
        self.queue.outlet(receiver).is_some()
    }

    fn replayed(&self, receiver: &str) -> Option<u64> {
        Some(self.queue.account(receiver)?.books.replayed)
    }

    fn append(&self, entry: Entry) -> Result<(), AppendError> {
        let Some(runtime) = &self.runtime else {
            let why = Arc::from("the entry has to be appended again: replay once more");
            return Err(AppendError::Failed { why });
        };
        runtime.block_on(self.queue.append(entry))
    }

    fn durability(&self) -> Durability {
        self.queue.durability()
    }
}
