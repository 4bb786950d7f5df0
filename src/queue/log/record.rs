//! A record: one block of tuples and everything needed to know it again.
//!
//! ```text
//!  offset size  all numbers little-endian
//!       0    4  magic: FF 'T' 'G' 'R'   (FF occurs in no UTF-8 text, so in no tuple)
//!       4    1  kind: 1 = tuples
//!       5    1  codec: 0 = as they are
//!       6    1  flags: bit 0 the same request continues in the next record
//!       7    1  bytes of the source's name (1 to 255)
//!       8    1  bytes of the target receiver's name, 0 = for all
//!       9    3  zero
//!      12    4  head checksum: CRC-32 over the segment's identity, bytes 0..12 and 16..head end
//!      16    4  body checksum: CRC-32 over the head checksum and the stored body
//!      20    4  stored bytes of the body
//!      24    4  raw bytes of the body
//!      28    4  tuples
//!      32    8  sequence
//!      40    8  committed: the highest sequence known to be acknowledged when this was written
//!      48    8  received: seconds since 1970, signed
//!      56    4  received: nanoseconds
//!      60    4  zero
//!      64    8  total tuples, this record included     } running totals of the log since it
//!      72    8  total metrics accepted                 } began (contract C7)
//!      80    8  total metrics rejected                 }
//!      88    s  source, never its token
//!    88+s    t  target
//!  88+s+t    b  body
//! ```

use std::sync::Arc;

use super::super::Totals;
use crate::metric::timestamp::Timestamp;

/// What a segment's checksums begin with, so that a block of another file never passes for one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub u64);

/// What a record says about its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Rises by one from record to record.
    pub sequence: u64,
    /// The highest sequence known to be acknowledged when this was written.
    pub committed: u64,
    /// Whether the same request continues in the next record.
    pub continues: bool,
    /// The source's name.
    pub source: Arc<str>,
    /// The one receiver it is for; `None` for all.
    pub target: Option<Arc<str>>,
    /// When its (first) request was received.
    pub received: Timestamp,
    /// Bytes of the body.
    pub body_bytes: u32,
    /// Tuples in the body.
    pub tuples: u32,
    /// Running totals, this record included.
    pub totals: Totals,
}

/// Most bytes before the body: the fixed part and two names.
pub const HEAD_BYTES_MAX: usize = FIXED_BYTES + 2 * 255;
/// Bytes of a head without its names.
pub const FIXED_BYTES: usize = 88;
/// How a record begins.
pub const MAGIC: [u8; 4] = [0xFF, b'T', b'G', b'R'];
