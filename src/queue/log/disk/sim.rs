//! A directory in memory that keeps the promise of [`Disk`] and not one bit more: it tears, reorders,
//! drops, fills up and fails.
//!
//! Everything random comes from a seed, so a history that breaks the log can be run again. What a
//! program sees is the page cache; beside it lies what a power cut is sure to leave, and every change
//! since, each of which a power cut may keep, tear or drop on its own.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use super::{Disk, DiskFile};

mod directory;
mod inode;
mod plan;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use plan::{Call, Fault, Operation};

use state::{Extent, State};

/// A simulated directory; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    shared: Arc<Mutex<State>>,
}

/// An open file of a [`SimDisk`].
#[derive(Debug)]
struct SimFile {
    shared: Arc<Mutex<State>>,
    id: u64,
    /// As it was opened: for the history alone.
    name: Arc<str>,
}

impl SimDisk {
    /// An empty directory on a healthy disk without end.
    pub(crate) fn new(seed: u64) -> Self {
        Self::over(State::new(seed))
    }

    /// A directory of durable files.
    pub(crate) fn with_files(seed: u64, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut state = State::new(seed);
        for (name, bytes) in files {
            state.put(name, bytes.clone());
        }
        Self::over(state)
    }

    fn over(state: State) -> Self {
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// For whoever opens a log over it.
    pub(crate) fn handle(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    // -- ends --

    /// What a power cut could leave: one of the many directories the promise allows. This one, and
    /// every handle of it, fails from now on.
    pub(crate) fn crash(&self, rng: &mut Rng) -> Self {
        let mut state = self.lock();
        state.end();
        Self::over(state.after_power_cut(rng))
    }

    /// What `kill -9` leaves: everything written so far, durable or not; a later power cut can still
    /// lose what was not synced. This one, and every handle of it, fails from now on.
    pub(crate) fn kill(&self) -> Self {
        let mut state = self.lock();
        state.end();
        Self::over(state.after_kill())
    }

    /// The same directory a second time, unsynced changes included; this one lives on.
    pub(crate) fn copy(&self) -> Self {
        Self::over(self.lock().after_kill())
    }

    /// What every power cut leaves: nothing that was not synced.
    pub(crate) fn durable(&self) -> Self {
        Self::over(self.lock().durable())
    }

    // -- plans --

    /// Lets the `nth` mutating call from now fail, 1 being the next. Several may be planned.
    pub(crate) fn fail_at(&self, nth: u64, fault: Fault) {
        let mut state = self.lock();
        let number = state.operations + nth;
        state.plan.faults.insert(number, fault);
    }

    /// Lets the `nth` mutating call from now and every later one fail.
    pub(crate) fn fail_all_from(&self, nth: u64, fault: Fault) {
        let mut state = self.lock();
        state.plan.all_from = Some((state.operations + nth, fault));
    }

    /// Stops the machine in the middle of the `nth` mutating call from now: that call and every call
    /// after it fails, and [`Self::crash`] or [`Self::kill`] tell what is left.
    pub(crate) fn stop_at(&self, nth: u64) {
        let mut state = self.lock();
        state.plan.stop = Some(state.operations + nth);
    }

    /// Forgets every planned fault and stop.
    pub(crate) fn heal(&self) {
        self.lock().plan = plan::Plan::default();
    }

    /// Bytes of all files together beyond which writing and reserving fails; `None`: no end.
    pub(crate) fn limit_bytes(&self, limit: Option<u64>) {
        self.lock().limit_bytes = limit;
    }

    /// Panics at the call after the next `most` calls of any kind: whoever needs more of them spins.
    pub(crate) fn limit_calls(&self, most: u64) {
        let mut state = self.lock();
        state.calls_max = state.calls + most;
    }

    // -- damage --

    /// Turns bits of one byte, on the platter and in the page cache.
    pub(crate) fn flip(&self, name: &str, offset: u64, mask: u8) {
        self.lock().file(name).flip(offset as usize, mask);
    }

    /// Cuts a file for good.
    pub(crate) fn cut(&self, name: &str, len: u64) {
        self.lock().file(name).cut(len as usize);
    }

    /// Lets reads that touch these bytes of a file fail with EIO.
    pub(crate) fn unreadable(&self, name: &str, range: Range<u64>) {
        self.lock().file(name).unreadable.push(range);
    }

    // -- looks --

    /// Mutating calls so far.
    pub(crate) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Calls of any kind so far.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Whether [`Self::stop_at`] has come true.
    pub(crate) fn has_stopped(&self) -> bool {
        self.lock().has_stopped()
    }

    /// Bytes of all files together.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// All files as a program sees them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().files()
    }

    /// Every mutating call so far, in order.
    pub(crate) fn history(&self) -> Vec<Operation> {
        self.lock().history.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.look()?;
        Ok(state.directory.names.keys().map(ToString::to_string).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        let name: Arc<str> = Arc::from(name);
        let file = name.clone();
        let id = state.act(Call::Create { name: Arc::clone(&name) }, |state, extent| {
            state.create(&name, extent)
        })?;
        Ok(Arc::new(SimFile { shared: Arc::clone(&self.shared), id, name: file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.look()?;
        let name: Arc<str> = Arc::from(name);
        let id = state.directory.find(&name)?;
        Ok(Arc::new(SimFile { shared: Arc::clone(&self.shared), id, name }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let name: Arc<str> = Arc::from(name);
        let call = Call::Remove { name: Arc::clone(&name) };
        self.lock().act(call, |state, extent| {
            state.directory.find(&name)?;
            if state.takes_effect(extent) {
                state.remove(&name);
            }
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to): (Arc<str>, Arc<str>) = (Arc::from(from), Arc::from(to));
        let call = Call::Rename { from: Arc::clone(&from), to: Arc::clone(&to) };
        self.lock().act(call, |state, extent| {
            state.directory.find(&from)?;
            state.directory.require_free(&to)?;
            if state.takes_effect(extent) {
                state.directory.rename(from, to);
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().act(Call::SyncDirectory, |state, extent| {
            match extent {
                Extent::Whole => state.directory.sync(),
                Extent::Part => state.directory.sync_some(&mut state.rng),
                Extent::Stopped => {}
            }
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut state = self.lock();
        state.look()?;
        Ok(state.free_bytes())
    }
}

impl SimFile {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.lock();
        state.look()?;
        Ok(state.inode(self.id).current.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.lock();
        state.look()?;
        state.inode(self.id).read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = parts.iter().map(|part| &**part).collect::<Vec<&[u8]>>().concat();
        let call = Call::Write { name: Arc::clone(&self.name), offset, bytes: bytes.len() as u64 };
        self.lock().act(call, |state, extent| state.write(self.id, offset, bytes, extent))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let call = Call::SetLen { name: Arc::clone(&self.name), bytes };
        self.lock().act(call, |state, extent| {
            state.resize(self.id, bytes, inode::Change::SetLen(bytes), extent)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().act(Call::Sync { name: Arc::clone(&self.name) }, |state, extent| {
            match extent {
                Extent::Whole => state.inode(self.id).sync(),
                Extent::Part => state.lose_pending(self.id),
                Extent::Stopped => {}
            }
            Ok(())
        })
    }
}
