//! After a panic inside a call: what the call left half done is made good, or the log takes nothing
//! more.

use std::sync::Arc;

use super::super::super::AppendError;
use super::{Engine, lock};

impl Engine {
    /// Goes on after a commit that panicked, which had let in `bytes`. Nothing of it is acknowledged;
    /// the file it was written to is given up, as after an error of the disk.
    ///
    /// A panic between two changes that belong together leaves a state nobody knows: then the log is
    /// stopped, see [`Self::stop`].
    pub(in super::super) fn recover(&self, bytes: u64) -> AppendError {
        if self.state.is_poisoned() {
            return self.stop();
        }
        let mut events = Vec::new();
        let mut appender = lock(&self.appender);
        appender.abandon(&mut events);
        let mut state = self.lock();
        state.pending_bytes = state.pending_bytes.saturating_sub(bytes);
        state.writing_since = None;
        for event in events {
            state.apply(event);
        }
        // The event of one that was being closed is lost.
        state.catalogue.close_all();
        let why: Arc<str> = Arc::from("the writer panicked: this is a bug, please report it");
        state.fault = Some(Arc::clone(&why));
        self.meters.commit_failures.inc();
        AppendError::Failed { why }
    }

    /// Takes nothing more until the next start; what is inside can still be leased. Why, for the
    /// clients.
    pub(in super::super) fn stop(&self) -> AppendError {
        let why: Arc<str> = Arc::from(
            "the writer panicked and has stopped: this is a bug, please report it and restart",
        );
        let mut state = self.lock();
        // What was let in is not written any more.
        state.pending_bytes = 0;
        state.writing_since = None;
        state.stopped_by = Some(Arc::clone(&why));
        AppendError::Failed { why }
    }

    /// Positions may have been on their way to the disk when a call panicked: all are saved again.
    pub(in super::super) fn save_again(&self) {
        let mut state = self.lock();
        state.destinations.iter_mut().for_each(|destination| destination.is_dirty = true);
    }

    /// Nothing is leased any more: somebody else may have the directory soon.
    pub(in super::super) fn leave(&self) {
        self.lock().phase = super::Phase::Ended;
    }
}
