//! The real disk keeps what the interface promises, and the lock keeps others out.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;

/// Tells the test below that it is the child of another one.
const CHILD: &str = "TIDEGATE_TEST_LOCK";

fn disk() -> (tempfile::TempDir, RealDisk) {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path(), Access::ReadWrite).unwrap();
    (directory, disk)
}

fn write(disk: &RealDisk, name: &str, text: &str) {
    disk.create(name).unwrap().write_at(0, &[IoSlice::new(text.as_bytes())]).unwrap();
}

fn text(disk: &RealDisk, name: &str) -> String {
    let file = disk.open(name).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
    String::from_utf8(bytes).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_missing_directory_is_made_for_its_owner_alone_and_only_to_be_written_to() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data").join("queue");
    let error = RealDisk::open(&path, Access::ReadOnly).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let disk = RealDisk::open(&path, Access::ReadWrite).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    disk.create("a").unwrap();
    assert_eq!(mode(&path.join("a")), 0o600);
    RealDisk::open(&path, Access::ReadWrite).unwrap();
}

#[test]
fn a_file_in_place_of_the_directory_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("queue");
    File::create(&path).unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite] {
        RealDisk::open(&path, access).unwrap_err();
    }
}

#[test]
fn create_refuses_a_name_that_is_taken() {
    let (_directory, disk) = disk();
    write(&disk, "a", "first");
    let error = disk.create("a").err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(text(&disk, "a"), "first");
}

#[test]
fn rename_never_overwrites() {
    let (_directory, disk) = disk();
    write(&disk, "a", "a");
    write(&disk, "b", "b");
    let error = disk.rename("a", "b").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!((text(&disk, "a"), text(&disk, "b")), ("a".into(), "b".into()));
    disk.rename("a", "c").unwrap();
    assert_eq!(text(&disk, "c"), "a");
    assert_eq!(disk.open("a").err().unwrap().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_removed_file_is_gone_by_name_and_usable_by_handle() {
    let (_directory, disk) = disk();
    write(&disk, "a", "kept");
    let file = disk.open("a").unwrap();
    disk.remove("a").unwrap();
    disk.sync().unwrap();
    assert_eq!(disk.list().unwrap(), [""; 0]);
    let mut bytes = [0; 9];
    assert_eq!(file.read_at(1, &mut bytes).unwrap(), 3);
    assert_eq!(&bytes[..3], b"ept");
}

#[test]
fn only_plain_files_are_listed_and_links_are_not_followed() {
    let (directory, disk) = disk();
    write(&disk, "a", "");
    write(&disk, "b", "");
    std::fs::create_dir(directory.path().join("inside")).unwrap();
    std::os::unix::fs::symlink("a", directory.path().join("link")).unwrap();
    let mut names = disk.list().unwrap();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    disk.open("link").err().unwrap();
}

#[test]
fn what_only_looks_like_a_file_of_the_log_is_an_error_that_names_it() {
    let makes: [fn(&Path); 2] = [
        |path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap(),
        |path| std::fs::create_dir(path).unwrap(),
    ];
    for name in ["00000000000000000001-0.seg", "default.pos"] {
        for make in makes {
            let (directory, disk) = disk();
            make(&directory.path().join(name));
            let error = disk.list().unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("not a regular file"), "{error}");
        }
    }
}

#[test]
fn names_do_not_lead_out_of_the_directory() {
    let (_directory, disk) = disk();
    for name in ["", ".", "..", "../a", "/tmp/a", "a/b", "a\0"] {
        let kinds = [
            disk.create(name).err().unwrap().kind(),
            disk.open(name).err().unwrap().kind(),
            disk.remove(name).unwrap_err().kind(),
            disk.rename(name, "x").unwrap_err().kind(),
            disk.rename("x", name).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [io::ErrorKind::InvalidInput; 5], "{name:?}");
    }
}

#[test]
fn what_is_opened_to_be_read_refuses_every_change() {
    let (directory, disk) = disk();
    write(&disk, "a", "kept");
    let readonly = RealDisk::open(directory.path(), Access::ReadOnly).unwrap();
    let kinds = [
        readonly.create("b").err().unwrap().kind(),
        readonly.remove("a").unwrap_err().kind(),
        readonly.rename("a", "b").unwrap_err().kind(),
    ];
    assert_eq!(kinds, [io::ErrorKind::PermissionDenied; 3]);
    let file = readonly.open("a").unwrap();
    file.write_at(0, &[IoSlice::new(b"lost")]).unwrap_err();
    file.set_len(0).unwrap_err();
    assert_eq!(text(&readonly, "a"), "kept");
}

#[test]
fn more_parts_than_one_call_takes_are_written_in_order() {
    let (_directory, disk) = disk();
    let texts: Vec<_> = (0..3 * PARTS_MAX)
        .map(|at| if at % 3 == 1 { String::new() } else { format!("{at},") })
        .collect();
    let parts: Vec<_> = texts.iter().map(|text| IoSlice::new(text.as_bytes())).collect();
    let file = disk.create("a").unwrap();
    file.write_at(2, &parts).unwrap();
    file.write_at(0, &[IoSlice::new(b""), IoSlice::new(b"<-")]).unwrap();
    file.write_at(1, &[]).unwrap();
    file.write_at(1, &[IoSlice::new(b"")]).unwrap();
    file.sync().unwrap();
    assert_eq!(text(&disk, "a"), format!("<-{}", texts.concat()));
}

#[test]
fn short_writes_are_continued_where_they_ended() {
    let parts = [&b"abc"[..], b"", b"defghij", b"k", b""].map(IoSlice::new);
    for most in 1..13 {
        let mut written = Vec::new();
        let write = |batch: &[IoSlice<'_>]| {
            let offered: Vec<u8> = batch.iter().flat_map(|part| part.iter().copied()).collect();
            written.extend_from_slice(&offered[..most.min(offered.len())]);
            Ok(most.min(offered.len()))
        };
        write_parts(&parts, write).unwrap();
        assert_eq!(written, b"abcdefghijk", "{most} at once");
    }
    let error = write_parts(&parts, |_| Ok(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

#[test]
fn a_disk_knows_its_free_space() {
    let (_directory, disk) = disk();
    assert!(disk.free_bytes().unwrap() > 0);
}

#[test]
fn a_lock_is_held_once_and_says_by_whom() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(b"a longer text than the id of a process")
        .unwrap();
    let lock = Lock::take(&path).unwrap();
    let error = Lock::take(&path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(error.contains(&format!("by process {}:", std::process::id())), "{error}");
    drop(lock);
    let text = std::fs::read_to_string(&path).expect("the file stays");
    assert_eq!(text, format!("{}\n", std::process::id()));
    Lock::take(&path).unwrap();
}

#[test]
fn a_lock_says_what_its_holder_has_noted_for_as_long_as_it_is_held() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    assert_eq!(Lock::read(&path).unwrap(), None, "there is none");
    let lock = Lock::take(&path).unwrap();
    let pid = std::process::id();
    assert_eq!(Lock::read(&path).unwrap(), Some(format!("{pid}\n")));
    lock.note("admin 127.0.0.1:65535").unwrap();
    lock.note("admin [::1]:1").unwrap();
    assert_eq!(Lock::read(&path).unwrap(), Some(format!("{pid}\nadmin [::1]:1\n")));
    lock.note(&"x".repeat(5000)).unwrap_err();
    match Lock::take(&path).unwrap_err() {
        LockError::Held { holder, .. } => assert_eq!(holder, Some(pid)),
        other => panic!("{other}"),
    }
    drop(lock);
    assert_eq!(Lock::read(&path).unwrap(), None, "what it says is not true any more");
    let _lock = Lock::take(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap(), Some(format!("{pid}\n")), "nothing of the one before");
}

#[test]
fn whoever_looks_at_a_lock_keeps_nobody_from_taking_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    drop(Lock::take(&path).unwrap());
    let looks = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while looks.load(std::sync::atomic::Ordering::Relaxed) {
                Lock::read(&path).unwrap();
            }
        });
        let taken: Result<Vec<_>, _> = (0..20).map(|_| Lock::take(&path).map(drop)).collect();
        looks.store(false, std::sync::atomic::Ordering::Relaxed);
        taken.map(drop)
    })
    .unwrap();
}

