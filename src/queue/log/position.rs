//! How far one destination is, and its books (contract C5.2, C7).
//!
//! [`Position`] is the progress in memory, [`Saved`] the same as it is kept on the disk, and
//! [`PositionFile`] the file it is kept in.
//!
//! A sequence is in one of three states: it waits, it is on loan, or it is done. Everything below
//! `low` is done; above it the stretches that do not wait are `runs`, and done runs melt together, so
//! that memory grows with the gaps and not with the records.

use std::collections::BTreeMap;

use super::super::{Books, Totals};

mod file;
mod saved;
mod slot;
mod tally;
#[cfg(test)]
mod tests;

pub use file::{FILE_BYTES, PositionFile, SlotsFault, destination_of, file_name};
pub use saved::{RANGES_MAX, Saved};
pub use slot::{SLOT_BYTES, SlotFault, VERSION};
pub use tally::Tally;

/// One destination's progress through the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    began_at: u64,
    began_tuples: u64,
    replayed: u64,
    /// Everything that is done, the done runs included.
    tally: Tally,
    low: u64,
    /// By first sequence; at or above `low`, not overlapping. A done run neither begins at `low` nor
    /// touches another done run.
    runs: BTreeMap<u64, Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    last: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done(Tally),
    Lent,
}

impl Position {
    /// A destination for which everything from sequence `at` on is meant; the log's totals before it
    /// are `tuples_before`.
    pub fn begin(at: u64, tuples_before: u64) -> Self {
        Self {
            began_at: at,
            began_tuples: tuples_before,
            replayed: 0,
            tally: Tally::default(),
            low: at,
            runs: BTreeMap::new(),
        }
    }

    /// Takes up where a save left off: what was on loan then waits.
    pub fn from_saved(saved: &Saved) -> Self {
        let gaps = saved.ranges.windows(2).zip(&saved.between);
        let run = |(pair, tally): (&[(u64, u64)], &Tally)| {
            (pair[0].1 + 1, Run { last: pair[1].0 - 1, state: State::Done(*tally) })
        };
        Self {
            began_at: saved.began_at,
            began_tuples: saved.began_tuples,
            replayed: saved.replayed,
            tally: saved.tally,
            low: saved.low(),
            runs: gaps.map(run).collect(),
        }
    }

    /// The sequences from `first` to `last` are on loan. All of them must be waiting.
    pub fn lend(&mut self, first: u64, last: u64) {
        debug_assert_eq!(self.waiting(first, last), Some((first, last)), "lent twice");
        self.runs.insert(first, Run { last, state: State::Lent });
    }

    /// The loan that begins at `first` ends at `last`, which is not behind its end; the rest of it
    /// waits again.
    pub fn shorten(&mut self, first: u64, last: u64) {
        let loan = self.runs.get_mut(&first).filter(|run| run.state == State::Lent);
        debug_assert!(loan.as_ref().is_some_and(|run| first <= last && last <= run.last));
        if let Some(loan) = loan {
            loan.last = last;
        }
    }

    /// The loan that begins at `first` waits again.
    pub fn release(&mut self, first: u64) {
        self.end_loan(first);
    }

    /// The loan that begins at `first` is done, and this became of its tuples.
    pub fn settle(&mut self, first: u64, tally: Tally) {
        if let Some(last) = self.end_loan(first) {
            self.finish(first, last, tally);
        }
    }

    /// The sequences from `first` to `last` are done without having been on loan: damaged, expired or
    /// purged. All of them must be waiting.
    pub fn pass(&mut self, first: u64, last: u64, tally: Tally) {
        debug_assert_eq!(
            self.waiting(first, last),
            Some((first, last)),
            "passed twice, or on loan"
        );
        self.finish(first, last, tally);
    }

    /// Tuples of a record for this destination alone were committed.
    pub fn add_replayed(&mut self, tuples: u64) {
        self.replayed += tuples;
    }

    /// Tuples of done records that no class has got so far turn out to be lost to damage.
    pub fn write_off(&mut self, tuples: u64) {
        self.tally += Tally { damaged: tuples, ..Tally::default() };
    }

    /// Tuples of records for this destination alone.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    /// Ends a loan; where it ended. A loan that is not there is a fault of the caller, and nothing
    /// changes: a shared gateway counts on, it does not stop.
    fn end_loan(&mut self, first: u64) -> Option<u64> {
        let is_lent = self.runs.get(&first).is_some_and(|run| run.state == State::Lent);
        debug_assert!(is_lent, "no loan begins at {first}");
        if is_lent { self.runs.remove(&first).map(|run| run.last) } else { None }
    }

    /// Marks a stretch that is in no run as done.
    fn finish(&mut self, mut first: u64, mut last: u64, mut tally: Tally) {
        self.tally += tally;
        if let Some((&begin, &Run { last: end, state: State::Done(other) })) =
            self.runs.range(..first).next_back()
            && end + 1 == first
        {
            self.runs.remove(&begin);
            first = begin;
            tally += other;
        }
        if let Some(&Run { last: end, state: State::Done(other) }) = self.runs.get(&(last + 1)) {
            self.runs.remove(&(last + 1));
            last = end;
            tally += other;
        }
        if first == self.low {
            self.low = last + 1;
        } else {
            self.runs.insert(first, Run { last, state: State::Done(tally) });
        }
    }

