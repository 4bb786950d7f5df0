//! One file's bytes: those a program sees, those a power cut is sure to leave, and the changes between.

use std::io;
use std::ops::Range;

use fastrand::Rng;

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file, whatever its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What a program sees.
    pub(super) current: Vec<u8>,
    /// Reads that touch these fail.
    pub(super) unreadable: Vec<Range<u64>>,
    synced: Vec<u8>,
    pending: Vec<Change>,
}

/// A change of bytes or size.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Bytes at an offset.
    Write { offset: usize, bytes: Vec<u8> },
    /// Exactly this long.
    SetLen(u64),
}

/// Where a file lies on its disk.
#[derive(Clone, Copy, Debug)]
struct Blocks<'a> {
    /// Up to here it has blocks of its own.
    old_bytes: usize,
    /// What was in the others before; `None` where they read as zeros.
    stale: Option<&'a [u8]>,
}

/// What one file's unsynced changes may become in a power cut.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Nothing of them.
    Nothing,
    /// All of them.
    All,
    /// Those up to some point in time, the last one torn.
    UpTo(usize),
    /// Each on its own, in any order.
    Any,
}

impl Inode {
    /// A file all of whose bytes are durable.
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { synced: bytes.clone(), current: bytes, ..Self::default() }
    }

    /// The file after a power cut; `stale` is what other files left in their blocks.
    pub(super) fn after_power_cut(&self, stale: &[u8], rng: &mut Rng) -> Self {
        let unreadable = self.unreadable.clone();
        Self { unreadable, ..Self::durable(self.torn(Some(stale), rng)) }
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        // Not a copy of what shows: a failed sync may have left bytes there that are never written.
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// A sync that failed: some changes are durable, the others never will be, and all still show.
    pub(super) fn lose_pending(&mut self, rng: &mut Rng) {
        self.synced = self.torn(None, rng);
        self.pending.clear();
    }

    /// What a power cut is sure to leave, as a file.
    pub(super) fn synced(&self) -> Self {
        let unreadable = self.unreadable.clone();
        Self { unreadable, ..Self::durable(self.synced.clone()) }
    }

    /// The durable bytes and something of what came later.
    fn torn(&self, stale: Option<&[u8]>, rng: &mut Rng) -> Vec<u8> {
        let mut image = self.synced.clone();
        let blocks = Blocks { old_bytes: image.len(), stale };
        let mode = match rng.u8(0..8) {
            0 => Mode::Nothing,
            1 => Mode::All,
            2..4 if !self.pending.is_empty() => Mode::UpTo(rng.usize(..self.pending.len())),
            _ => Mode::Any,
        };
        let mut order: Vec<&Change> = self.pending.iter().collect();
        match mode {
            Mode::Nothing => {}
            Mode::All => order.iter().for_each(|change| change.apply(&mut image)),
            Mode::UpTo(last) => {
                order[..last].iter().for_each(|change| change.apply(&mut image));
                order[last].apply_torn(&mut image, blocks, rng);
            }
            Mode::Any => {
                rng.shuffle(&mut order);
                for change in order {
                    change.apply_torn(&mut image, blocks, rng);
                }
            }
        }
        image
    }

    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.current.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let end = offset + count as u64;
        if self.unreadable.iter().any(|bad| bad.start < end && offset < bad.end) {
            return Err(rustix::io::Errno::IO.into());
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    pub(super) fn flip(&mut self, offset: usize, mask: u8) {
        self.current[offset] ^= mask;
        if let Some(byte) = self.synced.get_mut(offset) {
            *byte ^= mask;
        }
        for change in &mut self.pending {
            if let Change::Write { offset: from, bytes } = change
                && let Some(byte) = offset.checked_sub(*from).and_then(|at| bytes.get_mut(at))
            {
                *byte ^= mask;
            }
        }
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.current.truncate(len);
        self.synced.clone_from(&self.current);
        self.pending.clear();
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(image, *offset, bytes),
            Self::SetLen(len) => image.resize(*len as usize, 0),
        }
    }

    /// One of the things that a power cut makes of an unsynced change.
    fn apply_torn(&self, image: &mut Vec<u8>, blocks: Blocks<'_>, rng: &mut Rng) {
        let Self::Write { offset, bytes } = self else {
            if rng.bool() {
                self.apply(image);
            }
            return;
        };
        match rng.u8(0..8) {
            0 => {}
            1 | 2 => put(image, *offset, bytes),
            3 => put(image, *offset, &bytes[..rng.usize(..=bytes.len())]),
            4 => {
                let cut = sectors(*offset, bytes.len()).nth(rng.usize(..=bytes.len() / 512));
                put(image, *offset, &bytes[..cut.map_or(0, |sector| sector.start)]);
            }
            5 | 6 => {
                for sector in sectors(*offset, bytes.len()).filter(|_| rng.bool()) {
                    put(image, offset + sector.start, &bytes[sector]);
                }
            }
            // The size is there and the bytes are not, or not all: what the blocks held before. Blocks
            // that the file had already held its own bytes.
            _ => {
                let is_new = |sector: &Range<usize>| offset + sector.start >= blocks.old_bytes;
                for sector in sectors(*offset, bytes.len()).filter(is_new) {
                    let old = match (rng.u8(0..4), blocks.stale) {
                        (0, _) => bytes[sector.clone()].to_vec(),
                        (2, Some(_)) => sector.clone().map(|_| rng.u8(..)).collect(),
                        (3, Some(stale)) => left_over(stale, sector.len(), rng),
                        _ => vec![0; sector.len()],
                    };
                    put(image, offset + sector.start, &old);
                }
            }
        }
    }
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    // An empty write does not lengthen a file.
    if bytes.is_empty() {
        return;
    }
    // By copies: in a build for tests, `resize` goes byte by byte.
    if let Some(hole) = offset.checked_sub(image.len()) {
        image.extend_from_slice(&vec![0; hole]);
    }
    let (over, behind) = bytes.split_at(bytes.len().min(image.len() - offset));
    image[offset..offset + over.len()].copy_from_slice(over);
    image.extend_from_slice(behind);
}

/// The sectors that `len` bytes at `offset` lie in, as ranges of those bytes.
fn sectors(offset: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let first = offset / SECTOR_BYTES * SECTOR_BYTES;
    (first..offset + len).step_by(SECTOR_BYTES).map(move |sector| {
        sector.max(offset) - offset..(sector + SECTOR_BYTES).min(offset + len) - offset
    })
}

/// `len` bytes that once were another file's, zeros where there were none.
fn left_over(stale: &[u8], len: usize, rng: &mut Rng) -> Vec<u8> {
    let start = rng.usize(..=stale.len() / SECTOR_BYTES) * SECTOR_BYTES;
    let mut bytes: Vec<u8> = stale[start.min(stale.len())..].iter().copied().take(len).collect();
    bytes.resize(len, 0);
    bytes
}
