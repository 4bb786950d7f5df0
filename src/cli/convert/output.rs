//! The output of `convert`: one StackState envelope a line (contract C6.1, C8).

use std::io::{self, BufWriter, Write};

use anyhow::anyhow;

use crate::encode::Block;
use crate::metric::timestamp::Timestamp;

use super::Stop;

/// Writes blocks as envelopes.
pub(super) struct Output<W: Write> {
    out: BufWriter<W>,
    head: String,
}

const TAIL: &[u8] = b"],\"service_checks\":[],\"topologies\":[]}\n";

impl<W: Write> Output<W> {
    /// Envelopes collected at `now` by `hostname`.
    pub(super) fn new(out: W, now: Timestamp, hostname: &str) -> Self {
        let hostname = serde_json::Value::from(hostname);
        let head = format!(
            "{{\"collection_timestamp\":{},\"internalHostname\":{hostname},\"events\":{{}},\"metrics\":[",
            now.seconds()
        );
        Self { out: BufWriter::with_capacity(64 << 10, out), head }
    }

    /// One envelope. The line ends between a block's tuples go: a JSON string never holds a raw one.
    pub(super) fn write(&mut self, block: &Block) -> Result<(), Stop> {
        let write = |out: &mut BufWriter<W>| {
            out.write_all(self.head.as_bytes())?;
            for line in block.bytes.split(|byte| *byte == b'\n') {
                out.write_all(line)?;
            }
            out.write_all(TAIL)
        };
        write(&mut self.out).map_err(stop)
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
