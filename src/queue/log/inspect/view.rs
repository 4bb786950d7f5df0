//! What lies in a queue's directory at one moment.

use std::io;
use std::sync::Arc;

use super::super::super::Totals;
use super::super::disk::{Disk, DiskFile};
use super::super::names::{is_aside, set_aside_of};
use super::super::position::{PositionFile, Saved, SlotsFault, destination_of, file_name};
use super::super::segment::{Footer, HEADER_BYTES, Header, HeaderFault, Name};
use super::InspectError;

/// How often the directory is looked at again when it changed meanwhile.
const LOOKS_MAX: usize = 20;

/// How often a position is read again that is not intact: a gateway may be writing it.
const POSITION_READS_MAX: usize = 5;

/// Segments held open. A file that is deleted can be read on as long as somebody holds it open, and
/// the oldest go first; more would run into the limit of open files, which is 1,024 on many systems.
const HELD_MAX: usize = 512;

/// The files of a queue, sorted out.
pub struct View {
    disk: Arc<dyn Disk>,
    /// By name.
    pub destinations: Vec<Destination>,
    /// The log, in order.
    pub segments: Vec<Segment>,
    /// Segment files that are no part of it; the next start sets them aside.
    pub unused: Vec<Unused>,
    /// What earlier starts set aside.
    pub aside: Vec<Aside>,
    /// Files that are none of the queue's, by name.
    pub foreign: Vec<String>,
    /// What the positions know of the log, which may be more than its last segment does.
    pub known: Known,
}

/// A destination that has a position.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name.
    pub name: Arc<str>,
    /// How far it is, or why that is not known.
    pub position: Result<Saved, SlotsFault>,
}

/// A segment that is part of the log.
pub struct Segment {
    /// Its file.
    pub name: Name,
    /// The file's size.
    pub bytes: u64,
    /// What it says about itself.
    pub header: Header,
    /// What its footer says; `None` while it is written to, and after a crash.
    pub seal: Option<Seal>,
    /// Its last sequence that can be part of the log: a later segment begins behind it.
    pub limit: u64,
    /// The highest sequence that others know to be acknowledged.
    pub certain: u64,
    /// The sequence up to which nothing may be missing here or behind.
    pub(super) owed: u64,
    held: Option<Arc<dyn DiskFile>>,
}

/// A footer without its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The last sequence.
    pub last: u64,
    /// Totals behind it.
    pub totals: Totals,
    /// Where the records end.
    pub end: u64,
}

/// A segment file that is no part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Its name.
    pub name: Name,
    /// Its size.
    pub bytes: u64,
    /// Why.
    pub why: Why,
}

/// Why a segment file is no part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Another one begins at the same sequence and came later: nothing in this one was acknowledged.
    Replaced,
    /// Its creation was cut off or is under way.
    Blank,
    /// Both copies of its header are damaged: its records cannot be told from garbage any more.
    Headless,
}

/// A file that recovery kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// The most that any position knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The highest sequence that may not be used again.
    pub head: u64,
    /// The highest sequence known to be acknowledged.
    pub certain: u64,
    /// The log's totals up to there.
    pub totals: Totals,
}

impl View {
    /// Looks at a directory.
    ///
    /// Positions are read before the segments are listed. A gateway deletes a segment only after it
    /// saved positions that passed it, so whatever the positions read here still need was there when
    /// they were read; a segment that is gone a moment later was passed by newer ones, and everything
    /// is looked at again. What is written meanwhile only makes the log longer.
    pub fn open(disk: &Arc<dyn Disk>) -> Result<Self, InspectError> {
        let mut gone = String::new();
        for _ in 0..LOOKS_MAX {
            match Self::look(disk)? {
                Ok(view) => return Ok(view),
                Err(file) => gone = file,
            }
        }
        Err(InspectError::Moving { file: gone })
    }

