//! Bodies decompressed as they arrive, never past a limit (contract C1.4, C1.5).
//!
//! The caller pushes what it receives and takes the whole at the end. Everything about the framing is
//! strict: a body that stops short, goes on behind its end or fails its checksum is an error, because
//! half a body taken for a whole one is silent loss.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::buffer::Buffer;
use super::media::Coding;
use super::snappy::Snappy;

/// Largest zstd window taken, as a power of two: 8 MiB, what RFC 8878 asks decoders to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// zlib's and gzip's only window size in practice, 32 KiB.
const DEFLATE_WINDOW_BITS: u8 = 15;

/// Why a body cannot be had. After one of these an [`Inflater`] is spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// More comes out than may (413).
    #[error("the body is over {limit} bytes once decompressed: send it in smaller batches")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It does not decompress (406); says what was wrong and near which compressed byte.
    #[error("{0}")]
    Corrupt(String),
}

/// A body on its way through its [`Coding`].
///
/// Holds at most the limit in output, and the coding's window beside it:
/// 32 KiB for gzip and deflate, up to 8 MiB for zstd; a block of snappy itself.
pub struct Inflater {
    engine: Engine,
    output: Output,
    /// Compressed bytes taken so far; where an error is.
    taken: usize,
}

enum Engine {
    Identity,
    Gzip(Zlib),
    Deflate(Zlib),
    Zstd(Zstd),
    Snappy(Snappy),
}

impl Inflater {
    /// An inflater whose output may be up to `limit` bytes, `limit` included.
    pub fn new(coding: Coding, limit: usize) -> Self {
        let engine = match coding {
            Coding::Identity => Engine::Identity,
            Coding::Gzip => Engine::Gzip(Zlib::new(Decompress::new_gzip(DEFLATE_WINDOW_BITS))),
            Coding::Deflate => Engine::Deflate(Zlib::new(Decompress::new(true))),
            Coding::Zstd => Engine::Zstd(Zstd::Unopened),
            Coding::Snappy => Engine::Snappy(Snappy::new(limit)),
        };
        Self { engine, output: Output::new(limit), taken: 0 }
    }

    /// Takes the next piece of the body, of any size.
    pub fn push(&mut self, mut input: &[u8]) -> Result<(), InflateError> {
        let pushed = input.len();
        let done = loop {
            if input.is_empty() {
                break Ok(());
            }
            let step = match &mut self.engine {
                Engine::Identity => self.output.append(&mut input),
                Engine::Gzip(member) => member.next_member().run(&mut input, &mut self.output),
                Engine::Deflate(stream) => stream.run(&mut input, &mut self.output),
                Engine::Zstd(frames) => frames.run(&mut input, &mut self.output),
                Engine::Snappy(snappy) => snappy.run(&mut input, &mut self.output),
            };
            if step.is_err() {
                break step;
            }
        };
        self.taken += pushed - input.len();
        done.map_err(|fault| self.explain(fault))
    }

    /// The whole body, if it is one.
    pub fn finish(mut self) -> Result<Buffer, InflateError> {
        let whole = match &mut self.engine {
            Engine::Snappy(snappy) => {
                let finished = snappy.finish(&mut self.output);
                return match finished {
                    Ok(()) => Ok(self.output.buffer),
                    Err(fault) => Err(self.explain(fault)),
                };
            }
            Engine::Identity => true,
            Engine::Gzip(zlib) | Engine::Deflate(zlib) => zlib.ended,
            Engine::Zstd(zstd) => zstd.ended(),
        };
        if whole {
            return Ok(self.output.buffer);
        }
        let fault = if self.taken == 0 { "it is empty" } else { "it ends too soon" };
        Err(self.explain(Fault::Corrupt(fault.to_owned())))
    }

    /// Bytes that have come out so far.
    pub fn len(&self) -> usize {
        self.output.buffer.len()
    }

    /// Bytes of memory it takes, less what a coding keeps beside the output of itself. A block of snappy
    /// is decompressed by [`Self::finish`]: it is counted as soon as its length is known.
    pub fn memory(&self) -> usize {
        let beside = match &self.engine {
            Engine::Snappy(snappy) => snappy.memory(),
            _ => 0,
        };
        self.output.buffer.memory() + beside
    }

    /// Whether more than `bytes` are still to come out at the end, in one go.
    pub fn is_held_back_over(&self, bytes: usize) -> bool {
        matches!(&self.engine, Engine::Snappy(snappy) if snappy.promised() > bytes)
    }

    /// Whether nothing has come out yet.
    pub fn is_empty(&self) -> bool {
        self.output.buffer.is_empty()
    }

