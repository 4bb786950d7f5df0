//! A destination's position as it is kept on the disk.

use super::super::super::{Books, Totals};
use super::file::is_name;
use super::tally::Tally;

/// Most undelivered ranges a saved position holds (contract C5.2).
pub const RANGES_MAX: usize = 64;

/// A position at the moment it was saved: what was on loan then counts as undelivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The destination; set by [`super::PositionFile::write`].
    pub name: String,
    /// Rises with every save; set by [`super::PositionFile::write`].
    pub generation: u64,
    /// The first sequence that was meant for it.
    pub began_at: u64,
    /// Tuples of the log before that.
    pub began_tuples: u64,
    /// Tuples put in for it alone, up to `head`.
    pub replayed: u64,
    /// The highest committed sequence. What is committed later must have a higher one: behind it a
    /// sequence may not be used a second time.
    pub head: u64,
    /// The highest sequence known to be acknowledged: `head`, but for a log that was just recovered
    /// and whose last group had lost a part. What is left of that is judged again by this measure.
    pub certain: u64,
    /// The log's totals, up to `head`.
    pub totals: Totals,
    /// What became of everything from `began_at` on that is not in `ranges`.
    pub tally: Tally,
    /// The bound of its backlog in bytes, which holds also once its name has left the configuration
    /// (contract C5.5); 0 for none.
    pub max_backlog_bytes: u64,
    /// Undelivered sequences, first and last: 1 to [`RANGES_MAX`] of them, rising, something done
    /// between any two. The last one is open: it ends at `u64::MAX`.
    pub ranges: Vec<(u64, u64)>,
    /// What became of the sequences between a range and the next: one less than `ranges`. A part of
    /// `tally`.
    pub between: Vec<Tally>,
}

impl Saved {
    /// Everything below is done.
    pub fn low(&self) -> u64 {
        self.ranges.first().map_or(self.began_at, |range| range.0)
    }

    /// Whether nothing from `first` to `last` is still to be delivered.
    pub fn is_past(&self, first: u64, last: u64) -> bool {
        !self.ranges.iter().any(|range| range.0 <= last && first <= range.1)
    }

    /// The undelivered ranges of a log that ends at `head`; none of them is empty.
    pub fn undelivered(&self, head: u64) -> impl Iterator<Item = (u64, u64)> {
        let cut = move |&(first, last): &(u64, u64)| (first, last.min(head));
        self.ranges.iter().map(cut).filter(|(first, last)| first <= last)
    }

    /// The books when it was saved.
    pub fn books(&self) -> Books {
        let series = self.totals.tuples.saturating_sub(self.began_tuples);
        self.tally.books(series, self.replayed)
    }

    /// Whether the parts fit together as the fields say.
    pub(super) fn is_sound(&self) -> bool {
        let is_risen = |pair: &[(u64, u64)]| pair[0].1.saturating_add(1) < pair[1].0;
        let mut parts = [0_u64; 6];
        for tally in &self.between {
            for (part, class) in parts.iter_mut().zip(tally.classes()) {
                *part = part.saturating_add(class);
            }
        }
        is_name(&self.name)
            && (1..=RANGES_MAX).contains(&self.ranges.len())
            && self.between.len() + 1 == self.ranges.len()
            && self.began_at <= self.low()
            && self.began_tuples <= self.totals.tuples
            && self.certain <= self.head
            && self.ranges.iter().all(|(first, last)| first <= last)
            && self.ranges.windows(2).all(is_risen)
            && self.ranges.last().is_some_and(|range| range.1 == u64::MAX)
            && parts.iter().zip(self.tally.classes()).all(|(part, class)| *part <= class)
    }
}