    /// The file of a segment; one that vanished meanwhile is reported as [`InspectError::Moving`].
    pub(super) fn file(&self, segment: &Segment) -> Result<Arc<dyn DiskFile>, InspectError> {
        if let Some(file) = &segment.held {
            return Ok(Arc::clone(file));
        }
        let name = segment.name.to_string();
        match self.disk.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(InspectError::Moving { file: name })
            }
            opened => opened.map_err(InspectError::io(name)),
        }
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Whether there are records and nothing says how far anybody is: the next start delivers all of
    /// them to everybody.
    pub fn lacks_positions(&self) -> bool {
        self.destinations.is_empty() && !self.segments.is_empty()
    }

    /// The position of a destination, if it can be read.
    pub fn saved(&self, name: &str) -> Option<&Saved> {
        let found = self.destinations.iter().find(|destination| *destination.name == *name);
        found?.position.as_ref().ok()
    }

    /// One look; the inner error names a file that vanished.
    fn look(disk: &Arc<dyn Disk>) -> Result<Result<Self, String>, InspectError> {
        let destinations = positions(disk)?;
        let saved = || destinations.iter().filter_map(|known| known.position.as_ref().ok());
        let newest = saved().max_by_key(|saved| saved.head);
        let known = newest.map_or_else(Known::default, |newest| Known {
            head: newest.head,
            certain: saved().map(|saved| saved.certain).max().unwrap_or(0),
            totals: newest.totals,
        });
        let names = disk.list().map_err(InspectError::io("the directory"))?;
        let mut view = Self {
            disk: Arc::clone(disk),
            destinations,
            segments: Vec::new(),
            unused: Vec::new(),
            aside: Vec::new(),
            foreign: Vec::new(),
            known,
        };
        if let Err(gone) = view.sort_out(names)? {
            return Ok(Err(gone));
        }
        if let Some(missing) = view.first_missing() {
            // Nobody deletes what positions still need, so they are asked once more.
            let again = positions(disk)?;
            let is_same = |(one, other): (&Destination, &Destination)| {
                one.name == other.name && one.position == other.position
            };
            let is_still = again.len() == view.destinations.len()
                && view.destinations.iter().zip(&again).all(is_same);
            if !is_still {
                return Ok(Err(format!("the segment of record {missing}")));
            }
        }
        view.find_lost_positions();
        Ok(Ok(view))
    }

    fn sort_out(&mut self, names: Vec<String>) -> Result<Result<(), String>, InspectError> {
        let mut segments = Vec::new();
        for file in names {
            if let Some(name) = Name::parse(&file) {
                segments.push(name);
            } else if destination_of(&file).is_some() {
            } else if is_aside(&file) {
                // One that vanished was tidied away by somebody.
                if let Some(opened) = open(&*self.disk, &file)? {
                    let bytes = opened.len().map_err(InspectError::io(&file))?;
                    self.aside.push(Aside { file, bytes });
                }
            } else {
                self.foreign.push(file);
            }
        }
        self.aside.sort_by(|one, other| one.file.cmp(&other.file));
        self.foreign.sort();
        segments.sort_unstable();
        self.chain(&segments)
    }

    /// A position that was set aside is lost until another one was saved in its place. As long as
    /// that is so, the file is no mere leftover: it is what says that the destination is not new.
    fn find_lost_positions(&mut self) {
        let destinations = &mut self.destinations;
        self.aside.retain(|aside| {
            let Some(name) = set_aside_of(&aside.file) else { return true };
            match destinations.binary_search_by(|known| (*known.name).cmp(name)) {
                Err(at) => {
                    let position = Err(SlotsFault::Damaged);
                    destinations.insert(at, Destination { name: name.into(), position });
                    false
                }
                Ok(at) => destinations[at].position.is_ok(),
            }
        });
    }

    /// From the last segment to the first, because a later one says what of an earlier one counts.
    fn chain(&mut self, names: &[Name]) -> Result<Result<(), String>, InspectError> {
        let (mut limit, mut certain) = (u64::MAX, self.known.certain);
        let mut owed = self.known.head;
        for (nth, name) in names.iter().enumerate().rev() {
            // Its creation may have been cut off: nobody knows of a record in it.
            let may_be_blank = self.segments.is_empty() && self.known.head < name.first;
            let Some(file) = open(&*self.disk, &name.to_string())? else {
                return Ok(Err(name.to_string()));
            };
            let failed = || InspectError::io(name.to_string());
            let bytes = file.len().map_err(failed())?;
            let why = if limit < name.first {
                Err(Why::Replaced)
            } else {
                read_header(&*file, *name, may_be_blank)?
            };
            let header = match why {
                Ok(header) => header,
                Err(why) => {
                    self.unused.push(Unused { name: *name, bytes, why });
                    continue;
                }
            };
            let footer = Footer::read(&*file, header.identity).map_err(failed())?;
            let seal = footer.map(|Footer { last, totals, end, .. }| Seal { last, totals, end });
            if seal.is_some_and(|seal| seal.last > limit) {
                return Err(InspectError::Foreign { file: name.to_string() });
            }
            let held = (nth < HELD_MAX).then_some(file);
            self.segments.push(Segment {
                name: *name,
                bytes,
                header,
                seal,
                limit,
                certain,
                owed,
                held,
            });
            (limit, certain, owed) = (header.first - 1, header.certain, header.first - 1);
        }
        self.segments.reverse();
        self.unused.reverse();
        Ok(Ok(()))
    }

    /// The first sequence that a destination still needs and no segment can hold.
    fn first_missing(&self) -> Option<u64> {
        let saved = self.destinations.iter().filter_map(|known| known.position.as_ref().ok());
        let ranges = saved.flat_map(|saved| saved.undelivered(self.known.head));
        ranges.filter_map(|(first, last)| self.missing_within(first, last)).min()
    }

    fn missing_within(&self, first: u64, last: u64) -> Option<u64> {
        let mut next = first;
        for segment in &self.segments {
            if segment.header.first > next {
                break;
            }
            let end = segment.seal.map_or(segment.limit, |seal| seal.last);
            next = next.max(end.saturating_add(1));
        }
        (next <= last).then_some(next)
    }
}

