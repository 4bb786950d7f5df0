//! Which names have the most series, and which of their tags the most values: about, and in little memory.
//!
//! The names are the leaders of a space-saving count, and each of them and of their tags has a sketch. Only
//! series that begin, are refused or were not seen in this window are looked at, so that a metric whose
//! series is known costs nothing here. The window before is kept beside the one that runs: every series
//! that lives was seen in one of the two.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::sketch::Sketch;
use crate::metric::Tag;

/// Names that are followed, and tags of each.
const NAMES_MAX: usize = 16;
const TAGS_MAX: usize = 24;

/// Most bytes of a name or key that is kept for showing it.
const SHOWN_BYTES_MAX: usize = 128;

/// A tag of one value is not what grows.
const VALUES_MIN: u64 = 2;

/// What has the most series, about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The metric with the most series, cut to 128 bytes.
    pub metric: String,
    /// How many it has.
    pub series: u64,
    /// Of its tags the one with the most values, and how many; `None` where no tag has several.
    pub tag: Option<(String, u64)>,
    /// How many names there are.
    pub names: u64,
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, series, tag, names } = self;
        if *names > *series {
            return write!(
                f,
                "there are about {names} metrics, one of them `{metric}`, and none has many"
            );
        }
        write!(f, "metric `{metric}` has the most, about {series}")?;
        match tag {
            Some((key, values)) => write!(f, ", and about {values} values in its tag `{key}`"),
            None => Ok(()),
        }
    }
}

/// The leaders of this window and of the one before.
#[derive(Debug, Default)]
pub(super) struct Leaders {
    now: Board,
    before: Board,
    window: u32,
}

#[derive(Debug, Default)]
struct Board {
    names: Vec<Name>,
    all: Sketch,
    fed: u64,
}

#[derive(Debug)]
struct Name {
    hash: u64,
    shown: Box<str>,
    count: u64,
    series: Sketch,
    tags: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    hash: u64,
    shown: Box<str>,
    values: Sketch,
}

impl Leaders {
    /// Which window it is.
    pub(super) fn advance(&mut self, window: u32) {
        if window != self.window {
            self.before = std::mem::take(&mut self.now);
            if window != self.window + 1 {
                self.before = Board::default();
            }
            self.window = window;
        }
    }

    /// A series that is not known, or was not seen in this window.
    pub(super) fn feed(&mut self, keys: &RandomState, series: u64, name: &str, tags: &[Tag<'_>]) {
        self.now.feed(keys, series, name, tags);
    }

    /// What has the most series; `None` before there was any.
    pub(super) fn top(&self) -> Option<Growth> {
        let board = if self.now.fed >= self.before.fed { &self.now } else { &self.before };
        let (series, name) = board
            .names
            .iter()
            .map(|name| (name.series.count(), name))
            .max_by_key(|(series, _)| *series)?;
        let tag = name.tags.iter().map(|tag| (tag.values.count(), tag)).max_by_key(|(n, _)| *n);
        Some(Growth {
            metric: name.shown.to_string(),
            series,
            tag: tag
                .filter(|(values, _)| *values >= VALUES_MIN)
                .map(|(values, tag)| (tag.shown.to_string(), values)),
            names: board.all.count(),
        })
    }

    /// The places of those tags of a metric whose values grow: the one with the most, and others with at
    /// least half as many, for they grow along with it and one alone would be stripped in vain.
    pub(super) fn growing(&self, keys: &RandomState, name: &str, tags: &[Tag<'_>]) -> Vec<usize> {
        let hash = keys.hash_one(name);
        let boards = [&self.now, &self.before];
        let name = boards.into_iter().filter_map(|board| board.name(hash));
        let Some(name) = name.max_by_key(|name| name.series.count()) else { return Vec::new() };
        let values = |tag: &Tag<'_>| {
            let hash = keys.hash_one(tag.key);
            name.tags.iter().find(|key| key.hash == hash).map_or(0, |key| key.values.count())
        };
        let values: Vec<u64> = tags.iter().map(values).collect();
        let most = values.iter().copied().max().unwrap_or_default().max(VALUES_MIN);
        (0..tags.len()).filter(|at| values[*at] >= VALUES_MIN && values[*at] * 2 >= most).collect()
    }
}

impl Board {
    fn name(&self, hash: u64) -> Option<&Name> {
        self.names.iter().find(|name| name.hash == hash)
    }

