//! The header of a segment, and what may stand in its place.

use super::super::record::{Identity, put_totals, totals_at, u32_at, u64_at};
use super::{HEADER_BYTES, Header, VERSION};

const MAGIC: [u8; 8] = *b"\xFFTIDELOG";
const COPY_BYTES: usize = 80;
const AT_COPIES: [usize; 2] = [0, 512];
const AT_CHECKSUM: usize = 76;
const AT_TOTALS: usize = 48;

const _: () = assert!(AT_TOTALS + 3 * size_of::<u64>() + size_of::<u32>() == AT_CHECKSUM);
const _: () = assert!(AT_CHECKSUM + size_of::<u32>() == COPY_BYTES);
const _: () = assert!(AT_COPIES[1] + COPY_BYTES <= HEADER_BYTES as usize);

/// Why a file has no header to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Zeros, or ours and shorter than a header: its creation was cut off. If anything but zeros
    /// follows the header, it was wiped instead.
    #[error("its creation was cut off before its header was written")]
    Blank,
    /// Intact, but of another version of the format.
    #[error("its format is version {0}, this tidegate reads version {VERSION}")]
    Version(u32),
    /// Not a segment.
    #[error("it is no segment of a tidegate queue")]
    Foreign,
    /// A segment, with both copies of its header broken.
    #[error("both copies of its header are damaged")]
    Damaged,
}

/// What one of the two copies turned out to be.
enum Seen {
    Intact(Header),
    Version(u32),
    Broken,
    Nothing,
}

impl Header {
    /// The first [`HEADER_BYTES`] of the file.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.is_sound(), "a header within its bounds");
        let mut copy = Vec::with_capacity(COPY_BYTES);
        copy.extend_from_slice(&MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        copy.extend_from_slice(&[0; 4]);
        for number in [self.identity.0, self.first, self.certain] {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        copy.extend_from_slice(&self.created.to_le_bytes());
        put_totals(self.base, &mut copy);
        copy.extend_from_slice(&[0; 4]);
        copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
        let mut bytes = vec![0; HEADER_BYTES as usize];
        for at in AT_COPIES {
            bytes[at..at + COPY_BYTES].copy_from_slice(&copy);
        }
        bytes
    }

    /// Reads the start of a file: its first [`HEADER_BYTES`], or all of a shorter one.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let [one, other] = AT_COPIES.map(|at| look(bytes.get(at..).unwrap_or_default()));
        let is_whole = bytes.len() >= HEADER_BYTES as usize;
        match (one, other) {
            (Seen::Version(version), _) | (_, Seen::Version(version)) => {
                Err(HeaderFault::Version(version))
            }
            (Seen::Intact(header), _) | (_, Seen::Intact(header)) if is_whole => Ok(header),
            (Seen::Nothing, Seen::Nothing) if bytes.iter().any(|byte| *byte != 0) => {
                Err(HeaderFault::Foreign)
            }
            (Seen::Nothing, Seen::Nothing) => Err(HeaderFault::Blank),
            _ if !is_whole => Err(HeaderFault::Blank),
            _ => Err(HeaderFault::Damaged),
        }
    }

    fn is_sound(&self) -> bool {
        self.first >= 1 && self.certain < self.first
    }
}

fn look(bytes: &[u8]) -> Seen {
    // A file that was cut off within the magic is still one of ours.
    let seen = bytes.len().min(MAGIC.len());
    if seen == 0 || bytes[..seen] != MAGIC[..seen] {
        return Seen::Nothing;
    }
    let Some(copy) = bytes.first_chunk::<COPY_BYTES>() else {
        return Seen::Broken;
    };
    if crc32fast::hash(&copy[..AT_CHECKSUM]) != u32_at(copy, AT_CHECKSUM) {
        return Seen::Broken;
    }
    let version = u32_at(copy, 8);
    if version != VERSION {
        return Seen::Version(version);
    }
    let header = Header {
        identity: Identity(u64_at(copy, 16)),
        first: u64_at(copy, 24),
        certain: u64_at(copy, 32),
        created: u64_at(copy, 40) as i64,
        base: totals_at(copy, AT_TOTALS),
    };
    if header.is_sound() { Seen::Intact(header) } else { Seen::Broken }
}
