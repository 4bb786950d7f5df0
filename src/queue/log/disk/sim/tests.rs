//! The simulator keeps the promise, each loss it allows does happen, and faults come as planned.

use super::*;

mod losses;
mod promise;

/// Writes one slice.
fn write(file: &Arc<dyn DiskFile>, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_at(offset, &[IoSlice::new(bytes)])
}

/// A file with these bytes, name and bytes durable.
fn durable(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.create(name).unwrap();
    write(&file, 0, bytes).unwrap();
    file.sync().unwrap();
    Disk::sync(disk).unwrap();
    file
}

fn errno(answer: io::Result<impl Sized>) -> Option<i32> {
    answer.err().and_then(|error| error.raw_os_error())
}

const EIO: Option<i32> = Some(5);
const ENOSPC: Option<i32> = Some(28);

#[test]
fn a_program_sees_what_it_wrote_and_a_kill_keeps_it_for_the_next_one() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    file.write_at(2, &[IoSlice::new(b"xy"), IoSlice::new(b"z")]).unwrap();
    file.set_len(7).unwrap();
    disk.rename("a", "b").unwrap();
    assert_eq!(disk.list().unwrap(), ["b"]);
    let after = disk.kill();
    let mut buffer = [9; 10];
    assert_eq!(after.open("b").unwrap().read_at(1, &mut buffer).unwrap(), 6);
    assert_eq!(&buffer[..6], b"\0xyz\0\0");
    assert_eq!(after.open("b").unwrap().len().unwrap(), 7);
    assert_eq!(after.open("a").err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
}

#[test]
fn whoever_holds_a_handle_of_a_killed_or_crashed_disk_gets_errors() {
    let ends: [fn(&SimDisk) -> SimDisk; 2] =
        [SimDisk::kill, |disk| disk.crash(&mut Rng::with_seed(3))];
    for end in ends {
        let disk = SimDisk::new(1);
        let file = durable(&disk, "a", b"abc");
        let after = end(&disk);
        assert!(file.read_at(0, &mut [0; 3]).is_err());
        assert!(write(&file, 0, b"x").is_err());
        assert!(disk.list().is_err());
        assert_eq!(after.files()["a"], b"abc");
    }
}

#[test]
fn what_a_kill_left_unsynced_can_still_be_lost_to_a_later_power_cut() {
    let lost = |seed| {
        let disk = SimDisk::new(1);
        let file = durable(&disk, "a", b"");
        write(&file, 0, b"abc").unwrap();
        disk.kill().crash(&mut Rng::with_seed(seed)).files()["a"].is_empty()
    };
    assert!((0..20).any(lost) && !(0..20).all(lost));
}

#[test]
fn planned_faults_come_at_their_call_with_their_error() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "a", b"abc");
    disk.fail_at(2, Fault::IO);
    disk.fail_all_from(4, Fault::NO_SPACE);
    assert_eq!(errno(write(&file, 0, b"1")), None);
    assert_eq!(errno(write(&file, 0, b"2")), EIO);
    assert_eq!(errno(file.sync()), None);
    assert_eq!(errno(file.set_len(9)), ENOSPC);
    assert_eq!(errno(disk.create("b")), ENOSPC);
    assert_eq!(errno(disk.remove("a")), ENOSPC);
    assert_eq!(errno(disk.rename("a", "c")), ENOSPC);
    assert_eq!(errno(Disk::sync(&disk)), ENOSPC);
    assert_eq!(disk.files()["a"], b"1bc");
    assert_eq!(disk.operations(), 12);
    let asked = disk.history();
    let name: Arc<str> = Arc::from("a");
    let call = Call::Write { name: Arc::clone(&name), offset: 0, bytes: 1 };
    assert_eq!(asked[5], Operation { call, succeeded: false });
    assert_eq!(asked[6], Operation { call: Call::Sync { name }, succeeded: true });
    disk.heal();
    assert_eq!(errno(disk.remove("a")), None);
}

#[test]
fn a_write_that_fails_in_the_middle_leaves_any_part_of_itself() {
    let lengths: Vec<usize> = (0..50)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            let file = disk.create("a").unwrap();
            disk.fail_at(1, Fault::NO_SPACE_PART);
            assert_eq!(errno(write(&file, 0, b"abc")), ENOSPC);
            disk.files()["a"].len()
        })
        .collect();
    assert!((0..=3).all(|len| lengths.contains(&len)), "{lengths:?}");
}

