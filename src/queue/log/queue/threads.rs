//! What the queue's two threads do: one writes, one keeps order. A panic ends neither without being
//! told of.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::super::super::Entry;
use super::super::engine::cost;
use super::super::notice::Notice;
use super::super::state::Relief;
use super::expired::Expired;
use super::{Shared, Submission};

/// Positions are saved this often (contract C5.2).
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The books are counted against the files this often, however many rounds the keeper makes meanwhile.
const CHECK_EVERY: Duration = Duration::from_mins(1);

impl Shared {
    /// The writer: group after group.
    pub(super) fn write(&self) {
        let written = catch_unwind(AssertUnwindSafe(|| {
            while let Some(mut gathered) = self.handoff.take() {
                while !gathered.is_empty() {
                    let rest = gathered.split_off(group_len(&gathered, self.group_bytes_max));
                    self.commit(std::mem::replace(&mut gathered, rest));
                }
            }
        }));
        if written.is_err() {
            let error = self.engine().stop();
            self.handoff.close();
            // Their clients hear of it as their answers are dropped.
            while self.handoff.take().is_some() {}
            self.desk.wake_all();
            tracing::error!("{error}; every request is answered with 503");
        }
    }

    fn commit(&self, group: Vec<Submission>) {
        let (entries, answers): (Vec<Entry>, Vec<_>) =
            group.into_iter().map(|submission| (submission.entry, submission.answer)).unzip();
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let outcome = self.desk.commit(&entries, now, monotonic);
        self.relieve();
        for answer in answers {
            // A client that is gone does not hear it; its metrics are in all the same.
            answer.send(outcome.clone()).ok();
        }
        // After a failure the keeper tells of it in its next round, once for as long as it lasts. It is
        // not rung: clients that try again would keep it running.
    }

    /// A sender that is fast must not reach the cap before the keeper's next round, because of a
    /// destination that is over its bound (contract C5.5).
    fn relieve(&self) {
        match self.engine().take_relief() {
            Relief::None => {}
            Relief::Soon => self.keeper.ring(),
            // The keeper makes room beside the groups that still fit: they are not to wait for it.
            Relief::Now if self.engine().has_room_for(2 * self.group_bytes_max) => {
                self.keeper.ring();
            }
            Relief::Now => {
                // What fails is told of by the keeper, who tries the same.
                self.guard(|| self.engine().maintain()).ok();
                self.wake_if_moved();
            }
        }
    }

    /// The keeper: saves, deletes, makes room.
    pub(super) fn keep(&self) {
        let mut check_at = self.clock.monotonic() + CHECK_EVERY;
        let mut last_error = None;
        let mut expired = Expired::default();
        while self.keeper.wait(SAVE_EVERY) {
            let text = |error: io::Error| Arc::from(error.to_string());
            let kept = self.guard(|| self.engine().maintain()).map_err(text);
            self.wake_if_moved();
            self.disorder().clone_from(&kept.clone().err());
            let mut error: Option<Arc<str>> = kept.err();
            if self.clock.monotonic() >= check_at {
                let checked = self.guard(|| self.engine().check_books()).map_err(text);
                error = error.or(checked.err());
                check_at = self.clock.monotonic() + CHECK_EVERY;
            }
            tell(&expired.hold(self.engine().take_notices(), self.clock.monotonic()));
            // Once, not every second.
            if let (Some(error), true) = (&error, error != last_error) {
                tracing::error!(
                    "the queue's directory cannot be kept in order: {error}; trying again"
                );
            }
            last_error = error;
        }
        tell(&expired.hold(self.engine().take_notices(), self.clock.monotonic()));
        tell(&expired.rest());
    }

    /// Whatever panics: without a keeper nothing would be saved or deleted any more.
    fn guard(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            self.engine().save_again();
            Err(io::Error::other("the keeper panicked: this is a bug, please report it"))
        })
    }
}

/// How many of these make the next group; at least one.
fn group_len(gathered: &[Submission], bytes_max: u64) -> usize {
    let mut bytes = 0;
    let fits = |submission: &&Submission| {
        bytes += cost(&submission.entry);
        bytes <= bytes_max
    };
    gathered.iter().take_while(fits).count().max(1)
}

pub(super) fn tell(notices: &[Notice]) {
    for notice in notices {
        match notice {
            Notice::Torn { .. }
            | Notice::Foreign { .. }
            | Notice::Orphan { .. }
            | Notice::Expired { .. } => {
                tracing::warn!("{notice}");
            }
            _ => tracing::error!("{notice}"),
        }
    }
}
