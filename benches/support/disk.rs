//! The disk alone: writes, each followed by `fdatasync`, one after the other.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

/// As large as a segment: then a new file begins.
const FILE_BYTES: u64 = 64 << 20;

/// What they took.
pub(crate) struct Alone {
    /// Of each write with its sync; rising.
    pub(crate) waits: Vec<Duration>,
    /// All of them.
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
}

impl Alone {
    pub(crate) fn median_ms(&self) -> f64 {
        self.waits[self.waits.len() / 2].as_secs_f64() * 1e3
    }

    pub(crate) fn mb_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.took.as_secs_f64()
    }
}

/// Writes and syncs as many bytes as each of `sizes` says, in files that grow. Making a file counts, as
/// the queue makes files too; removing it does not.
pub(crate) fn write_and_sync(directory: &Path, sizes: impl IntoIterator<Item = u64>) -> Alone {
    let path = directory.join("alone");
    let mut content: Vec<u8> = Vec::new();
    let mut alone = Alone { waits: Vec::new(), took: Duration::ZERO, bytes: 0 };
    let (mut file, mut offset) = (None, 0);
    for bytes in sizes {
        content.extend((content.len()..bytes as usize).map(|at| at as u8 ^ (at >> 8) as u8));
        if offset + bytes > FILE_BYTES && file.take().is_some() {
            fs::remove_file(&path).expect("it was made here");
            offset = 0;
        }
        let began = Instant::now();
        let file = file.get_or_insert_with(|| File::create_new(&path).expect("a new file"));
        file.write_all_at(&content[..bytes as usize], offset).expect("the disk has room");
        file.sync_data().expect("the disk works");
        alone.waits.push(began.elapsed());
        offset += bytes;
        alone.bytes += bytes;
    }
    fs::remove_file(&path).expect("it was made here");
    alone.took = alone.waits.iter().sum();
    alone.waits.sort_unstable();
    alone
}