    #[cold]
    fn explain(&self, fault: Fault) -> InflateError {
        let why = match fault {
            Fault::TooLarge => return InflateError::TooLarge { limit: self.output.limit },
            Fault::Corrupt(why) => why,
        };
        let (name, advice) = match self.engine {
            Engine::Identity => ("identity", ""),
            Engine::Gzip(_) => ("gzip", ""),
            Engine::Deflate(_) => ("deflate", " (a zlib stream is expected, not raw deflate)"),
            Engine::Zstd(_) => ("zstd", ""),
            Engine::Snappy(_) => ("snappy", ""),
        };
        let at = self.taken;
        InflateError::Corrupt(format!(
            "the body does not decompress as {name} near byte {at}: {why}{advice}"
        ))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// What an engine finds wrong; [`Inflater::explain`] says where.
pub(super) enum Fault {
    TooLarge,
    Corrupt(String),
}

/// The bytes that came out. It may hold one byte more than the limit, which is how passing it is
/// noticed without inflating the rest.
pub(super) struct Output {
    buffer: Buffer,
    limit: usize,
}

impl Output {
    fn new(limit: usize) -> Self {
        Self { buffer: Buffer::new(limit.saturating_add(1)), limit }
    }

    fn check(&self) -> Result<(), Fault> {
        if self.buffer.len() > self.limit { Err(Fault::TooLarge) } else { Ok(()) }
    }

    /// Most bytes that may come out.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Where to write next: at least one byte.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        self.buffer.spare()
    }

    /// Counts `bytes` written to [`Self::spare`].
    pub(super) fn advance(&mut self, bytes: usize) -> Result<(), Fault> {
        self.buffer.advance(bytes);
        self.check()
    }

    /// Has the whole at once, which is within the limit.
    pub(super) fn replace(&mut self, whole: Buffer) {
        debug_assert!(whole.len() <= self.limit, "the caller looked");
        self.buffer = whole;
    }

    fn append(&mut self, input: &mut &[u8]) -> Result<(), Fault> {
        if input.len() > self.limit.saturating_sub(self.buffer.len()) {
            return Err(Fault::TooLarge);
        }
        *input = self.buffer.extend(input);
        Ok(())
    }
}

/// One deflate stream in its zlib or gzip wrapper; the library checks header and checksum.
struct Zlib {
    stream: Decompress,
    ended: bool,
}

impl Zlib {
    fn new(stream: Decompress) -> Self {
        Self { stream, ended: false }
    }

    /// Begins the next gzip member if the last one has ended: more input is at hand, so there is one.
    fn next_member(&mut self) -> &mut Self {
        if self.ended {
            *self = Self::new(Decompress::new_gzip(DEFLATE_WINDOW_BITS));
        }
        self
    }

    /// Inflates until the stream ends or the input is used up with nothing left inside.
    fn run(&mut self, input: &mut &[u8], output: &mut Output) -> Result<(), Fault> {
        if self.ended {
            return Err(Fault::Corrupt("something follows its end".to_owned()));
        }
        loop {
            let before = (self.stream.total_in(), self.stream.total_out());
            let spare = output.buffer.spare();
            let room = spare.len();
            let status =
                self.stream.decompress(input, spare, FlushDecompress::None).map_err(|fault| {
                    Fault::Corrupt(fault.message().unwrap_or("it is corrupt").to_owned())
                })?;
            let used = (self.stream.total_in() - before.0) as usize;
            let made = (self.stream.total_out() - before.1) as usize;
            *input = input.get(used..).unwrap_or_default();
            output.buffer.advance(made);
            output.check()?;
            if status == Status::StreamEnd {
                self.ended = true;
                return Ok(());
            }
            // With room left, nothing more is inside.
            if input.is_empty() && made < room {
                return Ok(());
            }
            // Cannot be with room on both sides; an endless loop would be worse than this error.
            if used == 0 && made == 0 {
                return Err(Fault::Corrupt("it makes no progress".to_owned()));
            }
        }
    }
}

/// zstd frames in a row. Opened with the first byte, because opening can fail.
enum Zstd {
    Unopened,
    Open {
        decoder: Decoder<'static>,
        /// Between frames: all that came in has come out.
        ended: bool,
    },
}

impl Zstd {
    fn open() -> std::io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Self::Open { decoder, ended: true })
    }

    fn ended(&self) -> bool {
        matches!(self, Self::Open { ended: true, .. })
    }

    fn run(&mut self, input: &mut &[u8], output: &mut Output) -> Result<(), Fault> {
        if matches!(self, Self::Unopened) {
            *self = Self::open().map_err(|fault| zstd_fault(&fault))?;
        }
        let Self::Open { decoder, ended } = self else {
            return Err(Fault::Corrupt("zstd did not start".to_owned()));
        };
        let mut is_drained = false;
        while !input.is_empty() || !is_drained {
            // A frame that lies whole in the input would be decoded in one go without a look at its
            // window. Its first byte alone makes the rule the same however the body was cut.
            let piece: &[u8] = if *ended { input.get(..1).unwrap_or_default() } else { input };
            // Stays so if the decoder fails: a failed body is never a whole one.
            *ended = false;
            let mut source = InBuffer::around(piece);
            let spare = output.buffer.spare();
            let room = spare.len();
            let mut sink = OutBuffer::around(spare);
            let hint = decoder.run(&mut source, &mut sink).map_err(|fault| zstd_fault(&fault))?;
            let made = sink.pos();
            *ended = hint == 0;
            *input = input.get(source.pos()..).unwrap_or_default();
            output.buffer.advance(made);
            // With room left, nothing more is inside.
            is_drained = made < room;
            output.check()?;
            if *ended && input.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

#[cold]
fn zstd_fault(fault: &std::io::Error) -> Fault {
    let text = fault.to_string();
    let advice = if text.contains("too much memory") {
        "; windows over 8 MiB are not taken: compress without --long and --ultra"
    } else {
        ""
    };
    Fault::Corrupt(format!("{text}{advice}"))
}
