//! The files of dead letters, read by eyes of our own.
#![expect(
    clippy::unwrap_used,
    reason = "part of tests: a failure here fails the test that runs it"
)]

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

/// One letter as it stands in its file.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) json: Value,
    /// Whether a replay of it was completed.
    pub(crate) is_replayed: bool,
}

impl Letter {
    /// The name of its metric.
    pub(crate) fn name(&self) -> String {
        let tuple = &self.json["tuple"];
        // The tuple stands there as it was sent: as text, or as JSON itself.
        let tuple = match tuple.as_str() {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => tuple.clone(),
        };
        tuple[0].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.json[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.json))
    }

    pub(crate) fn status(&self) -> u64 {
        self.json["status"].as_u64().unwrap()
    }
}

/// Every letter below this directory, oldest file first; none when it does not exist.
pub(crate) fn read(directory: &Path) -> Vec<Letter> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort_unstable();
    let mut letters = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".letters")) {
        let stem = file.strip_suffix(".letters").unwrap();
        let gone = gone(
            directory,
            files
                .iter()
                .filter(|file| file.starts_with(&format!("{stem}-")) && file.ends_with(".replays")),
        );
        let lines = lines(&directory.join(file));
        // One that stands for another one does not count while that one is there.
        let old = lines.first().and_then(|(_, json)| json["instead_of"].as_u64());
        if old.is_some_and(|old| files.contains(&format!("{old:010}.letters"))) {
            continue;
        }
        for (at, json) in lines {
            let is_in = |spans: &[Range<u64>]| spans.iter().any(|span| span.contains(&at));
            let (is_replayed, is_void) = (is_in(&gone.replayed), is_in(&gone.void));
            // Marks before and behind letters are none.
            if !is_void && json.get("sequence").is_some() {
                letters.push(Letter { json, is_replayed });
            }
        }
    }
    letters
}

/// Stretches of letters that do not count any more.
#[derive(Default)]
struct Gone {
    replayed: Vec<Range<u64>>,
    void: Vec<Range<u64>>,
}

fn gone<'f>(directory: &Path, journals: impl Iterator<Item = &'f String>) -> Gone {
    let mut gone = Gone::default();
    for (_, step) in journals.flat_map(|journal| lines(&directory.join(journal))) {
        let spans = step["spans"].as_array().into_iter().flatten();
        let spans = spans.map(|span| span[0].as_u64().unwrap()..span[1].as_u64().unwrap());
        match step["kind"].as_str().unwrap() {
            "done" => gone.replayed.extend(spans),
            "void" => gone.void.extend(spans),
            _ => {}
        }
    }
    gone
}

/// The whole lines of a file behind its first one, each with where it begins. A file may be gone again,
/// and the end of one that is being written may be torn.
fn lines(path: &Path) -> Vec<(u64, Value)> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let mut at = 0;
    let mut lines = Vec::new();
    for (nth, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let begins = at;
        at += line.len() as u64;
        let Some(text) = line.strip_suffix(b"\n").filter(|_| nth > 0) else { continue };
        let Some((crc, json)) = text.split_at_checked(9) else { continue };
        let crc = u32::from_str_radix(std::str::from_utf8(&crc[..8]).unwrap(), 16).unwrap();
        assert_eq!(crc, crc32fast::hash(json), "{} at {begins}", path.display());
        lines.push((begins, serde_json::from_slice(json).unwrap()));
    }
    lines
}
