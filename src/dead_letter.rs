//! Dead letters: tuples that a receiver refused for good, kept with its answer (contract C6.3).
//!
//! Each receiver has files of its own below `data_dir`, to which lines are only ever appended. A
//! letter is on the disk before the queue forgets its tuple, so a tuple is always in one of the two.
//!
//! # The files
//!
//! ```text
//!  data_dir/dead-letters/<receiver>/
//!    0000000001.letters               letters, in the order they were refused
//!    0000000001-0000000000.replays    what became of the letters of that file
//!    0000000002.letters
//! ```
//!
//! The first line of a file names its format and version: `tidegate dead letters 1` or `tidegate
//! replays 1`; a file of another version is refused and never written to. Every other line is
//! `<crc32 of the JSON, 8 hex digits> <JSON>`.
//!
//! A letter: `{"sequence","index","received","source","at","status","answer","tuple"}`, instants as
//! `[seconds, nanoseconds]`, the tuple as it was sent, byte for byte.
//!
//! Behind the letters of a put, once they are synced: `{"kept":true}`. What cannot be read before such
//! a line is damaged, and what cannot behind the last one was never written whole.
//!
//! A step of a replay: `{"kind":"intent","id","spans","tuples","replayed_before","durability","at"}`,
//! `{"kind":"done","id","spans"}`, `{"kind":"undone","id"}`, `{"kind":"void","spans"}`. Spans are
//! stretches of bytes of the file of letters: damage does not move them.
//!
//! # What holds at any time
//!
//! * A letter stands in the files once, and is on the disk when [`DeadLetters::put`] returns.
//! * A file that failed to be written or synced is not written again by the process that saw it fail.
//!   What that may have left is declared void before anything that could repeat it is written.
//! * A torn end is kept and skipped: every process begins files of its own. A damaged line costs
//!   itself and is counted.
//! * Nothing is deleted but files all of whose letters were replayed. One in which a letter is damaged
//!   is renamed to `*.damaged` then, which no command reads and the cap does not count.
//! * A file of which less than half counts after a replay is written anew under a higher number;
//!   `{"instead_of":1}` before its letters says which one it stands for. It does not count while that one
//!   is there; the first replay deletes it then.
//! * A letter is replayed exactly once. The intent is on the disk before its entry is appended to the
//!   queue, its end after it; between the two, the queue's own books tell whether the entry is in:
//!   they then have as many replayed tuples more as the intent says. This is as durable as the queue
//!   is: with `queue.durability = "os"` a power cut may take what was replayed a moment ago.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::metric::timestamp::Timestamp;

mod folder;
mod index;
mod journal;
mod line;
mod names;
mod recent;
mod replay;
mod selection;
mod spans;
mod store;
mod text;
pub mod view;

pub use folder::{LateLock, Ownership};
pub use replay::{ReplayError, Replayed};
pub use selection::{Selection, SinceError};

use folder::{DIRECTORY, Folder, RealFolder};
use store::Store;

/// The dead letters of one receiver.
pub struct DeadLetters {
    receiver: Arc<str>,
    max_bytes: u64,
    store: Mutex<Store>,
    /// Held while letters are replayed: one replay at a time.
    replaying: Mutex<()>,
    /// Apart, because whoever asks must not wait for a disk.
    standing: Mutex<Standing>,
}

/// One tuple, and why it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The record it was in ([`crate::queue::Leased::sequence`]) ...
    pub sequence: u64,
    /// ... and its index there, from 0. With `received` they name it: a letter that is put in again
    /// after a crash is kept once.
    pub index: u32,
    /// When its request was received.
    pub received: Timestamp,
    /// The source's name.
    pub source: Arc<str>,
    /// When it was refused.
    pub at: Timestamp,
    /// The status of the answer that refused it.
    pub status: u16,
    /// The answer's words, bounded and without the key.
    pub answer: Arc<str>,
    /// The tuple as it was sent.
    pub tuple: Bytes,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Letters that were not replayed.
    pub letters: u64,
    /// Bytes of files.
    pub used_bytes: u64,
    /// The cap, `dead_letters.max_bytes`.
    pub limit_bytes: u64,
    /// Whether those that came last found no room.
    pub is_full: bool,
}

