//! Letters of one source as one entry.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::index::Placed;
use super::super::spans::Spans;
use crate::encode::{BLOCK_TUPLES_MAX, Block};
use crate::metric::timestamp::Timestamp;
use crate::queue::Entry;

/// Most bytes of one batch; one tuple alone may be larger.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// As [`Block`] joins tuples.
const SEPARATOR: &[u8] = b",\n";

/// Letters of one source that go in as one entry.
pub(super) struct Batch {
    pub(super) source: Arc<str>,
    pub(super) spans: Spans,
    pub(super) tuples: u32,
    pub(super) bytes: BytesMut,
}

impl Batch {
    pub(super) fn entry(self, receiver: &Arc<str>, now: Timestamp) -> Entry {
        Entry {
            source: self.source,
            received: now,
            blocks: vec![Block { bytes: self.bytes.freeze(), tuples: self.tuples }],
            target: Some(Arc::clone(receiver)),
            // They were counted when they came in.
            accepted: 0,
            rejected: 0,
        }
    }

    fn fits(&self, tuple: &Bytes) -> bool {
        self.tuples < BLOCK_TUPLES_MAX
            && self.bytes.len() + SEPARATOR.len() + tuple.len() <= BATCH_BYTES_MAX
    }
}

/// Letters of one file as entries: each of one source, in the order they were refused.
pub(super) fn batches(letters: Vec<Placed>) -> impl Iterator<Item = Batch> {
    let mut rest: VecDeque<Placed> = letters.into();
    std::iter::from_fn(move || {
        let source = Arc::clone(&rest.front()?.letter.source);
        let mut batch =
            Batch { source, spans: Spans::default(), tuples: 0, bytes: BytesMut::new() };
        let mut is_full = false;
        rest.retain(|Placed { at, letter }| {
            if is_full || letter.source != batch.source {
                return true;
            }
            if batch.tuples > 0 && !batch.fits(&letter.tuple) {
                is_full = true;
                return true;
            }
            if batch.tuples > 0 {
                batch.bytes.extend_from_slice(SEPARATOR);
            }
            batch.bytes.extend_from_slice(&letter.tuple);
            batch.tuples += 1;
            batch.spans.add(at.0..at.1);
            false
        });
        Some(batch)
    })
}
