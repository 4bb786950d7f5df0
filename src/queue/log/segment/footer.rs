//! The footer of a sealed segment.

use std::io;

use super::super::disk::{DiskFile, is_unreadable};
use super::super::record::{Identity, put_totals, seed, totals_at, u32_at, u64_at};
use super::{Footer, HEADER_BYTES, MARKS_MAX, Mark};

const MAGIC: [u8; 4] = [0xFF, b'T', b'G', b'F'];
const END_MAGIC: [u8; 4] = [0xFF, b'T', b'G', b'E'];
const FRONT_BYTES: usize = 40;
const MARK_BYTES: usize = 16;
const BACK_BYTES: usize = 16;
const AT_TOTALS: usize = 16;

const _: () = assert!(AT_TOTALS + 3 * size_of::<u64>() == FRONT_BYTES);
const _: () = assert!(size_of::<u64>() + size_of::<u32>() + END_MAGIC.len() == BACK_BYTES);

impl Footer {
    /// The bytes to write at [`Footer::end`]; the file must end behind them.
    pub fn encode(&self, identity: Identity) -> Vec<u8> {
        assert!(self.is_sound(), "a footer within its bounds");
        let mut bytes = Vec::with_capacity(encoded_bytes(self.marks.len()));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&(self.marks.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.last.to_le_bytes());
        put_totals(self.totals, &mut bytes);
        for mark in &self.marks {
            bytes.extend_from_slice(&mark.sequence.to_le_bytes());
            bytes.extend_from_slice(&mark.offset.to_le_bytes());
        }
        bytes.extend_from_slice(&self.end.to_le_bytes());
        let mut sum = seed(identity);
        sum.update(&bytes);
        bytes.extend_from_slice(&sum.finalize().to_le_bytes());
        bytes.extend_from_slice(&END_MAGIC);
        debug_assert_eq!(bytes.len(), encoded_bytes(self.marks.len()));
        bytes
    }

    /// The footer at the end of a file; `None` if there is no intact one, and also where the disk
    /// cannot read it: the records tell the same. Takes at most [`MARKS_MAX`] marks of memory.
    pub fn read(file: &dyn DiskFile, identity: Identity) -> io::Result<Option<Self>> {
        match read(file, identity) {
            Err(error) if is_unreadable(&error) => Ok(None),
            other => other,
        }
    }

    fn is_sound(&self) -> bool {
        let is_rising = self
            .marks
            .is_sorted_by(|one, next| one.sequence < next.sequence && one.offset < next.offset);
        let is_within = |mark: &Mark| {
            (HEADER_BYTES..self.end).contains(&mark.offset) && mark.sequence <= self.last
        };
        self.end >= HEADER_BYTES
            && self.marks.len() <= MARKS_MAX
            && is_rising
            && self.marks.iter().all(is_within)
    }
}

/// The last mark at or before a sequence, or `default` where none is: the segment's first record.
pub fn mark_before(marks: &[Mark], sequence: u64, default: Mark) -> Mark {
    let behind = marks.partition_point(|mark| mark.sequence <= sequence);
    behind.checked_sub(1).map_or(default, |last| marks[last])
}

fn read(file: &dyn DiskFile, identity: Identity) -> io::Result<Option<Footer>> {
    let file_bytes = file.len()?;
    let Some(back_at) = file_bytes.checked_sub(BACK_BYTES as u64) else {
        return Ok(None);
    };
    let mut back = [0; BACK_BYTES];
    if file.read_at(back_at, &mut back)? < BACK_BYTES || back[12..] != END_MAGIC {
        return Ok(None);
    }
    // What it says about its place is believed only if the number of marks comes out whole.
    let end = u64_at(&back, 0);
    let longest = encoded_bytes(MARKS_MAX) as u64;
    let Some(bytes) = file_bytes.checked_sub(end).filter(|bytes| *bytes <= longest) else {
        return Ok(None);
    };
    let Some(marks) = (bytes as usize).checked_sub(encoded_bytes(0)) else {
        return Ok(None);
    };
    if marks % MARK_BYTES != 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; bytes as usize];
    if file.read_at(end, &mut bytes)? < bytes.len() {
        return Ok(None);
    }
    Ok(parse(&bytes, identity))
}

/// Reads the bytes from a footer's supposed start to the end of the file; at least an empty footer's.
fn parse(bytes: &[u8], identity: Identity) -> Option<Footer> {
    let (front, rest) = bytes.split_at_checked(FRONT_BYTES)?;
    let (marks, back) = rest.split_at_checked(rest.len().checked_sub(BACK_BYTES)?)?;
    let mut sum = seed(identity);
    sum.update(&bytes[..bytes.len() - 8]);
    let is_intact = sum.finalize() == u32_at(back, 8)
        && front[..4] == MAGIC
        && back[12..] == END_MAGIC
        && u32_at(front, 4) as usize * MARK_BYTES == marks.len();
    if !is_intact {
        return None;
    }
    let mark = |at: &[u8]| Mark { sequence: u64_at(at, 0), offset: u64_at(at, 8) };
    let footer = Footer {
        last: u64_at(front, 8),
        totals: totals_at(front, AT_TOTALS),
        end: u64_at(back, 0),
        marks: marks.chunks_exact(MARK_BYTES).map(mark).collect(),
    };
    footer.is_sound().then_some(footer)
}

const fn encoded_bytes(marks: usize) -> usize {
    FRONT_BYTES + marks * MARK_BYTES + BACK_BYTES
}