    fn feed(&mut self, keys: &RandomState, series: u64, name: &str, tags: &[Tag<'_>]) {
        let hash = keys.hash_one(name);
        self.fed += 1;
        self.all.add(hash);
        let name = self.place(hash, name);
        name.count += 1;
        name.series.add(series);
        for tag in tags {
            let hash = keys.hash_one(tag.key);
            let known = name.tags.iter_mut().position(|key| key.hash == hash);
            let at = known.unwrap_or_else(|| {
                if name.tags.len() < TAGS_MAX {
                    name.tags.push(Key { hash, shown: shown(tag.key), values: Sketch::default() });
                }
                name.tags.len() - 1
            });
            // Tags beyond those that are followed are passed over.
            if let Some(key) = name.tags.get_mut(at).filter(|key| key.hash == hash) {
                key.values.add(keys.hash_one(tag.value));
            }
        }
    }

    /// Where this name is counted; the least of the leaders makes room for a new one and leaves it its count.
    fn place(&mut self, hash: u64, name: &str) -> &mut Name {
        let known = self.names.iter().position(|of| of.hash == hash);
        let at = known.unwrap_or_else(|| {
            let mut new = Name {
                hash,
                shown: shown(name),
                count: 0,
                series: Sketch::default(),
                tags: Vec::new(),
            };
            if self.names.len() < NAMES_MAX {
                self.names.push(new);
                return self.names.len() - 1;
            }
            let least = (0..NAMES_MAX).min_by_key(|at| self.names[*at].count).unwrap_or_default();
            new.count = self.names[least].count;
            self.names[least] = new;
            least
        });
        &mut self.names[at]
    }
}

fn shown(text: &str) -> Box<str> {
    text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(leaders: &mut Leaders, keys: &RandomState, name: &str, tags: &[(&str, &str)]) {
        let tags: Vec<_> =
            tags.iter().map(|(key, value)| Tag { key, value: Some(value) }).collect();
        leaders.feed(keys, keys.hash_one((name, format!("{tags:?}"))), name, &tags);
    }

    #[test]
    fn the_name_with_the_most_series_and_its_tag_with_the_most_values_are_found_among_many() {
        let (keys, mut leaders) = (RandomState::new(), Leaders::default());
        for n in 0..3000 {
            let user = format!("u{n}");
            let region = format!("r{}", n % 5);
            feed(&mut leaders, &keys, "requests", &[("region", &region), ("user", &user)]);
            // As many others, under names that come once each.
            feed(&mut leaders, &keys, &format!("other.{}", n % 1000), &[("a", &region)]);
        }
        let top = leaders.top().unwrap();
        assert_eq!(top.metric, "requests");
        let (key, values) = top.tag.clone().unwrap();
        assert_eq!(key, "user");
        assert!((1500..6000).contains(&values) && (1500..6000).contains(&top.series), "{top:?}");
        let text = top.to_string();
        assert!(text.starts_with("metric `requests` has the most, about "), "{text}");

        let tags = ["region", "user", "new"].map(|key| Tag { key, value: Some("x") });
        assert_eq!(leaders.growing(&keys, "requests", &tags), [1]);
        assert_eq!(leaders.growing(&keys, "never seen", &tags), Vec::<usize>::new());
    }

    #[test]
    fn tags_that_grow_together_are_found_together() {
        let (keys, mut leaders) = (RandomState::new(), Leaders::default());
        for n in 0..500 {
            let (trace, span) = (format!("t{n}"), format!("s{n}"));
            let tags = [("trace", &*trace), ("kind", "x"), ("span", &*span)];
            feed(&mut leaders, &keys, "m", &tags);
        }
        let tags = ["trace", "kind", "span"].map(|key| Tag { key, value: Some("x") });
        assert_eq!(leaders.growing(&keys, "m", &tags), [0, 2]);
    }

    #[test]
    fn names_that_grow_are_said_to() {
        let (keys, mut leaders) = (RandomState::new(), Leaders::default());
        (0..500).for_each(|n| feed(&mut leaders, &keys, &format!("m{n}"), &[]));
        let top = leaders.top().unwrap();
        assert!(top.names > 200 && top.tag.is_none(), "{top:?}");
        assert!(top.to_string().starts_with("there are about "), "{top}");
    }

    #[test]
    fn what_ended_two_windows_ago_leads_no_more_and_memory_is_bounded() {
        let (keys, mut leaders) = (RandomState::new(), Leaders::default());
        let long = "\u{e9}".repeat(500);
        for n in 0..10_000 {
            let (name, key, value) = (format!("{long}{n}"), format!("{n}{long}"), n.to_string());
            feed(&mut leaders, &keys, &name, &[(&key, &value)]);
            feed(&mut leaders, &keys, "one", &[(&key, &value)]);
        }
        let board = &leaders.now;
        assert_eq!(board.names.len(), NAMES_MAX);
        for name in &board.names {
            assert!(name.tags.len() <= TAGS_MAX && name.shown.len() <= SHOWN_BYTES_MAX);
            assert!(name.tags.iter().all(|key| key.shown.len() <= SHOWN_BYTES_MAX));
        }
        leaders.advance(1);
        feed(&mut leaders, &keys, "small", &[]);
        assert_eq!(leaders.top().unwrap().metric, "one", "the window before knows more");
        leaders.advance(2);
        assert_eq!(leaders.top().unwrap().metric, "small");
        leaders.advance(9);
        assert_eq!(leaders.top(), None);
    }
}
