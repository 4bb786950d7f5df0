//! The part of a file that lies in memory while it is read forward.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::super::disk::{DiskFile, is_unreadable};
use super::pool::{BUFFER_BYTES, Pool};

/// Bytes read in one go: few calls, and little to wait for before the first record.
pub(in super::super) const CHUNK_BYTES: usize = BUFFER_BYTES;
/// What the disk loses at once at least: a page, as the operating system reads it.
const STEP_BYTES: u64 = 4 << 10;

/// A view that moves forward over a file; each byte is read once.
pub(super) struct Window<'f> {
    file: &'f dyn DiskFile,
    pool: Arc<Pool>,
    chunk_bytes: usize,
    limit: u64,
    offset: u64,
    bytes: Bytes,
    unreadable_end: u64,
    medium: Medium,
}

/// What to make of bytes that the disk cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// An error: a disk that was away for a moment has lost nothing.
    Away,
    /// Damage.
    Damaged,
}

impl<'f> Window<'f> {
    pub(super) fn new(file: &'f dyn DiskFile, offset: u64, limit: u64, chunk_bytes: usize) -> Self {
        let bytes = Bytes::new();
        let medium = Medium::Damaged;
        let pool = Arc::default();
        Self { file, pool, chunk_bytes, limit, offset, bytes, unreadable_end: 0, medium }
    }

    /// Reads into these buffers.
    pub(super) fn read_into(&mut self, pool: Arc<Pool>) {
        self.pool = pool;
    }

    /// Begins with these bytes, which are what lies at its offset.
    pub(super) fn begin_with(&mut self, mut bytes: Bytes) {
        bytes.truncate(self.limit.saturating_sub(self.offset) as usize);
        self.bytes = bytes;
    }

    /// What was read from `offset` on and lies in memory. Nothing where the disk could not read all it
    /// was asked for: somebody else may have more luck.
    pub(super) fn ahead(&self, offset: u64) -> Bytes {
        let passed = offset.checked_sub(self.offset).filter(|_| self.unreadable_end == 0);
        let passed = passed.filter(|passed| *passed < self.bytes.len() as u64);
        passed.map_or_else(Bytes::new, |passed| self.bytes.slice(passed as usize..))
    }

    pub(super) fn take_for(&mut self, medium: Medium) {
        self.medium = medium;
    }

    /// Where reading ends: the limit that was set, or the end of the file once it was met before that.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Behind the last byte that the disk could not read and that is seen as zero; 0 for none.
    pub(super) fn unreadable_end(&self) -> u64 {
        self.unreadable_end
    }

    /// What lies at `offset`, at least `least` bytes of it unless the limit cuts them off. To go
    /// back, as a scan does that is tried again after an error, is to read again.
    pub(super) fn view(&mut self, offset: u64, least: usize) -> io::Result<Bytes> {
        let reach = offset.saturating_add(least as u64).min(self.limit);
        if offset < self.offset || self.offset + (self.bytes.len() as u64) < reach {
            self.load(offset, least)?;
        }
        let start = offset.saturating_sub(self.offset).min(self.bytes.len() as u64);
        Ok(self.bytes.slice(start as usize..))
    }

    fn load(&mut self, offset: u64, least: usize) -> io::Result<()> {
        let kept = match offset.checked_sub(self.offset) {
            Some(passed) => self.bytes.slice(passed.min(self.bytes.len() as u64) as usize..),
            None => Bytes::new(),
        };
        let room = self.limit.saturating_sub(offset);
        let wanted = room.min(least.max(self.chunk_bytes) as u64) as usize;
        let mut buffer = self.pool.take(wanted);
        let (front, rest) = buffer.as_mut().split_at_mut(kept.len());
        front.copy_from_slice(&kept);
        let from = offset + kept.len() as u64;
        let read = self.fill(from, rest)?;
        if kept.len() + read < wanted {
            self.limit = from + read as u64;
        }
        self.offset = offset;
        self.bytes = buffer.freeze(kept.len() + read);
        Ok(())
    }

    /// Reads over what cannot be read, and puts zeros there. How far the file went.
    fn fill(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match self.file.read_at(offset, into) {
            Err(error) if is_unreadable(&error) && self.medium == Medium::Damaged => {}
            other => return other,
        }
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            let step = (STEP_BYTES - at % STEP_BYTES).min((into.len() - done) as u64) as usize;
            let part = &mut into[done..done + step];
            match self.file.read_at(at, part) {
                Ok(read) if read < step => return Ok(done + read),
                Ok(_) => {}
                Err(error) if is_unreadable(&error) => {
                    // The buffer was used before, and half of a read may be in it.
                    part.fill(0);
                    self.unreadable_end = at + step as u64;
                }
                Err(error) => return Err(error),
            }
            done += step;
        }
        Ok(done)
    }
}
