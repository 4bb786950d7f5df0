//! The names of things of which there are several: their one rule, and that each has its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::section::Section;

/// The names of one kind so far, each with the path of its section.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<Arc<str>, String>);

impl Names {
    /// The `name` of this section, as `rule` allows; `what` says what it is for. A second use of a name
    /// is a fault.
    pub(super) fn read(
        &mut self,
        section: &mut Section<'_>,
        what: &str,
        rule: fn(&str) -> Result<String, String>,
    ) -> Option<Arc<str>> {
        self.read_key(section, "name", what, rule)
    }

    /// The same for things that are named by another key.
    pub(super) fn read_key(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        what: &str,
        rule: fn(&str) -> Result<String, String>,
    ) -> Option<Arc<str>> {
        let path = section.name(key);
        let Some(name) = section.optional(key, String::clone, rule) else {
            if !section.is_written(key) {
                section.fault_of_section(format!("`{path}` is missing: {what}"));
            }
            return None;
        };
        let name: Arc<str> = name.into();
        if let Some(first) = self.0.get(&name) {
            let text = format!(
                "`{path}` is \"{name}\", which {first} is called already: names are unique"
            );
            section.fault(key, text);
        } else {
            let section = path.rsplit_once('.').map_or(&*path, |(section, _)| section).to_owned();
            self.0.insert(Arc::clone(&name), section);
        }
        Some(name)
    }

    /// All of them.
    pub(super) fn list(self) -> Vec<Arc<str>> {
        self.0.into_keys().collect()
    }
}

/// The rule.
pub(super) fn any_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err("1 to 64 letters, digits, `.`, `_` or `-`".to_owned());
    }
    Ok(text.to_owned())
}

/// The same for what names files as well: `..` would be another directory.
pub(super) fn file_name(text: &str) -> Result<String, String> {
    match any_name(text) {
        Ok(name) if !name.starts_with('.') => Ok(name),
        _ => Err("1 to 64 letters, digits, `.`, `_` or `-`, the first of them no `.`".to_owned()),
    }
}
