//! From waiting records to a lease: claim a stretch, read it, keep what fits.

use std::io;
use std::time::Duration;

use super::super::super::{Lease, Leased, ReadError, Want};
use super::super::addressee::Addressee;
use super::super::catalogue::Segment;
use super::super::lanes::Pick;
use super::super::notice::Notice;
use super::super::position::Tally;
use super::super::reader::{Batch, Found, Request};
use super::super::record::Head;
use super::super::state::{Look, Phase, State};
use super::{Engine, read_error};
use crate::encode::Block;

/// A stretch on loan to whoever reads it.
pub(in super::super) struct Claim {
    index: usize,
    pick: Pick,
    request: Request,
    to: Addressee,
    aim: Aim,
    /// When it was claimed.
    at: Duration,
}

/// What a claim is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Lease,
    /// To know whether there is anything to lease.
    Look,
}

/// While a claim is read: should that panic, its stretch waits again.
struct Reading<'e> {
    engine: &'e Engine,
    index: usize,
    first: u64,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.engine.lock().destinations[self.index].position.release(self.first);
        }
    }
}

impl Engine {
    /// Blocks for one destination, at least one; `None` when nothing waits for it.
    pub fn lease(
        &self,
        index: usize,
        want: Want,
        monotonic: Duration,
    ) -> Result<Option<Lease>, ReadError> {
        while let Some(claim) = self.claim(index, want, monotonic) {
            if let Some(lease) = self.redeem(claim)? {
                return Ok(Some(lease));
            }
        }
        Ok(None)
    }

    /// Passes what waits and is not for a destination, until something is known to wait that is, or
    /// nothing waits. Leases nothing.
    pub fn peek(&self, index: usize, monotonic: Duration) -> Result<(), ReadError> {
        while self.look(index) == Look::Unsure {
            let Some(claim) = self.claim(index, Want::default(), monotonic) else { break };
            self.redeem(claim.looking())?;
        }
        Ok(())
    }

    /// Reads what was claimed. `None` when nothing of it can be had: then that is done with, and what
    /// is behind it may be claimed.
    pub(in super::super) fn redeem(&self, claim: Claim) -> Result<Option<Lease>, ReadError> {
        let Claim { index, pick, request, to, aim, at } = claim;
        let reading = Reading { engine: self, index, first: pick.first };
        let found = self.reader.read(&request, &to);
        drop(reading);
        let mut state = self.lock();
        let destination = &mut state.destinations[index];
        let failing = if found.is_ok() { destination.note_success(pick.first) } else { None };
        match found {
            Ok(Found::Blocks(_)) if aim == Aim::Look => {
                if let Some(since) = failing {
                    destination.note_failure(pick.first, since);
                }
                destination.put_back(pick.first);
            }
            Ok(Found::Blocks(batch)) => {
                if let Some(since) = failing.filter(|_| request.is_giving_up()) {
                    // What could not be read lies behind these, and has been waited for already.
                    destination.note_failure(batch.last + 1, since);
                }
                destination.position.shorten(pick.first, batch.last);
                destination.lanes.taken(&pick);
                let id = destination.open_loan(&batch);
                return Ok(Some(Lease { id, blocks: leased(batch) }));
            }
            Ok(Found::Others(others)) => {
                if let Some(since) = failing.filter(|_| request.is_giving_up()) {
                    destination.note_failure(others.last + 1, since);
                }
                destination.pass_others(pick.first, &others);
                state.reconcile(index);
            }
            Ok(Found::Damage(hole)) => {
                if let Some(since) = failing.filter(|_| request.is_giving_up()) {
                    destination.note_failure(hole.last + 1, since);
                }
                let is_booked = destination.pass_hole(pick.first, &hole);
                let (file, sequences) = (request.file(), (pick.first, hole.last));
                let notice = Notice::Damaged { file, offset: hole.offset, sequences };
                self.tell_of_damage(&mut state, pick.first, notice);
                drop(state);
                if !is_booked {
                    self.write_off(index).map_err(|error| read_error(&error))?;
                }
            }
            // Somebody has taken the file away.
            Err(error) if error.kind() == io::ErrorKind::NotFound && request.is_giving_up() => {
                destination.has_holes = true;
                destination.pass_loan(pick.first, request.last(), Tally::default());
                let notice = Notice::Missing { sequences: (pick.first, request.last()) };
                self.tell_of_damage(&mut state, pick.first, notice);
                drop(state);
                self.write_off(index).map_err(|error| read_error(&error))?;
            }
            Err(error) => {
                destination.position.release(pick.first);
                destination.note_failure(pick.first, at);
                // The other lane gets its turn: a file that cannot be read must not stop it.
                destination.lanes.taken(&pick);
                return Err(read_error(&error));
            }
        }
        Ok(None)
    }

    fn tell_of_damage(&self, state: &mut State, sequence: u64, notice: Notice) {
        self.meters.damages.inc();
        state.notices.push(notice);
        if let Some(first) = state.catalogue.holding(sequence).map(Segment::first) {
            state.catalogue.update(first, |segment| segment.has_damage = true);
        }
    }

    /// Lends the next stretch to whoever reads it, whole until it is known how much fits.
    pub(in super::super) fn claim(
        &self,
        index: usize,
        want: Want,
        monotonic: Duration,
    ) -> Option<Claim> {
        let mut state = self.lock();
        let state = &mut *state;
        loop {
            if state.phase == Phase::Ended {
                return None;
            }
            let destination = &mut state.destinations[index];
            let (position, lanes) = (&mut destination.position, &mut destination.lanes);
            let Some(pick) = lanes.pick(position, &state.recent, state.head, monotonic) else {
                state.reconcile(index);
                return None;
            };
            let Some(segment) = state.catalogue.holding(pick.first) else {
                // Opening the log has accounted for everything that is not here.
                let next = state.catalogue.at_or_behind(pick.first).unwrap_or(state.head + 1);
                position.pass(pick.first, pick.last.min(next - 1), Tally::default());
                continue;
            };
            let last = pick.last.min(segment.last);
            position.lend(pick.first, last);
            let place = destination.place(pick.first);
            let request = Request::new(segment, pick.first, last, place, want);
            let mut request = request.of_lane(pick.lane);
            if destination.has_lost(pick.first, monotonic) {
                request = request.giving_up();
            }
            let to = destination.addressee.clone();
            return Some(Claim { index, pick, request, to, aim: Aim::Lease, at: monotonic });
        }
    }
}

impl Claim {
    /// The same, to lend nothing.
    pub(in super::super) fn looking(self) -> Self {
        Self { aim: Aim::Look, request: self.request.looking(), ..self }
    }
}

fn leased(batch: Batch) -> Vec<Leased> {
    let leased = |(head, bytes): (Head, bytes::Bytes)| Leased {
        sequence: head.sequence,
        source: head.source,
        received: head.received,
        block: Block { bytes, tuples: head.tuples },
    };
    batch.blocks.into_iter().map(leased).collect()
}
