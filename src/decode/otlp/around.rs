//! The tags that a resource and a scope give to every point under them, read and judged once.

use super::any::Bearer;
use crate::decode::raw::{RawTag, RawTags, Scalar, TAG_KEY_BYTES_MAX, TAGS_KEPT};

/// Bounds that `normalize` holds for each point (contract C2.3, C2.4). What passes them in a resource is
/// left out: it would be a fault of each of its points, of everything that a service sends, for ever.
const TAGS_MAX: usize = TAGS_KEPT - 1;
const VALUE_BYTES_MAX: usize = 4_096;
const TAGS_BYTES_MAX: usize = 16 << 10;

/// Tags of the resource, and behind them those of the scope.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    /// Those of the attribute that is being read.
    attribute: RawTags<'a>,
    /// No key twice among those of the resource, nor among those of the scope.
    tags: Vec<RawTag<'a>>,
    /// How many are the resource's.
    of_resource: usize,
    /// A bit for each of the resource's that the scope overrules.
    overruled: u128,
    /// What the tags come to that are not overruled.
    extent: Extent,
    /// The same of the resource alone.
    resource_extent: Extent,
}

/// A number of tags, and the bytes of their keys and values.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    count: usize,
    bytes: usize,
}

impl<'a> Bearer<'a> for Around<'a> {
    fn tags(&mut self) -> &mut RawTags<'a> {
        &mut self.attribute
    }

    fn complete(&mut self, key: &'a str, _: bool) {
        self.overrule(key);
        let extent = Extent::of(&self.attribute.tags);
        let room = Extent { count: TAGS_MAX, bytes: TAGS_BYTES_MAX };
        let fits = self.attribute.beyond == 0 && self.extent.plus(extent).is_within(room);
        if fits && self.attribute.tags.iter().all(is_sound) {
            let member = next_member(&self.tags);
            let tags = self.attribute.tags.iter();
            self.tags.extend(tags.map(|tag| RawTag { member, ..*tag }));
            self.extent = self.extent.plus(extent);
        }
        self.attribute.clear();
    }
}

impl<'a> Around<'a> {
    /// At a resource.
    pub(super) fn begin_resource(&mut self) {
        (self.of_resource, self.resource_extent) = (0, Extent::default());
        self.begin_scope();
    }

    /// The resource's are complete.
    pub(super) fn end_resource(&mut self) {
        (self.of_resource, self.resource_extent) = (self.tags.len(), self.extent);
    }

    /// At a scope of the same resource, which can have millions.
    pub(super) fn begin_scope(&mut self) {
        self.tags.truncate(self.of_resource);
        self.overruled = 0;
        self.extent = self.resource_extent;
    }

    /// The scope's are complete but for what names it.
    pub(super) fn end_scope(&mut self, name: &'a str, version: &'a str) {
        for (key, value) in [("otel.scope.name", name), ("otel.scope.version", version)] {
            if !value.is_empty() {
                self.attribute.push(RawTag::new(key, Scalar::Text(value), 0, false));
                self.complete(key, true);
            }
        }
    }

    /// Fills `tags` with these and then with a point's `own`, of equal keys the last wins; without those
    /// of the keys in `unsaid`, and without those there is no room for beside its own.
    pub(super) fn join(&self, own: &RawTags<'a>, unsaid: &[&'a str], tags: &mut RawTags<'a>) {
        tags.clear();
        (tags.beyond, tags.odd_key) = (own.beyond, own.odd_key);
        let Extent { count, bytes } = Extent::of(&own.tags);
        let room = Extent {
            count: TAGS_MAX.saturating_sub(count + own.beyond),
            bytes: TAGS_BYTES_MAX.saturating_sub(bytes),
        };
        if self.overruled == 0 && unsaid.is_empty() && self.extent.is_within(room) {
            tags.tags.extend_from_slice(&self.tags);
        } else {
            self.join_some(unsaid, room, tags);
        }
        let first = next_member(&tags.tags);
        for tag in &own.tags {
            tags.push(RawTag { member: first + tag.member, ..*tag });
        }
    }

    fn join_some(&self, unsaid: &[&'a str], room: Extent, tags: &mut RawTags<'a>) {
        let (mut extent, mut at) = (Extent::default(), 0);
        for attribute in self.tags.chunk_by(|one, next| one.member == next.member) {
            let together = extent.plus(Extent::of(attribute));
            let is_said = !self.is_overruled(at) && !unsaid.contains(&attribute[0].key);
            if is_said && together.is_within(room) {
                tags.tags.extend_from_slice(attribute);
                extent = together;
            }
            at += attribute.len();
        }
    }

    fn is_overruled(&self, at: usize) -> bool {
        at < self.of_resource && self.overruled >> at & 1 == 1
    }

    /// Forgets what was said of a key; where that was by the resource, for this scope only.
    fn overrule(&mut self, key: &str) {
        for at in 0..self.of_resource {
            if self.tags[at].key == key && !self.is_overruled(at) {
                self.overruled |= 1 << at;
                self.extent = self.extent.minus(Extent::of(&self.tags[at..=at]));
            }
        }
        let mut at = self.of_resource;
        while let Some(tag) = self.tags.get(at) {
            if tag.key == key {
                self.extent = self.extent.minus(Extent::of(&self.tags[at..=at]));
                self.tags.remove(at);
            } else {
                at += 1;
            }
        }
    }
}

impl Extent {
    fn of(tags: &[RawTag<'_>]) -> Self {
        let bytes = |tag: &RawTag<'_>| tag.key.len() + value_bytes(tag);
        Self { count: tags.len(), bytes: tags.iter().map(bytes).sum() }
    }

    fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, bytes: self.bytes + other.bytes }
    }

    fn minus(self, part: Self) -> Self {
        Self { count: self.count - part.count, bytes: self.bytes - part.bytes }
    }

    fn is_within(self, room: Self) -> bool {
        self.count <= room.count && self.bytes <= room.bytes
    }
}

fn value_bytes(tag: &RawTag<'_>) -> usize {
    if let Scalar::Text(value) = tag.value { value.len() } else { 0 }
}

fn is_sound(tag: &RawTag<'_>) -> bool {
    (1..=TAG_KEY_BYTES_MAX).contains(&tag.key.len()) && value_bytes(tag) <= VALUE_BYTES_MAX
}

fn next_member(tags: &[RawTag<'_>]) -> u32 {
    tags.last().map_or(0, |last| last.member + 1)
}

#[cfg(test)]
mod tests;
