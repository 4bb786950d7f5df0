//! Two directories of one machine: when it stops in a call of one, the other is out as well.

use std::io::{self, IoSlice};
use std::sync::Arc;

use fastrand::Rng;

use crate::queue::log::disk::sim::SimDisk;
use crate::queue::log::disk::{Disk, DiskFile};

/// The directory of the queue and that of the dead letters.
pub(super) struct Machine {
    pub(super) queue: SimDisk,
    pub(super) letters: SimDisk,
}

/// How a machine ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Kill,
    PowerCut,
    /// Nothing is left that was not synced.
    Forgetful,
}

pub(super) const ENDS: [End; 3] = [End::Kill, End::PowerCut, End::Forgetful];

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        Self { queue: SimDisk::new(seed), letters: SimDisk::new(seed + 1) }
    }

    /// What both directories are, as long as neither has stopped.
    pub(super) fn disks(&self) -> [Arc<dyn Disk>; 2] {
        let watched = |own: &SimDisk, other: &SimDisk| -> Arc<dyn Disk> {
            Arc::new(Watched { own: own.clone(), other: other.clone() })
        };
        [watched(&self.queue, &self.letters), watched(&self.letters, &self.queue)]
    }

    /// Stops in the `nth` call from now, of one of the two.
    pub(super) fn stop_at(&self, place: usize, nth: u64) {
        [&self.queue, &self.letters][place].stop_at(nth);
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.queue.has_stopped() || self.letters.has_stopped()
    }

    pub(super) fn after(&self, end: End, rng: &mut Rng) -> Self {
        let mut of = |disk: &SimDisk| match end {
            End::Kill => disk.kill(),
            End::PowerCut => disk.crash(rng),
            End::Forgetful => disk.durable(),
        };
        Self { queue: of(&self.queue), letters: of(&self.letters) }
    }
}

struct Watched {
    own: SimDisk,
    other: SimDisk,
}

struct WatchedFile {
    own: Arc<dyn DiskFile>,
    other: SimDisk,
}

fn alive(other: &SimDisk) -> io::Result<()> {
    if other.has_stopped() { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
}

impl Watched {
    fn watch(&self, own: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile { own, other: self.other.clone() })
    }
}

impl Disk for Watched {
    fn list(&self) -> io::Result<Vec<String>> {
        alive(&self.other)?;
        self.own.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        alive(&self.other)?;
        Ok(self.watch(self.own.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        alive(&self.other)?;
        Ok(self.watch(self.own.open(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        alive(&self.other)?;
        self.own.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        alive(&self.other)?;
        self.own.rename(from, to)
    }

    fn sync(&self) -> io::Result<()> {
        alive(&self.other)?;
        Disk::sync(&self.own)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        alive(&self.other)?;
        self.own.free_bytes()
    }
}

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        alive(&self.other)?;
        self.own.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        alive(&self.other)?;
        self.own.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        alive(&self.other)?;
        self.own.write_at(offset, parts)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        alive(&self.other)?;
        self.own.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        alive(&self.other)?;
        self.own.sync()
    }
}
