//! One process per data directory (contract C5.6).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::FILE_MODE;

/// Digits of the largest process id, with room.
const PID_BYTES_MAX: usize = 20;

/// A lock file held by this process, for as long as this lives. The operating system lets go of it
/// when the process ends, however it does. The file stays: were it removed, one process could lock
/// the name that another one still holds.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one holds it.
    #[error(
        "{} is locked{}: another tidegate works on this data directory, stop it or set another `data_dir`",
        path.display(),
        holder.map_or_else(String::new, |pid| format!(" by process {pid}"))
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who it says that holds it.
        holder: Option<u32>,
    },
    /// The name leads elsewhere, to a device or a directory: whatever it is, nothing is written to it.
    #[error(
        "{} is not a regular file: something else took the place of the lock, move it away",
        path.display()
    )]
    NotAFile {
        /// The lock file.
        path: PathBuf,
    },
    /// The file cannot be opened or locked.
    #[error("{} cannot be locked: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, or says who has it. The file is made if it is missing, its directory is not.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let fail = |source| LockError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        // A link is not followed, a pipe is not waited for: the directory may be one that others write to.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
        let not_a_file = || LockError::NotAFile { path: path.to_owned() };
        let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => not_a_file(),
            _ => fail(error),
        })?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(not_a_file());
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::Held { path: path.to_owned(), holder: holder(&file) });
            }
            Err(error) => return Err(fail(error.into())),
        }
        // For humans alone, so a full disk is no reason to stay out.
        let pid = format!("{}\n", std::process::id());
        if file.write_all_at(pid.as_bytes(), 0).is_ok() {
            file.set_len(pid.len() as u64).ok();
        }
        Ok(Self { _file: file })
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = [0; PID_BYTES_MAX];
    let bytes = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..bytes]).ok()?.lines().next()?.parse().ok()
}
