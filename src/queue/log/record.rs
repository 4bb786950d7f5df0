//! A record: one block of tuples and everything needed to know it again.
//!
//! ```text
//!  offset size  all numbers little-endian
//!       0    4  magic: FF 'T' 'G' 'R'   (FF occurs in no UTF-8 text, so in no tuple)
//!       4    1  kind: 1 = tuples
//!       5    1  codec: 0 = as they are
//!       6    1  flags: bit 0 the same request continues in the next record, bit 1 it began in an
//!                earlier one; others zero
//!       7    1  bytes of the source's name (1 to 255)
//!       8    1  bytes of the target receiver's name, 0 = for all
//!       9    3  zero
//!      12    4  head checksum: CRC-32 over the segment's identity, bytes 0..12 and 16..head end
//!      16    4  body checksum: CRC-32 over the segment's identity, the sequence, the stored body
//!      20    4  stored bytes of the body
//!      24    4  raw bytes of the body; the stored bytes where the codec is 0
//!      28    4  tuples
//!      32    8  sequence, from 1
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
//!
//! CRC-32 is the one of IEEE 802.3; identity and sequence enter it as 8 bytes each. The head's
//! checksum covers the body's, so an intact head vouches for what its body has to be, and damage to
//! the body leaves the head and its length to go by. A record for one target does not count into the
//! total tuples, because the other destinations' books do not know it. A new kind, codec or flag
//! raises the segment's version.

use std::sync::Arc;

use super::super::Totals;
use crate::encode::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX};
use crate::metric::timestamp::Timestamp;

#[cfg(test)]
mod tests;

/// How a record begins.
pub const MAGIC: [u8; 4] = [0xFF, b'T', b'G', b'R'];
/// Bytes of a head without its names.
pub const FIXED_BYTES: usize = 88;
/// Most bytes before the body: the fixed part and two names.
pub const HEAD_BYTES_MAX: usize = FIXED_BYTES + 2 * NAME_BYTES_MAX;
/// Fewest bytes of a record: a source of one byte, a body of one byte.
pub const RECORD_BYTES_MIN: u64 = FIXED_BYTES as u64 + 2;
/// Most bytes of a record.
pub const RECORD_BYTES_MAX: u64 = (HEAD_BYTES_MAX + BLOCK_BYTES_MAX) as u64;

pub(super) const NAME_BYTES_MAX: usize = u8::MAX as usize;
const KIND_TUPLES: u8 = 1;
const CODEC_NONE: u8 = 0;
const FLAG_CONTINUES: u8 = 1;
const FLAG_RESUMES: u8 = 2;
const NANOS_MAX: u32 = 999_999_999;

const AT_CHECKSUM: usize = 12;
const AT_BODY_CHECKSUM: usize = 16;
const AT_TOTALS: usize = 64;

const _: () = assert!(AT_TOTALS + 3 * size_of::<u64>() == FIXED_BYTES);
const _: () = assert!(AT_BODY_CHECKSUM == AT_CHECKSUM + size_of::<u32>());
const _: () = assert!(BLOCK_BYTES_MAX <= u32::MAX as usize);

/// What a segment's checksums begin with, so that a block of another file never passes for one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub u64);

/// What a record says about its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Rises by one from record to record, from 1; `u64::MAX` is never reached.
    pub sequence: u64,
    /// The highest sequence known to be acknowledged when this was written; 0 for none.
    pub committed: u64,
    /// Whether the same request continues in the next record.
    pub continues: bool,
    /// Whether the same request began in an earlier record.
    pub resumes: bool,
    /// The source's name, 1 to 255 bytes.
    pub source: Arc<str>,
    /// The one receiver it is for, 1 to 255 bytes; `None` for all.
    pub target: Option<Arc<str>>,
    /// When its (first) request was received.
    pub received: Timestamp,
    /// Bytes of the body, 1 to [`BLOCK_BYTES_MAX`].
    pub body_bytes: u32,
    /// Tuples in the body, 1 to [`BLOCK_TUPLES_MAX`].
    pub tuples: u32,
    /// Running totals, this record included.
    pub totals: Totals,
}

