//! One `[section]` of the file: its tables, its single values, and the notes of what was found.
//!
//! `values` holds the typed reading that the modules of the sections use.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::{File, Needs, Setting};
use super::problem::Place;
use super::scalar::Scalar;
use super::tls;

/// One table of the file, with the variables over it.
#[derive(Debug)]
pub(super) struct Section<'f> {
    pub(super) file: &'f File<'f>,
    path: String,
    table: Option<&'f DeTable<'f>>,
    place: Place,
    keys: Vec<&'static str>,
}

impl<'f> Section<'f> {
    pub(super) fn new(
        file: &'f File<'f>,
        path: String,
        table: Option<&'f DeTable<'f>>,
        place: Place,
    ) -> Self {
        Self { file, path, table, place, keys: Vec::new() }
    }

    // -- structure --

    /// A `[name]` table under this one; empty when it is not there.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'f> {
        self.know(name);
        let Some(value) = self.value(name) else {
            return Section::new(self.file, name.to_owned(), None, Place::File);
        };
        let place = self.file.line(value);
        if !value.get_ref().is_table() {
            self.fault_at(place.clone(), format!("`{name}` is a section: write [{name}]"));
        }
        Section::new(self.file, name.to_owned(), value.get_ref().as_table(), place)
    }

    /// The `[[name]]` tables under this one, in order.
    pub(super) fn sections(&mut self, name: &'static str) -> Vec<Section<'f>> {
        self.know(name);
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let text =
                format!("`{name}` is a list of sections: write [[{name}]], with two brackets");
            self.fault_at(self.file.line(value), text);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (nth, item) in items.iter().enumerate() {
            let (path, place) = (format!("{name}[{nth}]"), self.file.line(item));
            if !item.get_ref().is_table() {
                self.fault_at(place.clone(), format!("`{path}` is a section: write [[{name}]]"));
            }
            sections.push(Section::new(self.file, path, item.get_ref().as_table(), place));
        }
        sections
    }

    /// Notes the keys nobody asked for. To be called when all others have been read.
    pub(super) fn finish(self) {
        let written = self.table.into_iter().flat_map(DeTable::keys);
        for key in written.filter(|key| !self.keys.contains(&key.get_ref().as_ref())) {
            self.file.unknown(&self.path, key);
        }
    }

    /// The keys exist, and this command has no use for them.
    pub(super) fn ignore(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.scalar(key);
        }
    }

    pub(super) fn needs(&self) -> Needs {
        self.file.needs
    }

    pub(super) fn environment_variable(&self, name: &str) -> Option<&'f str> {
        self.file.environment.variables.get(name).map(String::as_str)
    }

    pub(super) fn nodename(&self) -> &'f str {
        &self.file.environment.nodename
    }

    // -- values; typed ones in `values` --

    /// A single value as it stands and its place; for secrets, which are judged elsewhere.
    pub(super) fn scalar(&mut self, key: &'static str) -> Option<(Scalar<'f>, Place)> {
        let found = self.written(key)?;
        // The one name that files have whose contents are part of the configuration.
        if let (true, Some(path)) = (key.ends_with("_file"), found.0.text()) {
            if tls::FILES.contains(&key) {
                self.file.names_kept_file(path);
            } else {
                self.file.names_file(path);
            }
        }
        Some(found)
    }

    fn written(&mut self, key: &'static str) -> Option<(Scalar<'f>, Place)> {
        self.know(key);
        if let Some((name, text)) = self.file.variable(&self.path, key) {
            return Some((Scalar::Variable(text), Place::Variable(name)));
        }
        let value = self.value(key)?;
        Some((Scalar::Value(value.get_ref()), self.file.line(value)))
    }

    // -- notes --

    /// The value of a key that took effect, as TOML.
    pub(super) fn show(&self, key: &str, value: String, place: Place) {
        let (section, key) = (self.path.clone(), key.to_owned());
        self.file.set(Setting { section, key, value, place });
    }

    /// A fault of one key.
    pub(super) fn fault(&self, key: &str, text: String) {
        let variable = self.file.variable(&self.path, key).map(|(name, _)| Place::Variable(name));
        let line = || self.value(key).map(|value| self.file.line(value));
        self.fault_at(variable.or_else(line).unwrap_or(Place::File), text);
    }

    /// A fault of the section as a whole.
    pub(super) fn fault_of_section(&self, text: String) {
        self.fault_at(self.place.clone(), text);
    }

    pub(super) fn fault_at(&self, place: Place, text: String) {
        self.file.problem(place, text);
    }

    pub(super) fn must_be(&self, key: &str, place: Place, expected: &str, found: &str) {
        self.fault_at(place, format!("`{}` must be {expected}, not {found}", self.name(key)));
    }

    pub(super) fn warn(&self, text: String) {
        self.file.warn(text);
    }

    /// Whether somebody wrote the key, in the file or as a variable.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.value(key).is_some() || self.file.variable(&self.path, key).is_some()
    }

    /// `limits.body_bytes`
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Says that variables of these keys have no effect, and why.
    pub(super) fn warn_of_variables(&self, keys: &[&'static str], why: &str) {
        for key in keys {
            self.file.know(&self.path, key);
            if let Some((name, _)) = self.file.variable(&self.path, key) {
                self.warn(format!("environment {name} is ignored: {why}"));
            }
        }
    }

    /// A key of sections under this one exists, whether or not there are any.
    pub(super) fn know_below(&self, section: &'static str, key: &'static str) {
        self.file.know(section, key);
    }

    // -- inside --

    pub(super) fn value(&self, key: &str) -> Option<&'f Spanned<DeValue<'f>>> {
        self.table?.get(key)
    }

    pub(super) fn know(&mut self, key: &'static str) {
        self.keys.push(key);
        self.file.know(&self.path, key);
    }
}
