//! The bytes of a page on their way into memory that is accounted for as it is written to.

use bytes::Bytes;

use super::Failure;
use crate::budget::Grant;
use crate::decode::buffer::Buffer;
use crate::decode::inflate::Inflater;
use crate::decode::media::Coding;

/// Compressed bytes inflated at a time; what they become is counted once it is there.
const INFLATED_AT_ONCE_BYTES: usize = 1 << 10;

/// Inflated bytes after which other tasks get a turn on this thread.
const TURN_BYTES: usize = 1 << 20;

/// What a compressed byte counts in a turn, even if nothing comes of it.
const WORK_FACTOR: usize = 64;

/// What a decoder takes beside its output: tables, and for zstd a window of as much as came out.
const STATE_BYTES: usize = 384 << 10;
const WINDOW_BYTES_MAX: usize = 8 << 20;

/// A page so far.
pub(super) struct Intake<'g> {
    store: Store,
    grant: &'g mut Grant,
}

enum Store {
    Plain(Buffer),
    Coded(Inflater),
}

impl<'g> Intake<'g> {
    pub(super) fn new(
        coding: Coding,
        declared: Option<u64>,
        bytes_max: usize,
        grant: &'g mut Grant,
    ) -> Result<Self, Failure> {
        let declared = declared.and_then(|bytes| usize::try_from(bytes).ok());
        let store = match (coding, declared) {
            (Coding::Identity, Some(bytes)) => {
                Store::Plain(Buffer::announced(bytes.min(bytes_max)))
            }
            (Coding::Identity, None) => Store::Plain(Buffer::new(bytes_max)),
            _ => {
                grant.resize(STATE_BYTES as u64)?;
                Store::Coded(Inflater::new(coding, bytes_max))
            }
        };
        Ok(Self { store, grant })
    }

    pub(super) async fn take(&mut self, chunk: &Bytes) -> Result<(), Failure> {
        match &mut self.store {
            Store::Plain(buffer) => {
                self.grant.resize(buffer.memory_with(chunk.len()) as u64)?;
                buffer.extend(chunk);
                // It may have had to take more than it hoped for.
                self.grant.resize(buffer.memory() as u64)?;
            }
            Store::Coded(inflater) => {
                let (mut began, mut worked) = (inflater.len(), 0);
                for part in chunk.chunks(INFLATED_AT_ONCE_BYTES) {
                    inflater.push(part)?;
                    let beside = STATE_BYTES + inflater.len().min(WINDOW_BYTES_MAX);
                    self.grant.resize((inflater.memory() + beside) as u64)?;
                    worked += part.len() * WORK_FACTOR;
                    if inflater.len() - began + worked > TURN_BYTES {
                        (began, worked) = (inflater.len(), 0);
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Buffer, Failure> {
        let page = match self.store {
            Store::Plain(buffer) => buffer,
            Store::Coded(inflater) => inflater.finish()?,
        };
        self.grant.resize(page.memory() as u64)?;
        Ok(page)
    }
}
