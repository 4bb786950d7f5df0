//! A file most of whose letters were replayed is written anew, so that what is left does not take the
//! room of all.
//!
//! The new file names the one it stands for. It does not count as long as that one is there, and
//! nothing is replayed before one of the two is gone for good: so no letter counts twice.

use std::io::{self, IoSlice};

use super::super::index::{self, File, LETTERS_FORMAT, VERSION};
use super::super::line;
use super::super::names::Name;
use super::{Store, mark};
use crate::queue::log::disk::Disk;

impl Store {
    /// Writes files anew of which less than half still counts. What an error leaves does not count, and
    /// the next [`Self::collect`] takes it away.
    pub(in super::super) fn compact(&mut self) -> io::Result<()> {
        let Some(disk) = self.disk.clone() else { return Ok(()) };
        if self.doubt.is_some() {
            return Ok(());
        }
        let is_wasteful = |(number, file): &(&u32, &File)| {
            let left = file.bytes.saturating_sub(file.verdict.gone.bytes());
            file.letters > 0
                && file.damaged == 0
                && file.verdict.open.is_empty()
                && self.unfinished.iter().all(|unfinished| unfinished.number != **number)
                && file.all_bytes() > 2 * left
        };
        let wasteful: Vec<u32> =
            self.index.files.iter().filter(is_wasteful).map(|(number, _)| *number).collect();
        wasteful.into_iter().try_for_each(|number| self.rewrite(&*disk, number))
    }

    fn rewrite(&mut self, disk: &dyn Disk, old: u32) -> io::Result<()> {
        let Some(content) = index::read_file(disk, Name::Letters(old))? else { return Ok(()) };
        let live = self.live(old)?;
        if content.has_holes || live.is_empty() {
            return Ok(());
        }
        let mut lines = line::heading(LETTERS_FORMAT, VERSION).into_bytes();
        line::push(&mut lines, index::instead_of(old).as_bytes());
        for placed in &live {
            lines.extend_from_slice(&content.bytes[placed.at.0 as usize..placed.at.1 as usize]);
        }
        lines.extend(mark());
        let (letters, bytes) = (live.len() as u64, lines.len() as u64);
        // Nothing is appended to files of lower numbers any more: of those of a former process only
        // the last one can be in doubt.
        self.open = None;
        let number = self.next_number;
        let new = self.begin(disk)?;
        self.index.files.insert(number, File::void(bytes));
        new.file.write_at(0, &[IoSlice::new(&lines)])?;
        new.file.sync()?;
        disk.sync()?;
        self.index.files.insert(number, File { letters, bytes, ..File::default() });
        self.index.files.entry(old).or_default().make_void();
        self.remove(disk, old)
    }
}
