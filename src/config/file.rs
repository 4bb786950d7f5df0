//! The configuration as it was written: the TOML text with its lines, and the variables over it.
//!
//! A `File` is loose and judges nothing. The sections read typed values out of it through
//! [`Section`], which notes three things on the way: faults (all of them, so that one run of
//! `check-config` is enough), the keys that exist, and the value each one ended up with.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Problems};
use super::section::Section;
use super::unknown::{PREFIX, known_path, unknown_key, unknown_variable, variable_name};

/// What surrounds the process: read once, handed in, so that tests need no real environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// What `uname -n` prints: the default of `hostname`.
    pub nodename: String,
}

impl Environment {
    /// The real surroundings of this process.
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self {
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            nodename: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }
}

/// How much of the configuration the command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// All of it, at least one source and a receiver: `serve`, `check-config`.
    Everything,
    /// What shapes tuples, or where the queue is and for whom. Secrets are left alone: whoever converts a
    /// file or looks into the queue may not read them.
    NoSecrets,
}

/// One key and the value that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `limits`, `sources[0]`; empty at the top.
    pub section: String,
    /// `body_bytes`
    pub key: String,
    /// As TOML; secrets are `"***"`.
    pub value: String,
    /// Where it came from; [`Place::File`] is the default.
    pub place: Place,
}

/// See the module.
#[derive(Debug)]
pub(super) struct File<'t> {
    pub(super) needs: Needs,
    pub(super) environment: &'t Environment,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    notes: RefCell<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    settings: Vec<Setting>,
    /// `limits.body_bytes`, `sources.token`, and `limits` itself.
    known: BTreeSet<String>,
    /// Section path, key, line.
    unknown: Vec<(String, String, usize)>,
    variables: BTreeSet<String>,
    files: Vec<PathBuf>,
    kept_files: Vec<PathBuf>,
}

/// What reading left behind beside the values.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) known: BTreeSet<String>,
    pub(super) files: Vec<PathBuf>,
}

/// Most syntax errors shown: what follows the first few is usually their echo.
const SYNTAX_ERRORS_MAX: usize = 3;

impl<'t> File<'t> {
    /// Reads TOML. Only a syntax error fails here.
    pub(super) fn parse(
        origin: &str,
        text: &'t str,
        environment: &'t Environment,
        needs: Needs,
    ) -> Result<Self, Problems> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { needs, environment, text, root, notes: RefCell::default() });
        }
        // Only message and line: the error's own Display quotes the line, which may hold a token.
        let problem = |error: &toml::de::Error| Problem {
            place: error.span().map_or(Place::File, |span| Place::Line(line_of(text, span.start))),
            text: format!("not valid TOML: {}", error.message().replace('\n', ", ")),
        };
        let list = errors.iter().take(SYNTAX_ERRORS_MAX).map(problem).collect();
        Err(Problems::new(origin, list))
    }

    /// The keys above the first `[section]`.
    pub(super) fn top(&self) -> Section<'_> {
        Section::new(self, String::new(), Some(self.root.get_ref()), Place::File)
    }

    pub(super) fn line(&self, spanned: &Spanned<impl Sized>) -> Place {
        Place::Line(line_of(self.text, spanned.span().start))
    }

    /// The variable that overrides a key, when it has one; only sections that exist once do.
    pub(super) fn variable(&self, section: &str, key: &str) -> Option<(String, &str)> {
        if section.contains('[') {
            return None;
        }
        let name = variable_name(section, key);
        let value = self.environment.variables.get(&name)?;
        self.notes.borrow_mut().variables.insert(name.clone());
        Some((name, value))
    }

    pub(super) fn problem(&self, place: Place, text: String) {
        self.notes.borrow_mut().problems.push(Problem { place, text });
    }

    pub(super) fn warn(&self, text: String) {
        self.notes.borrow_mut().warnings.push(text);
    }

    pub(super) fn set(&self, setting: Setting) {
        self.notes.borrow_mut().settings.push(setting);
    }

    /// A file whose content is part of the configuration: whoever watches it watches that as well.
    pub(super) fn names_file(&self, path: &str) {
        self.notes.borrow_mut().files.push(path.into());
    }

    /// One that whoever uses it reads again by itself: of interest while something is wrong, which may be
    /// that very file.
    pub(super) fn names_kept_file(&self, path: &str) {
        self.notes.borrow_mut().kept_files.push(path.into());
    }

    pub(super) fn know(&self, section: &str, key: &str) {
        self.notes.borrow_mut().known.insert(known_path(section, key));
    }

    pub(super) fn unknown(&self, section: &str, key: &Spanned<std::borrow::Cow<'_, str>>) {
        let line = line_of(self.text, key.span().start);
        let entry = (section.to_owned(), key.get_ref().to_string(), line);
        self.notes.borrow_mut().unknown.push(entry);
    }

    /// Judges what nobody asked for, once every section was read.
    pub(super) fn finish(self) -> Outcome {
        let mut notes = self.notes.into_inner();
        for (section, key, line) in &notes.unknown {
            let text = unknown_key(section, key, &notes.known);
            notes.problems.push(Problem { place: Place::Line(*line), text });
        }
        for name in self.environment.variables.keys() {
            let ours = name.starts_with(PREFIX) && name != "TIDEGATE_CONFIG";
            if ours && !notes.variables.contains(name) {
                notes.warnings.push(unknown_variable(name, &notes.known));
            }
        }
        let Notes { problems, warnings, settings, known, mut files, kept_files, .. } = notes;
        if !problems.is_empty() {
            files.extend(kept_files);
        }
        Outcome { problems, warnings, settings, known, files }
    }
}

/// Where a byte stands, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..offset.min(text.len())]).count()
}

/// A value for people: what was found where something else was expected.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => shortened(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A string in quotes, cut where it gets long.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            let (head, _) = text.split_at(end);
            format!("{head:?}...")
        }
        None => format!("{text:?}"),
    }
}
