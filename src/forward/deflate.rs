//! The `deflate` of a body that is text, whole at once: what a general library has to take for its
//! callers' sake is left out, and packing is the greatest part of what a delivery costs.
//!
//! One hash table of where six bytes were seen last, in a body's own memory, and the fixed codes: no copy
//! of the text, no window that slides, no chains, no trees. On tuples that takes two thirds of the time of
//! zlib-rs at its fastest level, and fewer bytes: the table looks for longer matches. The result is what
//! every inflater reads (RFC 1950, 1951, 1952). `benches/delivery.rs` has the figures.

use bytes::Bytes;
use zlib_rs::adler32::adler32;
use zlib_rs::crc32::crc32;

mod codes;
#[cfg(test)]
mod tests;

use codes::{Bits, word_at};

/// How far back a copy may reach.
const WINDOW_BYTES: usize = 32 << 10;

/// Bits of a place in the table: it stays in a core's second cache with the text around it.
const TABLE_BITS: u32 = 14;

/// Bytes that must be equal: shorter copies cost about as many bits as their literals.
const MATCH_BYTES_MIN: u32 = 6;

/// Bytes that are looked at in one step.
const WORD_BYTES: usize = size_of::<u64>();

/// A stream of one block with fixed codes: the last one, kind 1.
const BLOCK_HEAD: (u64, u32) = (0b011, 3);

/// Code 256, which ends it.
const BLOCK_END: (u64, u32) = (0, 7);

/// As zlib: a window of 32 KiB, the fastest level.
const ZLIB_HEAD: [u8; 2] = [0x78, 0x01];

/// No name, no time, the fastest level, no particular system.
const GZIP_HEAD: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255];

/// What HTTP calls `deflate`: a zlib stream.
pub(super) fn zlib(slices: &[Bytes]) -> Vec<u8> {
    let sum = slices.iter().fold(1, |sum, slice| adler32(sum, slice));
    deflate(&ZLIB_HEAD, slices).end(&sum.to_be_bytes())
}

/// One gzip member.
pub(super) fn gzip(slices: &[Bytes]) -> Vec<u8> {
    let sum = slices.iter().fold(0, |sum, slice| crc32(sum, slice));
    let bytes: usize = slices.iter().map(Bytes::len).sum();
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&sum.to_le_bytes());
    trailer[4..].copy_from_slice(&(bytes as u32).to_le_bytes());
    deflate(&GZIP_HEAD, slices).end(&trailer)
}

fn deflate(head: &[u8], slices: &[Bytes]) -> Bits {
    let bytes: usize = slices.iter().map(Bytes::len).sum();
    // Tuples shrink to a seventh.
    let mut bits = Bits::behind(head, bytes / 6 + 256);
    let mut seen = Seen::new();
    bits.put(BLOCK_HEAD.0, BLOCK_HEAD.1);
    for text in slices {
        write(text, &mut seen, &mut bits);
    }
    bits.put(BLOCK_END.0, BLOCK_END.1);
    bits
}

/// Where six bytes were seen last.
struct Seen {
    /// Counted over all texts; 0 for never.
    table: Box<[u32]>,
    /// Of the first byte of the text: everything before lies more than a window away.
    base: usize,
}

impl Seen {
    fn new() -> Self {
        Self { table: vec![0; 1 << TABLE_BITS].into(), base: WINDOW_BYTES + 1 }
    }

    /// How far before `at` the bytes of `word`, which are there, may stand as well; and there they are now.
    #[inline]
    fn swap(&mut self, word: u64, at: usize) -> usize {
        let place = word << (64 - 8 * MATCH_BYTES_MIN);
        let place = place.wrapping_mul(0x9E37_79B1_85EB_CA87) >> (64 - TABLE_BITS);
        let now = self.base + at;
        let slot = &mut self.table[place as usize];
        let was = std::mem::replace(slot, now as u32);
        now - was as usize
    }

    /// The next text lies elsewhere: no copy reaches back to this one.
    fn forget(&mut self, text: &[u8]) {
        self.base += text.len() + WINDOW_BYTES;
    }

    fn make_room(&mut self, text: &[u8]) {
        if self.base + text.len() > u32::MAX as usize {
            *self = Self::new();
        }
    }
}

/// Appends the codes of one text.
fn write(text: &[u8], seen: &mut Seen, bits: &mut Bits) {
    seen.make_room(text);
    // Between the two lie literals that were not written yet.
    let (mut written, mut at) = (0, 0);
    while at + WORD_BYTES <= text.len() {
        let word = word_at(text, at);
        let distance = seen.swap(word, at);
        if distance > WINDOW_BYTES {
            at += 1;
            continue;
        }
        let from = at - distance;
        let differs = word ^ word_at(text, from);
        if differs << (64 - 8 * MATCH_BYTES_MIN) != 0 {
            at += 1;
            continue;
        }
        let length = equal_bytes(text, from, at, differs);
        bits.literals(text, written, at);
        bits.copy(length, distance);
        at += length;
        written = at;
    }
    bits.literals(text, written, text.len());
    seen.forget(text);
}

/// How many bytes at `at` are the same as those at `from`, the first word of which differ as given.
#[inline]
fn equal_bytes(text: &[u8], from: usize, at: usize, mut differs: u64) -> usize {
    let mut equal = 0;
    while differs == 0 {
        equal += WORD_BYTES;
        if at + equal + WORD_BYTES > text.len() {
            let pairs = text[at + equal..].iter().zip(&text[from + equal..]);
            return equal + pairs.take_while(|(here, there)| here == there).count();
        }
        differs = word_at(text, at + equal) ^ word_at(text, from + equal);
    }
    equal + (differs.trailing_zeros() / 8) as usize
}
