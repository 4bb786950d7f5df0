//! What has gathered since the last sync, packed into records.
//!
//! Small requests of one source share a record: a record's head would otherwise be a good part of
//! what is written, and a delivery would be put together from hundreds of pieces. A large request
//! keeps its blocks, one record each, and no byte of them is copied.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::{Entry, Totals};
use super::record::Head;
use crate::encode::BLOCK_TUPLES_MAX;

/// A block of at most this size may share a record.
const SHARED_BLOCK_BYTES_MAX: usize = 64 << 10;

/// A shared record is closed when it would pass this.
const SHARED_RECORD_BYTES_MAX: usize = 512 << 10;

/// Between two blocks in one body, as [`crate::encode::Block`] joins tuples.
const SEPARATOR: &[u8] = b",\n";

/// What a [`Joined`] keeps of its memory from group to group.
const JOINED_BYTES_KEPT: usize = 1 << 20;

/// A record that is ready to be written.
#[derive(Debug)]
pub(super) struct Planned<'e> {
    pub(super) head: Head,
    body: Body<'e>,
}

/// Where the body of a record lies.
#[derive(Debug)]
enum Body<'e> {
    /// With whoever brought it.
    Block(&'e Bytes),
    /// In the plan's [`Joined`].
    Joined(Range<usize>),
}

/// Where blocks are put together, one behind the other. It is used for group after group: memory
/// from the operating system costs more than what is copied into it.
#[derive(Debug, Default)]
pub(super) struct Joined {
    bytes: Vec<u8>,
}

/// The records of a group.
#[derive(Debug)]
pub(super) struct Plan<'e> {
    pub(super) records: Vec<Planned<'e>>,
    pub(super) joined: Joined,
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
/// join an earlier one of their source. What `joined` held is no longer needed.
pub(super) fn pack(entries: &[Entry], after: After, mut joined: Joined) -> Plan<'_> {
    joined.begin();
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
    let records = number(drafts, after, &mut joined);
    Plan { records, joined }
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

fn number<'e>(drafts: Vec<Draft<'e>>, after: After, joined: &mut Joined) -> Vec<Planned<'e>> {
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
        plan.push(Planned { head, body: draft.body(joined) });
    }
    plan
}

impl<'e> Draft<'e> {
    fn has_room(&self, bytes: usize, tuples: u32) -> bool {
        self.bytes + SEPARATOR.len() + bytes <= SHARED_RECORD_BYTES_MAX
            && self.tuples + tuples <= BLOCK_TUPLES_MAX
    }

    fn body(&self, joined: &mut Joined) -> Body<'e> {
        if let [only] = self.blocks[..] {
            return Body::Block(only);
        }
        let start = joined.bytes.len();
        joined.bytes.reserve(self.bytes);
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                joined.bytes.extend_from_slice(SEPARATOR);
            }
            joined.bytes.extend_from_slice(block);
        }
        Body::Joined(start..joined.bytes.len())
    }
}

impl Plan<'_> {
    /// What stands behind the head of one of its records.
    pub(super) fn body<'b>(&'b self, record: &'b Planned<'_>) -> &'b [u8] {
        match &record.body {
            Body::Block(block) => block,
            Body::Joined(range) => &self.joined.bytes[range.clone()],
        }
    }

    /// Bytes of all records.
    pub(super) fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.head.record_bytes()).sum()
    }
}

impl Joined {
    fn begin(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(JOINED_BYTES_KEPT);
    }
}
