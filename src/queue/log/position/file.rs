//! The file a position is kept in: two slots, written in turn, in place.
//!
//! ```text
//!  name: the destination's, and ".pos"   default.pos
//!
//!       0  slot, 8192 bytes       the intact one with the higher generation counts
//!    8192  slot, 8192 bytes
//! ```
//!
//! In place, because that needs no space on a full disk (contract C5.5); two, because a write that
//! is cut short must leave the one before. Nobody relies on a save before both slots were written
//! once, so a blank slot beside one that is not intact is a file that was never finished.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::super::disk::{Disk, DiskFile};
use super::saved::Saved;
use super::slot::{SLOT_BYTES, SlotFault, VERSION};

const SUFFIX: &str = ".pos";
const SLOTS: usize = 2;

/// Why a file holds no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotsFault {
    /// Nothing but zeros, which no writer leaves there.
    #[error("the position was wiped")]
    Blank,
    /// A slot was written by another version of this program. Whatever the other slot says, it may be
    /// older, and must not be written over.
    #[error("the position is of version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// No slot is intact: how far the destination was is lost.
    #[error("both slots of the position are damaged")]
    Damaged,
    /// It is not a position file.
    #[error("not a position file")]
    Foreign,
}

/// What both slots take.
pub const FILE_BYTES: u64 = (SLOTS * SLOT_BYTES) as u64;

/// An open position file of one destination. One process writes to it at a time (contract C5.6).
pub struct PositionFile {
    file: Arc<dyn DiskFile>,
    name: String,
    /// Of the last save that succeeded; 0 before the first.
    generation: u64,
    /// Where the next save goes.
    slot: usize,
    /// What is known to be in the slots.
    slots: [Option<Saved>; SLOTS],
}

impl PositionFile {
    /// A new file for this destination, with its first position in both slots; the file and its name
    /// are durable. Nothing is left of it after an error.
    ///
    /// It has its name only once its bytes are durable: a file of this name is never blank, unless it
    /// was damaged.
    pub fn begin(disk: &dyn Disk, name: &str, saved: &mut Saved) -> io::Result<Self> {
        Self::create(disk, name, |file| file.write(saved))
    }

    fn create(
        disk: &dyn Disk,
        name: &str,
        prepare: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        let file_name = file_name(name);
        let partial = format!("{file_name}.partial");
        // Left by an attempt that was cut off.
        disk.remove(&partial).unwrap_or_default();
        let file = disk.create(&partial)?;
        let blank = [0; SLOTS * SLOT_BYTES];
        let made = file.write_at(0, &[IoSlice::new(&blank)]).and_then(|()| file.sync());
        let mut new =
            Self { file, name: name.to_owned(), generation: 0, slot: 0, slots: [None, None] };
        let filled = made.and_then(|()| prepare(&mut new));
        let named = filled.and_then(|()| disk.rename(&partial, &file_name));
        if let Err(error) = named.and_then(|()| disk.sync()) {
            // The first error is the one to tell.
            disk.remove(&partial).or_else(|_| disk.remove(&file_name)).unwrap_or_default();
            return Err(error);
        }
        Ok(new)
    }

    /// A new file with nothing in it.
    #[cfg(test)]
    pub(super) fn blank(disk: &dyn Disk, name: &str) -> io::Result<Self> {
        Self::create(disk, name, |_| Ok(()))
    }

    /// Takes over the file of this destination, whatever is in it: the next save fills both slots.
    pub fn reuse(disk: &dyn Disk, name: &str) -> io::Result<Self> {
        let file = disk.open(&file_name(name))?;
        Ok(Self { file, name: name.to_owned(), generation: 0, slot: 0, slots: [None, None] })
    }

    /// Opens the file of this destination, and reads it.
    pub fn open(disk: &dyn Disk, name: &str) -> io::Result<Result<(Self, Saved), SlotsFault>> {
        let file = disk.open(&file_name(name))?;
        let slots = read_slots(&*file);
        let slots = match choose(slots)? {
            Ok(slots) => slots,
            Err(fault) => return Ok(Err(fault)),
        };
        // The process before may have ended between a write and its sync: what is relied on from here
        // has to be on the disk before the other slot is written.
        file.sync()?;
        let Intact { mut newest, at, slots } = slots;
        name.clone_into(&mut newest.name);
        let file = Self {
            file,
            name: name.to_owned(),
            generation: newest.generation,
            slot: (at + 1) % SLOTS,
            slots,
        };
        Ok(Ok((file, newest)))
    }

