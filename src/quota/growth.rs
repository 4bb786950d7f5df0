//! Which names have the most series, and which of their tags the most values: about, and in little memory.
//!
//! The names that come most often are followed, and each of them and of their tags has a sketch; so have the
//! tags of all names together, for a tag may grow on more names than can be followed. Only series that begin, are refused or were not seen in this window are looked at, so that a metric whose
//! series is known costs nothing here. The window before is kept beside the one that runs: every series
//! that lives was seen in one of the two.

use std::fmt;
use std::hash::BuildHasher;

use super::sketch::Sketch;
use crate::metric::Tag;

/// Names that are followed, tags of each, and tags of all names together.
const NAMES_MAX: usize = 16;
const TAGS_MAX: usize = 24;
const ALL_TAGS_MAX: usize = 64;

/// Most bytes of a name or key that is kept for showing it.
const SHOWN_BYTES_MAX: usize = 128;

/// A tag of one value is not what grows.
const VALUES_MIN: u64 = 2;

/// What is stripped has so many values, and this part of the limit: a few hosts or zones are no explosion,
/// and without their tag series would become one that are not.
const STRIPPED_VALUES_MIN: u64 = 16;
const STRIPPED_VALUES_PART: u64 = 16;

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
    /// Of the tags of all metrics together the one with the most values, and how many; `None` where no tag
    /// has several.
    pub anywhere: Option<(String, u64)>,
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, series, tag, names, anywhere } = self;
        let of_the_metric = tag.as_ref().map_or(0, |(_, values)| *values);
        let is_spread = names > series;
        if is_spread {
            write!(
                f,
                "there are about {names} metrics, one of them `{metric}`, and none has many"
            )?;
        } else {
            write!(f, "metric `{metric}` has the most, about {series}")?;
            if let Some((key, values)) = tag {
                write!(f, ", and about {values} values in its tag `{key}`")?;
            }
        }
        match anywhere {
            // One that is about the same was just told.
            Some((key, values)) if is_spread || *values > 2 * of_the_metric => {
                write!(f, "; over all metrics tag `{key}` has about {values} values")
            }
            _ => Ok(()),
        }
    }
}

/// The leaders of this window and of the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaders {
    now: Board,
    before: Board,
    window: u32,
}

#[derive(Clone, Debug, Default)]
struct Board {
    names: Vec<Name>,
    /// Of all names together, also of those that are not followed.
    tags: Vec<Key>,
    all: Sketch,
    fed: u64,
}

#[derive(Clone, Debug)]
struct Name {
    hash: u64,
    shown: Box<str>,
    /// How often it came, less what newcomers took.
    count: u64,
    series: Sketch,
    tags: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    hash: u64,
    shown: Box<str>,
    /// How often it had a new value, less what newcomers took.
    count: u64,
    values: Sketch,
}

/// What is followed while there is a place for it.
trait Followed {
    fn new(hash: u64, text: &str) -> Self;
    fn hash(&self) -> u64;
    /// What has the least makes room first.
    fn rank(&self) -> (u64, u64);
    fn count(&mut self) -> &mut u64;
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
    pub(super) fn feed(
        &mut self,
        keys: &impl BuildHasher,
        series: u64,
        name: &str,
        tags: &[Tag<'_>],
    ) {
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
        Some(Growth {
            metric: name.shown.to_string(),
            series,
            tag: most(&name.tags),
            names: board.all.count(),
            anywhere: most(&board.tags),
        })
    }

    /// The places of those tags of a metric whose values grow, on it or on all metrics together: at least a
    /// sixteenth of `limit` and half as many as the tag with the most has. Others grow along with that
    /// one, which alone would be stripped in vain; what has less is innocent of it.
    pub(super) fn growing(
        &self,
        keys: &impl BuildHasher,
        name: &str,
        tags: &[Tag<'_>],
        limit: usize,
    ) -> Vec<usize> {
        let hash = keys.hash_one(name);
        let boards = [&self.now, &self.before];
        let places = || {
            let names = boards.into_iter().filter_map(|board| board.name(hash));
            names.map(|name| &name.tags).chain(boards.map(|board| &board.tags))
        };
        let values = |tag: &Tag<'_>| {
            let hash = keys.hash_one(tag.key);
            let known = places().flatten().filter(|key| key.hash == hash);
            known.map(|key| key.values.count()).max().unwrap_or_default()
        };
        let most = places().flatten().map(|key| key.values.count()).max().unwrap_or_default();
        let least = STRIPPED_VALUES_MIN.max(limit as u64 / STRIPPED_VALUES_PART).max(most / 2);
        (0..tags.len()).filter(|at| values(&tags[*at]) >= least).collect()
    }
}

impl Board {
    fn name(&self, hash: u64) -> Option<&Name> {
        self.names.iter().find(|name| name.hash == hash)
    }

