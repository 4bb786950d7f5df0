//! What a page has had so far: names, and in OpenMetrics the label sets, by their hashes alone.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

/// Hashes of names and labels under a key of this page's own, so nobody can choose texts that collide:
/// five bits of a hash carry a note, and of the others of a page of 20 MiB two are the same once in 100,000
/// pages made for it.
pub(super) struct Names {
    key: RandomState,
    known: HashSet<Entry, BuildHasherDefault<Folded>>,
}

/// What is known of a name: at most five bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note(pub(super) u8);

/// The low bits of an entry are its note and no part of what it is.
const NOTE_BITS: u64 = 31;

/// About what an entry takes in the table: its bytes and one of the table's.
const ENTRY_BYTES: u64 = 9;

impl Names {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), known: HashSet::default() }
    }

    /// The hash of a text, or of several.
    #[inline]
    pub(super) fn hash(&self, of: impl Hash) -> u64 {
        self.key.hash_one(of)
    }

    /// What was noted about it.
    pub(super) fn note(&self, hash: u64) -> Option<Note> {
        self.known.get(&Entry(hash)).map(|entry| Note((entry.0 & NOTE_BITS) as u8))
    }

    /// Notes something in the place of what was noted before.
    pub(super) fn put(&mut self, hash: u64, note: Note) {
        debug_assert!(u64::from(note.0) <= NOTE_BITS, "five bits");
        self.known.replace(Entry(hash & !NOTE_BITS | u64::from(note.0)));
    }

    /// Remembers it; false if it was known.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        self.known.insert(Entry(hash & !NOTE_BITS))
    }

    /// Bytes of memory it takes.
    pub(super) fn memory(&self) -> u64 {
        // A table is at most seven eighths full.
        self.known.capacity() as u64 * ENTRY_BYTES * 8 / 7
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry(u64);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0 ^ other.0) & !NOTE_BITS == 0
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 & !NOTE_BITS);
    }
}

/// Hands a hash on: the table looks at its lowest bits first, which entries do not have.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an entry is one integer")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash ^ hash >> 32;
    }
}
