//! The files of one receiver, being written.
//!
//! What a failed write or sync left is never written to again, and is declared void before anything
//! that could repeat it: so a letter stands in the files once.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::Letter;
use super::folder::Folder;
use super::index::{self, Index, JOURNAL_FORMAT, LETTERS_FORMAT, Placed, VERSION};
use super::journal::{Intent, Step};
use super::line;
use super::names::Name;
use super::recent::{Key, Recent};
use super::text;
use crate::queue::log::disk::{Disk, DiskFile};

mod compact;

/// A file is closed before it grows beyond this, so that it can be deleted once its letters are
/// replayed; and beyond a sixteenth of the cap, for the same reason.
const FILE_BYTES: u64 = 4 << 20;

/// What the log says of a file that was set aside.
const SET_ASIDE: &str = "every dead letter in this file was replayed but those that nobody can read; \
                         it is kept under this name and does not count against the cap";

/// Everything behind the lock.
pub(super) struct Store {
    pub(super) folder: Arc<dyn Folder>,
    /// For writing, once something was written or tried.
    disk: Option<Arc<dyn Disk>>,
    pub(super) index: Index,
    recent: Recent,
    next_number: u32,
    file_bytes: u64,
    /// The file that letters are appended to.
    open: Option<Open>,
    /// The journal that steps are appended to.
    journal: Option<(u32, Open)>,
    /// What a failed put may have left in the files: file, and where it began.
    doubt: Option<(u32, (u64, u64))>,
    /// Intents of which the end is not written; of this process at most one.
    pub(super) unfinished: Vec<Unfinished>,
}

/// A file open for appending.
struct Open {
    name: Name,
    file: Arc<dyn DiskFile>,
    end: u64,
}

/// An intent without an end, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Unfinished {
    pub(super) number: u32,
    pub(super) intent: Intent,
    pub(super) outcome: Outcome,
}

/// What became of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its entry is in the queue.
    Appended,
    /// It is not, and nothing of it can turn up.
    NotAppended,
    /// It may be on the queue's disk and not in its books: only the same entry again, or a start of
    /// the queue, tells.
    Unknown,
    /// It is of an earlier process: the queue's books tell.
    Found,
}

impl Store {
    /// Reads what is there and changes nothing.
    pub(super) fn open(folder: Arc<dyn Folder>, max_bytes: u64) -> io::Result<Self> {
        let mut store = Self {
            disk: None,
            index: Index::default(),
            recent: Recent::default(),
            next_number: 1,
            file_bytes: FILE_BYTES.min((max_bytes / 16).max(1)),
            open: None,
            journal: None,
            doubt: None,
            unfinished: Vec::new(),
            folder,
        };
        if let Some(disk) = store.folder.look()? {
            store.read(&*disk)?;
        }
        Ok(store)
    }

    fn read(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let mut recent = Recent::default();
        self.index = Index::read(disk, &mut |_, placed| {
            recent.add(Key::of(&placed.letter));
            Ok(())
        })?;
        self.recent = recent;
        self.next_number = self.next_number.max(self.index.next_number());
        Ok(())
    }

    pub(super) fn has_files(&self) -> bool {
        !(self.index.files.is_empty() && self.index.orphans.is_empty())
    }

    /// The directory for writing. The first time, what an earlier process left is made sure of.
    pub(super) fn ready(&mut self) -> Result<Arc<dyn Disk>, String> {
        if let Some(disk) = &self.disk {
            return Ok(Arc::clone(disk));
        }
        let disk = self.folder.make()?;
        // Somebody else may have been here since it was opened.
        let adopted = self.read(&*disk).and_then(|()| self.adopt(&*disk));
        adopted.map_err(|error| error.to_string())?;
        self.disk = Some(Arc::clone(&disk));
        Ok(disk)
    }

    /// What is read may not be on the disk: an earlier process may have ended before its sync, or
    /// because of it, and then another sync alone proves nothing. Letters that come again are not
    /// written again, and replays follow from journals, so the same bytes are written in the same
    /// places: of the letters only the last file can be in doubt.
    fn adopt(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let last = self.index.files.keys().next_back().map(|number| Name::Letters(*number));
        let journals = self.index.files.iter().flat_map(|(of, file)| {
            file.journals.keys().map(|attempt| Name::Journal { of: *of, attempt: *attempt })
        });
        for name in last.into_iter().chain(journals.collect::<Vec<_>>()) {
            let Some(content) = index::read_file(disk, name)? else { continue };
            let file = disk.open(&name.to_string())?;
            // What cannot be read now may be read some day.
            if !content.has_holes {
                file.write_at(0, &[IoSlice::new(&content.bytes)])?;
            }
            file.sync()?;
        }
        // Their number is not used again before that is durable.
        self.index.orphans.retain(|(orphan, _)| disk.remove(&orphan.to_string()).is_err());
        disk.sync()?;
        let found = self.index.open_intents().into_iter();
        let outcome = Outcome::Found;
        self.unfinished =
            found.map(|(number, intent)| Unfinished { number, intent, outcome }).collect();
        Ok(())
    }

