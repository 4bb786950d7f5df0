//! The directory a log lives in, and everything the log asks of it.
//!
//! An interface, because the proof of the log is a directory that tears, reorders, forgets and fails
//! (`sim`, in the tests); `real` is the operating system's.

use std::io::{self, IoSlice};
use std::sync::Arc;

#[cfg(test)]
pub(crate) mod fixed;
mod real;

#[cfg(test)]
pub(crate) mod sim;

pub(crate) use real::make_directory;
pub use real::{Access, Lock, LockError, RealDisk};

/// A flat directory of plain files.
///
/// What survives a power cut: bytes of a file before its last [`DiskFile::sync`] that returned `Ok`,
/// names before the last [`Self::sync`]. Everything later may be there, in part, or not at all.
pub trait Disk: Send + Sync + 'static {
    /// Names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A new file to read and write; fails if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// A file that is there, to read and write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Takes a name away; handles stay usable.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, which must be free.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes names created, removed and renamed so far durable.
    fn sync(&self) -> io::Result<()>;

    /// Bytes the file system would still take from us.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file. Positions are from its start; handles may be shared between threads.
#[expect(clippy::len_without_is_empty, reason = "nobody asks, and each answer is a system call")]
pub trait DiskFile: Send + Sync + 'static {
    /// Its size in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on, as far as the file goes; how many bytes that were.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all parts, one behind the other; an error leaves any part of them written.
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// Cuts or extends the file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes its bytes and its size durable. After an error the file must not be trusted to become
    /// durable by another call: the kernel may have dropped what it could not write.
    fn sync(&self) -> io::Result<()>;
}

/// Whether a read failed because of what the medium holds there: the bytes are lost, the file is not.
/// File systems with checksums of their own say so in other words than the block layer.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let kinds = [Errno::IO, Errno::BADMSG, Errno::UCLEAN];
    kinds.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
