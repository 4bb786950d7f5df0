//! The groups a queue wrote, found in its files: records that were written before one sync name the
//! same sequence as the last one acknowledged.

use std::path::Path;

use tidegate::queue::log::disk::{Access, Disk, RealDisk};
use tidegate::queue::log::scan::{Piece, Scanner};
use tidegate::queue::log::segment::{Footer, HEADER_BYTES, Header, Mark, Name};

/// What one sync made durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) bytes: u64,
}

/// All groups of an undamaged log that was ended in order, first to last.
pub(crate) fn read(directory: &Path) -> Vec<Group> {
    let disk = RealDisk::open(directory, Access::ReadOnly).expect("the queue's directory");
    let mut names: Vec<Name> = disk
        .list()
        .expect("it can be listed")
        .iter()
        .filter_map(|name| Name::parse(name))
        .collect();
    names.sort_unstable();
    let mut groups: Vec<Group> = Vec::new();
    let mut last = None;
    for name in names {
        let file = disk.open(&name.to_string()).expect("a segment");
        let mut header = vec![0; HEADER_BYTES as usize];
        file.read_at(0, &mut header).expect("a header");
        let header = Header::parse(&header).expect("a sound header");
        let footer = Footer::read(&*file, header.identity).expect("a footer can be read");
        let end = footer.expect("the queue was ended in order").end;
        let start = Mark { sequence: header.first, offset: HEADER_BYTES };
        let mut scanner = Scanner::new(&*file, header.identity, start, end);
        while let Some(piece) = scanner.next().expect("a segment can be read") {
            let head = match piece {
                Piece::Record(record) => record.head,
                Piece::Tail(_) => break,
                Piece::Damage(damage) => panic!("the log is damaged: {damage:?}"),
            };
            match groups.last_mut() {
                Some(group) if last == Some(head.committed) => group.bytes += head.record_bytes(),
                _ => groups.push(Group { bytes: head.record_bytes() }),
            }
            last = Some(head.committed);
        }
    }
    groups
}
