//! The bytes of a body or page on their way into memory, through the inflater, accounted for as it is
//! written to (contract C1.5).

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::budget::{Grant, Spent};
use crate::decode::buffer::Buffer;
use crate::decode::inflate::{InflateError, Inflater};
use crate::decode::media::Coding;

/// Compressed bytes inflated at a time. What a piece becomes is counted once it is there, so this
/// bounds how far a bomb gets past the memory budget: 1 MiB for gzip and deflate (1032 to 1), the
/// body limit for zstd; on as many threads as there are.
const INFLATED_AT_ONCE_BYTES: usize = 1 << 10;

/// Inflated bytes after which other connections get a turn on this thread.
const TURN_BYTES: usize = 1 << 20;

/// What a compressed byte counts in a turn, even if nothing comes of it: empty members and block
/// headers are work too.
const WORK_FACTOR: usize = 64;

/// Largest window a coding keeps beside its output (contract C1.4).
const ZSTD_WINDOW_BYTES_MAX: usize = 8 << 20;

/// What a decoder takes before anything has come out: tables, and buffers for a block.
const ZSTD_STATE_BYTES: usize = 384 << 10;
const ZLIB_STATE_BYTES: usize = 64 << 10;

/// Why the bytes cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// There is no memory for them.
    #[error(transparent)]
    Spent(#[from] Spent),
    /// They do not decompress, or are too many.
    #[error(transparent)]
    Inflate(#[from] InflateError),
}

/// Bytes on their way into memory that is accounted for as it is written to.
pub struct Intake<'g> {
    store: Store,
    grant: &'g mut Grant,
}

enum Store {
    /// As sent.
    Plain(Buffer),
    /// Through the inflater; beside its output the coding keeps `state` bytes and a window.
    Coded { inflater: Inflater, state: usize, window_max: usize },
}

impl<'g> Intake<'g> {
    /// Nothing yet of a body in this coding: `declared` are the bytes announced, `bytes_max` the most there may
    /// be, and `grant` holds them as they come.
    pub fn new(
        coding: Coding,
        declared: Option<u64>,
        bytes_max: usize,
        grant: &'g mut Grant,
    ) -> Result<Self, IntakeError> {
        let declared = declared.and_then(|bytes| usize::try_from(bytes).ok());
        let plain = || match declared {
            Some(bytes) => Buffer::announced(bytes.min(bytes_max)),
            None => Buffer::new(bytes_max),
        };
        let mut coded = |state, window_max| {
            grant.resize(state as u64)?;
            let inflater = Inflater::new(coding, bytes_max);
            Ok::<_, IntakeError>(Store::Coded { inflater, state, window_max })
        };
        let store = match coding {
            Coding::Identity => Store::Plain(plain()),
            Coding::Gzip | Coding::Deflate => coded(ZLIB_STATE_BYTES, 0)?,
            Coding::Zstd => coded(ZSTD_STATE_BYTES, ZSTD_WINDOW_BYTES_MAX)?,
            // It counts what it keeps itself.
            Coding::Snappy => coded(0, 0)?,
        };
        Ok(Self { store, grant })
    }

    /// Takes the next bytes as they were on the wire.
    pub async fn take(&mut self, chunk: &Bytes) -> Result<(), IntakeError> {
        match &mut self.store {
            Store::Plain(buffer) => {
                self.grant.resize(buffer.memory_with(chunk.len()) as u64)?;
                buffer.extend(chunk);
                // It may have had to take more than it hoped for.
                self.grant.resize(buffer.memory() as u64)?;
            }
            Store::Coded { inflater, state, window_max } => {
                let mut turn_began = inflater.len();
                let mut worked = 0;
                for part in chunk.chunks(INFLATED_AT_ONCE_BYTES) {
                    inflater.push(part)?;
                    let output = inflater.len();
                    // Of a window no more is touched than came out.
                    let beside = *state + output.min(*window_max);
                    self.grant.resize((inflater.memory() + beside) as u64)?;
                    worked += part.len() * WORK_FACTOR;
                    if output - turn_began + worked > TURN_BYTES {
                        worked = 0;
                        turn_began = output;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Bytes that are here, decompressed; those of a block of snappy are there at the end only.
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::Plain(buffer) => buffer.len(),
            Store::Coded { inflater, .. } => inflater.len(),
        }
    }

    /// The whole body.
    pub async fn finish(self) -> Result<Buffer, IntakeError> {
        let body = match self.store {
            Store::Plain(buffer) => buffer,
            // A block of snappy is decompressed in one go: a large one would keep other connections
            // waiting.
            Store::Coded { inflater, .. } if inflater.is_held_back_over(TURN_BYTES) => {
                let finished = spawn_blocking(move || inflater.finish()).await;
                // The runtime cancels no blocking task, so what is left is a panic: it goes on here.
                finished.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?
            }
            Store::Coded { inflater, .. } => inflater.finish()?,
        };
        self.grant.resize(body.memory() as u64)?;
        Ok(body)
    }
}
