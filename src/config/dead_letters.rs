//! `[dead_letters]`: tuples a receiver refused for good.

use super::section::Section;

/// `[dead_letters]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// Bytes of files that each receiver's dead letters may take below
    /// [`data_dir`](super::Config::data_dir); when they do, its deliveries are held and none is thrown
    /// away (contract C6.3). 1 MiB to 1 TiB; default 64 MiB, which is some 100,000 tuples. Raise it to
    /// let a receiver go on that refuses much.
    pub max_bytes: u64,
}

impl DeadLetters {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let max_bytes = section.size("max_bytes", 64 << 20, 1 << 20..=1 << 40);
        section.finish();
        Self { max_bytes }
    }
}
