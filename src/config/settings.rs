//! The effective settings as TOML, each with where it came from: what `check-config` prints.

use std::collections::BTreeSet;
use std::fmt;

use super::file::Setting;
use super::problem::Place;

/// Every setting that took effect, in the order of the documentation. Secrets are `"***"`.
#[derive(Clone, Debug)]
pub struct Settings {
    list: Vec<Setting>,
    known: BTreeSet<String>,
}

impl Settings {
    pub(super) fn new(list: Vec<Setting>, known: BTreeSet<String>) -> Self {
        Self { list, known }
    }

    /// The settings one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// Every key and section there is, as `limits.body_bytes`, `sources.token` and `limits`.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(String::as_str)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for setting in &self.list {
            if setting.section != section {
                section = &setting.section;
                match section.split_once('[') {
                    Some((name, _)) => writeln!(f, "\n[[{name}]]")?,
                    None => writeln!(f, "\n[{section}]")?,
                }
            }
            write!(f, "{} = {}", setting.key, setting.value)?;
            match &setting.place {
                Place::File => f.write_str("  # default\n")?,
                Place::Line(line) => writeln!(f, "  # line {line}")?,
                Place::Variable(name) => writeln!(f, "  # {name}")?,
            }
        }
        Ok(())
    }
}
