//! Files that name targets, in the JSON form of Prometheus' file discovery, read again when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::target::Target;
use crate::config;

/// Most bytes of one file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Most files of a job; those behind it in the order of their names are left out.
const FILES_MAX: usize = 1_000;

/// The files of one job, as they were when last looked at.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: BTreeMap<PathBuf, Known>,
    /// What was wrong with all of them together, and has been said.
    trouble: Option<String>,
}

#[derive(Debug)]
struct Known {
    /// `None`: it is not there.
    stamp: Option<Stamp>,
    /// The last good ones.
    targets: Vec<Target>,
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

/// Targets that share labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
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
        seen
    }

    /// The targets of all files.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.known.values().flat_map(|file| &file.targets)
    }

    fn look_at(&mut self, path: PathBuf, job: &config::Scrape) -> Seen {
        // Before it is read: a change after this is seen the next time.
        let stamp = match Stamp::of(&path) {
            Ok(stamp) => Some(stamp),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // It is there, and will be readable again.
            Err(_) if self.known.contains_key(&path) => return Seen::Nothing,
            Err(_) => None,
        };
        if self.known.get(&path).is_some_and(|known| known.stamp == stamp) {
            return Seen::Nothing;
        }
        let name = &*job.job;
        let shown = path.display();
        let read = match stamp {
            None => {
                tracing::warn!(
                    job = name,
                    "target file {shown} of job {name} is not there: it names no targets"
                );
                Ok(Vec::new())
            }
            Some(_) => read(&path, job),
        };
        match read {
            Ok(targets) => {
                self.known.insert(path, Known { stamp, targets });
            }
            Err(why) => {
                let known = self.known.entry(path.clone());
                let known = known.or_insert(Known { stamp, targets: Vec::new() });
                known.stamp = stamp;
                let kept = known.targets.len();
                tracing::warn!(
                    job = name,
                    "target file {shown} of job {name}: {why}; the {kept} targets it had stay"
                );
            }
        }
        Seen::Change
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let of = fs::metadata(path)?;
        Ok(Self {
            device: of.dev(),
            inode: of.ino(),
            size: of.size(),
            modified: (of.mtime(), of.mtime_nsec()),
            changed: (of.ctime(), of.ctime_nsec()),
        })
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

fn read(path: &Path, job: &config::Scrape) -> Result<Vec<Target>, String> {
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    parse(&text, job)
}

fn parse(text: &[u8], job: &config::Scrape) -> Result<Vec<Target>, String> {
    let groups: Vec<Group> = serde_json::from_slice(text).map_err(|error| {
        format!("is not a list like [{{\"targets\": [\"host:9100\"], \"labels\": {{\"env\": \"prod\"}}}}]: {error}")
    })?;
    let mut targets = Vec::new();
    for (nth, group) in groups.iter().enumerate() {
        let fault = |text: String| format!("group {}: {text}", nth + 1);
        if group.labels.len() > config::SCRAPE_LABELS_MAX {
            return Err(fault(format!("more than {} labels", config::SCRAPE_LABELS_MAX)));
        }
        for (name, value) in &group.labels {
            config::check_scrape_label(name, value)
                .map_err(|expected| fault(format!("each label must have {expected}")))?;
        }
        for address in &group.targets {
            targets.push(Target::new(job, address, &group.labels).map_err(fault)?);
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

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
