//! The disk alone: writes of one size, each followed by `fdatasync`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::clock::now_ns;
use super::outcome::Latencies;

/// As large as a segment: then a new file begins.
const FILE_BYTES: u64 = 64 << 20;

/// Syncs, one after the other, in files that grow. Returns how long each took.
pub(crate) fn write_and_sync(directory: &Path, bytes: usize, lasting: Duration) -> Latencies {
    let content: Vec<u8> = (0..bytes).map(|at| at as u8 ^ (at >> 8) as u8).collect();
    let path = directory.join("alone");
    let mut latencies = Latencies::new();
    let began = now_ns();
    let mut file = File::create(&path).expect("a new file");
    let mut offset = 0;
    while now_ns() - began < lasting.as_nanos() as u64 {
        if offset + bytes as u64 > FILE_BYTES {
            (file, offset) = (File::create(&path).expect("a new file"), 0);
        }
        let began = now_ns();
        file.write_all_at(&content, offset).expect("the disk has room");
        file.sync_data().expect("the disk works");
        latencies.record(now_ns() - began);
        offset += bytes as u64;
    }
    std::fs::remove_file(&path).expect("it was made here");
    latencies
}
