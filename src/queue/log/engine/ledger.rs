//! The log as the desk sees it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::super::{AppendError, Entry, Fate, Lease, ReadError, Want};
use super::super::desk::Ledger;
use super::super::state::Look;
use super::{Engine, cost};
use crate::metric::timestamp::Timestamp;

impl Ledger for Engine {
    fn look(&self, index: usize) -> Look {
        Self::look(self, index)
    }

    fn lease(&self, index: usize, want: Want, now: Duration) -> Result<Option<Lease>, ReadError> {
        Self::lease(self, index, want, now)
    }

    fn peek(&self, index: usize, now: Duration) -> Result<(), ReadError> {
        Self::peek(self, index, now)
    }

    fn ack(&self, index: usize, lease: u64, fate: Fate) -> u32 {
        Self::ack(self, index, lease, fate)
    }

    fn release(&self, index: usize, lease: u64) {
        Self::release(self, index, lease);
    }

    /// A panic costs the group and not the log, if that can be.
    fn commit(
        &self,
        entries: &[Entry],
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<(), AppendError> {
        let commit = AssertUnwindSafe(|| Self::commit(self, entries, now, monotonic));
        catch_unwind(commit).unwrap_or_else(|_| Err(self.recover(entries.iter().map(cost).sum())))
    }

    fn give_up(&self, bytes: u64) {
        Self::give_up(self, bytes);
    }

    fn close(&self) {
        Self::close(self);
    }

    fn end(&self) -> io::Result<()> {
        Self::end(self)
    }
}
