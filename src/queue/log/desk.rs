//! Where leases are waited for, and where everything passes that may end such a wait: no change of the
//! log without a wake-up.
//!
//! A lease that was read for somebody who is gone goes back. The desk knows no runtime: where a read
//! may take its time is up to its caller.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::waiters::Waiters;
use crate::metric::timestamp::Timestamp;
use crate::queue::log::state::Look;
use crate::queue::{AppendError, Entry, Fate, Lease, ReadError, Want};

/// What the desk stands before: [`crate::queue::log::engine::Engine`], or in its test the same one
/// call at a time. Each call is on its own; nothing is locked between two of them.
pub(super) trait Ledger: Send + Sync + 'static {
    /// What there is for a destination.
    fn look(&self, index: usize) -> Look;
    /// Lends what waits, at least one block; `None` when nothing does.
    fn lease(&self, index: usize, want: Want, now: Duration) -> Result<Option<Lease>, ReadError>;
    /// Finds out whether any of what waits is for a destination, and passes what is not.
    fn peek(&self, index: usize, now: Duration) -> Result<(), ReadError>;
    /// Ends a lease for good; how many have ended since the position was saved.
    fn ack(&self, index: usize, lease: u64, fate: Fate) -> u32;
    /// Ends a lease: its blocks wait again.
    fn release(&self, index: usize, lease: u64);
    /// Makes entries durable and lends them from then on, or refuses all of them.
    fn commit(
        &self,
        entries: &[Entry],
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<(), AppendError>;
    /// An entry that was let in comes no further.
    fn give_up(&self, bytes: u64);
    /// Lets nothing in any more.
    fn close(&self);
    /// Lends nothing any more, and saves.
    fn end(&self) -> io::Result<()>;
}

/// A [`Ledger`] and those who wait for it, by destination.
#[derive(Debug)]
pub(super) struct Desk<L> {
    ledger: L,
    changed: Vec<Waiters>,
}

/// A lease on its way to whoever waits for it; it goes back if nobody takes it.
pub(super) struct Carried<L: Ledger> {
    desk: Arc<Desk<L>>,
    index: usize,
    lease: Option<Lease>,
}

impl<L: Ledger> Desk<L> {
    pub(super) fn new(ledger: L, destinations: usize) -> Self {
        Self { ledger, changed: (0..destinations).map(|_| Waiters::new()).collect() }
    }

    /// For calls that end nobody's wait.
    pub(super) fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Waits for a lease; `None` once there will be no more. `read` calls [`Self::read`] where that may
    /// block, and pauses after an error. It may be dropped at any time.
    pub(super) async fn lease<R>(&self, index: usize, read: impl Fn() -> R) -> Option<Lease>
    where
        R: Future<Output = Option<Carried<L>>>,
    {
        loop {
            // Before the look: it hears every change from here on.
            let changed = self.changed[index].change();
            match self.ledger.look(index) {
                Look::Waiting | Look::Unsure => {
                    if let Some(carried) = read().await {
                        return carried.take();
                    }
                }
                Look::Nothing => changed.await,
                Look::Over => return None,
            }
        }
    }

    /// Waits until something can be leased; `false` once there will be nothing any more. `peek` calls
    /// [`Self::peek`] where that may block.
    ///
    /// What cannot be read counts as something: whoever leases it is told of the error.
    pub(super) async fn ready<R>(&self, index: usize, peek: impl Fn() -> R) -> bool
    where
        R: Future<Output = Result<(), ReadError>>,
    {
        loop {
            // Before the look: it hears every change from here on.
            let changed = self.changed[index].change();
            match self.ledger.look(index) {
                Look::Waiting => return true,
                Look::Unsure => {
                    if peek().await.is_err() {
                        return true;
                    }
                }
                Look::Nothing => changed.await,
                Look::Over => return false,
            }
        }
    }

    /// Finds out whether any of what waits is for a destination.
    pub(super) fn peek(&self, index: usize, now: Duration) -> Result<(), ReadError> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.ledger.peek(index, now)));
        // While it was read it did not wait, see [`Self::read`].
        self.changed[index].wake_all();
        outcome.unwrap_or_else(|_| Err(panicked()))
    }

    /// Reads a lease; `None` when others were faster, or when what waited cannot be had.
    pub(super) fn read(
        self: &Arc<Self>,
        index: usize,
        want: Want,
        now: Duration,
    ) -> Result<Option<Carried<L>>, ReadError> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.ledger.lease(index, want, now)));
        // While it was read nobody else could have it. Now some of it may wait again, and what turned
        // out to be damaged may have been the last.
        self.changed[index].wake_all();
        let lease = outcome.unwrap_or_else(|_| Err(panicked()))?;
        Ok(lease.map(|lease| Carried { desk: Arc::clone(self), index, lease: Some(lease) }))
    }

    /// How many leases have ended since the position was saved.
    pub(super) fn ack(&self, index: usize, lease: u64, fate: Fate) -> u32 {
        let unsaved = self.ledger.ack(index, lease, fate);
        // Whoever waits for the end of a closed queue may have reached it.
        self.changed[index].wake_all();
        unsaved
    }

    pub(super) fn release(&self, index: usize, lease: u64) {
        self.ledger.release(index, lease);
        self.changed[index].wake_all();
    }

    pub(super) fn commit(
        &self,
        entries: &[Entry],
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<(), AppendError> {
        let outcome = self.ledger.commit(entries, now, monotonic);
        // Also after a failure: it may have been the last a closed queue waited for.
        self.wake_all();
        outcome
    }

    pub(super) fn give_up(&self, bytes: u64) {
        self.ledger.give_up(bytes);
        self.wake_all();
    }

    pub(super) fn close(&self) {
        self.ledger.close();
        self.wake_all();
    }

    pub(super) fn end(&self) -> io::Result<()> {
        let outcome = self.ledger.end();
        self.wake_all();
        outcome
    }

    /// Something else has changed the ledger.
    pub(super) fn wake_all(&self) {
        self.changed.iter().for_each(Waiters::wake_all);
    }
}

fn panicked() -> ReadError {
    ReadError { why: Arc::from("the read panicked: this is a bug, please report it") }
}

impl<L: Ledger> Carried<L> {
    pub(super) fn take(mut self) -> Option<Lease> {
        self.lease.take()
    }
}

impl<L: Ledger> Drop for Carried<L> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.desk.release(self.index, lease.id);
        }
    }
}