    /// Reads a position file without the means to write it. A slot that cannot be read counts as
    /// damaged if the other one is intact.
    pub fn read(file: &dyn DiskFile) -> io::Result<Result<Saved, SlotsFault>> {
        Ok(choose(read_slots(file))?.map(|intact| intact.newest))
    }

    /// Saves a position, durably: the next generation, into the older slot, with one sync (the very
    /// first save: into both). Sets `name` and `generation`.
    ///
    /// After an error the slot's content is not known, and the next save goes there again: the last
    /// good one is never written over.
    pub fn write(&mut self, saved: &mut Saved) -> io::Result<()> {
        saved.name.clone_from(&self.name);
        if !saved.is_sound() {
            let why =
                "a position whose parts do not fit together is not saved over one that can be read";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if self.generation == 0 {
            self.write_slot(saved)?;
        }
        self.write_slot(saved)
    }

    /// Whether nothing from `first` to `last` would be delivered again, whichever slot were damaged:
    /// only then may it be deleted.
    pub fn is_past(&self, first: u64, last: u64) -> bool {
        let is_past = |saved: &Saved| saved.is_past(first, last);
        self.slots.iter().all(|slot| slot.as_ref().is_some_and(is_past))
    }

    fn write_slot(&mut self, saved: &mut Saved) -> io::Result<()> {
        saved.generation = self.generation + 1;
        self.slots[self.slot] = None;
        let bytes = saved.encode();
        // The whole slot again after a failed sync: the kernel may have dropped any page of it.
        self.file.write_at((self.slot * SLOT_BYTES) as u64, &[IoSlice::new(&bytes)])?;
        self.file.sync()?;
        self.slots[self.slot] = Some(saved.clone());
        self.slot = (self.slot + 1) % SLOTS;
        self.generation = saved.generation;
        Ok(())
    }
}

/// The file name of a destination's position. Names are `[A-Za-z0-9._-]{1,64}`, so they need no
/// escaping.
pub fn file_name(destination: &str) -> String {
    debug_assert!(is_name(destination), "no name of a destination: {destination:?}");
    format!("{destination}{SUFFIX}")
}

/// The destination whose position a file of this name holds; `None` for other files.
pub fn destination_of(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(SUFFIX).filter(|name| is_name(name))
}

/// Whether a destination may be called that.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

/// What was read of a file with at least one intact slot.
struct Intact {
    newest: Saved,
    /// The slot it is in.
    at: usize,
    slots: [Option<Saved>; SLOTS],
}

type Slot = io::Result<Result<Saved, SlotFault>>;

fn read_slots(file: &dyn DiskFile) -> [Slot; SLOTS] {
    [0, 1].map(|slot| {
        let mut bytes = vec![0; SLOT_BYTES];
        let read = file.read_at((slot * SLOT_BYTES) as u64, &mut bytes)?;
        bytes.truncate(read);
        Ok(Saved::parse(&bytes))
    })
}

/// The newest intact slot, or what to say of both.
fn choose(slots: [Slot; SLOTS]) -> io::Result<Result<Intact, SlotsFault>> {
    if let Some(version) = slots.iter().find_map(other_version) {
        return Ok(Err(SlotsFault::Version(version)));
    }
    let generation = |slot: &Slot| match slot {
        Ok(Ok(saved)) => Some(saved.generation),
        _ => None,
    };
    let generations = slots.each_ref().map(generation);
    let [first, second] = slots;
    if generations == [None, None] {
        return Ok(Err(fault_of(first?.err(), second?.err())));
    }
    let at = usize::from(generations[1] > generations[0]);
    let slots = [first, second].map(|slot| slot.ok().and_then(Result::ok));
    Ok(match slots[at].clone() {
        Some(newest) => Ok(Intact { newest, at, slots }),
        None => Err(SlotsFault::Damaged),
    })
}

fn other_version(slot: &Slot) -> Option<u32> {
    match slot {
        Ok(Err(SlotFault::Version(version))) => Some(*version),
        _ => None,
    }
}

/// What two slots without a position say together.
fn fault_of(first: Option<SlotFault>, second: Option<SlotFault>) -> SlotsFault {
    match (first, second) {
        (Some(SlotFault::Foreign), Some(SlotFault::Foreign)) => SlotsFault::Foreign,
        // The first slot torn while it was written for the first time.
        (Some(SlotFault::Blank), _) | (_, Some(SlotFault::Blank)) => SlotsFault::Blank,
        _ => SlotsFault::Damaged,
    }
}
