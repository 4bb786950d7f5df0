//! Tasks that wait for a change, and are all woken by it.
//!
//! Whoever waits takes a [`Change`] first and looks then: it resolves after any change from its making
//! on, polled or not, so none falls between the look and the wait. The lock comes from
//! [`super::primitives`], as in [`super::handoff`].

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::primitives::{Mutex, MutexGuard};

/// Those who wait for one thing to change.
#[derive(Debug)]
pub(super) struct Waiters {
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// Changes so far.
    changes: u64,
    next_id: u64,
    /// At most one for each [`Change`] that lives.
    wakers: Vec<(u64, Waker)>,
}

/// The next change. Dropping it leaves nothing behind and costs nobody else a wake-up.
#[derive(Debug)]
pub(super) struct Change<'w> {
    waiters: &'w Waiters,
    /// Changes when it was made.
    seen: u64,
    /// What it has left a waker as.
    id: Option<u64>,
}

impl Waiters {
    pub(super) fn new() -> Self {
        let waiting = Waiting { changes: 0, next_id: 0, wakers: Vec::new() };
        Self { waiting: Mutex::new(waiting) }
    }

    /// The next change from here on.
    pub(super) fn change(&self) -> Change<'_> {
        Change { waiters: self, seen: self.lock().changes, id: None }
    }

    /// Something has changed: to be called once that can be seen.
    pub(super) fn wake_all(&self) {
        let wakers = {
            let mut waiting = self.lock();
            waiting.changes += 1;
            std::mem::take(&mut waiting.wakers)
        };
        // Not under the lock: a runtime may run or drop the task, and with it its `Change`, at once.
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    /// A list and two counters are whole between any two statements under their lock.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Future for Change<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        let mut waiting = self.waiters.lock();
        if waiting.changes != self.seen {
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or(waiting.next_id);
        let known = waiting.wakers.iter_mut().find(|(known, _)| *known == id);
        let before = if let Some((_, known)) = known {
            Some(std::mem::replace(known, waker))
        } else {
            waiting.next_id += 1;
            waiting.wakers.push((id, waker));
            None
        };
        // Dropped wakers may drop their task: not under the lock.
        drop(waiting);
        drop(before);
        self.id = Some(id);
        Poll::Pending
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut waiting = self.waiters.lock();
        let index = waiting.wakers.iter().position(|(known, _)| *known == id);
        let waker = index.map(|index| waiting.wakers.swap_remove(index));
        drop(waiting);
        drop(waker);
    }
}
