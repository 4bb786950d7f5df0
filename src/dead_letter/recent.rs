//! Which letters were put in lately, so that one is not kept twice.

use std::collections::{HashSet, VecDeque};

use super::Letter;
use crate::metric::timestamp::Timestamp;

/// Most names that are remembered. A letter comes again only while the queue has not saved that its
/// lease ended: that is as much as 16 leases of 10,000 tuples (contract C5.2).
const KEYS_MAX: usize = 200_000;

/// What names a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    sequence: u64,
    index: u32,
    received: Timestamp,
}

/// The names of the latest letters.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashSet<Key>,
    by_age: VecDeque<Key>,
}

impl Key {
    pub(super) fn of(letter: &Letter) -> Self {
        Self { sequence: letter.sequence, index: letter.index, received: letter.received }
    }
}

impl Recent {
    pub(super) fn has(&self, key: Key) -> bool {
        self.known.contains(&key)
    }

    pub(super) fn add(&mut self, key: Key) {
        if !self.known.insert(key) {
            return;
        }
        self.by_age.push_back(key);
        if self.by_age.len() > KEYS_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_memory_is_bounded() {
        let key = |index| Key { sequence: 1, index, received: Timestamp::from_unix(0, 0) };
        let mut recent = Recent::default();
        for index in 0..KEYS_MAX as u32 + 5 {
            recent.add(key(index));
            recent.add(key(index));
        }
        assert!(!recent.has(key(4)) && recent.has(key(5)));
        assert!(recent.has(key(KEYS_MAX as u32 + 4)));
        assert_eq!((recent.known.len(), recent.by_age.len()), (KEYS_MAX, KEYS_MAX));
    }
}
