//! Each loss that the promise allows happens within a few hundred power cuts.

use super::*;

/// How often the power is cut.
const SEEDS: u64 = 300;

type Files = BTreeMap<String, Vec<u8>>;
/// Whether it is the directory meant.
type Test<'a> = &'a dyn Fn(&Files) -> bool;

/// Every expected directory turns up after some power cut, and `never` after none.
fn check(history: impl Fn(&SimDisk), expected: &[(&str, Test<'_>)], never: Test<'_>) {
    let left: Vec<Files> = (0..SEEDS)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            history(&disk);
            disk.crash(&mut Rng::with_seed(seed)).files()
        })
        .collect();
    for (what, is_it) in expected {
        assert!(left.iter().any(is_it), "in {SEEDS} power cuts: {what}");
    }
    assert!(!left.iter().any(never));
}

/// The only file's bytes.
fn a(files: &Files) -> &[u8] {
    &files["a"]
}

fn names(files: &Files) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

#[test]
fn an_unsynced_write_is_kept_lost_torn_holed_zeroed_or_replaced() {
    let new: Vec<u8> = (0..1500_u32).map(|at| (at % 251) as u8 + 1).collect();
    let history = |disk: &SimDisk| {
        durable(disk, "old", &[255; 4096]);
        disk.remove("old").unwrap();
        let file = durable(disk, "a", &[]);
        write(&file, 0, &new).unwrap();
    };
    let is_prefix = |files: &Files| new.starts_with(a(files));
    let zeros = |range: &[u8]| range.iter().all(|byte| *byte == 0);
    check(
        history,
        &[
            ("kept", &|files| a(files) == new),
            ("lost", &|files| a(files).is_empty()),
            ("torn at a byte", &|files| is_prefix(files) && !a(files).len().is_multiple_of(512)),
            ("torn at a sector", &|files| is_prefix(files) && a(files).len() == 512),
            ("a hole", &|files| {
                a(files).len() == 1500 && zeros(&a(files)[..512]) && a(files)[512..] == new[512..]
            }),
            ("old blocks", &|files| a(files).get(..512) == Some(&[255; 512])),
            ("the size alone", &|files| a(files).len() == 1500 && zeros(&a(files)[512..])),
        ],
        &|files| a(files).len() > 1500,
    );
}

#[test]
fn unsynced_writes_reach_the_disk_in_any_order() {
    let history = |disk: &SimDisk| {
        let file = durable(disk, "a", b"....");
        write(&file, 1, b"x").unwrap();
        write(&file, 2, b"y").unwrap();
        write(&file, 1, b"z").unwrap();
    };
    check(
        history,
        &[
            ("the second alone", &|files| a(files) == b"..y."),
            ("the first alone", &|files| a(files) == b".x.."),
            ("all", &|files| a(files) == b".zy."),
        ],
        &|files| a(files).len() != 4 || a(files)[0] != b'.' || a(files)[3] != b'.',
    );
}

#[test]
fn an_unsynced_size_is_kept_or_not() {
    let history = |disk: &SimDisk| {
        let file = durable(disk, "a", b"abcd");
        file.set_len(2).unwrap();
        file.set_len(6).unwrap();
    };
    check(
        history,
        &[
            ("neither", &|files| a(files) == b"abcd"),
            ("both", &|files| a(files) == b"ab\0\0\0\0"),
            ("the cut alone", &|files| a(files) == b"ab"),
            ("the growth alone", &|files| a(files) == b"abcd\0\0"),
        ],
        &|files| !a(files).starts_with(b"ab"),
    );
}

#[test]
fn a_name_that_was_not_synced_comes_or_goes_and_a_rename_may_leave_two() {
    let history = |disk: &SimDisk| {
        durable(disk, "gone", b"g");
        durable(disk, "from", b"f");
        durable(disk, "stays", b"s");
        disk.remove("gone").unwrap();
        disk.rename("from", "to").unwrap();
        let new = disk.create("new").unwrap();
        write(&new, 0, b"n").unwrap();
        new.sync().unwrap();
    };
    check(
        history,
        &[
            ("all", &|files| names(files) == ["new", "stays", "to"]),
            ("nothing", &|files| names(files) == ["from", "gone", "stays"]),
            ("the last alone", &|files| names(files) == ["from", "gone", "new", "stays"]),
            ("two names", &|files| files.contains_key("from") && files.contains_key("to")),
        ],
        &|files| {
            let renamed = [files.get("from"), files.get("to")];
            !files.contains_key("stays")
                || renamed.iter().flatten().count() == 0
                || renamed.iter().flatten().any(|bytes| *bytes != b"f")
                || files.get("new").is_some_and(|bytes| bytes != b"n")
        },
    );
}

#[test]
fn a_file_whose_name_is_durable_may_still_be_empty() {
    let history = |disk: &SimDisk| {
        let file = disk.create("a").unwrap();
        write(&file, 0, b"abc").unwrap();
        Disk::sync(disk).unwrap();
    };
    check(
        history,
        &[("empty", &|files| a(files).is_empty()), ("whole", &|files| a(files) == b"abc")],
        &|files| files.is_empty(),
    );
}
