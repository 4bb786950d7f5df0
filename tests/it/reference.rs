//! `docs/configuration.md`: every key of the configuration, made of what the sources say of it, of what reading
//! it says it must be, of the default that takes effect, and of its line in `fixtures/config/full.toml`.
#![expect(clippy::format_push_string, reason = "text that is written once")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tidegate::config::{Environment, Loaded, load};

use super::codes::bless_or_compare;

mod fields;
mod reload;

use fields::Home;

/// Sections that may be there several times; variables cannot say which one they mean.
const LISTED: [&str; 3] = ["sources", "scrape", "receivers"];

/// Nothing that any key takes.
const DATE: &str = "1979-05-27";

/// Nothing that a key with a grammar takes.
const STRANGE: &str = "\"= #\"";

/// A key of the example file, and how it is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// Empty at the top.
    section: String,
    name: String,
    example: String,
}

impl Key {
    fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.clone()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    fn is_listed(&self) -> bool {
        LISTED.contains(&&*self.section)
    }

    fn variable(&self) -> String {
        let dot = if self.section.is_empty() { "" } else { "__" };
        format!("TIDEGATE_{}{dot}{}", self.section, self.name).to_ascii_uppercase()
    }
}

fn full() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("fixtures/config/full.toml")).expect("the example is there")
}

