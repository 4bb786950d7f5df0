//! One slot of a position file.
//!
//! ```text
//!  offset size  all numbers little-endian
//!       0    8  magic: FF "TIDEPOS"
//!       8    4  version: 1
//!      12    4  done runs n, 0 to 63
//!      16    8  generation
//!      24    8  began at: sequence
//!      32    8  total tuples before that
//!      40    8  tuples replayed
//!      48    8  head: the highest sequence committed
//!      56   24  the log's totals up to there: tuples, metrics accepted, metrics rejected
//!      80   48  tally of all that is done: tuples delivered, filtered, dead-lettered, expired,
//!               damaged, purged
//!     128    8  bound of the backlog in bytes, 0 = none
//!     136   64  the destination's name, zeros behind it
//!     200    8  low: every sequence below is done
//!     208    8  certain: the highest sequence known to be acknowledged, at most the head
//!     216 64*n  done runs: first sequence, last sequence, tally (six numbers, a part of the one
//!               above); what is in none of them and not below low is undelivered
//!      ..   ..  zeros
//!    8188    4  CRC-32 of everything before it
//! ```
//!
//! Magic, version and checksum lie at these places in every version, so that a later one is told
//! from damage.

use super::super::super::Totals;
use super::saved::{RANGES_MAX, Saved};
use super::tally::Tally;

/// A slot's size. A whole number of pages, because a page that a failed write left behind is written
/// again only as a whole.
pub const SLOT_BYTES: usize = 8192;
/// The format of this page.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\xFFTIDEPOS";
const NAME_BYTES: usize = 64;
const FIXED_BYTES: usize = 216;
const RUN_BYTES: usize = 64;
const CRC_AT: usize = SLOT_BYTES - 4;

const _: () = assert!(FIXED_BYTES + (RANGES_MAX - 1) * RUN_BYTES <= CRC_AT);

/// Why a slot holds no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotFault {
    /// Nothing but zeros: never written.
    #[error("never written")]
    Blank,
    /// Intact, and of another version.
    #[error("of version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// Cut short, torn or changed.
    #[error("damaged")]
    Damaged,
    /// It begins as no position file does.
    #[error("not a position")]
    Foreign,
}

impl Saved {
    /// The bytes of a slot. What does not fit together as the fields say cannot be read again.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SLOT_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.between.len() as u32).to_le_bytes());
        let Totals { tuples, accepted, rejected } = self.totals;
        let begin = [self.generation, self.began_at, self.began_tuples, self.replayed, self.head];
        put(&mut out, &begin);
        put(&mut out, &[tuples, accepted, rejected]);
        put(&mut out, &self.tally.classes());
        put(&mut out, &[self.max_backlog_bytes]);
        out.extend_from_slice(self.name.as_bytes());
        out.resize(FIXED_BYTES - 16, 0);
        put(&mut out, &[self.low(), self.certain]);
        for (pair, tally) in self.ranges.windows(2).zip(&self.between) {
            put(&mut out, &[pair[0].1 + 1, pair[1].0 - 1]);
            put(&mut out, &tally.classes());
        }
        out.resize(CRC_AT, 0);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads a slot; the mirror of [`Self::encode`].
    pub fn parse(slot: &[u8]) -> Result<Self, SlotFault> {
        if slot.iter().all(|byte| *byte == 0) {
            return Err(SlotFault::Blank);
        }
        if !slot.starts_with(&MAGIC) && !slot.starts_with(&[0; MAGIC.len()]) {
            return Err(SlotFault::Foreign);
        }
        let (content, sum) = slot.split_last_chunk::<4>().ok_or(SlotFault::Damaged)?;
        let is_intact = crc32fast::hash(content) == u32::from_le_bytes(*sum);
        if slot.len() != SLOT_BYTES || !slot.starts_with(&MAGIC) || !is_intact {
            return Err(SlotFault::Damaged);
        }
        let mut rest = &content[MAGIC.len()..];
        match take_u32(&mut rest) {
            Some(VERSION) => {}
            found => return Err(found.map_or(SlotFault::Damaged, SlotFault::Version)),
        }
        // Intact bytes that say impossible things were not written by this program.
        Self::parse_content(rest).filter(Self::is_sound).ok_or(SlotFault::Damaged)
    }

    /// Everything behind the version.
    fn parse_content(mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let runs = take_u32(rest)?;
        let [generation, began_at, began_tuples, replayed, head] = take(rest)?;
        let [tuples, accepted, rejected] = take(rest)?;
        let tally = Tally::of_classes(take(rest)?);
        let [max_backlog_bytes] = take(rest)?;
        let (name, behind) = rest.split_first_chunk::<NAME_BYTES>()?;
        let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0');
        *rest = behind;
        let [low, certain] = take(rest)?;
        let mut saved = Self {
            name: name.to_owned(),
            generation,
            began_at,
            began_tuples,
            replayed,
            head,
            certain,
            totals: Totals { tuples, accepted, rejected },
            tally,
            max_backlog_bytes,
            ranges: Vec::new(),
            between: Vec::new(),
        };
        let mut next = low;
        for _ in 0..runs {
            let [first, last] = take(rest)?;
            saved.ranges.push((next, first.checked_sub(1)?));
            saved.between.push(Tally::of_classes(take(rest)?));
            next = last.checked_add(1)?;
        }
        saved.ranges.push((next, u64::MAX));
        Some(saved)
    }
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (bytes, behind) = rest.split_first_chunk()?;
        *number = u64::from_le_bytes(*bytes);
        *rest = behind;
    }
    Some(numbers)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u32::from_le_bytes(*bytes))
}
