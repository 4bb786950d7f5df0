//! Where the gateways keep their data: a directory on a real disk.

use std::path::Path;

use rustix::fs::statfs;
use tempfile::TempDir;

/// What `statfs` calls file systems that live in memory: a sync means nothing there.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// A directory of its own below Cargo's target directory, which a temporary one often is not on a disk.
pub(crate) fn on_a_disk() -> TempDir {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let kind = statfs(base).expect("the directory is there").f_type;
    assert!(
        !IN_MEMORY.contains(&(kind as i64)),
        "{} lies in memory, which proves nothing: set CARGO_TARGET_DIR to a place on a disk",
        base.display()
    );
    tempfile::Builder::new().prefix("endure-").tempdir_in(base).expect("a directory can be made")
}
