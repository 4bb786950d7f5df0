//! Names: those of keys and variables, and what to say when one is written that does not exist.

use std::collections::BTreeSet;

use super::suggest::closest;

/// What begins the name of every variable that is ours.
pub(super) const PREFIX: &str = "TIDEGATE_";

/// The variable of a key: `TIDEGATE_LIMITS__BODY_BYTES`, `TIDEGATE_LISTEN`.
pub(super) fn variable_name(section: &str, key: &str) -> String {
    let dot = if section.is_empty() { "" } else { "__" };
    format!("{PREFIX}{section}{dot}{key}").to_ascii_uppercase()
}

/// `sources[3]` and `token` to `sources.token`.
pub(super) fn known_path(section: &str, key: &str) -> String {
    let section = section.split('[').next().unwrap_or_default();
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// What to say about a key that was written and nobody asked for.
pub(super) fn unknown_key(section: &str, key: &str, known: &BTreeSet<String>) -> String {
    let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let prefix = known_path(section, "");
    let here = known
        .iter()
        .filter_map(|path| path.strip_prefix(&prefix))
        .filter(|key| !key.is_empty() && !key.contains('.'));
    if let Some(meant) = closest(key, here) {
        return format!("unknown key `{path}`; did you mean `{meant}`?");
    }
    if section == "receiver" && known.contains(&known_path("receivers", key)) {
        return format!(
            "unknown key `{path}`; `{key}` belongs under [[receivers]], of which there may be one"
        );
    }
    if known.contains(key) && !section.is_empty() {
        return format!(
            "unknown key `{path}`; `{key}` stands at the top: move it above the first [section]"
        );
    }
    let elsewhere = known.iter().find_map(|path| {
        let (section, last) = path.rsplit_once('.')?;
        (last == key).then_some(section)
    });
    match elsewhere {
        Some(home @ ("sources" | "receivers" | "scrape")) => {
            format!("unknown key `{path}`; `{key}` belongs under [[{home}]]")
        }
        Some(home) => format!("unknown key `{path}`; `{key}` belongs under [{home}]"),
        None => format!(
            "unknown key `{path}`; remove it, or see fixtures/config/full.toml for every key"
        ),
    }
}

/// Whether a path is of something that may be there several times, and so has no variables.
fn is_listed(path: &str) -> bool {
    let section = path.split('.').next().unwrap_or_default();
    matches!(section, "sources" | "receivers" | "scrape")
}

/// What to say about a variable that begins like ours and is none.
pub(super) fn unknown_variable(name: &str, known: &BTreeSet<String>) -> String {
    let is_section = |path: &str| {
        let below =
            |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        known.iter().any(below)
    };
    let names: Vec<String> = known
        .iter()
        .filter(|path| !is_listed(path) && !is_section(path))
        .map(|path| path.rsplit_once('.').unwrap_or(("", path)))
        .map(|(section, key)| variable_name(section, key))
        .collect();
    if names.iter().any(|known| known == name) {
        return format!(
            "environment {name} is ignored: only single values can be set by a variable"
        );
    }
    // The common prefix must not make everything look alike.
    let own = |name: &str| name.get(PREFIX.len()..).unwrap_or_default().to_owned();
    let own_names: Vec<String> = names.iter().map(|name| own(name)).collect();
    match closest(&own(name), own_names.iter().map(String::as_str)) {
        Some(meant) => format!("environment {name} is ignored; did you mean {PREFIX}{meant}?"),
        None => format!("environment {name} is ignored: tidegate knows no such variable"),
    }
}
