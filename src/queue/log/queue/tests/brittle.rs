//! A disk and a clock that fail, panic or take their time when they are told to.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::metric::timestamp::Timestamp;
use crate::queue::log::disk::{Disk, DiskFile, RealDisk};

/// What goes wrong from now on, and what has.
#[derive(Default)]
pub(super) struct Triggers {
    pub(super) hold_sync: AtomicBool,
    pub(super) hold_read: AtomicBool,
    pub(super) fail_sync: AtomicBool,
    pub(super) panic_sync: AtomicBool,
    pub(super) panic_read: AtomicBool,
    pub(super) panic_clock: AtomicBool,
    /// How far the monotonic clock is set ahead.
    pub(super) ahead_s: AtomicU64,
    /// Rounds of the keeper.
    pub(super) rounds: AtomicU64,
    /// A sync or a read is being held.
    pub(super) holds: AtomicBool,
    /// Something has panicked.
    pub(super) panics: AtomicBool,
}

/// The test's hand on the triggers. A test that fails lets go of the sync it holds, or the queue would
/// wait for it as it is dropped.
pub(super) struct Hand(pub(super) Arc<Triggers>);

pub(super) struct BrittleClock {
    inner: SystemClock,
    triggers: Arc<Triggers>,
}

pub(super) struct BrittleDisk {
    inner: RealDisk,
    triggers: Arc<Triggers>,
}

struct BrittleFile {
    inner: Arc<dyn DiskFile>,
    triggers: Arc<Triggers>,
}

impl std::ops::Deref for Hand {
    type Target = Triggers;

    fn deref(&self) -> &Triggers {
        &self.0
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.0.hold_sync.store(false, Ordering::SeqCst);
        self.0.hold_read.store(false, Ordering::SeqCst);
    }
}

impl Triggers {
    fn sync(&self) -> io::Result<()> {
        self.hold_while(&self.hold_sync);
        self.panic_if(&self.panic_sync);
        if self.fail_sync.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn hold_while(&self, trigger: &AtomicBool) {
        while trigger.load(Ordering::SeqCst) {
            self.holds.store(true, Ordering::SeqCst);
            std::thread::yield_now();
        }
    }

    fn panic_if(&self, trigger: &AtomicBool) {
        if trigger.load(Ordering::SeqCst) {
            self.panics.store(true, Ordering::SeqCst);
            panic!("as the test wants it");
        }
    }
}

impl BrittleClock {
    pub(super) fn new(triggers: Arc<Triggers>) -> Self {
        Self { inner: SystemClock::new(), triggers }
    }
}

impl Clock for BrittleClock {
    fn now(&self) -> Timestamp {
        self.triggers.panic_if(&self.triggers.panic_clock);
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic() + Duration::from_secs(self.triggers.ahead_s.load(Ordering::SeqCst))
    }
}

impl BrittleDisk {
    pub(super) fn new(inner: RealDisk, triggers: Arc<Triggers>) -> Self {
        Self { inner, triggers }
    }

    fn file(&self, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(BrittleFile { inner, triggers: Arc::clone(&self.triggers) })
    }
}

impl Disk for BrittleDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.inner.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.inner.open(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        // Each round begins with this.
        self.triggers.rounds.fetch_add(1, Ordering::SeqCst);
        self.inner.free_bytes()
    }
}

impl DiskFile for BrittleFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.triggers.hold_while(&self.triggers.hold_read);
        self.triggers.panic_if(&self.triggers.panic_read);
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.inner.write_at(offset, parts)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.triggers.sync()?;
        self.inner.sync()
    }
}