/// Why bytes are no head that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// They may begin one, but end before it does.
    Short,
    /// They begin none, or a damaged one, or one of another segment.
    NotAHead,
    /// An intact head of a kind, a codec or with flags that this version does not know.
    Unknown {
        /// The kind it names.
        kind: u8,
        /// The codec it names.
        codec: u8,
    },
}

/// What an intact head vouches for: which body belongs to it.
#[derive(Clone, Debug)]
pub struct BodyCheck {
    seeded: crc32fast::Hasher,
    bytes: u32,
    checksum: u32,
}

impl Head {
    /// Appends the head alone, checksums included; the body is written behind it by the caller, where
    /// it lies.
    ///
    /// Panics on a head that [`parse_head`] would refuse: such a record would be acknowledged now and
    /// be damage after the next start.
    pub fn encode(&self, identity: Identity, body: &[u8], into: &mut Vec<u8>) {
        assert!(self.is_sound(), "a head within its bounds");
        assert!(self.body_bytes as usize == body.len(), "the head of this body");
        let target = self.target.as_deref().unwrap_or_default();
        let start = into.len();
        into.extend_from_slice(&MAGIC);
        let flags = if self.continues { FLAG_CONTINUES } else { 0 }
            | if self.resumes { FLAG_RESUMES } else { 0 };
        let names = [self.source.len() as u8, target.len() as u8];
        into.extend_from_slice(&[KIND_TUPLES, CODEC_NONE, flags, names[0], names[1], 0, 0, 0]);
        into.extend_from_slice(&[0; 4]);
        let mut body_sum = body_seed(identity, self.sequence);
        body_sum.update(body);
        into.extend_from_slice(&body_sum.finalize().to_le_bytes());
        for number in [self.body_bytes, self.body_bytes, self.tuples] {
            into.extend_from_slice(&number.to_le_bytes());
        }
        into.extend_from_slice(&self.sequence.to_le_bytes());
        into.extend_from_slice(&self.committed.to_le_bytes());
        into.extend_from_slice(&self.received.seconds().to_le_bytes());
        into.extend_from_slice(&self.received.nanos().to_le_bytes());
        into.extend_from_slice(&[0; 4]);
        put_totals(self.totals, into);
        into.extend_from_slice(self.source.as_bytes());
        into.extend_from_slice(target.as_bytes());
        let head = into.get_mut(start..).expect("it was appended");
        debug_assert_eq!(head.len(), self.head_bytes());
        let sum = head_checksum(head, identity).to_le_bytes();
        head[AT_CHECKSUM..AT_BODY_CHECKSUM].copy_from_slice(&sum);
    }

    /// Bytes before its body, at most [`HEAD_BYTES_MAX`].
    pub fn head_bytes(&self) -> usize {
        FIXED_BYTES + self.source.len() + self.target.as_ref().map_or(0, |target| target.len())
    }

    /// Bytes of the record, at most [`RECORD_BYTES_MAX`].
    pub fn record_bytes(&self) -> u64 {
        self.head_bytes() as u64 + u64::from(self.body_bytes)
    }

    /// Total tuples before this record; one for a single target adds none.
    pub fn tuples_before(&self) -> u64 {
        match self.target {
            None => self.totals.tuples - u64::from(self.tuples),
            Some(_) => self.totals.tuples,
        }
    }

    /// What writer and reader agree on; everything behind the reader may rely on it.
    fn is_sound(&self) -> bool {
        let name = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len());
        (1..u64::MAX).contains(&self.sequence)
            && self.committed < self.sequence
            && name(&self.source)
            && self.target.as_deref().is_none_or(name)
            && (1..=BLOCK_BYTES_MAX).contains(&(self.body_bytes as usize))
            && (1..=BLOCK_TUPLES_MAX).contains(&self.tuples)
            && (self.target.is_some() || self.totals.tuples >= u64::from(self.tuples))
    }
}

impl BodyCheck {
    /// Whether this is the body the head was written for.
    pub fn holds(&self, body: &[u8]) -> bool {
        let mut sum = self.seeded.clone();
        sum.update(body);
        body.len() == self.bytes as usize && sum.finalize() == self.checksum
    }
}

