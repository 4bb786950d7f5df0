//! The fields of the configuration's structs and what is written above them, read from the sources line by line.

use std::fs;
use std::path::{Path, PathBuf};

/// A public field and its text.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) text: String,
}

/// What the sources say of one section: its opening sentence and its fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Home {
    pub(super) about: String,
    pub(super) fields: Vec<Field>,
}

impl Home {
    /// Of the file whose opening names the section, as `[limits]` or `[[sources]]`; what stands in files below
    /// it belongs to it. The top of the file is described by the module itself.
    pub(super) fn of(section: &str) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
        let mut paths = Vec::new();
        if section.is_empty() {
            paths.push(config.with_extension("rs"));
        } else {
            let names = [format!("`[{section}]`"), format!("`[[{section}]]`")];
            for path in files(&config) {
                let about = opening(&read(&path));
                if path.parent() == Some(&config) && names.iter().any(|name| about.contains(name)) {
                    paths.extend(files(&path.with_extension("")));
                    paths.insert(0, path);
                }
            }
            // The values of these are the core's own.
            paths.push(config.with_file_name("normalize").join("policy.rs"));
        }
        let about = paths.first().map_or(String::new(), |path| opening(&read(path)));
        let fields = paths.iter().flat_map(|path| fields(&read(path))).collect();
        Self { about, fields }
    }

    /// What is said of a key: by a field of its name, perhaps with a unit behind it, by the text of another
    /// field that names it, or by a field that has a word before it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let quoted = format!("`{key}`");
        let is_named = |field: &&Field| field.name == key || field.name == format!("{key}_s");
        let is_longer = |field: &&Field| field.name.ends_with(&format!("_{key}"));
        let mentions = |field: &&Field| field.text.contains(&quoted);
        let all = || self.fields.iter();
        let found = all().find(is_named).or_else(|| all().find(mentions));
        found.or_else(|| all().find(is_longer)).map(|field| &*field.text)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("sources are UTF-8")
}

/// The sources in and below a directory, in order; none where there is no such directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The first paragraph of a file.
fn opening(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!").map(str::trim));
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Public fields of one line, each with the comment above it.
fn fields(text: &str) -> Vec<Field> {
    let (mut fields, mut comment) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if line == "mod tests {" {
            break;
        } else if let Some(said) = line.strip_prefix("///") {
            comment.push(said.trim());
        } else if let Some((name, _)) =
            line.strip_prefix("pub ").and_then(|rest| rest.split_once(": "))
        {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if name.chars().all(is_name) {
                fields.push(Field { name: name.to_owned(), text: plain(&paragraphs(&comment)) });
            }
            comment.clear();
        } else if !line.starts_with("#[") {
            comment.clear();
        }
    }
    fields
}

/// Lines of a comment; an empty one parts two paragraphs.
fn paragraphs(comment: &[&str]) -> String {
    let parts = comment.split(|line| line.is_empty()).map(|lines| lines.join(" "));
    parts.collect::<Vec<_>>().join("\n\n")
}

/// Links into the sources lead nowhere from a document: what they show stays.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        plain += &format!("{before}`{name}`");
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain + rest
}
