//! Which series there are, by a keyed hash of 64 bits, and when each was last seen: a table of fixed size,
//! with open addresses.
//!
//! The window is cut into [`AGES`] ticks, and a series is forgotten once more of them went by than there are
//! in a window. What is forgotten stays in its slot as if it were not there, and is swept out a few
//! slots at a time when others begin: no call takes long, however large the table.
//!
//! A series that a body begins is *held* until the body is delivered: it counts, and it goes again with the
//! body if nothing comes of that.

/// Ticks of a window.
pub(super) const AGES: u32 = 16;

/// Bytes of a slot; there are three for two series.
pub const SLOT_BYTES: usize = size_of::<u64>() + size_of::<u32>();

/// Slots looked at for each series that begins. A whole sweep happens in the time in which less than a
/// fortieth of the series can begin, so that what is forgotten never fills the table.
const SWEPT_AT_ONCE: usize = 64;

/// In the place of a tick: held by so many as the rest says.
const HELD: u32 = 1 << 31;

/// An empty slot.
const EMPTY: u32 = 0;

/// What is known of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Last seen at this tick.
    Seen(u32),
    /// Begun by a body that is on its way.
    Held,
    /// Never seen, or forgotten.
    No,
}

/// The series of one source.
#[derive(Debug)]
pub(super) struct Table {
    hashes: Box<[u64]>,
    /// [`EMPTY`], a tick plus one, or [`HELD`] and by how many.
    seen: Box<[u32]>,
    /// How many were last seen at each of the last ticks.
    ages: [usize; AGES as usize + 1],
    tick: u32,
    known: usize,
    held: usize,
    /// Those forgotten included.
    occupied: usize,
    /// Where the sweep is.
    hand: usize,
}

impl Table {
    /// For so many series at once.
    pub(super) fn new(series: usize) -> Self {
        let slots = slots_for(series);
        Self {
            hashes: vec![0; slots].into(),
            seen: vec![EMPTY; slots].into(),
            ages: [0; AGES as usize + 1],
            tick: 0,
            known: 0,
            held: 0,
            occupied: 0,
            hand: 0,
        }
    }

