//! What has gathered since the last sync, packed into records.
//!
//! Small requests of one source share a record: a record's head would otherwise be a good part of
//! what is written, and a delivery would be put together from hundreds of pieces. A large request
//! keeps its blocks, one record each, and no byte of them is copied.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::{Entry, Totals};
use super::record::Head;
use crate::encode::BLOCK_TUPLES_MAX;

/// A block of at most this size may share a record.
const SHARED_BLOCK_BYTES_MAX: usize = 64 << 10;

/// A shared record is closed when it would pass this.
const SHARED_RECORD_BYTES_MAX: usize = 512 << 10;

/// Between two blocks in one body, as [`crate::encode::Block`] joins tuples.
const SEPARATOR: &[u8] = b",\n";

/// A record that is ready to be written.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) head: Head,
    pub(super) body: Bytes,
}

/// What the first record of a group follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    /// The last sequence, which is acknowledged.
    pub(super) sequence: u64,
    /// The last sequence known to be acknowledged.
    pub(super) certain: u64,
    /// Totals up to there.
    pub(super) totals: Totals,
}

/// One record to be, before it has a sequence.
struct Draft<'e> {
    entry: &'e Entry,
    bytes: usize,
    blocks: Vec<&'e Bytes>,
    tuples: u32,
    accepted: u64,
    rejected: u64,
    continues: bool,
    resumes: bool,
}

/// The records of these entries: whole requests in the order they came, but for small ones, which
/// join an earlier one of their source.
pub(super) fn pack(entries: &[Entry], after: After) -> Vec<Planned> {
    let mut drafts: Vec<Draft<'_>> = Vec::with_capacity(entries.len());
    let mut shared: HashMap<(&Arc<str>, Option<&Arc<str>>), usize> = HashMap::new();
    for entry in entries {
        let [block] = &entry.blocks[..] else {
            drafts.extend(drafts_of(entry));
            continue;
        };
        if block.bytes.len() > SHARED_BLOCK_BYTES_MAX {
            drafts.extend(drafts_of(entry));
            continue;
        }
        let key = (&entry.source, entry.target.as_ref());
        match shared.get(&key).map(|index| &mut drafts[*index]) {
            Some(draft) if draft.has_room(block.bytes.len(), block.tuples) => {
                draft.bytes += SEPARATOR.len() + block.bytes.len();
                draft.blocks.push(&block.bytes);
                draft.tuples += block.tuples;
                draft.accepted += entry.accepted;
                draft.rejected += entry.rejected;
            }
            _ => {
                shared.insert(key, drafts.len());
                drafts.extend(drafts_of(entry));
            }
        }
    }
    number(drafts, after)
}

/// One draft for each block of a request.
fn drafts_of(entry: &Entry) -> impl Iterator<Item = Draft<'_>> {
    let last = entry.blocks.len() - 1;
    entry.blocks.iter().enumerate().map(move |(index, block)| Draft {
        entry,
        bytes: block.bytes.len(),
        blocks: vec![&block.bytes],
        tuples: block.tuples,
        // The totals move with the last record: before it the request is not whole.
        accepted: if index == last { entry.accepted } else { 0 },
        rejected: if index == last { entry.rejected } else { 0 },
        continues: index != last,
        resumes: index != 0,
    })
}

fn number(drafts: Vec<Draft<'_>>, after: After) -> Vec<Planned> {
    let After { mut sequence, certain, mut totals } = after;
    let mut plan = Vec::with_capacity(drafts.len());
    for draft in drafts {
        sequence += 1;
        totals.accepted += draft.accepted;
        totals.rejected += draft.rejected;
        if draft.entry.target.is_none() {
            totals.tuples += u64::from(draft.tuples);
        }
        let head = Head {
            sequence,
            committed: certain,
            continues: draft.continues,
            resumes: draft.resumes,
            source: Arc::clone(&draft.entry.source),
            target: draft.entry.target.clone(),
            received: draft.entry.received,
            body_bytes: draft.bytes as u32,
            tuples: draft.tuples,
            totals,
        };
        plan.push(Planned { head, body: draft.body() });
    }
    plan
}

impl Draft<'_> {
    fn has_room(&self, bytes: usize, tuples: u32) -> bool {
        self.bytes + SEPARATOR.len() + bytes <= SHARED_RECORD_BYTES_MAX
            && self.tuples + tuples <= BLOCK_TUPLES_MAX
    }

    fn body(&self) -> Bytes {
        if let [only] = self.blocks[..] {
            return only.clone();
        }
        let mut body = BytesMut::with_capacity(self.bytes);
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                body.extend_from_slice(SEPARATOR);
            }
            body.extend_from_slice(block);
        }
        body.freeze()
    }
}
