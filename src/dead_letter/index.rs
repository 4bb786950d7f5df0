//! What a directory holds: its files, and which of their letters count.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::Letter;
use super::journal::{Intent, Step, Verdict};
use super::line::{self, Lines};
use super::names::Name;
use super::text;
use crate::queue::log::disk::{Disk, DiskFile, is_unreadable};

/// First words of the files, and the version of both formats.
pub(super) const LETTERS_FORMAT: &str = "tidegate dead letters";
pub(super) const JOURNAL_FORMAT: &str = "tidegate replays";
pub(super) const VERSION: u32 = 1;

/// The line behind the letters of a put, written once they are synced: what stands before it was
/// whole. Without it nobody may have been told that they are kept.
pub(super) const KEPT: &str = "{\"kept\":true}";

/// The line before the letters of a file that was written anew: which one it stands for.
const INSTEAD_OF: &str = "{\"instead_of\":";

/// That line.
pub(super) fn instead_of(old: u32) -> String {
    format!("{INSTEAD_OF}{old}}}")
}

/// Enough for a heading and that line.
const BEGINNING_BYTES: usize = 128;

/// No file of ours is larger: it is closed at 4 MiB, and one put is what one lease held.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What cannot be read is found out in pieces of this size.
const PIECE_BYTES: usize = 4 << 10;

/// All files of a directory, by number.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) files: BTreeMap<u32, File>,
    /// Journals of files that are gone: what a deletion left.
    pub(super) orphans: Vec<(Name, u64)>,
    /// The highest number of a file that was set aside because it is damaged.
    set_aside: Option<u32>,
}

/// One file of letters and its journals.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Letters that count.
    pub(super) letters: u64,
    /// Bytes of the file of letters.
    pub(super) bytes: u64,
    /// Attempts at its journal, and their bytes.
    pub(super) journals: BTreeMap<u32, u64>,
    pub(super) verdict: Verdict,
    /// Lines of letters that nobody can read.
    pub(super) damaged: u64,
    /// Lines of journals that nobody can read.
    pub(super) damaged_steps: u64,
    /// Bytes that a crash left unfinished.
    pub(super) torn_bytes: u64,
}

/// A letter and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) at: (u64, u64),
    pub(super) letter: Letter,
}

impl Index {
    /// Reads everything; `see` gets every letter that counts, oldest file first.
    pub(super) fn read(
        disk: &dyn Disk,
        see: &mut dyn FnMut(u32, &Placed) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut names: Vec<Name> =
            disk.list()?.iter().filter_map(|file| Name::parse(file)).collect();
        names.sort_unstable();
        let mut index = Self::default();
        for name in &names {
            match name {
                Name::Letters(number) => _ = index.files.insert(*number, File::default()),
                Name::Damaged(number) => index.set_aside = Some(*number),
                Name::Journal { .. } => {}
            }
        }
        for name in &names {
            let Name::Journal { of, attempt } = name else { continue };
            // A running gateway may have removed it since.
            let Some(content) = read_file(disk, *name)? else { continue };
            let bytes = content.bytes.len() as u64;
            let Some(file) = index.files.get_mut(of) else {
                index.orphans.push((*name, bytes));
                continue;
            };
            file.journals.insert(*attempt, bytes);
            file.judge(lines_of(JOURNAL_FORMAT, *name, &content.bytes)?);
        }
        let mut vanished = Vec::new();
        let numbers: BTreeSet<u32> = index.files.keys().copied().collect();
        for (number, file) in &mut index.files {
            let is_void = replaced(disk, *number)?.is_some_and(|old| numbers.contains(&old));
            match read_file(disk, Name::Letters(*number))? {
                Some(content) if is_void => *file = File::void(content.bytes.len() as u64),
                Some(content) => file.count(*number, &content.bytes, see)?,
                None => vanished.push(*number),
            }
        }
        for number in vanished {
            index.files.remove(&number);
        }
        Ok(index)
    }

    /// Above every number there is a trace of.
    pub(super) fn next_number(&self) -> u32 {
        let orphans = self.orphans.iter().map(|(name, _)| match name {
            Name::Letters(number) | Name::Damaged(number) | Name::Journal { of: number, .. } => {
                *number
            }
        });
        let last = self.files.keys().copied().chain(orphans).chain(self.set_aside).max();
        last.map_or(1, |last| last.saturating_add(1))
    }

    pub(super) fn letters(&self) -> u64 {
        self.files.values().map(|file| file.letters).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        let orphans: u64 = self.orphans.iter().map(|(_, bytes)| bytes).sum();
        self.files.values().map(File::all_bytes).sum::<u64>() + orphans
    }

    /// Whether all letters of some file were replayed, and nobody came to delete it.
    pub(super) fn has_leftovers(&self) -> bool {
        self.files.values().any(|file| file.letters == 0 && !file.journals.is_empty())
    }

    /// Intents without an end, and the files they are about.
    pub(super) fn open_intents(&self) -> Vec<(u32, Intent)> {
        let of = |(number, file): (&u32, &File)| {
            let number = *number;
            file.verdict.open.iter().map(move |intent| (number, intent.clone())).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of).collect()
    }
}

impl File {
    /// One of this many bytes that stands for another one that is there.
    pub(super) fn void(bytes: u64) -> Self {
        let mut file = Self { bytes, ..Self::default() };
        file.make_void();
        file
    }

