//! A small file system of its own: ext4 in a file, mounted through a loop device.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::statvfs;
use tempfile::TempDir;

use crate::support::endure::place;

/// Unmounted when dropped, whatever the reason.
pub(super) struct SmallDisk {
    /// Holds the image and the mount point.
    directory: TempDir,
}

impl SmallDisk {
    /// `None` where mounting is not permitted, which is said; a failure where CI is set and it should
    /// be.
    pub(super) fn mount(bytes: u64) -> Option<Self> {
        let disk = Self { directory: place::on_a_disk() };
        match disk.make(bytes) {
            Ok(()) => Some(disk),
            Err(why) => {
                let is_expected = !may_mount() || std::env::var_os("CI").is_none();
                assert!(is_expected, "no small file system, though CI may mount: {why}");
                println!("skipped, no small file system can be made here: {why}");
                None
            }
        }
    }

    fn make(&self, bytes: u64) -> Result<(), String> {
        if !may_mount() {
            return Err("mounting takes CAP_SYS_ADMIN".to_owned());
        }
        let (image, root) = (self.image(), self.root());
        let made = File::create(&image).and_then(|file| file.set_len(bytes));
        made.and_then(|()| fs::create_dir(&root)).map_err(|error| error.to_string())?;
        // No blocks kept back for root, as whom the gateway runs here.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&root))
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Where it is mounted.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Bytes a file could still take.
    pub(super) fn free_bytes(&self) -> u64 {
        let stat = statvfs(self.root()).expect("it is mounted");
        stat.f_bavail * stat.f_frsize
    }

    /// What the queue's directory holds, for a failure.
    pub(super) fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.root().join("data/queue")).unwrap().map(Result::unwrap);
        let size = |file: &fs::DirEntry| file.metadata().map_or(0, |metadata| metadata.len());
        files.map(|file| format!("{} {}", size(&file), file.file_name().display())).collect()
    }

    /// A file of somebody else's of this size.
    pub(super) fn occupy(&self, bytes: usize) -> Ballast {
        let (path, mut file) = self.create("occupied");
        file.write_all(&vec![b'.'; bytes]).and_then(|()| file.sync_all()).unwrap();
        Ballast(path)
    }

    /// Fills every byte that is left with a file of somebody else's.
    pub(super) fn fill(&self) -> Ballast {
        let (path, mut file) = self.create("filled");
        for bytes in [1 << 20, 64 << 10, 4 << 10, 1 << 10] {
            let piece = vec![b'.'; bytes];
            while file.write_all(&piece).and_then(|()| file.sync_data()).is_ok() {}
        }
        Ballast(path)
    }

    fn create(&self, name: &str) -> (PathBuf, File) {
        let path = self.root().join(name);
        let file = File::create_new(&path).unwrap();
        (path, file)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if is_mounted(&self.root()) {
            let root = self.root();
            let gone = run(Command::new("umount").arg(&root));
            // Something still uses it, a failed test's process perhaps: it goes when that does.
            if gone.is_err() {
                run(Command::new("umount").arg("--lazy").arg(&root)).ok();
            }
        }
    }
}

/// A file of somebody else's; removed by [`Self::remove`] alone.
pub(super) struct Ballast(PathBuf);

impl Ballast {
    pub(super) fn remove(self) {
        fs::remove_file(self.0).unwrap();
    }
}

/// Whether this process has the capability; root in a container often has not.
fn may_mount() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << CAP_SYS_ADMIN) != 0)
}

fn is_mounted(root: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == root.to_str())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{name}: {}", said.trim())) }
}
