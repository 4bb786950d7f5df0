//! What wakes the keeper: a ring, its time, or the end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Rings are not counted: one that nobody waited for is heard at the next wait.
#[derive(Debug)]
pub(super) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Silent,
    Rung,
    Closed,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::Silent), changed: Condvar::new() }
    }

    pub(super) fn ring(&self) {
        let mut state = self.lock();
        if *state == State::Silent {
            *state = State::Rung;
            drop(state);
            self.changed.notify_all();
        }
    }

    pub(super) fn close(&self) {
        *self.lock() = State::Closed;
        self.changed.notify_all();
    }

    /// Waits for a ring, at most `at_most`; `false` once it is closed.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let state = self.lock();
        let silent = |state: &mut State| *state == State::Silent;
        let waited = self.changed.wait_timeout_while(state, at_most, silent);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *state == State::Rung {
            *state = State::Silent;
        }
        *state != State::Closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
