//! `[dead_letters]`: tuples a receiver refused for good.

/// `[dead_letters]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// Bytes of files that each receiver's dead letters may take; when they do, its deliveries are held
    /// until some are replayed (contract C6.3). 1 MiB to 1 TiB; default 64 MiB.
    pub max_bytes: u64,
}
