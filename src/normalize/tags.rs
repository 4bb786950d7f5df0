//! Tags: judged as sent, then sanitised, made unique, and joined by the source's (contract C2.3, C4.7).

use bumpalo::Bump;

use super::{Code, Profile, Rejection};
use crate::decode::raw::{Presence, RawTag, RawTags, Scalar, TAG_KEY_BYTES_MAX};
use crate::metric::text::Texts;
use crate::metric::{Metric, Tag};

/// Most tags of one metric, and most bytes of a value, as sent.
pub(crate) const TAGS_MAX: usize = 128;
pub(crate) const VALUE_BYTES_MAX: usize = 4_096;

/// Fills the metric's tags and host name; returns the bytes of keys and values as sent.
#[inline]
pub(super) fn normalize<'a>(
    raw: &mut RawTags<'a>,
    profile: &'a Profile,
    texts: Texts<'a>,
    metric: &mut Metric<'a>,
) -> Result<usize, Rejection> {
    if let Some(tags) = ordinary(raw, profile, texts, metric) {
        return Ok(tags.finish(profile, metric));
    }
    let mut host = Host::default();
    let bytes = general(raw, profile, texts, metric, &mut host)?;
    finish(profile, metric, host);
    Ok(bytes)
}

/// The source's own tags, and whose host it is.
#[inline]
fn finish<'a>(profile: &'a Profile, metric: &mut Metric<'a>, mut host: Host<'a>) {
    if !profile.tags().is_empty() {
        add_fixed(profile, metric, &mut host);
    }
    metric.hostname = host.name.unwrap_or(profile.hostname());
}

/// Tags that are all of one value under different keys within their bounds, as almost all are: they
/// are judged one by one as they come. The same as [`general`] as long as every one is taken.
pub(crate) struct Ordinary<'a> {
    marks: u64,
    bytes: usize,
    host: Host<'a>,
    /// How many have come.
    count: usize,
    /// So many of the metric before still are in their places behind: metrics of one body mostly have
    /// the same keys in the same order, and such keys are known to be sound and to differ.
    before: usize,
}

impl<'a> Ordinary<'a> {
    /// None yet; forgets those of the metric before.
    #[inline]
    pub(crate) fn begin(metric: &mut Metric<'a>) -> Self {
        Self::behind(0, metric)
    }

    /// None yet; the first `before` tags in the metric are those taken for the metric before.
    #[inline]
    pub(crate) fn behind(before: usize, metric: &mut Metric<'a>) -> Self {
        metric.tags.truncate(before);
        Self { marks: 0, bytes: 0, host: Host::default(), count: 0, before }
    }

    /// How many were taken.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The key that comes next if this metric has those of the one before.
    #[inline]
    pub(crate) fn expected(&self, metric: &Metric<'a>) -> Option<&'a str> {
        if self.count < self.before { metric.tags.get(self.count).map(|tag| tag.key) } else { None }
    }

    /// Takes a tag of the expected key.
    #[inline]
    pub(crate) fn add_expected(
        &mut self,
        value: &'a str,
        profile: &Profile,
        metric: &mut Metric<'a>,
    ) -> Option<()> {
        let tag = metric.tags.get_mut(self.count)?;
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        tag.value = Some(value);
        self.bytes += tag.key.len() + value.len();
        self.host.offer(tag, &profile.policy().hostname_tags);
        self.count += 1;
        Some(())
    }

    /// The keys differ from here on.
    #[cold]
    fn part(&mut self, metric: &mut Metric<'a>) {
        metric.tags.truncate(self.count);
        self.marks = metric.tags.iter().fold(0, |marks, tag| marks | mark(tag.key));
        self.before = 0;
    }

    /// Takes the next tag, of which these were sent; `None` where that needs [`general`].
    #[expect(clippy::inline_always, reason = "sent and clean are one in the straight lane")]
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        (sent_key, sent_value): (&str, &str),
        (key, value): (&'a str, &'a str),
        profile: &Profile,
        metric: &mut Metric<'a>,
    ) -> Option<()> {
        if self.before > 0 {
            self.part(metric);
        }
        let sound = (1..=TAG_KEY_BYTES_MAX).contains(&sent_key.len())
            && sent_value.len() <= VALUE_BYTES_MAX
            && metric.tags.len() < TAGS_MAX;
        if !sound {
            return None;
        }
        let mark = mark(key);
        if self.marks & mark != 0 && metric.tags.iter().any(|earlier| earlier.key == key) {
            return None;
        }
        self.marks |= mark;
        self.bytes += sent_key.len() + sent_value.len();
        let tag = Tag { key, value: Some(value) };
        self.host.offer(&tag, &profile.policy().hostname_tags);
        metric.tags.push(tag);
        self.count += 1;
        Some(())
    }