    /// None of its letters counts from here on: another file stands for it.
    pub(super) fn make_void(&mut self) {
        self.letters = 0;
        self.damaged = 0;
        self.verdict.open.clear();
        self.verdict.gone.add(0..u64::MAX);
    }

    pub(super) fn all_bytes(&self) -> u64 {
        self.bytes + self.journals.values().sum::<u64>()
    }

    /// The attempt at its journal that is free.
    pub(super) fn next_attempt(&self) -> u32 {
        self.journals.keys().next_back().map_or(0, |last| last.saturating_add(1))
    }

    fn judge(&mut self, mut lines: Lines<'_>) {
        // Every line was synced before the next one was written.
        lines.unfinished_from(lines.whole.last().map_or(0, |line| line.at.end));
        self.damaged_steps += lines.damaged.len() as u64;
        self.torn_bytes += lines.torn_bytes;
        for line in &lines.whole {
            match Step::parse(line.json) {
                Some(step) => self.verdict.take(step),
                None => self.damaged_steps += 1,
            }
        }
    }

    fn count(
        &mut self,
        number: u32,
        bytes: &[u8],
        see: &mut dyn FnMut(u32, &Placed) -> io::Result<()>,
    ) -> io::Result<()> {
        self.bytes = bytes.len() as u64;
        let mut lines = lines_of(LETTERS_FORMAT, Name::Letters(number), bytes)?;
        let kept = lines.whole.iter().rfind(|line| line.json == KEPT);
        // Whole lines behind it count all the same: they are there, and come again as the same.
        lines.unfinished_from(kept.map_or(0, |mark| mark.at.end));
        let is_letter =
            |line: &&line::Line<'_>| line.json != KEPT && !line.json.starts_with(INSTEAD_OF);
        self.damaged += lines.damaged.len() as u64;
        self.torn_bytes += lines.torn_bytes;
        for line in lines.whole.iter().filter(is_letter) {
            let Some(letter) = text::letter(line.json) else {
                self.damaged += 1;
                continue;
            };
            if self.verdict.gone.has(line.at.start) {
                continue;
            }
            self.letters += 1;
            see(number, &Placed { at: (line.at.start, line.at.end), letter })?;
        }
        Ok(())
    }
}

/// The file that this one stands for.
fn replaced(disk: &dyn Disk, number: u32) -> io::Result<Option<u32>> {
    let mut beginning = [0; BEGINNING_BYTES];
    let file = disk.open(&Name::Letters(number).to_string());
    let read = match file.and_then(|file| file.read_at(0, &mut beginning)) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound || is_unreadable(&error) => 0,
        Err(error) => return Err(named(Name::Letters(number), &error)),
    };
    let lines = line::read(LETTERS_FORMAT, &beginning[..read]);
    let named = |line: &line::Line<'_>| {
        line.json.strip_prefix(INSTEAD_OF)?.strip_suffix('}')?.parse::<u32>().ok()
    };
    Ok(lines.whole.first().and_then(named).filter(|old| *old < number))
}

/// The letters of one file, those that do not count included.
pub(super) fn letters(disk: &dyn Disk, number: u32) -> io::Result<Vec<Placed>> {
    let name = Name::Letters(number);
    let Some(content) = read_file(disk, name)? else { return Ok(Vec::new()) };
    let lines = lines_of(LETTERS_FORMAT, name, &content.bytes)?;
    let placed = |line: &line::Line<'_>| {
        Some(Placed { at: (line.at.start, line.at.end), letter: text::letter(line.json)? })
    };
    Ok(lines.whole.iter().filter_map(placed).collect())
}

fn lines_of<'b>(format: &str, name: Name, bytes: &'b [u8]) -> io::Result<Lines<'b>> {
    let lines = line::read(format, bytes);
    match lines.version {
        Some(version) if version != VERSION => Err(io::Error::other(format!(
            "{name} has version {version} of its format, and this tidegate reads version {VERSION}: \
             use the one that wrote it"
        ))),
        _ => Ok(lines),
    }
}

/// A file as far as it can be read.
#[derive(Debug)]
pub(super) struct Content {
    /// Zeros where the medium lost them.
    pub(super) bytes: Vec<u8>,
    /// Whether it lost any.
    pub(super) has_holes: bool,
}

/// All of a file; `None` if there is no such file.
pub(super) fn read_file(disk: &dyn Disk, name: Name) -> io::Result<Option<Content>> {
    let file = match disk.open(&name.to_string()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(name, &error)),
    };
    content(&*file).map(Some).map_err(|error| named(name, &error))
}

fn content(file: &dyn DiskFile) -> io::Result<Content> {
    let len = file.len()?;
    if len > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has {len} bytes, no file of dead letters has")));
    }
    let mut bytes = vec![0; len as usize];
    match file.read_at(0, &mut bytes) {
        Ok(read) => {
            bytes.truncate(read);
            return Ok(Content { bytes, has_holes: false });
        }
        Err(error) if is_unreadable(&error) => {}
        Err(error) => return Err(error),
    }
    for (nth, piece) in bytes.chunks_mut(PIECE_BYTES).enumerate() {
        match file.read_at((nth * PIECE_BYTES) as u64, piece) {
            Ok(_) => {}
            Err(error) if is_unreadable(&error) => piece.fill(0),
            Err(error) => return Err(error),
        }
    }
    Ok(Content { bytes, has_holes: true })
}

fn named(name: Name, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}