    fn feed(&mut self, keys: &impl BuildHasher, series: u64, name: &str, tags: &[Tag<'_>]) {
        let hash = keys.hash_one(name);
        self.fed += 1;
        self.all.add(hash);
        let mut name = place(&mut self.names, NAMES_MAX, hash, name);
        if let Some(name) = &mut name {
            name.count += 1;
            name.series.add(series);
        }
        for tag in tags {
            let (hash, value) = (keys.hash_one(tag.key), keys.hash_one(tag.value));
            let of_the_name = name.as_deref_mut().map(|name| &mut name.tags);
            let of_the_name = of_the_name.map(|tags| (tags, TAGS_MAX));
            for (tags, most) in of_the_name.into_iter().chain([(&mut self.tags, ALL_TAGS_MAX)]) {
                if let Some(key) = place(tags, most, hash, tag.key) {
                    key.count += u64::from(key.values.add(value));
                }
            }
        }
    }
}

/// Where this is followed. Without a place left, the least of the others loses one of its count, and its
/// place once nothing is left of that: what comes again and again stays, though more come than there
/// are places.
fn place<'f, F: Followed>(
    followed: &'f mut Vec<F>,
    most: usize,
    hash: u64,
    text: &str,
) -> Option<&'f mut F> {
    if let Some(at) = followed.iter().position(|of| of.hash() == hash) {
        return Some(&mut followed[at]);
    }
    if followed.len() < most {
        followed.push(F::new(hash, text));
        return followed.last_mut();
    }
    let least = (0..followed.len()).min_by_key(|at| followed[*at].rank())?;
    // It goes to the end, so that of equals each has its turn.
    followed[least..].rotate_left(1);
    let least = followed.last_mut()?;
    if *least.count() > 0 {
        *least.count() -= 1;
        return None;
    }
    *least = F::new(hash, text);
    Some(least)
}

/// Of tags the one with the most values, if it has several.
fn most(tags: &[Key]) -> Option<(String, u64)> {
    let counted = tags.iter().map(|tag| (tag.values.count(), tag));
    let most = counted.max_by_key(|(values, _)| *values);
    let most = most.filter(|(values, _)| *values >= VALUES_MIN);
    most.map(|(values, tag)| (tag.shown.to_string(), values))
}

impl Followed for Name {
    fn new(hash: u64, text: &str) -> Self {
        let (series, tags) = (Sketch::default(), Vec::new());
        Self { hash, shown: shown(text), count: 0, series, tags }
    }

    fn hash(&self) -> u64 {
        self.hash
    }

    fn rank(&self) -> (u64, u64) {
        (self.count, 0)
    }

    fn count(&mut self) -> &mut u64 {
        &mut self.count
    }
}

impl Followed for Key {
    fn new(hash: u64, text: &str) -> Self {
        Self { hash, shown: shown(text), count: 0, values: Sketch::default() }
    }

    fn hash(&self) -> u64 {
        self.hash
    }

    fn rank(&self) -> (u64, u64) {
        (self.values.count_of_few(), self.count)
    }

    fn count(&mut self) -> &mut u64 {
        &mut self.count
    }
}