/// Why letters were not taken; none of them was then. The receiver is held (contract C6.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The cap is reached.
    #[error(
        "the dead letters are full ({used} of {limit} bytes, and {bytes} more to keep): raise \
         `dead_letters.max_bytes`, or mend the cause and make room with `tidegate dead-letters replay`, \
         which needs room in the queue; `tidegate dead-letters ls` shows them"
    )]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes that these would take.
        bytes: u64,
        /// The cap.
        limit: u64,
    },
    /// Those of one delivery are more than the cap: no room that could be made is enough.
    #[error(
        "the dead letters of one delivery take {bytes} bytes, more than all of them may ({limit}): \
         raise `dead_letters.max_bytes` to at least {}",
        used.saturating_add(*bytes)
    )]
    TooLarge {
        /// Bytes in use.
        used: u64,
        /// Bytes that these would take.
        bytes: u64,
        /// The cap.
        limit: u64,
    },
    /// They could not be written.
    #[error("dead letters cannot be written: {why}")]
    Failed {
        /// What the operating system says.
        why: Arc<str>,
    },
}

/// Why dead letters could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the dead letters of receiver {receiver} in {directory}: {cause}")]
pub struct OpenError {
    receiver: String,
    directory: String,
    cause: std::io::Error,
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeadLetters({}, {:?})", self.receiver, self.standing())
    }
}

impl DeadLetters {
    /// The dead letters of `receiver` below `data_dir`, in files of at most `max_bytes` together.
    /// Nothing is created or changed before the first letter.
    pub fn open(
        data_dir: &Path,
        receiver: &str,
        max_bytes: u64,
        ownership: Ownership,
    ) -> Result<Self, OpenError> {
        let path = data_dir.join(DIRECTORY).join(receiver);
        let directory = path.display().to_string();
        let folder = Arc::new(RealFolder { path, ownership });
        Self::over(folder, receiver, max_bytes).map_err(|cause| OpenError {
            receiver: receiver.to_owned(),
            directory,
            cause,
        })
    }

    fn over(folder: Arc<dyn Folder>, receiver: &str, max_bytes: u64) -> std::io::Result<Self> {
        let store = Store::open(folder, max_bytes)?;
        let standing = Mutex::new(Standing { limit_bytes: max_bytes, ..Standing::default() });
        let letters = Self {
            receiver: Arc::from(receiver),
            max_bytes,
            store: Mutex::new(store),
            replaying: Mutex::default(),
            standing,
        };
        letters.note(&letters.lock());
        Ok(letters)
    }

    /// Whose they are.
    pub fn receiver(&self) -> &Arc<str> {
        &self.receiver
    }

    /// Takes letters; they are on the disk when this returns. Those that are there already are not
    /// written again. After an error none of them was taken. Blocks.
    pub fn put(&self, letters: &[Letter]) -> Result<(), PutError> {
        let mut store = self.lock();
        let outcome = self.put_into(&mut store, letters);
        self.note(&store);
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).is_full =
            matches!(outcome, Err(PutError::Full { .. } | PutError::TooLarge { .. }));
        outcome
    }

    fn put_into(&self, store: &mut Store, letters: &[Letter]) -> Result<(), PutError> {
        if letters.is_empty() {
            return Ok(());
        }
        let failed = |why: String| PutError::Failed { why: Arc::from(why) };
        store.ready().map_err(failed)?;
        let (keys, lines) = store.fresh(letters);
        if keys.is_empty() {
            return Ok(());
        }
        // What a failed put left takes room that nobody uses.
        store.resolve_doubt().map_err(|error| failed(error.to_string()))?;
        let (used, bytes, limit) = (store.index.bytes(), store.cost(&lines), self.max_bytes);
        if bytes > limit {
            return Err(PutError::TooLarge { used, bytes, limit });
        }
        if used.saturating_add(bytes) > limit {
            return Err(PutError::Full { used, bytes, limit });
        }
        store.append(&keys, &lines).map_err(failed)
    }

    /// How many there are now. Does not wait for a disk.
    pub fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a store holds, for whoever asks next.
    fn note(&self, store: &Store) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.letters = store.index.letters();
        standing.used_bytes = store.index.bytes();
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A panic between two changes that belong together would be a bug in this module alone.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
