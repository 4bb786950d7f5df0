//! The directory of one receiver's files: looked into at once, made when the first letter comes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::queue::log::disk::{Access, Disk, Lock, RealDisk, make_directory};

/// Below `data_dir`.
pub(super) const DIRECTORY: &str = "dead-letters";
const LOCK: &str = "lock";

/// Who holds the lock of the data directory (contract C5.6).
#[derive(Clone, Debug)]
pub enum Ownership {
    /// This process holds it for as long as there are dead letters: the durable queue took it.
    Held,
    /// Nobody does yet: with a queue in memory nothing is written before the first letter, which takes
    /// the lock. One for all receivers of a data directory.
    OnFirstLetter(Arc<LateLock>),
}

/// The lock of a data directory, taken when it is needed and held from then on.
#[derive(Debug)]
pub struct LateLock {
    data_dir: PathBuf,
    lock: Mutex<Option<Lock>>,
}

impl LateLock {
    /// The lock of this data directory; nothing is touched yet.
    pub fn of(data_dir: &Path) -> Arc<Self> {
        Arc::new(Self { data_dir: data_dir.to_owned(), lock: Mutex::default() })
    }

    fn hold(&self) -> Result<(), String> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(());
        }
        make_directory(&self.data_dir).map_err(|error| error.to_string())?;
        *lock = Some(Lock::take(&self.data_dir.join(LOCK)).map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// Where files are found and made; an interface, so that the store can be proven on a simulated disk.
pub(super) trait Folder: Send + Sync + 'static {
    /// For reading; `None` if there is none yet.
    fn look(&self) -> io::Result<Option<Arc<dyn Disk>>>;

    /// For writing; makes it if it is missing. Nobody else writes there from then on.
    fn make(&self) -> Result<Arc<dyn Disk>, String>;
}

/// A directory of the operating system.
#[derive(Debug)]
pub(super) struct RealFolder {
    pub(super) path: PathBuf,
    pub(super) ownership: Ownership,
}

impl Folder for RealFolder {
    fn look(&self) -> io::Result<Option<Arc<dyn Disk>>> {
        match RealDisk::open(&self.path, Access::ReadOnly) {
            Ok(disk) => Ok(Some(Arc::new(disk))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn make(&self) -> Result<Arc<dyn Disk>, String> {
        if let Ownership::OnFirstLetter(lock) = &self.ownership {
            lock.hold()?;
        }
        let disk = RealDisk::open(&self.path, Access::ReadWrite);
        Ok(Arc::new(disk.map_err(|error| format!("{}: {error}", self.path.display()))?))
    }
}