fn shown(text: &str) -> Box<str> {
    text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, DefaultHasher};

    use super::*;

    /// The same in each run, so that no estimate is off by chance.
    type Keys = BuildHasherDefault<DefaultHasher>;

    fn feed(leaders: &mut Leaders, keys: &Keys, name: &str, tags: &[(&str, &str)]) {
        let tags: Vec<_> =
            tags.iter().map(|(key, value)| Tag { key, value: Some(value) }).collect();
        leaders.feed(keys, keys.hash_one((name, format!("{tags:?}"))), name, &tags);
    }

    #[test]
    fn the_name_with_the_most_series_and_its_tag_with_the_most_values_are_found_among_many() {
        let (keys, mut leaders) = (Keys::default(), Leaders::default());
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
        assert_eq!(leaders.growing(&keys, "requests", &tags, 1000), [1]);
        assert_eq!(leaders.growing(&keys, "never seen", &tags, 1000), [1], "it grows elsewhere");
        assert_eq!(leaders.growing(&keys, "requests", &tags[..1], 1000), Vec::<usize>::new());
    }

    #[test]
    fn tags_that_grow_together_are_found_together() {
        let (keys, mut leaders) = (Keys::default(), Leaders::default());
        for n in 0..500 {
            let (trace, span) = (format!("t{n}"), format!("s{n}"));
            let tags = [("trace", &*trace), ("kind", "x"), ("span", &*span)];
            feed(&mut leaders, &keys, "m", &tags);
        }
        let tags = ["trace", "kind", "span"].map(|key| Tag { key, value: Some("x") });
        assert_eq!(leaders.growing(&keys, "m", &tags, 500), [0, 2]);
    }

    #[test]
    fn a_tag_that_grows_on_more_names_than_are_followed_is_found() {
        // More tags beside it than are followed of a name, and of all.
        for (names, tags) in
            [(1, 30), (16, 30), (17, 30), (18, 30), (50, 30), (400, 30), (18, 64), (1, 100)]
        {
            let (keys, mut leaders) = (Keys::default(), Leaders::default());
            let others: Vec<_> = (0..tags).map(|n| format!("t{n}")).collect();
            for n in 0..2000 {
                let (name, user) = (format!("m{}", n % names), format!("u{}", n / names));
                let mut tags: Vec<_> = others.iter().map(|key| (&**key, "x")).collect();
                tags.push(("user", &user));
                feed(&mut leaders, &keys, &name, &tags);
            }
            let tags = ["user", "t0"].map(|key| Tag { key, value: Some("new") });
            for name in ["m0", "m15", "m16", "m17", "new"] {
                let growing = leaders.growing(&keys, name, &tags, 100);
                // Of five values on 400 names nobody can say that they are too many.
                let expected: &[usize] = if names < 400 { &[0] } else { &[] };
                assert_eq!(growing, expected, "{name} of {names}");
            }
            let text = leaders.top().unwrap().to_string();
            assert!(text.contains("tag `user`"), "{names}: {text}");
        }
    }

    #[test]
    fn a_tag_of_few_values_beside_one_that_grows_is_not_what_grows() {
        let (keys, mut leaders) = (Keys::default(), Leaders::default());
        for n in 0..400 {
            let (user, host) = (format!("u{n}"), format!("h{}", n % 40));
            feed(&mut leaders, &keys, "requests", &[("user", &user)]);
            feed(&mut leaders, &keys, "disk.used", &[("host", &host)]);
        }
        let tags = ["user", "host"].map(|key| Tag { key, value: Some("x") });
        assert_eq!(leaders.growing(&keys, "disk.used", &tags[1..], 50), Vec::<usize>::new());
        assert_eq!(leaders.growing(&keys, "requests", &tags, 50), [0]);
        // Alone it is what grows, unless it is a small part of what may be.
        let mut alone = Leaders::default();
        for n in 0..40 {
            feed(&mut alone, &keys, "disk.used", &[("host", &format!("h{n}"))]);
        }
        assert_eq!(alone.growing(&keys, "disk.used", &tags, 50), [1]);
        assert_eq!(alone.growing(&keys, "disk.used", &tags, 5000), Vec::<usize>::new());
    }

    #[test]
    fn names_that_grow_are_said_to() {
        let (keys, mut leaders) = (Keys::default(), Leaders::default());
        (0..500).for_each(|n| feed(&mut leaders, &keys, &format!("m{n}"), &[]));
        let top = leaders.top().unwrap();
        assert!(top.names > 200 && top.tag.is_none(), "{top:?}");
        assert!(top.to_string().starts_with("there are about "), "{top}");
    }

    #[test]
    fn what_ended_two_windows_ago_leads_no_more_and_memory_is_bounded() {
        let (keys, mut leaders) = (Keys::default(), Leaders::default());
        let long = "\u{e9}".repeat(500);
        for n in 0..10_000 {
            let (name, key, value) = (format!("{long}{n}"), format!("{n}{long}"), n.to_string());
            feed(&mut leaders, &keys, &name, &[(&key, &value)]);
            feed(&mut leaders, &keys, "one", &[(&key, &value)]);
        }
        let board = &leaders.now;
        assert_eq!((board.names.len(), board.tags.len()), (NAMES_MAX, ALL_TAGS_MAX));
        assert!(board.tags.iter().all(|key| key.shown.len() <= SHOWN_BYTES_MAX));
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
