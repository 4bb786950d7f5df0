//! Samples to blocks of StackState tuples (contract C4).

use bytes::Bytes;

mod number;
mod text;
mod tuple;

pub use text::{Escapes, Source};
pub use tuple::{Encoder, Expanded, Mark, Outlook};

/// Most bytes in a block: with the envelope around it, a block still fits a 4 MiB request (C6.1).
pub const BLOCK_BYTES_MAX: usize = (4 << 20) - (64 << 10);

/// Most tuples in a block (C6.1).
pub const BLOCK_TUPLES_MAX: u32 = 10_000;

/// Finished tuples of one source, joined by `,\n`, no trailing comma.
///
/// A JSON string never holds a raw newline, so `,\n[` always separates two tuples, and blocks are
/// packed into an envelope by joining their bytes with the same two characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The tuples; at most [`BLOCK_BYTES_MAX`], never empty.
    pub bytes: Bytes,
    /// How many; at most [`BLOCK_TUPLES_MAX`], at least one.
    pub tuples: u32,
}
