//! Names: those a program sees, those a power cut is sure to leave, and the changes between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use fastrand::Rng;

/// A name, and the number of the file behind it.
pub(super) type Names = BTreeMap<Arc<str>, u64>;

/// One directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    /// What a program sees.
    pub(super) names: Names,
    synced: Names,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Create { name: Arc<str>, id: u64 },
    Remove { name: Arc<str> },
    Rename { from: Arc<str>, to: Arc<str>, id: u64 },
}

impl Directory {
    /// A directory all of whose names are durable.
    pub(super) fn durable(names: Names) -> Self {
        Self { synced: names.clone(), names, pending: Vec::new() }
    }

    pub(super) fn create(&mut self, name: Arc<str>, id: u64) {
        self.change(Change::Create { name, id });
    }

    /// The name must be there.
    pub(super) fn remove(&mut self, name: Arc<str>) -> u64 {
        let id = self.names[&name];
        self.change(Change::Remove { name });
        id
    }

    /// The first name must be there, the second one free.
    pub(super) fn rename(&mut self, from: Arc<str>, to: Arc<str>) {
        let id = self.names[&from];
        self.change(Change::Rename { from, to, id });
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// A sync that failed: the first changes are durable, the others wait for the next one.
    pub(super) fn sync_some(&mut self, rng: &mut Rng) {
        let some = rng.usize(..=self.pending.len());
        for change in self.pending.drain(..some) {
            change.apply(&mut self.synced);
        }
    }

    /// The names after a power cut: every change since the last sync may have happened or not.
    pub(super) fn after_power_cut(&self, rng: &mut Rng) -> Names {
        let mut names = self.synced.clone();
        // All or nothing now and then: coins alone hardly ever show either of a long list.
        let mode = rng.u8(0..4);
        for change in &self.pending {
            match mode {
                0 => {}
                1 => change.apply(&mut names),
                _ => change.apply_perhaps(&mut names, rng),
            }
        }
        names
    }

    pub(super) fn find(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| rustix::io::Errno::NOENT.into())
    }

    pub(super) fn require_free(&self, name: &str) -> io::Result<()> {
        if self.names.contains_key(name) {
            return Err(rustix::io::Errno::EXIST.into());
        }
        Ok(())
    }

    /// What a power cut is sure to leave.
    pub(super) fn synced(&self) -> &Names {
        &self.synced
    }

    /// Every file that has a name, or may have one again after a power cut.
    pub(super) fn reachable(&self) -> BTreeSet<u64> {
        let created = self.pending.iter().filter_map(|change| match change {
            Change::Create { id, .. } => Some(*id),
            Change::Remove { .. } | Change::Rename { .. } => None,
        });
        self.names.values().chain(self.synced.values()).copied().chain(created).collect()
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create { name, id } => {
                names.insert(Arc::clone(name), *id);
            }
            Self::Remove { name } => {
                names.remove(name);
            }
            Self::Rename { from, to, id } => {
                names.remove(from);
                names.insert(Arc::clone(to), *id);
            }
        }
    }

    /// It happened or not; of a rename also both names may be left, never none.
    fn apply_perhaps(&self, names: &mut Names, rng: &mut Rng) {
        match (self, rng.u8(0..3)) {
            (Self::Rename { to, id, .. }, 0) => {
                names.insert(Arc::clone(to), *id);
            }
            (_, 0 | 1) => self.apply(names),
            (_, _) => {}
        }
    }
}
