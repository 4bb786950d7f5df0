//! A file of given bytes for tests of what only reads: it counts its calls, and fails on request.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::DiskFile;

/// A file that cannot be written.
#[derive(Debug, Default)]
pub(crate) struct FixedFile {
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
    /// Where the medium is broken: a read that touches it fails whole.
    pub(crate) unreadable: Option<Range<u64>>,
    /// Which call of `read_at`, counted from 0, fails as if the disk were away for a moment.
    pub(crate) failing_call: Option<usize>,
    /// Calls of `read_at` so far.
    pub(crate) calls: AtomicUsize,
    /// Bytes that were asked for so far.
    pub(crate) bytes_read: AtomicU64,
}

impl FixedFile {
    /// A file that does not fail.
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), ..Self::default() }
    }
}

impl DiskFile for FixedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes_read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        if self.failing_call == Some(self.calls.fetch_add(1, Ordering::Relaxed)) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let end = offset + buffer.len() as u64;
        if self.unreadable.as_ref().is_some_and(|bad| bad.start < end && offset < bad.end) {
            return Err(rustix::io::Errno::IO.into());
        }
        let there = self.bytes.get(offset as usize..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
