//! Turning a bit of the files, and what that may cost by the rules of the format.

use std::collections::BTreeSet;

use super::super::super::disk::sim::SimDisk;
use super::super::super::segment::HEADER_BYTES;
use super::super::anatomy::{self, Id};
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

/// What was hit before.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// Segments whose header was, and is spared now.
    headers: BTreeSet<String>,
    /// Bits by file and offset. Turned back, one would make whole what the model knows to be void.
    bits: BTreeSet<(String, u64, u8)>,
}

/// Turns one bit.
pub(super) fn flip(disk: &SimDisk, flip: Flip, hits: &mut Hits) -> Cost {
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
    if offset < HEADER_BYTES && !flip.is_position && !hits.headers.insert((*name).clone()) {
        return Cost::default();
    }
    if !hits.bits.insert(((*name).clone(), offset, flip.bit)) {
        return Cost::default();
    }
    // A copy, so that what is read here is not read by the log.
    let before = disk.copy();
    disk.flip(name, offset, 1 << flip.bit);
    if flip.is_position {
        let side = NAMES.iter().position(|side| *name == &format!("{side}.pos"));
        return Cost { side, ..Cost::default() };
    }
    let hit =
        anatomy::segments(&before).into_iter().find(|segment| segment.name.to_string() == **name);
    let hit = hit.map(|segment| anatomy::records(&segment)).unwrap_or_default();
    let Some(hit) = hit.into_iter().find(|found| (found.begin..found.end).contains(&offset)) else {
        return Cost::default();
    };
    // Whatever else vouches for it may be gone before it is looked at.
    if hit.head.sequence <= anatomy::horizon(&disk.durable(), &NAMES, name) {
        Cost { record: hit.ids, ..Cost::default() }
    } else {
        Cost { requests: hit.ids, ..Cost::default() }
    }
}
