//! The disk alone: `write` and `fdatasync`, one after the other.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use tokio::time::Instant;

/// What one size costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare {
    /// Median of one write and its sync, ms.
    pub(crate) median_ms: f64,
    pub(crate) mb_per_s: f64,
}

/// So many writes of `bytes` each, every one synced.
pub(crate) fn bare(directory: &Path, bytes: usize, count: usize) -> Bare {
    let content: Vec<u8> = (0..bytes).map(|at| at as u8 ^ (at >> 8) as u8).collect();
    let mut file = File::create(directory.join("bare")).expect("a new file");
    let mut waits = Vec::with_capacity(count);
    let began = Instant::now();
    for _ in 0..count {
        let began = Instant::now();
        file.write_all(&content).expect("the disk has room");
        file.sync_data().expect("the disk works");
        waits.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let took = began.elapsed().as_secs_f64();
    waits.sort_unstable_by(f64::total_cmp);
    Bare { median_ms: waits[count / 2], mb_per_s: (bytes * count) as f64 / took / 1e6 }
}
