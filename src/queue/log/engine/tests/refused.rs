//! Directories that are not opened, and stay as they are.

use std::collections::BTreeMap;

use super::super::super::disk::sim::{Call, SimDisk};
use super::super::super::notice::Notice;
use super::super::super::segment::Name;
use super::super::Engine;
use super::support::{close, drain, fill, open, options, segments};

/// A log of three segments.
fn files() -> BTreeMap<String, Vec<u8>> {
    let disk = SimDisk::new(1);
    let (engine, _) = open(&disk);
    fill(&engine, 1..=10);
    close(&disk, engine).files()
}

/// The error, of a directory that is the same afterwards, to the byte.
fn refused(files: &BTreeMap<String, Vec<u8>>) -> String {
    let disk = SimDisk::with_files(1, files);
    let Err(error) = Engine::open(disk.handle(), &options()) else { panic!("it opened") };
    // What is read may be synced first: nothing may follow from it that is not on the disk.
    let is_sync = |call: &Call| matches!(call, Call::Sync { .. } | Call::SyncDirectory);
    let history = disk.history();
    let changes: Vec<_> = history.iter().filter(|done| !is_sync(&done.call)).collect();
    assert!(changes.is_empty(), "{error}: {changes:?}");
    assert_eq!(disk.files(), *files);
    error.to_string()
}

/// The number at 8, and a checksum over what lies before it.
fn set_version(bytes: &mut [u8], checksum_at: usize) {
    bytes[8] = 2;
    let sum = crc32fast::hash(&bytes[..checksum_at]).to_le_bytes();
    bytes[checksum_at..checksum_at + 4].copy_from_slice(&sum);
}

const FOREIGN: [&str; 4] = ["notes.txt", "lost+found", "00000000000000000000-0.seg", "1-0.seg"];
const OLDEST: &str = "00000000000000000001-0.seg";
const POSITION: &str = "default.pos";

#[test]
fn a_segment_of_a_later_version_is_named_and_nothing_is_changed() {
    for name in files().keys().filter(|name| Name::parse(name).is_some()) {
        let mut files = files();
        let bytes = files.get_mut(name).unwrap();
        set_version(&mut bytes[..512], 76);
        set_version(&mut bytes[512..], 76);
        assert_eq!(
            refused(&files),
            format!(
                "{name} in the queue's directory has format version 2, this tidegate reads version \
                 1: deliver what it holds with the version that wrote it, or move the directory away"
            )
        );
    }
}

#[test]
fn a_position_of_a_later_version_is_named_and_nothing_is_changed() {
    for slot in [0, 8192] {
        let mut files = files();
        set_version(&mut files.get_mut(POSITION).unwrap()[slot..slot + 8192], 8188);
        let error = refused(&files);
        assert!(error.starts_with("default.pos in the queue's directory has format version 2"));
    }
}

#[test]
fn files_of_somebody_else_under_our_names_are_named_and_nothing_is_changed() {
    for name in [OLDEST, POSITION] {
        let mut files = files();
        files.insert(name.to_owned(), b"PK\x03\x04".repeat(5000));
        let expected = format!(
            "{name} in the queue's directory is not a file of tidegate: move it away, or choose another `data_dir`"
        );
        assert_eq!(refused(&files), expected);
    }
    // A segment of ours under another's name.
    let mut files = files();
    let bytes = files[OLDEST].clone();
    files.insert("00000000000000000003-0.seg".to_owned(), bytes);
    assert!(refused(&files).starts_with("00000000000000000003-0.seg"));
}

#[test]
fn a_log_that_is_refused_keeps_what_a_crash_had_left_in_it() {
    let mut files = files();
    let oldest = files.get_mut(OLDEST).unwrap();
    set_version(&mut oldest[..512], 76);
    set_version(&mut oldest[512..], 76);
    // Its creation was cut off; recovery would set it aside.
    files.insert("00000000000000000011-0.seg".to_owned(), vec![0; 100]);
    // Written twice, the first time in vain.
    let newest = files["00000000000000000009-0.seg"].clone();
    files.insert("00000000000000000009-1.seg".to_owned(), newest);
    assert!(refused(&files).contains("format version 2"));
}

#[test]
fn a_file_that_is_none_of_ours_is_reported_and_left_alone() {
    let mut files = files();
    for name in FOREIGN {
        files.insert(name.to_owned(), b"hands off".to_vec());
    }
    let disk = SimDisk::with_files(1, &files);
    let (engine, notices) = open(&disk);
    let foreign = |notice: &Notice| matches!(notice, Notice::Foreign { .. });
    assert_eq!(notices.iter().filter(|notice| foreign(notice)).count(), 4, "{notices:?}");
    assert_eq!(drain(&disk, &engine), (1..=10).collect::<Vec<u64>>());
    engine.maintain().unwrap();
    assert_eq!(segments(&disk), Vec::<String>::new(), "all of ours are delivered");
    for name in FOREIGN {
        assert_eq!(disk.files()[name], b"hands off");
    }
}
