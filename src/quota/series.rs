//! The series of one source: which there are, what is done when they are too many, and when that is said.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;
use std::time::Duration;

use super::growth::{Growth, Leaders};
use super::table::{AGES, Known, Table};
use crate::config::{OverSeries, SourceLimits};
use crate::metric::Tag;

/// Beyond the limit there is room for so many, an eighth of it and at least one, that lost a tag: until
/// the limit is reached nobody knows what to strip, and then there is no place left for what remains.
const STRIPPED_PART: usize = 8;

/// The guard of one source.
#[derive(Debug)]
pub(super) struct Series {
    table: Table,
    leaders: Leaders,
    limit: usize,
    window: Duration,
    over: OverSeries,
    /// The last window in which somebody was warned.
    warned: Option<u32>,
}

/// What a source is warned of at 80 %.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) series: usize,
    pub(super) limit: usize,
    pub(super) growth: Option<Growth>,
}

impl Series {
    pub(super) fn new(most: NonZeroU64, limits: &SourceLimits) -> Self {
        let limit = number(most);
        let (window, over) = (limits.series_window, limits.over_series);
        let table = Table::new(limit + spare(limit, over));
        Self { table, leaders: Leaders::default(), limit, window, over, warned: None }
    }

    /// With other numbers. Series that are known stay so, also where they are more than the limit is now;
    /// with another window they count as seen just now.
    pub(super) fn changed(mut self, most: NonZeroU64, limits: &SourceLimits) -> Self {
        let (limit, over) = (number(most), limits.over_series);
        if (limit, limits.series_window, over) == (self.limit, self.window, self.over) {
            return self;
        }
        let now = self.width() * self.table.tick();
        (self.limit, self.window, self.over) = (limit, limits.series_window, over);
        self.table = self.table.resized(limit + spare(limit, over), self.tick_at(now));
        self.leaders.advance(self.nth_window());
        self
    }

    /// The limit.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn window(&self) -> Duration {
        self.window
    }

    pub(super) fn over(&self) -> OverSeries {
        self.over
    }

    /// Series that count, also those of bodies that are on their way.
    pub(super) fn used(&self) -> usize {
        self.table.used()
    }

    /// What has the most of them.
    pub(super) fn growth(&self) -> Option<Growth> {
        self.leaders.top()
    }

    /// At 80 % of the limit, or over.
    pub(super) fn is_near(&self) -> bool {
        self.used() * 5 >= self.limit * 4
    }

    /// What is to be said, once in a window.
    pub(super) fn warning(&mut self) -> Option<Warning> {
        let window = self.nth_window();
        if !self.is_near() || self.warned == Some(window) {
            return None;
        }
        self.warned = Some(window);
        Some(Warning { series: self.used(), limit: self.limit, growth: self.growth() })
    }

    /// Time goes by.
    pub(super) fn advance(&mut self, now: Duration) {
        self.table.advance(self.tick_at(now));
        self.leaders.advance(self.nth_window());
    }

    /// What is known of a series.
    pub(super) fn look(&self, hash: u64) -> Known {
        self.table.look(hash)
    }

    /// It was seen again; the first time in this window it is looked at.
    pub(super) fn seen(
        &mut self,
        keys: &RandomState,
        hash: u64,
        before: u32,
        name: &str,
        tags: &[Tag<'_>],
    ) {
        self.table.settle(hash);
        if before / AGES != self.nth_window() {
            self.leaders.feed(keys, hash, name, tags);
        }
    }

    /// One that is not known.
    pub(super) fn is_new(&mut self, keys: &RandomState, hash: u64, name: &str, tags: &[Tag<'_>]) {
        self.leaders.feed(keys, hash, name, tags);
    }

    /// Whether one can begin, with `more` of them; for one that lost a tag there is more room.
    pub(super) fn has_room(&self, more: usize, is_stripped: bool) -> bool {
        let spare = if is_stripped { spare(self.limit, self.over) } else { 0 };
        self.used() + more < self.limit + spare
    }

    /// A body that is on its way begins it; its room was asked for.
    pub(super) fn hold(&mut self, hash: u64) {
        self.table.hold(hash);
    }

    /// The body is not delivered.
    pub(super) fn release(&mut self, hash: u64) {
        self.table.release(hash);
    }

    /// The body is delivered. A reload in between may have forgotten what was held.
    pub(super) fn settle(&mut self, hash: u64) {
        if self.table.look(hash) != Known::No || self.has_room(0, false) {
            self.table.settle(hash);
        }
    }

    /// Which names and tags grow.
    pub(super) fn leaders(&self) -> &Leaders {
        &self.leaders
    }

    fn width(&self) -> Duration {
        self.window / AGES
    }

    fn tick_at(&self, now: Duration) -> u32 {
        // With the shortest window that is two centuries.
        u32::try_from(now.as_nanos() / self.width().as_nanos()).unwrap_or(u32::MAX)
            & (u32::MAX >> 2)
    }

    fn nth_window(&self) -> u32 {
        self.table.tick() / AGES
    }

    #[cfg(test)]
    pub(super) fn warning_at(&mut self, now: Duration) -> Option<Warning> {
        self.advance(now);
        self.warning()
    }
}

fn number(most: NonZeroU64) -> usize {
    usize::try_from(most.get()).unwrap_or(usize::MAX)
}

fn spare(limit: usize, over: OverSeries) -> usize {
    match over {
        OverSeries::Reject => 0,
        OverSeries::Strip => (limit / STRIPPED_PART).max(1),
    }
}

/// The identity of a series: its name and the set of its tags, in whatever order; tags that the source gives
/// every metric make no difference, nor does an element that an array has twice.
///
/// Each tag is hashed by itself, with its lengths, and the sum of that with the name: without the keys of
/// this process nobody can tell which tags would come to the same sum. A metric that brings a tag of the
/// source's itself, value and all, is the series without it: the receiver could not tell them apart either.
pub(super) fn identity(
    keys: &RandomState,
    name: &str,
    tags: &[Tag<'_>],
    fixed: &[(String, String)],
    is_left_out: impl Fn(usize) -> bool,
) -> u64 {
    let (mut sum, mut count) = (0_u64, 0_usize);
    for (at, tag) in tags.iter().enumerate() {
        if is_left_out(at) || is_fixed(tag, fixed) || is_repeated(tags, at) {
            continue;
        }
        let mut hasher = keys.build_hasher();
        hasher.write_usize(tag.key.len());
        hasher.write(tag.key.as_bytes());
        if let Some(value) = tag.value {
            hasher.write_usize(value.len());
            hasher.write(value.as_bytes());
        }
        sum = sum.wrapping_add(hasher.finish());
        count += 1;
    }
    let mut hasher = keys.build_hasher();
    hasher.write_u64(sum);
    hasher.write_usize(count);
    hasher.write(name.as_bytes());
    hasher.finish()
}

fn is_fixed(tag: &Tag<'_>, fixed: &[(String, String)]) -> bool {
    fixed.iter().any(|(key, value)| key == tag.key && tag.value == Some(value))
}

/// Keys are unique, but for the elements of an array, which follow each other.
fn is_repeated(tags: &[Tag<'_>], at: usize) -> bool {
    let before = tags[..at].iter().rev().take_while(|before| before.key == tags[at].key);
    before.into_iter().any(|before| before.value == tags[at].value)
}
