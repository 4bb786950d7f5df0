//! Files that name targets, in the JSON form of Prometheus' file discovery, read again when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::target::Target;
use crate::config;

mod read;

use read::{ROOM, Room, Trouble, read};

/// Most files of a job; those behind it in the order of their names are left out.
const FILES_MAX: usize = 1_000;

/// The files of one job, as they were when last looked at.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: BTreeMap<PathBuf, Known>,
    /// What was wrong with all of them together, and has been said.
    trouble: Option<String>,
    /// The same of targets that nothing tells apart.
    twins: Option<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// When it was last read to its end, sound or not; `None`: it has to be read.
    stamp: Option<Stamp>,
    /// The last good ones.
    targets: BTreeSet<Target>,
    /// Memory of those.
    bytes: usize,
    /// What was wrong with it, and has been said.
    told: Option<String>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Whether a look found something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All is as it was.
    Nothing,
    /// Some file changed.
    Change,
}

impl Files {
    /// Looks at all of them, and reads those that changed. Blocks.
    pub(super) fn look(&mut self, job: &config::Scrape) -> Seen {
        let (mut paths, mut trouble) = (BTreeSet::new(), None);
        for pattern in &job.target_files {
            if let Err(error) = matching(pattern, &mut paths) {
                trouble = Some(format!("{} cannot be listed: {error}", pattern.display()));
                // That says nothing of the files in it.
                let beside = |path: &&PathBuf| path.parent() == pattern.parent();
                paths.extend(self.known.keys().filter(beside).cloned());
            }
        }
        if let Some(first) = paths.iter().nth(FILES_MAX).cloned() {
            trouble =
                Some(format!("more than {FILES_MAX}: those from {} are left out", first.display()));
            paths.split_off(&first);
        }
        let before = self.known.len();
        self.known.retain(|path, _| paths.contains(path));
        let mut seen = if self.known.len() == before { Seen::Nothing } else { Seen::Change };
        for path in paths {
            if self.look_at(path, job) == Seen::Change {
                seen = Seen::Change;
            }
        }
        if let Some(why) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            let name = &*job.job;
            tracing::warn!(job = name, "target files of job {name}: {why}");
        }
        self.trouble = trouble;
        if seen == Seen::Change {
            self.tell_of_twins(job);
        }
        seen
    }

    /// The targets of all files.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.known.values().flat_map(|file| &file.targets)
    }

    fn look_at(&mut self, path: PathBuf, job: &config::Scrape) -> Seen {
        // Before it is read: a change after this is seen the next time.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.gone(path, job),
            Err(error) => {
                return self.fails(path, job, None, format!("cannot be looked at: {error}"));
            }
        };
        let stamp = Stamp::of(&metadata);
        if self.known.get(&path).is_some_and(|known| known.stamp == Some(stamp)) {
            return Seen::Nothing;
        }
        match read(&path, &metadata, job, self.room_for(&path)) {
            Ok(targets) => {
                let bytes = targets.iter().map(Target::memory).sum();
                let known = Known { stamp: Some(stamp), targets, bytes, told: None };
                self.known.insert(path, known);
                Seen::Change
            }
            Err(Trouble::Lasting(why)) => self.fails(path, job, Some(stamp), why),
            Err(Trouble::Passing(why)) => self.fails(path, job, None, why),
        }
    }

    /// What the targets of all other files leave.
    fn room_for(&self, path: &Path) -> Room {
        let others = self.known.iter().filter(|(other, _)| *other != path);
        others.fold(ROOM, |room, (_, known)| Room {
            targets: room.targets.saturating_sub(known.targets.len()),
            bytes: room.bytes.saturating_sub(known.bytes),
        })
    }

    fn gone(&mut self, path: PathBuf, job: &config::Scrape) -> Seen {
        const GONE: &str = "is not there: it names no targets";
        let (name, shown) = (&*job.job, path.display());
        if self.known.get(&path).is_some_and(|known| known.told.as_deref() == Some(GONE)) {
            return Seen::Nothing;
        }
        tracing::warn!(job = name, "target file {shown} of job {name} {GONE}");
        self.known.insert(path, Known { told: Some(GONE.to_owned()), ..Known::default() });
        Seen::Change
    }

    /// Its targets stay. Without a stamp it is read again at every look, and told of once.
    fn fails(
        &mut self,
        path: PathBuf,
        job: &config::Scrape,
        stamp: Option<Stamp>,
        why: String,
    ) -> Seen {
        let (name, shown) = (&*job.job, path.display().to_string());
        let known = self.known.entry(path).or_default();
        known.stamp = stamp;
        if stamp.is_some() || known.told.as_ref() != Some(&why) {
            let kept = known.targets.len();
            tracing::warn!(
                job = name,
                "target file {shown} of job {name}: {why}; the {kept} targets it had stay"
            );
        }
        known.told = Some(why);
        Seen::Nothing
    }

    fn tell_of_twins(&mut self, job: &config::Scrape) {
        let (mut seen, mut twins) = (BTreeMap::new(), None);
        for target in self.targets() {
            if *seen.entry(&target.labels).or_insert(&target.url) != &target.url {
                twins = Some(target.instance().to_owned());
                break;
            }
        }
        if let Some(instance) = twins.as_ref().filter(|_| twins != self.twins) {
            let name = &*job.job;
            tracing::warn!(
                job = name,
                "two targets in files of job {name} have the same labels, both of instance \
                 {instance}: their series cannot be told apart; give each a label of its own"
            );
        }
        self.twins = twins;
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Adds the files a pattern means; one without `*` and `?` is itself, whether it is there or not.
fn matching(pattern: &Path, paths: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    if !name.contains(['*', '?']) {
        paths.insert(pattern.to_owned());
        return Ok(());
    }
    let directory = pattern.parent().filter(|parent| !parent.as_os_str().is_empty());
    for entry in fs::read_dir(directory.unwrap_or(Path::new(".")))? {
        let entry = entry?.file_name();
        // Editors and those who replace a file by renaming leave hidden ones for a moment.
        let is_hidden = entry.to_string_lossy().starts_with('.') && !name.starts_with('.');
        if !is_hidden && is_match(name.as_bytes(), entry.to_string_lossy().as_bytes()) {
            paths.insert(pattern.with_file_name(entry));
        }
    }
    Ok(())
}

/// Whether `name` fits a pattern in which `*` is any bytes and `?` any one.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last star did not fit.
    let mut star = None;
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((back, taken)) = star else { return false };
                star = Some((back, taken + 1));
                at = back + 1;
                of = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::config::{Environment, load};

    pub(super) fn job(more: &str) -> config::Scrape {
        let text = format!(
            "[[scrape]]\njob = \"node\"\n{more}\n{}",
            "targets = []\n[receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n"
        );
        load("test", &text, &Environment::default()).unwrap().config.scrapes.remove(0)
    }

    /// A job with this file, and its files after a first look.
    fn looked(path: &Path) -> (config::Scrape, Files) {
        let job = job(&format!("target_files = ['{}']", path.display()));
        let mut files = Files::default();
        files.look(&job);
        (job, files)
    }

    fn told(files: &Files) -> String {
        files.known.values().next().unwrap().told.clone().unwrap_or_default()
    }

    #[test]
    fn what_is_no_regular_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("targets.json");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (job, mut files) = looked(&path);
        assert_eq!(told(&files), "is no regular file");
        fs::remove_file(&path).unwrap();
        assert_eq!(files.look(&job), Seen::Change);
        assert!(told(&files).contains("is not there"));
        fs::write(&path, "[{\"targets\": [\"h:1\"]}]").unwrap();
        assert_eq!((files.look(&job), files.targets().count()), (Seen::Change, 1));
    }

    #[test]
    fn a_file_that_could_not_be_read_is_read_again_and_told_of_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("targets.json");
        fs::write(&path, "[{\"targets\": [\"h:1\"]}]").unwrap();
        let (job, mut files) = looked(&path);
        let stamp = files.known[&path].stamp;
        assert!(stamp.is_some());
        // As after EIO: the same file, and its targets stay.
        let why = || "cannot be read: os error 5".to_owned();
        files.fails(path.clone(), &job, None, why());
        assert_eq!((files.targets().count(), told(&files)), (1, why()));
        assert_eq!(files.look(&job), Seen::Change);
        assert_eq!((files.known[&path].stamp, told(&files)), (stamp, String::new()));
        assert_eq!(files.look(&job), Seen::Nothing);
        // One that does not parse is not read again until it changes.
        fs::write(&path, "[").unwrap();
        assert_eq!((files.look(&job), files.targets().count()), (Seen::Nothing, 1));
        assert!(files.known[&path].stamp.is_some() && told(&files).contains("ends too soon"));
    }

    #[test]
    fn a_file_behind_what_is_no_directory_is_not_called_absent() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("no"), "").unwrap();
        let (_, files) = looked(&directory.path().join("no/targets.json"));
        assert!(told(&files).starts_with("cannot be looked at: "), "{}", told(&files));
    }

    #[test]
    fn all_files_of_a_job_share_what_targets_may_take() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, port: usize, count: usize| {
            let targets: Vec<_> =
                (port..port + count).map(|port| format!("\"h:{port}\"")).collect();
            let text = format!("[{{\"targets\": [{}]}}]", targets.join(","));
            fs::write(directory.path().join(name), text).unwrap();
        };
        put("a.json", 0, 6_000);
        put("b.json", 6_000, 6_000);
        let (job, mut files) = looked(&directory.path().join("*.json"));
        assert_eq!(files.targets().count(), 6_000);
        // There is room for the second once the first is shorter.
        put("a.json", 0, 10);
        files.look(&job);
        assert_eq!(files.targets().count(), 6_010);
    }

    #[test]
    fn targets_that_nothing_tells_apart_are_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("targets.json");
        fs::write(&path, "[{\"targets\": [\"http://h:1/a\", \"http://h:1/b\"]}]").unwrap();
        let (job, mut files) = looked(&path);
        assert_eq!(files.twins.as_deref(), Some("h:1"));
        fs::write(&path, "[{\"targets\": [\"http://h:1/a\", \"http://h:2/b\"]}]").unwrap();
        files.look(&job);
        assert_eq!(files.twins, None);
    }

    #[test]
    fn stars_and_question_marks_stand_for_bytes() {
        for (pattern, name, expected) in [
            ("*.json", "a.json", true),
            ("*.json", ".json", true),
            ("*.json", "a.json~", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXcX", false),
            ("?.json", "a.json", true),
            ("?.json", "ab.json", false),
            ("a.json", "a.json", true),
            ("a.json", "a.jso", false),
            ("**", "", true),
        ] {
            assert_eq!(is_match(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        // No pattern takes longer than its length times that of the name.
        assert!(!is_match("*a".repeat(500).as_bytes(), "a".repeat(499).as_bytes()));
    }
}