    /// Completes the metric's tags and host name; returns the bytes of keys and values as sent.
    #[inline]
    pub(crate) fn finish(self, profile: &'a Profile, metric: &mut Metric<'a>) -> usize {
        metric.tags.truncate(self.count);
        finish(profile, metric, self.host);
        self.bytes
    }
}

#[inline]
fn ordinary<'a>(
    raw: &RawTags<'a>,
    profile: &'a Profile,
    texts: Texts<'a>,
    metric: &mut Metric<'a>,
) -> Option<Ordinary<'a>> {
    let mut tags = Ordinary::begin(metric);
    let is_odd = raw.presence == Presence::WrongType || raw.odd_key;
    if is_odd || raw.tags.len() + raw.beyond > TAGS_MAX {
        return None;
    }
    for tag in &raw.tags {
        let Scalar::Text(value) = tag.value else { return None };
        if tag.in_array || tag.sent_key.len() > TAG_KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let clean = (texts.clean_key(tag.key), texts.clean(value));
        tags.add((tag.sent_key, value), clean, profile, metric)?;
    }
    Some(tags)
}

/// Tags of every kind, sound or not.
#[cold]
fn general<'a>(
    raw: &mut RawTags<'a>,
    profile: &'a Profile,
    texts: Texts<'a>,
    metric: &mut Metric<'a>,
    host: &mut Host<'a>,
) -> Result<usize, Rejection> {
    metric.tags.clear();
    let invalid = |message: &'static str| Rejection::new(Code::InvalidTags, message);
    if raw.presence == Presence::WrongType {
        return Err(invalid("expected an object as `tags`"));
    }
    if raw.tags.len() + raw.beyond > TAGS_MAX {
        return Err(invalid("more than 128 tags"));
    }
    if raw.odd_key {
        return Err(invalid("the key of a tag is empty, or longer than 255 bytes"));
    }
    let mut bytes = 0;
    let equal = clean_keys(&mut raw.tags, texts);
    for at in 0..raw.tags.len() {
        let ruling = if equal == Equal::Perhaps { ruling(&raw.tags, at) } else { Ruling::Stands };
        let tag = &raw.tags[at];
        if ruling == Ruling::SentAgain {
            // What is overruled still counts as sent.
            bytes += tag.sent_key.len() + bytes_sent(tag.value);
            continue;
        }
        let value = value(tag.value, texts.arena());
        bytes += tag.sent_key.len() + value.len();
        judge(tag, &value).map_err(invalid)?;
        if ruling == Ruling::EqualOnceClean {
            continue;
        }
        let value = match value {
            TagValue::Text(text) => Some(texts.clean(text)),
            TagValue::Bare | TagValue::Unfit(_) => None,
        };
        let in_array = tag.in_array;
        let tag = Tag { key: tag.key, value };
        if !in_array {
            host.offer(&tag, &profile.policy().hostname_tags);
        }
        metric.tags.push(tag);
    }
    Ok(bytes)
}

/// Whether two keys can be equal, which is worth a closer look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Equal {
    Never,
    Perhaps,
}

/// Sanitises the keys; a set of 64 marks tells unequal keys apart without comparing each pair. One that is
/// too long costs the whole item, whatever it is equal to, and no copy of it is made.
fn clean_keys<'a>(tags: &mut [RawTag<'a>], texts: Texts<'a>) -> Equal {
    let mut marks = 0_u64;
    let mut equal = Equal::Never;
    for tag in tags {
        if tag.sent_key.len() <= TAG_KEY_BYTES_MAX {
            tag.key = texts.clean_key(tag.key);
        }
        let mark = mark(tag.key);
        if marks & mark != 0 {
            equal = Equal::Perhaps;
        }
        marks |= mark;
    }
    equal
}

