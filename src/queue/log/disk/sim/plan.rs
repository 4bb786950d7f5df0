//! Which call fails and how, and the record of all calls.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// How a call is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What it says.
    pub(crate) errno: Errno,
    /// What it did all the same.
    pub(crate) effect: Effect,
}

/// The error of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    /// EIO.
    Io,
    /// ENOSPC.
    NoSpace,
}

/// What a failed call did before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// A write left a part of its bytes, none and all included. A sync of a file made a part of the
    /// changes durable and the rest never will be, though reads still show it: Linux drops what it
    /// could not write. That of the directory made the first changes durable; a file system that
    /// loses the others takes no more writes. Any other call was carried out, or not.
    Part,
}

/// Faults to come, by the number of the mutating call.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) all_from: Option<(u64, Fault)>,
    pub(super) stop: Option<u64>,
}

/// What is to become of one call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Works,
    Fails(Fault),
    Stops,
}

/// A mutating call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// [`super::Disk::create`].
    Create { name: Arc<str> },
    /// [`super::Disk::remove`].
    Remove { name: Arc<str> },
    /// [`super::Disk::rename`].
    Rename { from: Arc<str>, to: Arc<str> },
    /// [`super::Disk::sync`].
    SyncDirectory,
    /// [`super::DiskFile::write_at`]; files are named as they were opened.
    Write { name: Arc<str>, offset: u64, bytes: u64 },
    /// [`super::DiskFile::set_len`].
    SetLen { name: Arc<str>, bytes: u64 },
    /// [`super::DiskFile::sync`].
    Sync { name: Arc<str> },
}

/// A mutating call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// What was asked.
    pub(crate) call: Call,
    /// Whether it returned `Ok`.
    pub(crate) succeeded: bool,
}

impl Fault {
    /// EIO, before anything was done.
    pub(crate) const IO: Self = Self { errno: Errno::Io, effect: Effect::Nothing };
    /// EIO in the middle.
    pub(crate) const IO_PART: Self = Self { errno: Errno::Io, effect: Effect::Part };
    /// ENOSPC, before anything was done.
    pub(crate) const NO_SPACE: Self = Self { errno: Errno::NoSpace, effect: Effect::Nothing };
    /// ENOSPC in the middle.
    pub(crate) const NO_SPACE_PART: Self = Self { errno: Errno::NoSpace, effect: Effect::Part };
}

impl Plan {
    pub(super) fn verdict(&self, number: u64) -> Verdict {
        if self.stop.is_some_and(|at| number >= at) {
            return Verdict::Stops;
        }
        let all = self.all_from.filter(|(from, _)| number >= *from).map(|(_, fault)| fault);
        match self.faults.get(&number).copied().or(all) {
            Some(fault) => Verdict::Fails(fault),
            None => Verdict::Works,
        }
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::Io => rustix::io::Errno::IO.into(),
            Errno::NoSpace => rustix::io::Errno::NOSPC.into(),
        }
    }
}