    /// The first stretch of sequences that wait, at or behind `at`, up to `end` inclusive.
    pub fn waiting(&self, at: u64, end: u64) -> Option<(u64, u64)> {
        let mut first = at.max(self.low);
        if let Some((_, run)) = self.runs.range(..=first).next_back() {
            first = first.max(run.last + 1);
        }
        let mut end = end;
        for (&begin, run) in self.runs.range(first..) {
            if begin > first {
                end = end.min(begin - 1);
                break;
            }
            first = run.last + 1;
        }
        (first <= end).then_some((first, end))
    }

    /// Every stretch that waits or is on loan, up to `head`, rising.
    pub fn undelivered(&self, head: u64) -> impl Iterator<Item = (u64, u64)> {
        let done = self.done_runs().into_iter().map(|(first, last, _)| (first, last));
        let mut first = self.low;
        done.chain([(head + 1, head)]).filter_map(move |(begin, last)| {
            let stretch = (first, (begin - 1).min(head));
            first = first.max(last + 1);
            (stretch.0 <= stretch.1).then_some(stretch)
        })
    }

    /// Whether all sequences from `first` to `last` are done, or were before it began.
    pub fn is_past(&self, first: u64, last: u64) -> bool {
        let first = first.max(self.low);
        // Done runs melt together: what is done above `low` is done by one run.
        let run = self.runs.range(..=first).next_back().map(|(_, run)| run);
        first > last || run.is_some_and(|run| run.state != State::Lent && last <= run.last)
    }

    /// Where the first stretch ends that is not done and has any of the sequences from `first` to `last`
    /// in it; `None` where [`Self::is_past`] holds. One that has no end yet ends with the last sequence.
    pub fn held_until(&self, first: u64, last: u64) -> Option<u64> {
        let mut first = first.max(self.low);
        if let Some((_, run)) = self.runs.range(..=first).next_back()
            && run.state != State::Lent
        {
            first = first.max(run.last + 1);
        }
        let is_done = |(_, run): &(&u64, &Run)| run.state != State::Lent;
        let done = self.runs.range(first..).find(is_done);
        (first <= last).then(|| done.map_or(u64::MAX, |(begin, _)| begin - 1))
    }

    /// Every stretch that is on loan, rising.
    pub fn lent(&self) -> impl Iterator<Item = (u64, u64)> {
        let lent = self.runs.iter().filter(|(_, run)| run.state == State::Lent);
        lent.map(|(&first, run)| (first, run.last))
    }

    /// Whether any sequence is on loan.
    pub fn has_loans(&self) -> bool {
        self.runs.values().any(|run| run.state == State::Lent)
    }

    /// Whether everything up to `head` is done: nothing waits and nothing is on loan.
    pub fn is_drained(&self, head: u64) -> bool {
        self.low > head
    }

    /// Everything below is done.
    pub fn low(&self) -> u64 {
        self.low
    }

    /// The first sequence that was meant for it.
    pub fn began_at(&self) -> u64 {
        self.began_at
    }

    /// Tuples of the log before that.
    pub fn began_tuples(&self) -> u64 {
        self.began_tuples
    }

    /// What became of everything that is done.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Stretches held in memory: loans, and what is done behind a gap.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// The books of a log that took `totals_tuples` so far (contract C7).
    pub fn books(&self, totals_tuples: u64) -> Books {
        self.tally.books(totals_tuples.saturating_sub(self.began_tuples), self.replayed)
    }

    /// What to keep of it, of a log that ends at `head`; `certain`, `totals`, `max_backlog_bytes` are the
    /// caller's to fill in, `name` and `generation` those of [`PositionFile::write`].
    ///
    /// Loans count as undelivered. Where there are more than [`RANGES_MAX`] ranges, the shortest done
    /// runs become undelivered, out of the tally too: duplicates after a crash, never loss (contract
    /// C5.2). `is_gone(first, last)` says whether any of these sequences is in a deleted segment; such
    /// a run cannot be delivered again, so it stays. That is always possible while only segments are
    /// deleted that a save had passed: a save has fewer done runs than ranges, and runs only melt.
    pub fn save(&self, head: u64, is_gone: &dyn Fn(u64, u64) -> bool) -> Saved {
        let mut tally = self.tally;
        let mut done = self.done_runs();
        let excess = (done.len() + 1).saturating_sub(RANGES_MAX);
        if excess > 0 {
            done.sort_by_cached_key(|&(first, last, _)| (is_gone(first, last), last - first));
            for (first, last, part) in done.drain(..excess) {
                debug_assert!(!is_gone(first, last), "deleted before a save had passed it");
                tally -= part;
            }
            done.sort_unstable_by_key(|run| run.0);
        }
        let mut ranges = Vec::with_capacity(done.len() + 1);
        let mut first = self.low;
        for &(begin, last, _) in &done {
            ranges.push((first, begin - 1));
            first = last + 1;
        }
        ranges.push((first, u64::MAX));
        Saved {
            name: String::new(),
            generation: 0,
            began_at: self.began_at,
            began_tuples: self.began_tuples,
            replayed: self.replayed,
            head,
            certain: head,
            totals: Totals::default(),
            tally,
            max_backlog_bytes: 0,
            ranges,
            between: done.iter().map(|run| run.2).collect(),
        }
    }

    /// First, last and tally of every done run, rising.
    fn done_runs(&self) -> Vec<(u64, u64, Tally)> {
        let done = |(&first, run): (&u64, &Run)| match run.state {
            State::Done(tally) => Some((first, run.last, tally)),
            State::Lent => None,
        };
        self.runs.iter().filter_map(done).collect()
    }
}
