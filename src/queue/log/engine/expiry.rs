//! What waits for too long goes: by the bound of a destination, or because the cap is near (contract
//! C5.5). A receiver that is dead never stops the others.

use std::io;

use super::super::addressee::Sorted;
use super::super::notice::{Expiry, Notice};
use super::super::position::Tally;
use super::super::state::{Sacrifice, Surplus};
use super::Engine;

impl Engine {
    /// Takes every destination down to its bound, also those that are not configured any more. What
    /// cannot be counted stays; the first error is returned.
    pub(super) fn expire(&self) -> io::Result<()> {
        let destinations = self.lock().destinations.len();
        let outcomes = (0..destinations).map(|index| self.expire_one(index));
        outcomes.fold(Ok(()), io::Result::and)
    }

    fn expire_one(&self, index: usize) -> io::Result<()> {
        let (mut expired, mut outcome) = (None, Ok(()));
        let mut at = 0;
        while let Some(surplus) = self.surplus(index, at) {
            match self.let_go(index, &surplus).or_else(|error| {
                // Whole, it may go without being read.
                let whole = self.whole(index, &surplus).ok_or(error)?;
                self.let_go(index, &whole)
            }) {
                Ok(tuples) => expired = Some(expired.unwrap_or(0) + tuples),
                // It must not stand in the way of all that is behind it.
                Err(error) => {
                    at = surplus.segment.last + 1;
                    outcome = outcome.and(Err(error));
                }
            }
        }
        self.tell_of(index, Expiry::Bound, expired);
        outcome
    }

    /// The lock is not held while the surplus is counted.
    fn surplus(&self, index: usize, at: u64) -> Option<Surplus> {
        self.lock().surplus(index, at)
    }

    /// All of the surplus' segment, if all of it waits and no more will come.
    fn whole(&self, index: usize, surplus: &Surplus) -> Option<Surplus> {
        let segment = &surplus.segment;
        let stretch = (segment.first(), segment.last);
        let waiting = self.lock().destinations[index].position.waiting(stretch.0, stretch.1);
        (segment.is_closed && waiting == Some(stretch)).then(|| Surplus {
            segment: segment.clone(),
            first: stretch.0,
            last: stretch.1,
        })
    }

    /// Near the cap, or for an entry of `wanted` bytes that was refused, those give segments up who have
    /// to give way. Whether any was, and the first error.
    pub(super) fn make_room(&self, wanted: u64) -> (bool, io::Result<()>) {
        let mut expired = vec![None; self.lock().destinations.len()];
        let (mut spared, mut outcome) = (Vec::new(), Ok(()));
        loop {
            let sacrifice = self.lock().sacrifice(&self.limits, wanted, &spared);
            let Some(sacrifice) = sacrifice else { break };
            // What fails, or is taken by somebody meanwhile, is not tried again in this round.
            spared.push(sacrifice.segment.first());
            outcome = outcome.and(self.offer(&sacrifice, &mut expired));
        }
        for (index, tuples) in expired.iter().enumerate() {
            self.tell_of(index, Expiry::Cap, *tuples);
        }
        (expired.iter().any(Option::is_some), outcome)
    }

    fn offer(&self, sacrifice: &Sacrifice, expired: &mut [Option<u64>]) -> io::Result<()> {
        let segment = &sacrifice.segment;
        for index in &sacrifice.holders {
            loop {
                let stretch = {
                    let state = self.lock();
                    state.destinations[*index].position.waiting(segment.first(), segment.last)
                };
                let Some((first, last)) = stretch else { break };
                let tuples =
                    self.let_go(*index, &Surplus { segment: segment.clone(), first, last })?;
                expired[*index] = Some(expired[*index].unwrap_or(0) + tuples);
            }
        }
        Ok(())
    }

    /// Expires records that wait; how many tuples of them were for the destination. They are not on loan
    /// while they are counted: if somebody takes some meanwhile, nothing is given up.
    fn let_go(&self, index: usize, surplus: &Surplus) -> io::Result<u64> {
        let Surplus { segment, first, last } = surplus;
        let (to, may_be_addressed) = {
            let state = self.lock();
            let destination = &state.destinations[index];
            (destination.addressee.clone(), destination.may_be_addressed(*first))
        };
        let before = self.reader.tuples_before(segment, *first)?;
        let behind = self.reader.tuples_before(segment, last + 1)?;
        let shared = behind.zip(before).map(|(behind, before)| behind.saturating_sub(before));
        // The totals are enough where nothing is left out and nothing is for this one alone.
        let sorted = if to.takes_all() && !may_be_addressed {
            Sorted::default()
        } else {
            self.reader.sort(segment, (*first, *last), &to)?
        };
        // What damage leaves open stays in the books until everything else is done.
        let shared_known = shared.unwrap_or(sorted.filtered);
        let expired = shared_known.saturating_sub(sorted.filtered) + sorted.addressed;

        let mut state = self.lock();
        let destination = &mut state.destinations[index];
        if destination.position.waiting(*first, *last) != Some((*first, *last)) {
            return Ok(0);
        }
        let tally = Tally { expired, filtered: sorted.filtered, ..Tally::default() };
        destination.position.pass(*first, *last, tally);
        destination.has_holes |= shared.is_none();
        destination.is_dirty = true;
        state.is_moved = true;
        state.reconcile(index);
        Ok(expired)
    }

    fn tell_of(&self, index: usize, why: Expiry, expired: Option<u64>) {
        let Some(tuples) = expired.filter(|tuples| *tuples > 0) else { return };
        let mut state = self.lock();
        let destination = &state.destinations[index];
        let why = if destination.is_configured { why } else { Expiry::Orphan };
        let notice = Notice::Expired { destination: destination.name.to_string(), tuples, why };
        state.notices.push(notice);
    }
}
