//! snappy: one block, as remote write has it, or a framed stream. Both are sent under the same
//! Content-Encoding; ten bytes that no block begins with tell them apart.

use std::io::{self, Read};

use snap::raw::{Decoder, decompress_len};
use snap::read::FrameDecoder;

use super::buffer::Buffer;
use super::inflate::{Fault, Output};

/// How a framed stream begins. As a block it would copy from far before its own start.
const STREAM_START: &[u8; 10] = b"\xff\x06\0\0sNaPpY";

/// Bytes that one compressed byte can become: a copy takes three and gives 64.
const RATIO_MAX: usize = 22;

/// Longest length in front of a block.
const LENGTH_BYTES_MAX: usize = 5;

/// Kind and length of a chunk of a stream.
const CHUNK_HEADER_BYTES: usize = 4;

/// Longest chunk, less its header: what 64 KiB that do not compress take, and a checksum.
const CHUNK_BYTES_MAX: usize = 76_490;

/// What reading a stream takes: a chunk as sent, as the decoder has it, and what becomes of it.
const STREAM_STATE_BYTES: usize = 2 * CHUNK_BYTES_MAX + (64 << 10);

/// A body on its way.
pub(super) enum Snappy {
    /// A block, as far as can be told; it can be decompressed when all of it is here.
    Block {
        sent: Buffer,
        /// Bytes it says it becomes, once it does.
        promised: Option<usize>,
    },
    /// A stream, whose chunks are decompressed as they come.
    Stream(Box<Stream>),
}

impl Snappy {
    /// A body that becomes at most `limit` bytes, and so has hardly more.
    pub(super) fn new(limit: usize) -> Self {
        let most = limit.saturating_add(limit / 6 + 64);
        Self::Block { sent: Buffer::new(most), promised: None }
    }

    /// Bytes of memory it takes, with those that a block will become: they are to be had before they
    /// are allocated.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Block { sent, promised } => {
                // No more than what is here can become: a promise alone is free.
                sent.memory() + promised.unwrap_or(0).min(sent.len().saturating_mul(RATIO_MAX))
            }
            Self::Stream(_) => STREAM_STATE_BYTES,
        }
    }

    /// Bytes that a block says it becomes, once it does.
    pub(super) fn promised(&self) -> usize {
        match self {
            Self::Block { promised, .. } => promised.unwrap_or(0),
            Self::Stream(_) => 0,
        }
    }

    pub(super) fn run(&mut self, input: &mut &[u8], output: &mut Output) -> Result<(), Fault> {
        match self {
            Self::Stream(stream) => stream.run(input, output),
            Self::Block { sent, promised } => {
                // No further than it takes to tell, at first: a stream is not kept here.
                let untold = STREAM_START.len().saturating_sub(sent.len());
                let bytes = if untold > 0 { untold.min(input.len()) } else { input.len() };
                let (part, rest) = input.split_at(bytes);
                *input = rest;
                if !sent.extend(part).is_empty() {
                    return Err(Fault::TooLarge);
                }
                if sent.starts_with(STREAM_START) {
                    let mut stream = Box::new(Stream::new());
                    stream.run(&mut &sent[..], output)?;
                    *self = Self::Stream(stream);
                } else if promised.is_none() && sent.len() >= STREAM_START.len() {
                    *promised = Some(promise(sent, output)?);
                }
                Ok(())
            }
        }
    }

    /// Has everything in `output`, or says why not.
    pub(super) fn finish(&mut self, output: &mut Output) -> Result<(), Fault> {
        match self {
            Self::Stream(stream) if stream.chunk.is_empty() => Ok(()),
            Self::Stream(_) => Err(corrupt("it ends too soon")),
            Self::Block { sent, .. } if sent.is_empty() => Err(corrupt("it is empty")),
            Self::Block { sent, .. } => block(sent, output),
        }
    }
}

/// Bytes that a block says it becomes; not believed where they are too many for anything.
fn promise(sent: &[u8], output: &Output) -> Result<usize, Fault> {
    let head = sent.get(..LENGTH_BYTES_MAX).unwrap_or(sent);
    let bytes = decompress_len(head).map_err(|error| Fault::Corrupt(error.to_string()))?;
    if bytes > output.limit() { Err(Fault::TooLarge) } else { Ok(bytes) }
}

fn block(sent: &[u8], output: &mut Output) -> Result<(), Fault> {
    let bytes = promise(sent, output)?;
    if bytes > sent.len().saturating_mul(RATIO_MAX) {
        let sent = sent.len();
        return Err(Fault::Corrupt(format!("{sent} bytes cannot become the {bytes} it promises")));
    }
    let mut whole = Buffer::announced(bytes);
    let made = Decoder::new()
        .decompress(sent, whole.spare_for(bytes))
        .map_err(|error| Fault::Corrupt(error.to_string()))?;
    whole.advance(made);
    output.replace(whole);
    Ok(())
}

/// A stream of chunks.
pub(super) struct Stream {
    /// The chunk that is coming in.
    chunk: Vec<u8>,
    decoder: FrameDecoder<Chunk>,
}

/// What the decoder reads: one whole chunk at a time, so that it never stops inside of one.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    read: usize,
}

impl Stream {
    fn new() -> Self {
        Self { chunk: Vec::new(), decoder: FrameDecoder::new(Chunk::default()) }
    }

    fn run(&mut self, input: &mut &[u8], output: &mut Output) -> Result<(), Fault> {
        while !input.is_empty() {
            let missing = self.missing()?;
            let (part, rest) = input.split_at(missing.min(input.len()));
            self.chunk.extend_from_slice(part);
            *input = rest;
            if self.chunk.len() >= CHUNK_HEADER_BYTES && self.missing()? == 0 {
                self.decode(output)?;
            }
        }
        Ok(())
    }

    /// Bytes until the header is whole, or then the chunk.
    fn missing(&self) -> Result<usize, Fault> {
        let Some(&[_, a, b, c]) = self.chunk.first_chunk::<CHUNK_HEADER_BYTES>() else {
            return Ok(CHUNK_HEADER_BYTES - self.chunk.len());
        };
        let bytes = u32::from_le_bytes([a, b, c, 0]) as usize;
        if bytes > CHUNK_BYTES_MAX {
            return Err(Fault::Corrupt(format!("a chunk of {bytes} bytes is too long")));
        }
        Ok(CHUNK_HEADER_BYTES + bytes - self.chunk.len())
    }

    fn decode(&mut self, output: &mut Output) -> Result<(), Fault> {
        let chunk = self.decoder.get_mut();
        std::mem::swap(&mut chunk.bytes, &mut self.chunk);
        chunk.read = 0;
        self.chunk.clear();
        loop {
            let read = self.decoder.read(output.spare());
            let made = read.map_err(|error| Fault::Corrupt(error.to_string()))?;
            if made == 0 {
                return Ok(());
            }
            output.advance(made)?;
        }
    }
}

impl Read for Chunk {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = (&self.bytes[self.read..]).read(into)?;
        self.read += read;
        Ok(read)
    }
}

#[cold]
fn corrupt(why: &str) -> Fault {
    Fault::Corrupt(why.to_owned())
}
