//! What another configuration changes, in words, and what of it has to wait for a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{self, Effect};
use super::held::Held;
use crate::config::{Config, Settings, Source};

/// The settings of a configuration by what they are settings of, in the texts that `check-config` shows:
/// secrets are `"***"` there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture(BTreeMap<Thing, BTreeMap<String, String>>);

/// What has settings: a section, or one of several, by its name and wherever it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Section(String),
    Source(String),
    Job(String),
    Receiver(String),
}

/// What there is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) changed: Vec<String>,
    pub(super) needs_restart: Vec<String>,
}

/// The keys of the one token, and of the next one.
const TOKENS: [(&str, [&str; 4]); 2] = [
    ("token", ["token", "token_sha256", "token_file", "token_env"]),
    ("next_token", ["next_token", "next_token_sha256", "next_token_file", "next_token_env"]),
];

impl Picture {
    pub(super) fn of(settings: &Settings) -> Self {
        let name_of = |section: &str, key: &str| {
            let is_it = |it: &&crate::config::Setting| it.section == section && it.key == key;
            let value = settings.iter().find(is_it).map(|it| it.value.trim_matches('"').to_owned());
            value.unwrap_or_default()
        };
        let mut things: BTreeMap<Thing, BTreeMap<String, String>> = BTreeMap::new();
        for setting in settings.iter() {
            let section = &*setting.section;
            let thing = match section.split('[').next().unwrap_or_default() {
                "sources" => Thing::Source(name_of(section, "name")),
                "scrape" => Thing::Job(name_of(section, "job")),
                "receivers" => Thing::Receiver(name_of(section, "name")),
                // What it is called, so that it can become one of several.
                "receiver" => Thing::Receiver("default".to_owned()),
                _ => Thing::Section(section.to_owned()),
            };
            let known = things.entry(thing).or_default();
            known.insert(setting.key.clone(), setting.value.clone());
        }
        Self(things)
    }

    /// What stays what it was when this becomes `next`, as far as it may: the settings in effect then.
    pub(super) fn merged(&self, next: &Self, held: &Held) -> Self {
        let mut merged = next.clone();
        merged.0.retain(|thing, _| !thing.stays(held) || self.0.contains_key(thing));
        for (thing, values) in &self.0 {
            let is_gone = !next.0.contains_key(thing);
            match thing {
                Thing::Section(_) => {}
                _ if is_gone && thing.stays(held) => {
                    merged.0.insert(thing.clone(), values.clone());
                    continue;
                }
                _ if is_gone => continue,
                _ => {}
            }
            let after = merged.0.entry(thing.clone()).or_default();
            for key in keys(values, after) {
                if !thing.is_name(&key) && waits(thing, &key, held) {
                    match values.get(&key) {
                        Some(value) => after.insert(key, value.clone()),
                        None => after.remove(&key),
                    };
                }
            }
        }
        merged
    }
}

/// From what is in effect to what was read. `held` are keys that wait although they could change.
pub(super) fn difference(
    (before, old): (&Config, &Picture),
    (after, new): (&Config, &Picture),
    held: &Held,
) -> Difference {
    let mut told = Difference::default();
    let things: BTreeSet<&Thing> = old.0.keys().chain(new.0.keys()).collect();
    let renamed = renamed(before, after);
    let none = BTreeMap::new();
    for thing in things {
        match (old.0.get(thing), new.0.get(thing)) {
            (values, next) if matches!(thing, Thing::Section(_)) => {
                told.both(thing, values.unwrap_or(&none), next.unwrap_or(&none), held);
            }
            (Some(values), Some(next)) => told.both(thing, values, next, held),
            (None, Some(next)) => {
                told.one(thing, "is added", &renamed, held);
                if let Some(values) = thing.before(&renamed).and_then(|before| old.0.get(&before)) {
                    told.both(thing, values, next, held);
                }
            }
            (Some(_), None) => told.one(thing, "is removed", &renamed, held),
            (None, None) => {}
        }
    }
    told.secrets(before, after, &renamed, held);
    told
}

impl Difference {
    fn both(
        &mut self,
        thing: &Thing,
        old: &BTreeMap<String, String>,
        new: &BTreeMap<String, String>,
        held: &Held,
    ) {
        for key in keys(old, new) {
            let (before, after) = (old.get(&key), new.get(&key));
            let is_token = matches!(thing, Thing::Source(_))
                && TOKENS.iter().any(|(_, keys)| keys.contains(&&*key));
            // By what it is instead of how it is given.
            if before == after || is_token || thing.is_name(&key) {
                continue;
            }
            if waits(thing, &key, held) {
                self.needs_restart.push(thing.names(&key));
            } else if let Thing::Section(_) = thing {
                let shown = |value: Option<&String>| value.map_or("nothing", |it| it).to_owned();
                let (before, after) = (shown(before), shown(after));
                self.changed.push(format!("{}: {before} -> {after}", thing.names(&key)));
            } else {
                self.changed.push(thing.names(&key));
            }
        }
    }

    fn one(&mut self, thing: &Thing, what: &str, renamed: &BTreeMap<&str, &str>, held: &Held) {
        let told = self.list(thing.stays(held));
        if let Thing::Source(name) = thing {
            if renamed.values().any(|before| before == name) {
                return;
            }
            if let Some(before) = renamed.get(&**name) {
                told.push(format!("source \"{before}\" is called \"{name}\" now"));
                return;
            }
        }
        told.push(format!("{} {what}", thing.shown()));
    }

