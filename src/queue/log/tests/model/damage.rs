//! Turning a bit of the files, and what that may cost by the rules of the format.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::super::disk::sim::SimDisk;
use super::super::super::disk::{Disk, DiskFile};
use super::super::super::position::PositionFile;
use super::super::super::record::Head;
use super::super::super::scan::{Piece, Scanner};
use super::super::super::segment::{Footer, HEADER_BYTES, Header, Mark, Name};
use super::ledger::Id;
use super::steps::{Flip, NAMES};

/// What a flip may cost.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// Tuples of the record that was hit, if it is known to be acknowledged.
    pub(super) record: Vec<Id>,
    /// Tuples whose requests are void without their record: nothing vouches for it.
    pub(super) requests: Vec<Id>,
    /// The destination whose position was hit.
    pub(super) side: Option<usize>,
}

struct Segment {
    file: Arc<dyn DiskFile>,
    name: Name,
    header: Header,
}

struct Found {
    head: Head,
    begin: u64,
    end: u64,
    ids: Vec<Id>,
}

/// Turns one bit; `headers` are the segments whose header was hit before, and is spared now.
pub(super) fn flip(disk: &SimDisk, flip: Flip, headers: &mut BTreeSet<String>) -> Cost {
    let suffix = if flip.is_position { ".pos" } else { ".seg" };
    let files = disk.files();
    let files: Vec<_> = files.iter().filter(|(name, _)| name.ends_with(suffix)).collect();
    let Some((name, bytes)) = files.get(flip.file as usize % files.len().max(1)) else {
        return Cost::default();
    };
    // Behind its content a segment is zeros, which nobody would miss.
    let content = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1) as u64;
    if content == 0 {
        return Cost::default();
    }
    let offset = flip.offset % content;
    if offset < HEADER_BYTES && !flip.is_position && !headers.insert((*name).clone()) {
        return Cost::default();
    }
    // A copy, so that what is read here is not read by the log.
    let before = disk.copy();
    if std::env::var("LOG_TALK").is_ok() {
        eprintln!("    flip {name} at {offset}");
    }
    disk.flip(name, offset, 1 << flip.bit);
    if flip.is_position {
        let side = NAMES.iter().position(|side| *name == &format!("{side}.pos"));
        return Cost { side, ..Cost::default() };
    }
    let hit = segments(&before).into_iter().find(|segment| segment.name.to_string() == **name);
    let hit = hit.map(|segment| records(&segment)).unwrap_or_default();
    let Some(hit) = hit.into_iter().find(|found| (found.begin..found.end).contains(&offset)) else {
        return Cost::default();
    };
    // Whatever else vouches for it may be gone before it is looked at.
    if hit.head.sequence <= horizon(&disk.durable(), name) {
        Cost { record: hit.ids, ..Cost::default() }
    } else {
        Cost { requests: hit.ids, ..Cost::default() }
    }
}

/// All segments that can be told, in order; of several that begin at one sequence the last.
fn segments(disk: &SimDisk) -> Vec<Segment> {
    let mut names: Vec<Name> = disk.files().keys().filter_map(|name| Name::parse(name)).collect();
    names.sort_unstable();
    let open = |name: Name| {
        let file = disk.open(&name.to_string()).unwrap();
        let mut bytes = vec![0; HEADER_BYTES as usize];
        let read = file.read_at(0, &mut bytes).unwrap();
        let header = Header::parse(&bytes[..read]).ok()?;
        Some(Segment { file, name, header })
    };
    let mut segments: Vec<Segment> = names.into_iter().filter_map(open).collect();
    segments.reverse();
    segments.dedup_by_key(|segment| segment.name.first);
    segments.reverse();
    segments
}

fn records(segment: &Segment) -> Vec<Found> {
    let from = Mark { sequence: segment.header.first, offset: HEADER_BYTES };
    let limit = segment.file.len().unwrap();
    let mut scanner = Scanner::new(&*segment.file, segment.header.identity, from, limit);
    let mut found = Vec::new();
    while let Some(piece) = scanner.next().unwrap() {
        if let Piece::Record(record) = piece {
            let end = record.offset + record.head.record_bytes();
            let ids = ids(str::from_utf8(&record.body).unwrap());
            found.push(Found { begin: record.offset, end, ids, head: record.head });
        }
    }
    found
}

fn ids(body: &str) -> Vec<Id> {
    let id = |tuple: &str| tuple.strip_prefix('[')?.split(',').next()?.parse().ok();
    body.split(",\n").map(|tuple| id(tuple).expect("a tuple of ours")).collect()
}

/// Up to which sequence the records of a segment are known to be acknowledged.
fn horizon(disk: &SimDisk, name: &str) -> u64 {
    let segments = segments(disk);
    let index = segments.iter().position(|segment| segment.name.to_string() == name);
    let Some(index) = index else { return 0 };
    let segment = &segments[index];
    if let Some(footer) = Footer::read(&*segment.file, segment.header.identity).unwrap() {
        return footer.last;
    }
    let committed = records(segment).into_iter().map(|found| found.head.committed).max();
    let others = match segments.get(index + 1) {
        Some(next) => next.header.certain,
        None => NAMES.iter().filter_map(|side| certain(disk, side)).max().unwrap_or(0),
    };
    if std::env::var("LOG_TALK").is_ok() {
        eprintln!("    committed {committed:?} others {others}");
    }
    committed.unwrap_or(0).max(others)
}

fn certain(disk: &SimDisk, side: &str) -> Option<u64> {
    let file = disk.open(&format!("{side}.pos")).ok()?;
    Some(PositionFile::read(&*file).unwrap().ok()?.certain)
}
