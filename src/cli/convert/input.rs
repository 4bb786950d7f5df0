//! The input of `convert`: a file or stdin, decompressed when its first bytes say so, under a
//! progress bar when somebody watches.

use std::fs::File;
use std::io::{self, BufReader, Cursor, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Opens a file, or stdin.
pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Box<dyn Read>> {
    let Some(path) = path else { return decompressed(io::stdin().lock()) };
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let size = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    // Envelopes scrolling by would tear the bar apart, and a pipe has no size.
    if size == 0 || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return decompressed(file);
    }
    let bar = ProgressBar::new(size).with_style(style()).with_finish(ProgressFinish::AndClear);
    decompressed(bar.wrap_read(file))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
        .expect("the template is well-formed")
}

/// Looks at the first bytes; a compressed input may have several members or frames.
pub(super) fn decompressed(mut input: impl Read + 'static) -> anyhow::Result<Box<dyn Read>> {
    let mut head = Vec::new();
    input
        .by_ref()
        .take(ZSTD.len() as u64)
        .read_to_end(&mut head)
        .context("cannot read the input")?;
    let (gzip, zstd) = (head.starts_with(GZIP), head.starts_with(ZSTD));
    let input = BufReader::with_capacity(64 << 10, Cursor::new(head).chain(input));
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(flate2::read::MultiGzDecoder::new(input)),
        (_, true) => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input);
            Box::new(decoder.context("cannot read zstd")?)
        }
        _ => Box::new(input),
    })
}