    fn list(&mut self, waits: bool) -> &mut Vec<String> {
        if waits { &mut self.needs_restart } else { &mut self.changed }
    }

    /// What no text shows.
    fn secrets(
        &mut self,
        before: &Config,
        after: &Config,
        renamed: &BTreeMap<&str, &str>,
        held: &Held,
    ) {
        for source in &after.sources {
            let name = renamed.get(&*source.name).copied().unwrap_or(&source.name);
            let Some(old) = before.sources.iter().find(|old| *old.name == *name) else {
                continue;
            };
            for (key, _) in TOKENS {
                if digest(old, key) != digest(source, key) {
                    let told = self.list(held.has_feeds());
                    told.push(format!("`{key}` of source \"{}\"", source.name));
                }
            }
        }
        for receiver in &after.receivers {
            let old = before.receivers.iter().find(|old| old.name == receiver.name);
            if old.is_some_and(|old| old.api_key != receiver.api_key) {
                let told = self.list(held.has_receiver(&receiver.name));
                told.push(format!("api key of receiver {}", receiver.name));
            }
            let proxy = Thing::Receiver(receiver.name.to_string()).names("proxy");
            let told = self.list(held.has_receiver(&receiver.name));
            // Of its address user and password do not show.
            if old.is_some_and(|old| old.proxy != receiver.proxy) && !told.contains(&proxy) {
                told.push(proxy);
            }
        }
        for job in &after.scrapes {
            let old = before.scrapes.iter().find(|old| old.job == job.job);
            let told = self.list(held.has_feeds());
            let is_told = told.iter().any(|told| told.ends_with(&of_job(&job.job)));
            if old.is_some_and(|old| old != job) && !is_told {
                told.push(format!("headers or certificates{}", of_job(&job.job)));
            }
        }
    }
}

impl Thing {
    /// Whether it is there until a restart, and no other comes.
    fn stays(&self, held: &Held) -> bool {
        match self {
            Self::Section(_) => false,
            Self::Source(_) | Self::Job(_) => held.has_feeds(),
            Self::Receiver(_) => true,
        }
    }

    /// What a receiver is called among several: that it is one of several changes nothing. That a source is
    /// called otherwise is told by itself.
    fn is_name(&self, key: &str) -> bool {
        matches!(self, Self::Source(_) | Self::Receiver(_)) && key == "name"
    }

    /// What it was before it was called so.
    fn before(&self, renamed: &BTreeMap<&str, &str>) -> Option<Self> {
        let Self::Source(name) = self else { return None };
        renamed.get(&**name).map(|before| Self::Source((*before).to_owned()))
    }

    /// The key as the table has it.
    fn path(&self, key: &str) -> String {
        match self {
            Self::Section(section) if section.is_empty() => key.to_owned(),
            Self::Section(section) => format!("{section}.{key}"),
            Self::Source(_) => format!("sources.{key}"),
            Self::Job(_) => format!("scrape.{key}"),
            Self::Receiver(_) => format!("receivers.{key}"),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Section(name) => format!("[{name}]"),
            Self::Source(name) => format!("source \"{name}\""),
            Self::Job(name) => format!("job {name}"),
            Self::Receiver(name) => format!("receiver {name}"),
        }
    }

    /// One key, for people.
    fn names(&self, key: &str) -> String {
        match self {
            Self::Section(_) => format!("`{}`", self.path(key)),
            Self::Job(name) => format!("`{key}`{}", of_job(name)),
            _ => format!("`{key}` of {}", self.shown()),
        }
    }
}

fn of_job(name: &str) -> String {
    format!(" of job {name}")
}

fn waits(thing: &Thing, key: &str, held: &Held) -> bool {
    let path = thing.path(key);
    let is_held = match thing {
        Thing::Source(_) | Thing::Job(_) => held.has_feeds(),
        Thing::Receiver(name) => held.has_receiver(name),
        Thing::Section(_) => held.has_key(&path),
    };
    is_held || effect::of(&path) == Effect::Restart
}

fn keys(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> BTreeSet<String> {
    one.keys().chain(other.keys()).cloned().collect()
}

fn digest<'s>(source: &'s Source, key: &str) -> Option<&'s [u8; 32]> {
    source.tokens.iter().find(|token| token.key == key).map(|token| &token.sha256)
}

/// New names of sources that went on under them: one token is the same.
fn renamed<'c>(before: &'c Config, after: &'c Config) -> BTreeMap<&'c str, &'c str> {
    let is_in = |name: &str, list: &[Source]| list.iter().any(|source| &*source.name == name);
    let gone = before.sources.iter().filter(|source| !is_in(&source.name, &after.sources));
    let gone: Vec<&Source> = gone.collect();
    let come = after.sources.iter().filter(|source| !is_in(&source.name, &before.sources));
    let pair = |come: &'c Source| {
        let has = |gone: &&&'c Source| {
            gone.tokens.iter().any(|old| come.tokens.iter().any(|new| new.sha256 == old.sha256))
        };
        let gone = gone.iter().find(has)?;
        Some((&*come.name, &*gone.name))
    };
    come.filter_map(pair).collect()
}

#[cfg(test)]
mod tests;