/// Its keys in order, those behind a `#` too; each once.
fn keys(text: &str) -> Vec<Key> {
    let (mut keys, mut section) = (Vec::<Key>::new(), String::new());
    for line in text.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_word = |text: &str| {
            let mut bytes = text.bytes();
            !text.is_empty()
                && bytes
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let header = line.trim_start_matches('[').trim_end_matches(']');
        if line.starts_with('[') && line.ends_with(']') && is_word(header) {
            header.clone_into(&mut section);
        } else if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| is_word(name)) {
            let key =
                Key { section: section.clone(), name: name.to_owned(), example: line.to_owned() };
            if !keys.iter().any(|other| other.path() == key.path()) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The keys that reading knows, in no order to speak of. What `[receiver]` has, `[[receivers]]` have as well.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for section in ["", "scrape", "receivers"] {
        let loaded = read(&written(section, None)).expect("the small configuration is sound");
        known.extend(loaded.settings.known().map(str::to_owned));
    }
    let is_section = |path: &str| known.iter().any(|other| other.starts_with(&format!("{path}.")));
    let twin = |path: &str, one: &str, other: &str| {
        let key = path.strip_prefix(one).and_then(|rest| rest.strip_prefix('.'))?;
        known.get(&format!("{other}.{key}"))
    };
    let is_own =
        |path: &str| ["name", "sources", "max_backlog_bytes"].iter().any(|own| path.ends_with(own));
    let keys = known.iter().filter(|path| !is_section(path) && !LISTED.contains(&&***path));
    let keys = keys.filter(|path| is_own(path) || twin(path, "receivers", "receiver").is_none());
    let keys = keys.filter(|path| !is_own(path) || twin(path, "receiver", "receivers").is_none());
    keys.cloned().collect()
}

/// Those of the example file in its order, and behind the others of their section those it forgot.
fn all_keys() -> Vec<Key> {
    let mut keys = keys(&full());
    for path in known() {
        if keys.iter().any(|key| key.path() == path) {
            continue;
        }
        let (section, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let last = keys.iter().rposition(|key| key.section == section);
        let key =
            Key { section: section.to_owned(), name: name.to_owned(), example: String::new() };
        keys.insert(last.map_or(keys.len(), |last| last + 1), key);
    }
    keys
}

/// A small configuration in which a section stands, with a key of it or without.
fn written(section: &str, key: Option<(&str, &str)>) -> String {
    let line = |(name, value): (&str, &str)| format!("{name} = {value}\n");
    let mut text = String::new();
    if section.is_empty() {
        text += &key.map_or(String::new(), line);
    }
    let receiver = if section == "receivers" { "receivers" } else { "receiver" };
    let mut sections = vec![
        ("sources", vec![("name", "\"main\""), ("token", "\"a-token\"")]),
        (receiver, vec![("url", "\"http://127.0.0.1:1/\""), ("api_key", "\"k\"")]),
    ];
    match section {
        "receivers" => sections[1].1.push(("name", "\"one\"")),
        "scrape" => {
            sections.push(("scrape", vec![("job", "\"node\""), ("targets", "[\"127.0.0.1:1\"]")]));
        }
        _ => {}
    }
    if !section.is_empty() && !sections.iter().any(|(name, _)| *name == section) {
        sections.push((section, Vec::new()));
    }
    for (name, lines) in sections {
        let (open, close) = if LISTED.contains(&name) { ("[[", "]]") } else { ("[", "]") };
        text += &format!("{open}{name}{close}\n");
        let key = key.filter(|_| name == section);
        let others =
            lines.into_iter().filter(|(other, _)| key.is_none_or(|(key, _)| key != *other));
        text += &others.chain(key).map(line).collect::<Vec<_>>().concat();
    }
    text
}

fn read(text: &str) -> Result<Loaded, String> {
    let environment = Environment { nodename: "gateway-1".to_owned(), ..Environment::default() };
    load("reference", text, &environment).map_err(|problems| problems.to_string())
}

/// What reading says a key must be, told that it is a date, and where it asks for a text, a strange one.
fn must_be(key: &Key) -> Option<String> {
    let said = complaint(key, DATE)?;
    match said.as_str() {
        "a string in quotes" => complaint(key, STRANGE).or(Some(said)),
        "a list, like [\"...\"]" => {
            let of_items = complaint(key, &format!("[{STRANGE}]"));
            of_items.map(|item| format!("a list; each item {item}")).or(Some(said))
        }
        _ => Some(said),
    }
}

fn complaint(key: &Key, value: &str) -> Option<String> {
    let faults = read(&written(&key.section, Some((&key.name, value)))).err()?;
    let path =
        if key.is_listed() { format!("{}[0].{}", key.section, key.name) } else { key.path() };
    let is_meant = |line: &&str| line.contains(&format!("`{path}` must be "));
    let line = faults.lines().find(is_meant)?;
    let (_, said) = line.split_once(" must be ")?;
    let found = format!(", not {}", value.trim_matches(['[', ']']));
    let said =
        said.strip_suffix(", not a date").or_else(|| said.strip_suffix(&found)).unwrap_or(said);
    Some(said.to_owned())
}

/// What takes effect where nobody says anything.
fn default(key: &Key, known: &Loaded) -> Option<String> {
    let section = if key.is_listed() { format!("{}[0]", key.section) } else { key.section.clone() };
    let mut settings = known.settings.iter();
    let setting = settings.find(|setting| setting.section == section && setting.key == key.name)?;
    (setting.place == tidegate::config::Place::File).then(|| setting.value.clone())
}

const INTRODUCTION: &str = "\
# Configuration

One TOML file; every key, in the order of [full.toml](../fixtures/config/full.toml), which shows them all in their \
places. What is not written has its default. A key that does not exist is refused, with the one that was probably meant; \
`tidegate check-config` names every fault with its line, or prints what is in effect with secrets as `***`.

Sizes are bytes or like `\"20MiB\"` (powers of 1,024). Times have a unit: `\"200ms\"`, `\"10s\"`, `\"15min\"`, `\"1h 30min\"`. A variable \
beats the file; sections that may be there several times have none. Numbers like C1.10 are those of the contract, the \
rules that the sources and tests of tidegate cite.

This page is made of what the sources say, and a test keeps it so: `TIDEGATE_BLESS=1 cargo test --test it -- reference`.
";

fn document() -> (String, Vec<String>) {
    let (mut text, mut faults) = (INTRODUCTION.to_owned(), Vec::new());
    let mut section = None;
    let mut home = Home::default();
    let mut known = None;
    for key in all_keys() {
        if section.as_ref() != Some(&key.section) {
            home = Home::of(&key.section);
            known =
                Some(read(&written(&key.section, None)).expect("the small configuration is sound"));
            text += &opening(&key.section, &home);
            section = Some(key.section.clone());
        }
        let Some(said) = home.text(&key.name) else {
            faults.push(format!("`{}` has no text: describe its field in src/config", key.path()));
            continue;
        };
        let known = known.as_ref().expect("a key stands in a section");
        text += &entry(&key, said, known);
    }
    (text, faults)
}

fn opening(section: &str, home: &Home) -> String {
    let heading = match section {
        "" => return "\n## The top of the file\n\nBefore any section.\n".to_owned(),
        listed if LISTED.contains(&listed) => format!("[[{listed}]]"),
        one => format!("[{one}]"),
    };
    format!("\n## {heading}\n\n{}\n", home.about)
}

fn entry(key: &Key, said: &str, known: &Loaded) -> String {
    let mut text = format!("\n### {}\n\n{said}\n\n", key.path());
    if let Some(must_be) = must_be(key) {
        text += &format!("- must be {must_be}\n");
    }
    match default(key, known) {
        Some(value) if value.contains("gateway-1") => {
            text += "- default: what the machine is called\n";
        }
        Some(value) => text += &format!("- default: `{value}`\n"),
        // The text says what happens without it.
        None => {}
    }
    if !key.is_listed() {
        text += &format!("- variable: `{}`\n", key.variable());
    }
    if let Some(effect) = reload::effect(&key.path()) {
        text += &format!("- takes effect {effect}\n");
    }
    if !key.example.is_empty() {
        text += &format!("- example: `{}`\n", key.example);
    }
    text
}

#[test]
fn the_reference_is_what_the_sources_say() {
    let (made, faults) = document();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    bless_or_compare("docs/configuration.md", &made);
}

#[test]
fn every_key_that_is_known_is_in_the_reference() {
    let (text, _) = document();
    for path in known() {
        assert!(text.contains(&format!("\n### {path}\n")), "{path}");
    }
    assert!(known().len() > 60, "the keys were found: {}", known().len());
}
