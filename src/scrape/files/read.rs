//! One file of targets: read to its end, within bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::super::target::Target;
use crate::config;

/// Most bytes of one file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Most targets of all files of a job, and most bytes of memory they take: a short file can name many, and
/// each has all the labels of its group.
pub(super) const ROOM: Room = Room { targets: 10_000, bytes: 32 << 20 };

/// What targets may still take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) targets: usize,
    pub(super) bytes: usize,
}

/// Why a file names no targets.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// It will be the same until the file changes.
    Lasting(String),
    /// It has not to do with what is in the file, and may be gone the next time.
    Passing(String),
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

/// Reads a file whose metadata were these a moment ago. Blocks.
pub(super) fn read(
    path: &Path,
    metadata: &Metadata,
    job: &config::Scrape,
    room: Room,
) -> Result<BTreeSet<Target>, Trouble> {
    // A pipe keeps whoever opens it waiting for as long as nobody writes; there may be one by now, too.
    let regular = |metadata: &Metadata| {
        let error = || Trouble::Lasting("is no regular file".to_owned());
        if metadata.is_file() { Ok(()) } else { Err(error()) }
    };
    let failed = |error: io::Error| Trouble::Passing(format!("cannot be read: {error}"));
    regular(metadata)?;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file: File =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    regular(&file.metadata().map_err(failed)?)?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Trouble::Lasting(format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    parse(&text, job, room)
}

fn parse(text: &[u8], job: &config::Scrape, room: Room) -> Result<BTreeSet<Target>, Trouble> {
    let (mut trouble, mut reader) = (None, serde_json::Deserializer::from_slice(text));
    let groups = Groups { job, room, targets: BTreeSet::new(), trouble: &mut trouble };
    let read = reader.deserialize_seq(groups).and_then(|targets| reader.end().map(|()| targets));
    read.map_err(|error| {
        // Its own words repeat what it read, which may be a password.
        let what = match error.classify() {
            Category::Data => "it is of another form",
            Category::Eof => "it ends too soon",
            Category::Syntax | Category::Io => "it is no JSON",
        };
        trouble.unwrap_or_else(|| {
            Trouble::Lasting(format!(
                "is not a list like [{{\"targets\": [\"host:9100\"], \"labels\": {{\"env\": \"prod\"}}}}]: \
                 {what} at line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    })
}

/// Makes targets of one group after the other: all groups of a file at once are large.
struct Groups<'g> {
    job: &'g config::Scrape,
    room: Room,
    targets: BTreeSet<Target>,
    trouble: &'g mut Option<Trouble>,
}

impl Groups<'_> {
    fn add(&mut self, nth: usize, group: &Group) -> Result<(), Trouble> {
        let fault = |text: String| Trouble::Lasting(format!("group {nth}: {text}"));
        if group.labels.len() > config::SCRAPE_LABELS_MAX {
            return Err(fault(format!("more than {} labels", config::SCRAPE_LABELS_MAX)));
        }
        for (name, value) in &group.labels {
            config::check_scrape_label(name, value)
                .map_err(|expected| fault(format!("each label must have {expected}")))?;
        }
        for address in &group.targets {
            let target = Target::new(self.job, address, &group.labels).map_err(fault)?;
            let bytes = target.memory();
            if !self.targets.insert(target) {
                continue;
            }
            if self.targets.len() > self.room.targets || bytes > self.room.bytes {
                // Other files may make room.
                return Err(Trouble::Passing(format!(
                    "with it the files of the job name more than {} targets, or such of more than {} \
                     bytes with their labels",
                    ROOM.targets, ROOM.bytes
                )));
            }
            self.room.bytes -= bytes;
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Groups<'_> {
    type Value = BTreeSet<Target>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of groups")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut groups: A) -> Result<Self::Value, A::Error> {
        let mut nth = 0;
        while let Some(group) = groups.next_element()? {
            nth += 1;
            if let Err(trouble) = self.add(nth, &group) {
                *self.trouble = Some(trouble);
                return Err(A::Error::custom("a group is at fault"));
            }
        }
        Ok(self.targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::files::tests::job;

    fn refused(text: &str) -> Trouble {
        parse(text.as_bytes(), &job(""), ROOM).unwrap_err()
    }

    #[test]
    fn a_fault_repeats_nothing_of_the_file() {
        for (text, said) in [
            ("\"http://u:hunter2@h/\"", "it is of another form at line 1, column 21"),
            ("[{\"targets\": \"http://u:hunter2@h/\"}]", "it is of another form at line 1"),
            ("[{\"http://u:hunter2@h/\": []}]", "it is of another form at line 1"),
            ("[{\"targets\": [\"http://u:hunter2@h/\"", "it ends too soon at line 1"),
            ("[{\"targets\": []}] hunter2", "it is no JSON at line 1, column 19"),
            ("[{\"targets\": [\"http://u:hunter2@h/\"]}]", "group 1: each of `targets` must be"),
        ] {
            let Trouble::Lasting(why) = refused(text) else { panic!("{text}") };
            assert!(why.contains(said) && !why.contains("hunter"), "{why}");
        }
    }

    #[test]
    fn what_a_file_makes_is_bounded_while_it_is_read() {
        let value = "x".repeat(1_900);
        let labels = format!("{{\"a\":\"{value}\",\"b\":\"{value}\",\"c\":\"{value}\"}}");
        let text = |targets: Vec<String>| {
            format!("[{{\"targets\": [{}], \"labels\": {labels}}}]", targets.join(","))
        };
        // One that is named often is one.
        let same = text(vec!["\"a\"".to_owned(); 30_000]);
        assert_eq!(parse(same.as_bytes(), &job(""), ROOM).unwrap().len(), 1);
        // 6,000 bytes of labels for each of 9,000.
        let large = (0..9_000).map(|nth| format!("\"a:{nth}\"")).collect();
        let Trouble::Passing(why) = refused(&text(large)) else { panic!() };
        assert!(why.contains("more than 33554432 bytes"), "{why}");
        let many: Vec<_> = (0..10_001).map(|nth| format!("\"a:{nth}\"")).collect();
        let many = format!("[{{\"targets\": [{}]}}]", many.join(","));
        assert!(matches!(refused(&many), Trouble::Passing(_)));
        let rest = Room { targets: 10_001, ..ROOM };
        assert_eq!(parse(many.as_bytes(), &job(""), rest).unwrap().len(), 10_001);
    }
}