    // -- letters --

    /// Those of these letters that are not there yet, as lines.
    pub(super) fn fresh(&self, letters: &[Letter]) -> (Vec<Key>, Vec<u8>) {
        let (mut keys, mut lines) = (Vec::new(), Vec::new());
        let mut seen = std::collections::HashSet::new();
        for letter in letters {
            let key = Key::of(letter);
            if !self.recent.has(key) && seen.insert(key) {
                line::push(&mut lines, &text::json(letter));
                keys.push(key);
            }
        }
        (keys, lines)
    }

    /// Bytes that files will have more.
    pub(super) fn cost(&self, lines: &[u8]) -> u64 {
        let heading = line::heading(LETTERS_FORMAT, VERSION).len();
        let heading = if self.fits(lines) { 0 } else { heading };
        (heading + lines.len() + mark().len()) as u64
    }

    fn fits(&self, lines: &[u8]) -> bool {
        let bytes = (lines.len() + mark().len()) as u64;
        let fits = |open: &Open| open.end + bytes <= self.file_bytes;
        self.open.as_ref().is_some_and(fits)
    }

    /// Writes lines of letters; they are on the disk when this returns. Nothing is in doubt before.
    pub(super) fn append(&mut self, keys: &[Key], lines: &[u8]) -> Result<(), String> {
        let disk = self.ready()?;
        self.try_append(&*disk, keys, lines).map_err(|error| error.to_string())
    }

    fn try_append(&mut self, disk: &dyn Disk, keys: &[Key], lines: &[u8]) -> io::Result<()> {
        if !self.fits(lines) {
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(disk)?,
        };
        let Name::Letters(number) = open.name else { unreachable!("letters go to letters") };
        let is_new = open.end == 0;
        let heading = if is_new { line::heading(LETTERS_FORMAT, VERSION) } else { String::new() };
        let (start, bytes) = (open.end, (heading.len() + lines.len()) as u64);
        let parts = [IoSlice::new(heading.as_bytes()), IoSlice::new(lines)];
        let written = open.file.write_at(start, &parts).and_then(|()| open.file.sync());
        let written = written.and_then(|()| if is_new { disk.sync() } else { Ok(()) });
        let file = self.index.files.entry(number).or_default();
        file.bytes = start + bytes;
        if let Err(error) = written {
            self.doubt = Some((number, (start, start + bytes)));
            return Err(error);
        }
        file.letters += keys.len() as u64;
        open.end += bytes;
        // Not synced: if a power cut takes it, damage to this one put is not told from a torn one.
        let mark = mark();
        let is_marked = open.file.write_at(open.end, &[IoSlice::new(&mark)]).is_ok();
        open.end += mark.len() as u64;
        file.bytes = open.end;
        self.open = is_marked.then_some(open);
        for key in keys {
            self.recent.add(*key);
        }
        Ok(())
    }

    fn begin(&mut self, disk: &dyn Disk) -> io::Result<Open> {
        let name = Name::Letters(self.next_number);
        // Never a second time, whatever becomes of this one.
        self.next_number = self.next_number.checked_add(1).ok_or(io::ErrorKind::StorageFull)?;
        Ok(Open { name, file: disk.create(&name.to_string())?, end: 0 })
    }

    /// What a failed put left does not count from here on. One that began a file is taken away whole.
    pub(super) fn resolve_doubt(&mut self) -> io::Result<()> {
        let Some((number, span)) = self.doubt else { return Ok(()) };
        let disk = self.disk.clone().expect("a put came before");
        if span.0 == 0 && self.remove(&*disk, number).is_ok() {
            self.doubt = None;
            return Ok(());
        }
        self.record(number, &Step::Void { spans: vec![span] })?;
        self.doubt = None;
        Ok(())
    }

    // -- journals --

    /// Writes a step; it is on the disk when this returns. After an error it may be there or not.
    pub(super) fn record(&mut self, number: u32, step: &Step) -> io::Result<()> {
        let disk = self.disk.clone().expect("only what is ready is written to");
        let mut journal = match self.journal.take() {
            Some((of, journal)) if of == number => journal,
            _ => self.begin_journal(&*disk, number)?,
        };
        let Name::Journal { attempt, .. } = journal.name else {
            unreachable!("steps go to journals")
        };
        let is_new = journal.end == 0;
        let mut lines = Vec::new();
        if is_new {
            lines.extend_from_slice(line::heading(JOURNAL_FORMAT, VERSION).as_bytes());
        }
        line::push(&mut lines, &step.json());
        let written = journal.file.write_at(journal.end, &[IoSlice::new(&lines)]);
        let written = written.and_then(|()| journal.file.sync());
        let written = written.and_then(|()| if is_new { disk.sync() } else { Ok(()) });
        journal.end += lines.len() as u64;
        let file = self.index.files.entry(number).or_default();
        file.journals.insert(attempt, journal.end);
        if let Err(error) = written {
            // On a full disk every try would leave another one. What it says is true, or is going to
            // be taken back in the next one.
            if is_new && disk.remove(&journal.name.to_string()).is_ok() {
                file.journals.insert(attempt, 0);
            }
            return Err(error);
        }
        file.verdict.take(step.clone());
        self.journal = Some((number, journal));
        Ok(())
    }