/// Reads the head at the start of `bytes`, which may go on behind it; [`HEAD_BYTES_MAX`] are always
/// enough.
pub fn parse_head(bytes: &[u8], identity: Identity) -> Result<(Head, BodyCheck), HeadFault> {
    let seen = bytes.len().min(MAGIC.len());
    if bytes[..seen] != MAGIC[..seen] {
        return Err(HeadFault::NotAHead);
    }
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
        return Err(HeadFault::Short);
    };
    let [kind, codec, flags, source_bytes, target_bytes] = [4, 5, 6, 7, 8].map(|at| fixed[at]);
    // Cheap looks before the checksum: fakes in a damaged stretch may be many.
    if source_bytes == 0 || fixed[9..12] != [0; 3] || fixed[60..64] != [0; 4] {
        return Err(HeadFault::NotAHead);
    }
    let names = FIXED_BYTES + usize::from(source_bytes);
    let Some(head) = bytes.get(..names + usize::from(target_bytes)) else {
        return Err(HeadFault::Short);
    };
    if head_checksum(head, identity) != u32_at(fixed, AT_CHECKSUM) {
        return Err(HeadFault::NotAHead);
    }
    if kind != KIND_TUPLES || codec != CODEC_NONE || flags & !(FLAG_CONTINUES | FLAG_RESUMES) != 0 {
        return Err(HeadFault::Unknown { kind, codec });
    }
    let (source, target) = head[FIXED_BYTES..].split_at(usize::from(source_bytes));
    let (Ok(source), Ok(target)) = (str::from_utf8(source), str::from_utf8(target)) else {
        return Err(HeadFault::NotAHead);
    };
    let nanos = u32_at(fixed, 56);
    let head = Head {
        sequence: u64_at(fixed, 32),
        committed: u64_at(fixed, 40),
        continues: flags & FLAG_CONTINUES != 0,
        resumes: flags & FLAG_RESUMES != 0,
        source: source.into(),
        target: (!target.is_empty()).then(|| target.into()),
        received: Timestamp::from_unix(u64_at(fixed, 48) as i64, nanos),
        body_bytes: u32_at(fixed, 20),
        tuples: u32_at(fixed, 28),
        totals: totals_at(fixed, AT_TOTALS),
    };
    if !head.is_sound() || u32_at(fixed, 24) != head.body_bytes || nanos > NANOS_MAX {
        return Err(HeadFault::NotAHead);
    }
    let check = BodyCheck {
        seeded: body_seed(identity, head.sequence),
        bytes: head.body_bytes,
        checksum: u32_at(fixed, AT_BODY_CHECKSUM),
    };
    Ok((head, check))
}

/// A checksum that has seen the identity.
pub(super) fn seed(identity: Identity) -> crc32fast::Hasher {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&identity.0.to_le_bytes());
    sum
}

fn body_seed(identity: Identity, sequence: u64) -> crc32fast::Hasher {
    let mut sum = seed(identity);
    sum.update(&sequence.to_le_bytes());
    sum
}

fn head_checksum(head: &[u8], identity: Identity) -> u32 {
    let mut sum = seed(identity);
    sum.update(&head[..AT_CHECKSUM]);
    sum.update(&head[AT_BODY_CHECKSUM..]);
    sum.finalize()
}

/// Appends totals in the order of the format.
pub(super) fn put_totals(totals: Totals, into: &mut Vec<u8>) {
    for number in [totals.tuples, totals.accepted, totals.rejected] {
        into.extend_from_slice(&number.to_le_bytes());
    }
}

/// Totals within bytes whose length was checked.
pub(super) fn totals_at(bytes: &[u8], at: usize) -> Totals {
    Totals {
        tuples: u64_at(bytes, at),
        accepted: u64_at(bytes, at + 8),
        rejected: u64_at(bytes, at + 16),
    }
}

/// A number within bytes whose length was checked.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("lengths are checked before"))
}

/// A number within bytes whose length was checked.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("lengths are checked before"))
}
