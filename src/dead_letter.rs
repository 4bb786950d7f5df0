//! Dead letters: tuples that a receiver refused for good, kept with its answer (contract C6.3).
//!
//! Each receiver has files of its own below `data_dir`, to which entries are only ever appended. An
//! entry is on the disk before the queue forgets its tuple, so a tuple is always in one of the two.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::metric::timestamp::Timestamp;

/// The dead letters of one receiver.
#[derive(Debug)]
pub struct DeadLetters {
    max_bytes: u64,
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
}

/// Why letters were not taken; none of them was then. The receiver is held (contract C6.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The cap is reached.
    #[error(
        "the dead letters are full ({used} of {limit} bytes, `dead_letters.max_bytes`): look at them \
         with `tidegate dead-letters ls`, mend the cause and replay them, or raise the cap"
    )]
    Full {
        /// Bytes in use.
        used: u64,
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

impl DeadLetters {
    /// The dead letters of `receiver` below `data_dir`. Nothing is created before the first letter.
    pub fn open(data_dir: &Path, receiver: &str, max_bytes: u64) -> Result<Self, OpenError> {
        let _ = (data_dir, receiver);
        Ok(Self { max_bytes })
    }

    /// Takes letters; they are on the disk when this returns. Those that are there already are not
    /// written again. Blocks.
    pub fn put(&self, letters: &[Letter]) -> Result<(), PutError> {
        let _ = letters;
        Err(PutError::Full { used: self.max_bytes, limit: self.max_bytes })
    }

    /// How many there are now.
    pub fn standing(&self) -> Standing {
        Standing { limit_bytes: self.max_bytes, ..Standing::default() }
    }
}