    fn begin_journal(&mut self, disk: &dyn Disk, number: u32) -> io::Result<Open> {
        let file = self.index.files.entry(number).or_default();
        let attempt = file.next_attempt();
        let name = Name::Journal { of: number, attempt };
        file.journals.insert(attempt, 0);
        Ok(Open { name, file: disk.create(&name.to_string())?, end: 0 })
    }

    /// Writes the end of the last unfinished intent.
    pub(super) fn finish(&mut self, is_appended: bool) -> io::Result<()> {
        let Some(Unfinished { number, intent, outcome }) = self.unfinished.last().cloned() else {
            return Ok(());
        };
        let tuples = intent.tuples;
        let step = if is_appended {
            Step::Done { id: intent.id, spans: intent.spans }
        } else {
            Step::Undone { id: intent.id }
        };
        self.record(number, &step)?;
        self.unfinished.pop();
        if !is_appended {
            return Ok(());
        }
        // Of another process's letters some may be damaged since: they are counted. Those of this one
        // are subtracted, because a file has many batches, and counting reads all of it.
        let counted = match outcome {
            Outcome::Appended => None,
            _ => self.live(number).ok().map(|live| live.len() as u64),
        };
        let file = self.index.files.entry(number).or_default();
        file.letters = counted.unwrap_or(file.letters.saturating_sub(tuples));
        Ok(())
    }

    /// The letters of a file that count. Those of a put that failed do not.
    pub(super) fn live(&self, number: u32) -> io::Result<Vec<Placed>> {
        let (Some(disk), Some(file)) = (&self.disk, self.index.files.get(&number)) else {
            return Ok(Vec::new());
        };
        let mut letters = index::letters(&**disk, number)?;
        let is_doubtful = |placed: &Placed| {
            self.doubt.is_some_and(|(of, span)| of == number && placed.at.0 >= span.0)
        };
        letters.retain(|placed| !file.verdict.gone.has(placed.at.0) && !is_doubtful(placed));
        Ok(letters)
    }

    /// Deletes files all of whose letters were replayed. One in which a letter is damaged is set aside:
    /// it may be read by better means.
    pub(super) fn collect(&mut self) -> io::Result<()> {
        let Some(disk) = self.disk.clone() else { return Ok(()) };
        let is_over = |(number, file): &(&u32, &index::File)| {
            file.letters == 0
                && file.verdict.open.is_empty()
                && self.doubt.is_none_or(|(doubtful, _)| doubtful != **number)
        };
        let over: Vec<u32> =
            self.index.files.iter().filter(is_over).map(|(number, _)| *number).collect();
        for number in over {
            // Nothing is deleted on the strength of a number alone.
            let left = self.live(number)?.len() as u64;
            self.index.files.entry(number).or_default().letters = left;
            if left == 0 {
                self.remove(&*disk, number)?;
            }
        }
        Ok(())
    }

    /// Deletes a file, or gives it another name if it is damaged.
    ///
    /// The letters first: a journal without them says nothing, they without it would be replayed
    /// again.
    fn remove(&mut self, disk: &dyn Disk, number: u32) -> io::Result<()> {
        let name = Name::Letters(number);
        if self.open.as_ref().is_some_and(|open| open.name == name) {
            self.open = None;
        }
        self.journal = self.journal.take().filter(|(of, _)| *of != number);
        let damaged = self.index.files.get(&number).map_or(0, |file| file.damaged);
        let taken = if damaged == 0 {
            disk.remove(&name.to_string())
        } else {
            let aside = Name::Damaged(number).to_string();
            let renamed = disk.rename(&name.to_string(), &aside);
            renamed.inspect(|()| tracing::warn!(file = aside, lines = damaged, "{SET_ASIDE}"))
        };
        match taken {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => disk.sync()?,
        }
        let file = self.index.files.remove(&number).unwrap_or_default();
        for (attempt, bytes) in file.journals {
            let name = Name::Journal { of: number, attempt };
            match disk.remove(&name.to_string()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.index.orphans.push((name, bytes));
                }
                _ => {}
            }
        }
        disk.sync()
    }
}

/// [`index::KEPT`] as a line.
fn mark() -> Vec<u8> {
    let mut mark = Vec::new();
    line::push(&mut mark, index::KEPT.as_bytes());
    mark
}
