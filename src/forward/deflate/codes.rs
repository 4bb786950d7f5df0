//! The fixed codes of deflate (RFC 1951, 3.2.6) and how they are written: lowest bit first.

/// The longest copy of one code.
pub(super) const COPY_BYTES_MAX: usize = 258;

/// The shortest.
const COPY_BYTES_MIN: usize = 3;

/// Literals by their byte, copies by their length less three: the bits, extra ones included, and how many.
type Codes = [(u16, u8); 256];

const LITERALS: Codes = {
    let mut codes = [(0, 0); 256];
    let mut byte = 0;
    while byte < 256 {
        let (code, bits) = if byte < 144 { (0x30 + byte, 8) } else { (0x190 + byte - 144, 9) };
        codes[byte] = (turned(code as u32, bits) as u16, bits as u8);
        byte += 1;
    }
    codes
};

const LENGTHS: Codes = {
    let mut codes = [(0, 0); 256];
    let mut more: u32 = 0;
    while more < 256 {
        // Four lengths groups for each number of extra bits; the longest has a code of its own.
        let (symbol, extra) = match more {
            0..8 => (1 + more, 0),
            255 => (29, 0),
            _ => {
                let extra = more.ilog2() - 2;
                (1 + 4 * (extra + 1) + ((more >> extra) & 3), extra)
            }
        };
        let (code, bits) =
            if symbol < 24 { (turned(symbol, 7), 7) } else { (turned(0xC0 + symbol - 24, 8), 8) };
        let rest = more & ((1 << extra) - 1);
        codes[more as usize] = ((code | (rest << bits)) as u16, (bits + extra) as u8);
        more += 1;
    }
    codes
};

const DISTANCES: [u8; 32] = {
    let mut codes = [0; 32];
    let mut symbol = 0;
    while symbol < 32 {
        codes[symbol] = turned(symbol as u32, 5) as u8;
        symbol += 1;
    }
    codes
};

/// Huffman codes are written highest bit first.
const fn turned(code: u32, bits: u32) -> u32 {
    code.reverse_bits() >> (32 - bits)
}

/// Eight bytes at `at`, which must lie within the text.
#[inline]
pub(super) fn word_at(text: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*text[at..].first_chunk().expect("eight bytes within the text"))
}

/// Codes on their way into bytes.
pub(super) struct Bits {
    /// Zeros behind `at`.
    out: Vec<u8>,
    at: usize,
    held: u64,
    /// Bits held, at most seven between two calls.
    count: u32,
}

impl Bits {
    /// Begins with these bytes, in memory for about so many in all.
    pub(super) fn behind(start: &[u8], bytes: usize) -> Self {
        let mut out = vec![0; bytes.max(start.len())];
        out[..start.len()].copy_from_slice(start);
        Self { out, at: start.len(), held: 0, count: 0 }
    }

    /// So many bits, at most 56.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.held |= bits << self.count;
        self.count += count;
        if self.at + 8 > self.out.len() {
            self.grow();
        }
        self.out[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        self.at += (self.count / 8) as usize;
        self.held >>= self.count & !7;
        self.count %= 8;
    }

    /// These bytes as literals.
    #[inline]
    pub(super) fn literals(&mut self, text: &[u8], mut at: usize, end: usize) {
        while at < end {
            if at + 8 <= text.len() {
                let count = (end - at).min(7);
                let mask = (1 << (8 * count)) - 1;
                let word = word_at(text, at) & mask;
                if word & 0x8080_8080_8080_8080 == 0 {
                    self.put(ascii(word) & mask, 8 * count as u32);
                    at += count;
                    continue;
                }
            }
            let (code, count) = LITERALS[usize::from(text[at])];
            self.put(u64::from(code), u32::from(count));
            at += 1;
        }
    }

    /// A copy of at least three bytes from 1 to 32,768 bytes before.
    #[inline]
    pub(super) fn copy(&mut self, mut length: usize, distance: usize) {
        let (from, from_count) = distance_code(distance);
        while length > COPY_BYTES_MAX {
            // What is left must still be a copy.
            let now = COPY_BYTES_MAX.min(length - COPY_BYTES_MIN);
            self.copy_once(now, from, from_count);
            length -= now;
        }
        self.copy_once(length, from, from_count);
    }

    #[inline]
    fn copy_once(&mut self, length: usize, from: u64, from_count: u32) {
        let (code, count) = LENGTHS[(length - COPY_BYTES_MIN) & 255];
        self.put(u64::from(code) | (from << count), u32::from(count) + from_count);
    }

    /// The bytes, the last one filled up with zeros, and these behind.
    pub(super) fn end(mut self, trailer: &[u8]) -> Vec<u8> {
        self.put(0, (8 - self.count) % 8);
        self.out.truncate(self.at);
        self.out.extend_from_slice(trailer);
        self.out
    }

    #[cold]
    fn grow(&mut self) {
        self.out.resize(self.out.len() * 3 / 2 + 64, 0);
    }
}

/// The codes of bytes below 0x80, side by side as they are: eight bits each, 0x30 more, turned.
#[inline]
fn ascii(word: u64) -> u64 {
    const ODD: u64 = 0x5555_5555_5555_5555;
    const PAIRS: u64 = 0x3333_3333_3333_3333;
    const HALVES: u64 = 0x0F0F_0F0F_0F0F_0F0F;
    // No byte carries into the next: 0x7F + 0x30 fits.
    let codes = word.wrapping_add(0x3030_3030_3030_3030);
    let codes = ((codes >> 1) & ODD) | ((codes & ODD) << 1);
    let codes = ((codes >> 2) & PAIRS) | ((codes & PAIRS) << 2);
    ((codes >> 4) & HALVES) | ((codes & HALVES) << 4)
}

/// Bits, extra ones included, and how many.
#[inline]
fn distance_code(distance: usize) -> (u64, u32) {
    let more = (distance - 1) as u32;
    let (symbol, extra) = if more < 4 {
        (more, 0)
    } else {
        let extra = more.ilog2() - 1;
        (2 * (extra + 1) + ((more >> extra) & 1), extra)
    };
    let rest = more & ((1 << extra) - 1);
    let code = DISTANCES[symbol as usize & 31];
    (u64::from(code) | (u64::from(rest) << 5), 5 + extra)
}
