//! Where entries wait for the writer: everything that has gathered is taken at once.
//!
//! The primitives come from [`super::primitives`], so that the same file can be compiled again over a
//! model checker's, which looks for a wake-up that gets lost.

use super::primitives::{Condvar, Mutex, MutexGuard};

/// A list between many who push and one who takes.
#[derive(Debug)]
pub(super) struct Handoff<T> {
    gathered: Mutex<Gathered<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Gathered<T> {
    items: Vec<T>,
    is_closed: bool,
}

impl<T> Handoff<T> {
    pub(super) fn new() -> Self {
        let gathered = Gathered { items: Vec::new(), is_closed: false };
        Self { gathered: Mutex::new(gathered), changed: Condvar::new() }
    }

    /// Adds an item; gives it back when nobody will take it any more.
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        let mut gathered = self.lock();
        if gathered.is_closed {
            return Err(item);
        }
        gathered.items.push(item);
        // Whoever takes sleeps only when there is nothing.
        let is_first = gathered.items.len() == 1;
        drop(gathered);
        if is_first {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Everything that has gathered, in order; waits until there is something. `None` once it is closed
    /// and empty.
    pub(super) fn take(&self) -> Option<Vec<T>> {
        let mut gathered = self.lock();
        while gathered.items.is_empty() {
            if gathered.is_closed {
                return None;
            }
            gathered = self.changed.wait(gathered).unwrap_or_else(poisoned);
        }
        Some(std::mem::take(&mut gathered.items))
    }

    /// Nothing more can be pushed; what is inside is still taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Gathered<T>> {
        self.gathered.lock().unwrap_or_else(poisoned)
    }
}

/// A list is whole between any two statements under its lock.
fn poisoned<G>(error: std::sync::PoisonError<G>) -> G {
    error.into_inner()
}
