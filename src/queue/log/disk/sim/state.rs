//! What a simulated disk is at one moment, and what every call makes of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use fastrand::Rng;

use super::directory::{Directory, Names};
use super::inode::{Change, Inode};
use super::plan::{Call, Effect, Operation, Plan, Verdict};

/// What a disk without a limit says it has.
const FREE_BYTES_ENDLESS: u64 = 1 << 40;
/// Where that begins in a file.
const STALE_FROM_BYTES: usize = 1024;
/// Most bytes of removed files that are remembered, to turn up again in the blocks of others.
const STALE_BYTES_MAX: usize = 16 << 10;

/// Everything behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) directory: Directory,
    pub(super) plan: Plan,
    pub(super) limit_bytes: Option<u64>,
    pub(super) operations: u64,
    pub(super) calls: u64,
    pub(super) calls_max: u64,
    pub(super) history: Vec<Operation>,
    pub(super) rng: Rng,
    inodes: BTreeMap<u64, Inode>,
    next_id: u64,
    stale: Vec<u8>,
    power: Power,
}

/// Whether calls are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// In the middle of a call, as planned.
    Stopped,
    /// The directory lives on in another disk.
    Ended,
}

/// How much of itself a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// A part, then it fails.
    Part,
    /// A part, then there is nobody left to tell.
    Stopped,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            directory: Directory::default(),
            plan: Plan::default(),
            limit_bytes: None,
            operations: 0,
            calls: 0,
            calls_max: u64::MAX,
            history: Vec::new(),
            rng: Rng::with_seed(seed),
            inodes: BTreeMap::new(),
            next_id: 1,
            stale: Vec::new(),
            power: Power::On,
        }
    }

    /// A durable file, for disks that begin with some.
    pub(super) fn put(&mut self, name: &str, bytes: Vec<u8>) {
        let id = self.next_id();
        self.inodes.insert(id, Inode::durable(bytes));
        self.directory.create(Arc::from(name), id);
        self.directory.sync();
    }

    // -- calls --

    /// A call that changes nothing.
    pub(super) fn look(&mut self) -> io::Result<()> {
        self.calls += 1;
        assert!(self.calls <= self.calls_max, "more disk calls than allowed: does it spin?");
        match self.power {
            Power::On => Ok(()),
            Power::Stopped | Power::Ended => Err(io::Error::other("the machine has stopped")),
        }
    }

    /// A call that changes something: counted, recorded, and failed if that is the plan. `effect` is
    /// asked to do the whole or a part.
    pub(super) fn act<T>(
        &mut self,
        call: Call,
        effect: impl FnOnce(&mut Self, Extent) -> io::Result<T>,
    ) -> io::Result<T> {
        self.look()?;
        self.operations += 1;
        let answer = match self.plan.verdict(self.operations) {
            Verdict::Works => effect(self, Extent::Whole),
            Verdict::Fails(fault) => {
                if fault.effect == Effect::Part {
                    effect(self, Extent::Part).ok();
                }
                Err(fault.errno.into())
            }
            Verdict::Stops => {
                effect(self, Extent::Stopped).ok();
                self.power = Power::Stopped;
                Err(io::Error::other("the machine stopped in this call"))
            }
        };
        self.history.push(Operation { call, succeeded: answer.is_ok() });
        answer
    }

    /// Whether a call that knows no halves is carried out.
    pub(super) fn takes_effect(&mut self, extent: Extent) -> bool {
        extent == Extent::Whole || self.rng.bool()
    }

    pub(super) fn create(&mut self, name: &Arc<str>, extent: Extent) -> io::Result<u64> {
        self.directory.require_free(name)?;
        if self.free_bytes() == 0 {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        let id = self.next_id();
        if self.takes_effect(extent) {
            self.inodes.insert(id, Inode::default());
            self.directory.create(Arc::clone(name), id);
        }
        Ok(id)
    }

    /// The name must be there.
    pub(super) fn remove(&mut self, name: &Arc<str>) {
        let id = self.directory.remove(Arc::clone(name));
        // Not its first blocks: nothing tells the beginning of an earlier attempt at the same file from
        // that of this one, and file systems do not go that far.
        let bytes = &self.inodes[&id].current;
        self.stale.extend_from_slice(bytes.get(STALE_FROM_BYTES..).unwrap_or_default());
        let excess = self.stale.len().saturating_sub(STALE_BYTES_MAX);
        self.stale.drain(..excess);
    }

    /// As much as fits the disk; the rest is ENOSPC.
    pub(super) fn write(
        &mut self,
        id: u64,
        offset: u64,
        mut bytes: Vec<u8>,
        extent: Extent,
    ) -> io::Result<()> {
        if extent != Extent::Whole {
            bytes.truncate(self.rng.usize(..=bytes.len()));
        }
        let room = self.inode(id).current.len() as u64 + self.free_bytes();
        let fits = bytes.len().min(room.saturating_sub(offset) as usize);
        let all = fits == bytes.len();
        bytes.truncate(fits);
        if !bytes.is_empty() {
            self.inode(id).change(Change::Write { offset: offset as usize, bytes });
        }
        if all { Ok(()) } else { Err(rustix::io::Errno::NOSPC.into()) }
    }

    /// A change of size to `len`.
    pub(super) fn resize(
        &mut self,
        id: u64,
        len: u64,
        change: Change,
        extent: Extent,
    ) -> io::Result<()> {
        let growth = len.saturating_sub(self.inode(id).current.len() as u64);
        if growth > self.free_bytes() {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        if self.takes_effect(extent) {
            self.inode(id).change(change);
        }
        Ok(())
    }

    /// A failed sync of one file.
    pub(super) fn lose_pending(&mut self, id: u64) {
        let inode = self.inodes.get_mut(&id).expect("a handle's file is kept");
        inode.lose_pending(&mut self.rng);
    }

    // -- ends --

    pub(super) fn end(&mut self) {
        self.power = Power::Ended;
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.power == Power::Stopped
    }

    pub(super) fn after_kill(&self) -> Self {
        let reachable = self.directory.reachable();
        let kept = self.inodes.iter().filter(|(id, _)| reachable.contains(id));
        Self {
            directory: self.directory.clone(),
            inodes: kept.map(|(id, inode)| (*id, inode.clone())).collect(),
            ..self.successor(self.rng.clone())
        }
    }

    pub(super) fn after_power_cut(&self, rng: &mut Rng) -> Self {
        let names: Names = self.directory.after_power_cut(rng);
        let mut inodes = BTreeMap::new();
        for id in names.values() {
            // A file with two names is one file: it is torn once.
            inodes.entry(*id).or_insert_with(|| self.inodes[id].after_power_cut(&self.stale, rng));
        }
        let rng = rng.fork();
        Self { directory: Directory::durable(names), inodes, ..self.successor(rng) }
    }

    pub(super) fn durable(&self) -> Self {
        let directory = Directory::durable(self.directory.synced().clone());
        let inodes = self.inodes.iter().map(|(id, inode)| (*id, inode.synced())).collect();
        Self { directory, inodes, ..self.successor(self.rng.clone()) }
    }

    /// What outlives the machine besides the directory.
    fn successor(&self, rng: Rng) -> Self {
        Self {
            limit_bytes: self.limit_bytes,
            next_id: self.next_id,
            stale: self.stale.clone(),
            rng,
            ..Self::new(0)
        }
    }

    // -- looks --

    pub(super) fn free_bytes(&self) -> u64 {
        match self.limit_bytes {
            Some(limit) => limit.saturating_sub(self.used_bytes()),
            None => FREE_BYTES_ENDLESS,
        }
    }

    /// Bytes of all files that have a name; a removed one gives its space back at once.
    pub(super) fn used_bytes(&self) -> u64 {
        self.directory.names.values().map(|id| self.inodes[id].current.len() as u64).sum()
    }

    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.directory.names.iter();
        names.map(|(name, id)| (name.to_string(), self.inodes[id].current.clone())).collect()
    }

    /// The file of this name, which must be there.
    pub(super) fn file(&mut self, name: &str) -> &mut Inode {
        let id = self.directory.find(name).expect("the file is there");
        self.inode(id)
    }

    /// The file of a handle.
    pub(super) fn inode(&mut self, id: u64) -> &mut Inode {
        self.inodes.get_mut(&id).expect("a handle's file is kept")
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}
