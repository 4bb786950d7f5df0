//! Where the gateways keep their data: a directory on a real disk.

use std::fs;
use std::path::Path;

use rustix::fs::statfs;
use tempfile::TempDir;

/// What `statfs` calls file systems that live in memory: a sync means nothing there.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Of the directories' names; the id of the process that uses it follows.
const PREFIX: &str = "endure-";

/// A directory of its own below Cargo's target directory, which a temporary one often is not on a disk.
pub(crate) fn on_a_disk() -> TempDir {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let kind = statfs(base).expect("the directory is there").f_type;
    assert!(
        !IN_MEMORY.contains(&(kind as i64)),
        "{} lies in memory, which proves nothing: set CARGO_TARGET_DIR to a place on a disk",
        base.display()
    );
    remove_left_behind(base);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(base).expect("a directory can be made")
}

/// What processes that were killed could not remove: their directories bear their ids.
fn remove_left_behind(base: &Path) {
    let entries = fs::read_dir(base).expect("the directory is there");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if id.is_some_and(|(id, _)| !Path::new("/proc").join(id).exists()) {
            // Another one that starts now may be faster.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