#[test]
fn a_lock_that_cannot_be_made_names_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("lock");
    let error = Lock::take(&path).unwrap_err();
    assert!(matches!(error, LockError::Io { .. }));
    assert!(error.to_string().contains("missing/lock"), "{error}");
}

#[test]
fn a_lock_touches_nothing_but_a_regular_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, victim) = (directory.path().join("lock"), directory.path().join("victim"));
    let makes: [fn(&Path, &Path); 4] = [
        |victim, path| std::os::unix::fs::symlink(victim, path).unwrap(),
        |_, path| std::os::unix::fs::symlink("/nonexistent", path).unwrap(),
        |_, path| std::fs::create_dir(path).unwrap(),
        |_, path| {
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(
                CWD,
                path,
                kind,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap();
        },
    ];
    for make in makes {
        File::create(&victim).unwrap().write_all(b"what somebody else wrote").unwrap();
        make(&victim, &path);
        let error = Lock::take(&path).unwrap_err();
        assert!(matches!(error, LockError::NotAFile { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "what somebody else wrote");
        std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path)).unwrap();
    }
}

/// Does nothing unless it runs in the child that the next test starts.
#[test]
fn lock_holder() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _lock = Lock::take(Path::new(&path)).unwrap();
        eprintln!("\nheld");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        unreachable!("it is killed while it waits");
    }
}

#[test]
fn the_lock_of_another_process_ends_with_it_however_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let name = "queue::log::disk::real::tests::lock_holder";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    match Lock::take(&path).unwrap_err() {
        LockError::Held { holder, .. } => assert_eq!(holder, Some(child.id())),
        other @ (LockError::Io { .. } | LockError::NotAFile { .. }) => panic!("{other}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    Lock::take(&path).unwrap();
}