impl Segment {
    /// The first sequence.
    pub fn first(&self) -> u64 {
        self.header.first
    }
}

/// All positions, by name.
fn positions(disk: &Arc<dyn Disk>) -> Result<Vec<Destination>, InspectError> {
    let names = disk.list().map_err(InspectError::io("the directory"))?;
    let mut destinations = Vec::new();
    for name in names.iter().filter_map(|name| destination_of(name)) {
        let file = file_name(name);
        // One that vanished was forgotten by the operator.
        let Some(opened) = open(&**disk, &file)? else { continue };
        let mut reads = 1;
        let position = loop {
            let position = PositionFile::read(&*opened).map_err(InspectError::io(&file))?;
            let is_lost = matches!(position, Err(SlotsFault::Damaged | SlotsFault::Blank));
            if !is_lost || reads == POSITION_READS_MAX {
                break position;
            }
            reads += 1;
        };
        match position {
            Err(SlotsFault::Version(version)) => {
                return Err(InspectError::Version { file, version });
            }
            Err(SlotsFault::Foreign) => return Err(InspectError::Foreign { file }),
            position => destinations.push(Destination { name: name.into(), position }),
        }
    }
    destinations.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(destinations)
}

/// `None` for a file that is not there any more.
fn open(disk: &dyn Disk, name: &str) -> Result<Option<Arc<dyn DiskFile>>, InspectError> {
    match disk.open(name) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InspectError::Io { what: name.to_owned(), source: error }),
    }
}

/// The inner error says why the file is no part of the log.
fn read_header(
    file: &dyn DiskFile,
    name: Name,
    may_be_blank: bool,
) -> Result<Result<Header, Why>, InspectError> {
    let mut bytes = vec![0; HEADER_BYTES as usize];
    let read = file.read_at(0, &mut bytes).map_err(InspectError::io(name.to_string()))?;
    bytes.truncate(read);
    match Header::parse(&bytes) {
        Ok(header) if header.first == name.first => Ok(Ok(header)),
        Err(HeaderFault::Version(version)) => {
            Err(InspectError::Version { file: name.to_string(), version })
        }
        // What a crash left of the first write to it can look like anything.
        Ok(_) | Err(HeaderFault::Blank | HeaderFault::Foreign) if may_be_blank => {
            Ok(Err(Why::Blank))
        }
        Err(HeaderFault::Blank | HeaderFault::Damaged) => Ok(Err(Why::Headless)),
        Err(HeaderFault::Foreign) | Ok(_) => Err(InspectError::Foreign { file: name.to_string() }),
    }
}
