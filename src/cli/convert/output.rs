//! The output of `convert`: one StackState envelope a line (contract C6.1, C8).

use std::io::{self, BufWriter, Write};

use anyhow::anyhow;

use crate::config::Compression;
use crate::encode::Block;
use crate::forward::envelope::{Envelope, HostnameTooLong};
use crate::forward::part::Part;
use crate::metric::timestamp::Timestamp;
use crate::queue::Leased;

use super::Stop;

/// Writes blocks as envelopes.
pub(super) struct Output<W: Write> {
    out: BufWriter<W>,
    now: Timestamp,
    envelope: Envelope,
}

impl<W: Write> Output<W> {
    /// Envelopes collected at `now` by `hostname`.
    pub(super) fn new(out: W, now: Timestamp, hostname: &str) -> Result<Self, HostnameTooLong> {
        let out = BufWriter::with_capacity(64 << 10, out);
        Ok(Self { out, now, envelope: Envelope::new(hostname)? })
    }

    /// One envelope. The line ends between its tuples go: a JSON string never holds a raw one.
    pub(super) fn write(&mut self, block: Block) -> Result<(), Stop> {
        let leased = Leased { sequence: 0, source: "convert".into(), received: self.now, block };
        let envelope = self.envelope.pack(self.now, &Part::of(&[leased]), Compression::Identity);
        let envelope = envelope.into_bytes();
        let mut write = || {
            for line in envelope.split(|byte| *byte == b'\n') {
                self.out.write_all(line)?;
            }
            self.out.write_all(b"\n")
        };
        write().map_err(stop)
    }

    /// What is still held back.
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        self.out.flush().map_err(stop)
    }
}

#[cfg(test)]
impl Output<Vec<u8>> {
    /// What was written.
    pub(super) fn into_inner(self) -> Vec<u8> {
        self.out.into_inner().expect("memory can be written")
    }
}

/// That nobody reads on is how `| head` works, and no failure.
fn stop(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Closed,
        _ => Stop::Failed(anyhow!(error).context("cannot write the output")),
    }
}