    /// The same series with room for so many, all of them as if seen just now, which is called `tick` then.
    pub(super) fn resized(&self, series: usize, tick: u32) -> Self {
        let mut other = Self { tick, ..Self::new(series.max(self.used())) };
        for (hash, seen) in self.hashes.iter().zip(&self.seen) {
            if *seen & HELD != 0 {
                let slot = other.vacancy(*hash);
                other.fill(slot, *hash, *seen);
                other.held += 1;
            } else if self.is_alive(*seen) {
                other.settle(*hash);
            }
        }
        other
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.hashes) + size_of_val(&*self.seen)
    }

    /// Series that count, held ones included.
    pub(super) fn used(&self) -> usize {
        self.known + self.held
    }

    /// The tick it is.
    pub(super) fn tick(&self) -> u32 {
        self.tick
    }

    /// Time goes by, and never back.
    pub(super) fn advance(&mut self, tick: u32) {
        for passed in (self.tick + 1..=tick).take(self.ages.len()) {
            let age = &mut self.ages[(passed % (AGES + 1)) as usize];
            self.known -= std::mem::take(age);
        }
        self.tick = self.tick.max(tick);
    }

    /// What is known of this series.
    pub(super) fn look(&self, hash: u64) -> Known {
        match self.find(hash) {
            Some(slot) if self.seen[slot] & HELD != 0 => Known::Held,
            Some(slot) if self.is_alive(self.seen[slot]) => Known::Seen(self.seen[slot] - 1),
            _ => Known::No,
        }
    }

    /// It was seen, and is known: it was delivered before, or is now.
    pub(super) fn settle(&mut self, hash: u64) {
        let now = self.tick + 1;
        let slot = self.find(hash).unwrap_or_else(|| self.vacancy(hash));
        let seen = self.seen[slot];
        if seen == now {
            return;
        }
        if seen & HELD != 0 {
            self.held -= 1;
        } else if self.is_alive(seen) {
            self.ages[((seen - 1) % (AGES + 1)) as usize] -= 1;
            self.known -= 1;
        }
        self.fill(slot, hash, now);
        self.ages[(self.tick % (AGES + 1)) as usize] += 1;
        self.known += 1;
    }

    /// A body that is on its way begins it, or one more does.
    pub(super) fn hold(&mut self, hash: u64) {
        let slot = self.find(hash).unwrap_or_else(|| self.vacancy(hash));
        let seen = self.seen[slot];
        if seen & HELD != 0 {
            self.seen[slot] += 1;
        } else if !self.is_alive(seen) {
            self.fill(slot, hash, HELD | 1);
            self.held += 1;
        }
    }

    /// A body that held it is not delivered.
    pub(super) fn release(&mut self, hash: u64) {
        let Some(slot) = self.find(hash).filter(|slot| self.seen[*slot] & HELD != 0) else {
            return;
        };
        self.seen[slot] -= 1;
        if self.seen[slot] == HELD {
            self.held -= 1;
            self.clear(slot);
        }
    }

    fn is_alive(&self, seen: u32) -> bool {
        seen != EMPTY && seen & HELD == 0 && self.tick - (seen - 1) <= AGES
    }

    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.hashes.len() as u128) >> 64) as usize
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.hashes.len() { 0 } else { slot + 1 }
    }

    /// Where it is, forgotten or not.
    fn find(&self, hash: u64) -> Option<usize> {
        let mut slot = self.home(hash);
        while self.seen[slot] != EMPTY {
            if self.hashes[slot] == hash {
                return Some(slot);
            }
            slot = self.after(slot);
        }
        None
    }

    /// Where it can go, after some sweeping. There always is an empty slot: whoever asks has seen to it that
    /// there are no more series than the table is for, save for a handful (`slots_for`).
    fn vacancy(&mut self, hash: u64) -> usize {
        self.sweep(SWEPT_AT_ONCE.min(self.seen.len()));
        if self.occupied * 8 >= self.seen.len() * 7 {
            self.sweep(2 * self.seen.len());
            assert!(self.occupied < self.seen.len(), "more series than the table is for");
        }
        let mut slot = self.home(hash);
        while self.seen[slot] != EMPTY {
            slot = self.after(slot);
        }
        slot
    }

    fn fill(&mut self, slot: usize, hash: u64, seen: u32) {
        if self.seen[slot] == EMPTY {
            self.occupied += 1;
        }
        (self.hashes[slot], self.seen[slot]) = (hash, seen);
    }

    /// Looks at so many slots for what is forgotten.
    fn sweep(&mut self, slots: usize) {
        for _ in 0..slots {
            let seen = self.seen[self.hand];
            if seen != EMPTY && seen & HELD == 0 && !self.is_alive(seen) {
                // Another may move here: this slot is looked at once more.
                self.clear(self.hand);
            } else {
                self.hand = self.after(self.hand);
            }
        }
    }

    /// Empties a slot, and moves up those behind it that would not be found any more.
    fn clear(&mut self, slot: usize) {
        let slots = self.hashes.len();
        let distance =
            |from: usize, to: usize| if to >= from { to - from } else { to + slots - from };
        let (mut hole, mut next) = (slot, self.after(slot));
        while self.seen[next] != EMPTY {
            let wanted = self.home(self.hashes[next]);
            if distance(wanted, next) >= distance(hole, next) {
                self.hashes[hole] = self.hashes[next];
                self.seen[hole] = self.seen[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.seen[hole] = EMPTY;
        self.occupied -= 1;
    }
}

/// Three for two series, and some: searches stay short, and what waits for the sweep has room.
fn slots_for(series: usize) -> usize {
    series + series / 2 + 64
}

#[cfg(test)]
mod tests;