/// Reads show it, the next sync says `Ok`, and still it is gone: why no sync is ever repeated.
#[test]
fn bytes_of_a_failed_sync_may_never_become_durable_whatever_is_synced_later() {
    let lost = |seed| {
        let disk = SimDisk::new(seed);
        let file = durable(&disk, "a", b"old");
        write(&file, 0, b"new").unwrap();
        disk.fail_at(1, Fault::IO_PART);
        assert_eq!(errno(file.sync()), EIO);
        assert_eq!(disk.files()["a"], b"new");
        write(&file, 3, b" end").unwrap();
        file.sync().unwrap();
        assert_eq!(disk.files()["a"], b"new end");
        let left = disk.crash(&mut Rng::with_seed(seed)).files()["a"].clone();
        assert_eq!(&left[3..], b" end");
        &left[..3] != b"new"
    };
    assert!((0..20).any(lost) && !(0..20).all(lost));
}

#[test]
fn a_failed_directory_sync_makes_some_names_durable_and_the_next_one_the_others() {
    let after = |seed, is_synced| {
        let disk = SimDisk::new(seed);
        disk.create("a").unwrap();
        disk.create("b").unwrap();
        disk.fail_at(1, Fault::IO_PART);
        assert_eq!(errno(Disk::sync(&disk)), EIO);
        if is_synced {
            Disk::sync(&disk).unwrap();
        }
        disk.durable().list().unwrap().len()
    };
    assert!((0..3).all(|names| (0..20).any(|seed| after(seed, false) == names)));
    assert!((0..20).all(|seed| after(seed, true) == 2));
}

#[test]
fn a_stopped_machine_answers_nothing_and_leaves_a_part_of_its_last_call() {
    let left: Vec<Vec<u8>> = (0..50)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            let file = durable(&disk, "a", b"");
            disk.stop_at(2);
            write(&file, 0, b"ab").unwrap();
            assert!(!disk.has_stopped());
            assert!(write(&file, 2, b"cd").is_err());
            assert!(disk.has_stopped());
            assert!(file.len().is_err() && disk.list().is_err() && file.sync().is_err());
            disk.kill().files()["a"].clone()
        })
        .collect();
    for expected in [&b"ab"[..], b"abc", b"abcd"] {
        assert!(left.iter().any(|bytes| bytes == expected), "{left:?}");
    }
}

#[test]
fn a_full_disk_takes_a_part_and_what_is_removed_makes_room() {
    let disk = SimDisk::new(1);
    disk.limit_bytes(Some(10));
    let file = durable(&disk, "a", b"123456");
    assert_eq!(disk.free_bytes().unwrap(), 4);
    assert_eq!(errno(write(&file, 6, b"789abc")), ENOSPC);
    assert_eq!((disk.used_bytes(), disk.free_bytes().unwrap()), (10, 0));
    assert_eq!(errno(disk.create("b")), ENOSPC);
    // What is there already is written over without new space.
    assert_eq!(errno(write(&file, 0, b"0123456789")), None);
    assert_eq!(errno(file.set_len(11)), ENOSPC);
    assert_eq!(errno(file.set_len(4)), None);
    assert_eq!(disk.free_bytes().unwrap(), 6);
    disk.remove("a").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 10);
}

#[test]
fn damage_outlives_kill_and_power_cut() {
    let disk = SimDisk::new(1);
    durable(&disk, "a", b"abcdef");
    disk.flip("a", 1, 0x20);
    disk.unreadable("a", 3..4);
    let after = disk.kill().crash(&mut Rng::with_seed(1));
    let file = after.open("a").unwrap();
    let mut buffer = [0; 3];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 3);
    assert_eq!(&buffer, b"aBc");
    assert_eq!(errno(file.read_at(1, &mut buffer)), EIO);
    assert_eq!(file.read_at(4, &mut buffer).unwrap(), 2);
    after.cut("a", 2);
    assert_eq!(after.crash(&mut Rng::with_seed(2)).files()["a"], b"aB");
}

#[test]
#[should_panic(expected = "does it spin?")]
fn more_calls_than_allowed_end_in_a_panic() {
    let disk = SimDisk::new(1);
    disk.limit_calls(10);
    while disk.calls() < 100 {
        disk.list().unwrap();
    }
}

#[test]
fn what_is_durable_is_what_every_power_cut_leaves() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "a", b"abc");
    write(&file, 1, b"x").unwrap();
    disk.create("b").unwrap();
    assert_eq!(disk.durable().files(), BTreeMap::from([("a".to_owned(), b"abc".to_vec())]));
    assert_eq!(disk.files()["a"], b"axc");
}

#[test]
fn a_copy_and_its_original_go_separate_ways() {
    let disk = SimDisk::with_files(1, &BTreeMap::from([("a".to_owned(), b"abc".to_vec())]));
    let copy = disk.copy();
    write(&copy.handle().open("a").unwrap(), 0, b"x").unwrap();
    assert_eq!(disk.crash(&mut Rng::with_seed(1)).files()["a"], b"abc");
    assert_eq!(copy.files()["a"], b"xbc");
}
