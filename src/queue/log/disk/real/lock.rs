//! One process per data directory (contract C5.6).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::FILE_MODE;

/// Digits of the largest process id, with room.
const PID_BYTES_MAX: usize = 20;

/// Most bytes of a lock file that are read.
const TEXT_BYTES_MAX: usize = 4096;

/// Whoever only looks at a lock holds it for a moment: how often, and how long apart, one that is held
/// is tried again.
const TRIES: u32 = 20;
const TRY_PAUSE: Duration = Duration::from_millis(5);

/// A lock file held by this process, for as long as this lives. The operating system lets go of it
/// when the process ends, however it does. The file stays: were it removed, one process could lock
/// the name that another one still holds.
///
/// Its first line is the process id, then follows what the holder has noted ([`Self::note`]).
#[derive(Debug)]
pub struct Lock {
    file: File,
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
        match lock(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::Held { path: path.to_owned(), holder: holder(&file) });
            }
            Err(error) => return Err(fail(error.into())),
        }
        let lock = Self { file };
        // So a full disk is no reason to stay out.
        lock.note("").ok();
        Ok(lock)
    }

    /// Writes a short text behind the process id, in place of the one before: for humans, and for those
    /// who look for the holder. It need not be durable, only the holder's life makes it true.
    pub fn note(&self, text: &str) -> io::Result<()> {
        let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{}\n{text}{line_end}", std::process::id());
        if text.len() > TEXT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too long for a lock file"));
        }
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }

    /// What the holder of a lock has written, the line with its process id first; `None` if nobody
    /// holds it. It is not taken, and nothing is written.
    pub fn read(path: &Path) -> io::Result<Option<String>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        // Shared with others who look, and let go of with the file.
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => {
                let mut text = vec![0; TEXT_BYTES_MAX];
                let bytes = file.read_at(&mut text, 0)?;
                Ok(Some(String::from_utf8_lossy(&text[..bytes]).into_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes the lock, also if somebody is just looking at it.
fn lock(file: &File) -> Result<(), Errno> {
    let lock = || rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    for _ in 1..TRIES {
        match lock() {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(TRY_PAUSE),
            other => return other,
        }
    }
    lock()
}

fn holder(file: &File) -> Option<u32> {
    let mut text = [0; PID_BYTES_MAX];
    let bytes = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..bytes]).ok()?.lines().next()?.parse().ok()
}
