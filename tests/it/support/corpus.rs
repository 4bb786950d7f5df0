//! Conformance data of other projects, read in place: it is not ours to copy.

use std::path::{Path, PathBuf};

/// The folder of that name, or none where it is absent. In CI absence is a failure: there the data is
/// provided, and a test that quietly checks nothing would be worse than none.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(name);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is absent", path.display());
    println!("skipped: {} is absent", path.display());
    None
}

/// The files of a folder with their names, in order; at least `count_min` of them.
pub(crate) fn files(folder: &Path, count_min: usize) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| {
            let entry = entry.expect("the folder can be read");
            let bytes = std::fs::read(entry.path()).expect("the file can be read");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    files.sort();
    assert!(files.len() >= count_min, "{}: {} files", folder.display(), files.len());
    files
}
