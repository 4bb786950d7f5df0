//! A directory of the operating system, and the lock that keeps a second gateway out.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::io::Errno;

use super::super::names::is_of_log;
use super::{Disk, DiskFile};

mod lock;
#[cfg(test)]
mod tests;

pub use lock::{Lock, LockError};

/// Nobody but the gateway reads a queue or writes to it.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// The most parts that one call takes, `IOV_MAX` of Linux.
const PARTS_MAX: usize = 1024;

/// What is meant to be done with a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Looking at it, also while a gateway runs on it: every change is refused.
    ReadOnly,
    /// Everything. The directory is made if it is missing.
    ReadWrite,
}

/// A directory of the operating system.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    access: Access,
    /// The directory itself, to sync it and to ask for free space.
    directory: File,
}

#[derive(Debug)]
struct RealFile(File);

impl RealDisk {
    /// Opens a directory. One that [`Access::ReadWrite`] makes is for its owner alone, and is as
    /// durable as what will be in it.
    pub fn open(path: &Path, access: Access) -> io::Result<Self> {
        if access == Access::ReadWrite {
            make_directory(path)?;
        }
        let flags = (OFlags::DIRECTORY.bits()) as i32;
        let directory = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Self { path: path.to_owned(), access, directory })
    }

    fn writable(&self) -> io::Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the queue's directory was opened to be read only",
            )),
        }
    }

    /// A file of this directory; a link is not followed out of it.
    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(self.access == Access::ReadWrite).mode(FILE_MODE);
        options.custom_flags(OFlags::NOFOLLOW.bits() as i32);
        options
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.path.read_dir()? {
            let entry = entry?;
            let is_file = match entry.file_type() {
                Ok(kind) => kind.is_file(),
                // A running gateway may have removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // What is not text is no name of the log's.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_file {
                names.push(name);
            } else if is_of_log(&name) {
                // Passed over, its records would be taken for lost and written off.
                return Err(io::Error::other(format!(
                    "{name} is called like one of the queue's files and is not a regular file: put the \
                     file itself in its place, links are not followed"
                )));
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.writable()?;
        let file = self.options().create_new(true).open(self.path.join(plain(name)?))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(self.options().open(self.path.join(plain(name)?))?)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?;
        std::fs::remove_file(self.path.join(plain(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        let (from, to) = (self.path.join(plain(from)?), self.path.join(plain(to)?));
        match rustix::fs::renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
            // Not every file system can; then nobody but us writes here, so a look before is enough.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if to.symlink_metadata().is_ok() {
                    return Err(Errno::EXIST.into());
                }
                std::fs::rename(from, to)
            }
            other => Ok(other?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::fstatvfs(&self.directory)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        write_parts(parts, |batch| {
            let written =
                rustix::io::retry_on_intr(|| rustix::io::pwritev(&self.0, batch, offset))?;
            offset += written as u64;
            Ok(written)
        })
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Gives all parts to `write`, which may take fewer bytes than it is offered.
fn write_parts(
    parts: &[IoSlice<'_>],
    mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<()> {
    let mut parts = parts.to_vec();
    let mut rest = parts.as_mut_slice();
    // Leading parts that are empty would read as a write that moves nothing.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match write(&rest[..rest.len().min(PARTS_MAX)])? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut rest, written),
        }
    }
    Ok(())
}

/// The name of a file in the directory itself.
fn plain(name: &str) -> io::Result<&str> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a plain file"));
    }
    Ok(name)
}

/// Makes a directory and those above it that are missing, each for its owner alone and durable. A name found there already is synced too:
/// whoever made it may have been killed before that.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    let was_there = path.is_dir();
    if !was_there {
        if !parent.is_dir() {
            make_directory(parent)?;
        }
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => other?,
        }
    }
    match File::open(parent).and_then(|parent| parent.sync_all()) {
        // What we could not have made ourselves was made by an installation long ago.
        Err(error) if was_there && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}
