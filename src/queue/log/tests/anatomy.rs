//! What lies where in a log's files, read without the log.

use std::sync::Arc;

use super::super::disk::sim::SimDisk;
use super::super::disk::{Disk, DiskFile};
use super::super::position::PositionFile;
use super::super::record::Head;
use super::super::scan::{Piece, Scanner};
use super::super::segment::{Footer, HEADER_BYTES, Header, Mark, Name};

/// A tuple's number, as its text begins: `[17,..]`.
pub(super) type Id = usize;

/// A segment whose header can be read.
pub(super) struct Segment {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) name: Name,
    header: Header,
}

/// An intact record.
pub(super) struct Found {
    pub(super) head: Head,
    /// Where it lies.
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) ids: Vec<Id>,
}

/// All segments that can be told, in order; of several that begin at one sequence the last.
pub(super) fn segments(disk: &SimDisk) -> Vec<Segment> {
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

/// Its records.
pub(super) fn records(segment: &Segment) -> Vec<Found> {
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

/// The tuples of a body.
pub(super) fn ids(body: &str) -> Vec<Id> {
    let id = |tuple: &str| tuple.strip_prefix('[')?.split(',').next()?.parse().ok();
    body.split(",\n").map(|tuple| id(tuple).expect("a tuple of ours")).collect()
}

/// Up to which sequence the records of a segment are known to be acknowledged.
pub(super) fn horizon(disk: &SimDisk, destinations: &[&str], name: &str) -> u64 {
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
        None => destinations.iter().filter_map(|name| certain(disk, name)).max().unwrap_or(0),
    };
    committed.unwrap_or(0).max(others)
}

fn certain(disk: &SimDisk, destination: &str) -> Option<u64> {
    let file = disk.open(&format!("{destination}.pos")).ok()?;
    Some(PositionFile::read(&*file).unwrap().ok()?.certain)
}
