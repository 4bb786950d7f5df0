//! A segment file: a header twice, records, and once it is sealed a footer.
//!
//! ```text
//!  name: 20 digits of the first sequence, '-', attempt, ".seg"   00000000000000000001-0.seg
//!
//!       0  header             magic FF "TIDELOG" (8), version u32, zero u32, identity u64, first
//!          80 bytes           sequence u64, certain u64, created i64, total tuples, accepted,
//!                             rejected u64 before its first record, zero u32, CRC-32 u32 over the
//!                             76 bytes before it
//!     512  the header again, so that one torn or flipped sector costs nothing
//!    1024  records, one behind the other, sequences rising by one
//!      ..  zeros, where space was reserved and not used yet
//!
//!  sealed: directly behind the last record, and the end of the file is its end
//!          footer             magic FF 'T' 'G' 'F' (4), entries u32, last sequence u64, total tuples,
//!          56 + 16 x entries  accepted, rejected u64 behind its last record, entries x (sequence
//!                             u64, offset u64): where a record begins, about every 256 KiB, then
//!                             offset of the footer u64, CRC-32 u32 over the identity and everything
//!                             before it in the footer, magic FF 'T' 'G' 'E' (4)
//! ```
//!
//! All numbers are little-endian. Bytes between the two headers and behind the second are zero. Magic,
//! version and checksum of the header lie where they lie in every version, so that a later version is
//! known for what it is.
//!
//! A later segment begins at its `first`: whatever an earlier one holds from there on was never
//! acknowledged, and is void. `certain` is the highest sequence known to be acknowledged when the
//! segment was created: of an earlier segment's records beyond it, an incomplete request is void.

use super::super::Totals;
use super::record::Identity;

mod footer;
mod header;
mod name;
#[cfg(test)]
mod tests;

pub use footer::mark_before;
pub use header::HeaderFault;

/// Where records begin.
pub const HEADER_BYTES: u64 = 1024;
/// The format of this page.
pub const VERSION: u32 = 1;
/// Most marks of a footer, 1 MiB of them; at one per 256 KiB that is a segment of 16 GiB.
pub const MARKS_MAX: usize = 1 << 16;

/// A segment's file name. Never used twice: an attempt counts the files begun at one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Sequence of its first record.
    pub first: u64,
    /// 0, or more if writing at this sequence had failed before.
    pub attempt: u32,
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Random.
    pub identity: Identity,
    /// Sequence of its first record, from 1.
    pub first: u64,
    /// The highest sequence known to be acknowledged when it was created; below `first`, 0 for none.
    pub certain: u64,
    /// Seconds since 1970.
    pub created: i64,
    /// Totals before its first record.
    pub base: Totals,
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its sequence.
    pub sequence: u64,
    /// Its offset in the file.
    pub offset: u64,
}

/// What a sealed segment knows about its records without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The last sequence; `first - 1` in a segment without records.
    pub last: u64,
    /// Totals behind the last record.
    pub totals: Totals,
    /// Where the records end and the footer begins.
    pub end: u64,
    /// A record about every 256 KiB, sequences and offsets rising; at most [`MARKS_MAX`].
    pub marks: Vec<Mark>,
}