/// One of 64 bits; equal keys have the same.
#[inline]
fn mark(key: &str) -> u64 {
    let key = key.as_bytes();
    let ends =
        key.first().zip(key.last()).map_or(0, |(&a, &b)| usize::from(a) * 5 + usize::from(b) * 3);
    1 << ((ends + key.len() * 11) % 64)
}

/// What the members behind a tag mean for it; the last of equal keys wins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ruling {
    Stands,
    /// Duplicate members: the earlier was never said, its faults included (C2.1).
    SentAgain,
    /// Two tags as sent, and one once sanitised: both are judged (C2.3), the last is kept (C4.7).
    EqualOnceClean,
}

fn ruling(tags: &[RawTag<'_>], at: usize) -> Ruling {
    let (tag, later) = (&tags[at], &tags[at + 1..]);
    let mut ruling = Ruling::Stands;
    for other in later.iter().filter(|other| other.member != tag.member && other.key == tag.key) {
        if other.sent_key == tag.sent_key {
            return Ruling::SentAgain;
        }
        ruling = Ruling::EqualOnceClean;
    }
    ruling
}

/// A tag's value as text.
#[derive(Clone, Copy)]
enum TagValue<'a> {
    Bare,
    Text(&'a str),
    Unfit(&'static str),
}

impl TagValue<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bare | Self::Unfit(_) => 0,
        }
    }
}

fn value<'a>(scalar: Scalar<'a>, arena: &'a Bump) -> TagValue<'a> {
    match scalar {
        Scalar::Text(text) => TagValue::Text(text),
        Scalar::Number(number) => TagValue::Text(number.text(arena)),
        Scalar::Bool(bool) => TagValue::Text(if bool { "true" } else { "false" }),
        Scalar::Null => TagValue::Bare,
        Scalar::Bytes(_) => TagValue::Unfit("the value of a tag is not UTF-8"),
        Scalar::Extension { .. } => TagValue::Unfit("the value of a tag is an extension type"),
        Scalar::Array => TagValue::Unfit("the value of a tag holds an array in an array"),
        Scalar::Map => TagValue::Unfit("the value of a tag is an object"),
    }
}

/// As long as the text of [`value`], which is not made.
fn bytes_sent(scalar: Scalar<'_>) -> usize {
    match scalar {
        Scalar::Text(text) => text.len(),
        Scalar::Number(number) => number.text_bytes(),
        Scalar::Bool(bool) => if bool { "true" } else { "false" }.len(),
        _ => 0,
    }
}

fn judge(tag: &RawTag<'_>, value: &TagValue<'_>) -> Result<(), &'static str> {
    if tag.sent_key.is_empty() {
        return Err("the key of a tag is empty");
    }
    if tag.sent_key.len() > TAG_KEY_BYTES_MAX {
        return Err("the key of a tag is longer than 255 bytes");
    }
    if let TagValue::Unfit(message) = value {
        return Err(message);
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err("the value of a tag is longer than 4,096 bytes");
    }
    Ok(())
}

/// The host name so far, and how early in `hostname_tags` its tag stands (C4.5).
struct Host<'a> {
    rank: usize,
    name: Option<&'a str>,
}

impl Default for Host<'_> {
    fn default() -> Self {
        Self { rank: usize::MAX, name: None }
    }
}

impl<'a> Host<'a> {
    #[inline]
    fn offer(&mut self, tag: &Tag<'a>, hostname_tags: &[String]) {
        if self.rank == 0 {
            return;
        }
        let Some(value) = tag.value.filter(|value| !value.is_empty()) else { return };
        let rank = hostname_tags.iter().position(|name| *name == tag.key);
        if let Some(rank) = rank.filter(|&rank| rank < self.rank) {
            *self = Self { rank, name: Some(value) };
        }
    }
}

/// Adds the source's fixed tags where the metric has none of that key. One of them names the host
/// only if none of the metric's own does.
fn add_fixed<'a>(profile: &'a Profile, metric: &mut Metric<'a>, host: &mut Host<'a>) {
    let own = metric.tags.len();
    let named = host.name.is_some();
    for (key, value) in profile.tags() {
        if metric.tags[..own].iter().any(|tag| tag.key == key) {
            continue;
        }
        let tag = Tag { key, value: Some(value) };
        if !named {
            host.offer(&tag, &profile.policy().hostname_tags);
        }
        metric.tags.push(tag);
    }
}
