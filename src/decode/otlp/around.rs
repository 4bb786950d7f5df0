//! The tags that a resource and a scope give to every point under them: read once, and judged once where
//! that spares the points.

use crate::decode::labelled::Flaw;
use crate::decode::raw::{RawTag, RawTags, Scalar, TAG_KEY_BYTES_MAX, TAGS_KEPT};

/// Bounds that `normalize` holds for each point (contract C2.3, C2.4). A request that breaks them in its
/// resource has a fault in each of its points, of which there can be millions: none of them should have
/// to find out by itself.
const VALUE_BYTES_MAX: usize = 4_096;
const TAGS_BYTES_MAX: usize = 16 << 10;

/// Tags of the resource, and behind them those of the scope.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    tags: RawTags<'a>,
    of_resource: Extent,
    flaw: Option<Flaw>,
}

/// What a resource alone comes to.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    count: usize,
    beyond: usize,
    bytes: usize,
    flaw: Option<Flaw>,
}

impl<'a> Around<'a> {
    /// At a resource.
    pub(super) fn begin_resource(&mut self) {
        self.tags.clear();
        self.of_resource = Extent::default();
        self.flaw = None;
    }

    /// Where attributes go.
    pub(super) fn tags(&mut self) -> &mut RawTags<'a> {
        &mut self.tags
    }

    /// The resource's are complete.
    pub(super) fn end_resource(&mut self) {
        self.of_resource = self.judged();
        self.flaw = self.of_resource.flaw;
    }

    /// At a scope of the same resource.
    pub(super) fn begin_scope(&mut self) {
        self.tags.tags.truncate(self.of_resource.count);
        self.tags.beyond = self.of_resource.beyond;
        self.flaw = self.of_resource.flaw;
    }

    /// The scope's are complete but for what names it.
    pub(super) fn end_scope(&mut self, name: &'a str, version: &'a str) {
        for (key, value) in [("otel.scope.name", name), ("otel.scope.version", version)] {
            if !value.is_empty() {
                add(&mut self.tags, key, value);
            }
        }
        self.flaw = self.judged().flaw;
    }

    /// What is wrong with every point, whatever its own attributes.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// Fills `tags` with these and then with a point's `own`: of equal keys the last wins.
    pub(super) fn join(&self, own: &RawTags<'a>, tags: &mut RawTags<'a>) {
        tags.clear();
        tags.tags.extend_from_slice(&self.tags.tags);
        tags.beyond = self.tags.beyond + own.beyond;
        let first = tags.tags.last().map_or(0, |last| last.member + 1);
        for tag in &own.tags {
            tags.push(RawTag { member: first + tag.member, ..*tag });
        }
    }

    /// Looks at what came behind the resource, or at the resource: a resource can have millions of scopes.
    fn judged(&self) -> Extent {
        let Extent { count, mut bytes, mut flaw, .. } = self.of_resource;
        for tag in self.tags.tags.iter().skip(count) {
            let value = if let Scalar::Text(value) = tag.value { value.len() } else { 0 };
            flaw = flaw.or_else(|| unsound(tag.sent_key, value));
            bytes += tag.sent_key.len() + value;
        }
        let (count, beyond) = (self.tags.tags.len(), self.tags.beyond);
        if count + beyond >= TAGS_KEPT {
            flaw = Some(Flaw::Tags("more than 128 tags"));
        } else if bytes > TAGS_BYTES_MAX {
            let message = "keys and values of the tags are over 16 KiB together";
            flaw = flaw.or(Some(Flaw::TooLarge(message)));
        }
        Extent { count, beyond, bytes, flaw }
    }
}

fn unsound(key: &str, value_bytes: usize) -> Option<Flaw> {
    if key.is_empty() {
        Some(Flaw::Tags("the key of a tag is empty"))
    } else if key.len() > TAG_KEY_BYTES_MAX {
        Some(Flaw::Tags("the key of a tag is longer than 255 bytes"))
    } else if value_bytes > VALUE_BYTES_MAX {
        Some(Flaw::Tags("the value of a tag is longer than 4,096 bytes"))
    } else {
        None
    }
}

fn add<'a>(tags: &mut RawTags<'a>, key: &'a str, value: &'a str) {
    let member = tags.tags.last().map_or(0, |last| last.member + 1);
    tags.push(RawTag::new(key, Scalar::Text(value), member, false));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_all<'a>(tags: &mut RawTags<'a>, all: &[(&'a str, &'a str)]) {
        for (key, value) in all {
            add(tags, key, value);
        }
    }

    fn joined(around: &Around<'static>, own: &RawTags<'static>) -> Vec<(&'static str, u32)> {
        let mut tags = RawTags::default();
        around.join(own, &mut tags);
        tags.tags.iter().map(|tag| (tag.key, tag.member)).collect()
    }

    #[test]
    fn a_scope_takes_the_place_of_the_one_before_and_not_of_the_resource() {
        let mut around = Around::default();
        around.begin_resource();
        add(around.tags(), "service.name", "a");
        around.end_resource();
        let mut own = RawTags::default();
        add(&mut own, "own", "b");
        around.begin_scope();
        add(around.tags(), "first", "c");
        around.end_scope("n", "");
        let names = [("service.name", 0), ("first", 1), ("otel.scope.name", 2), ("own", 3)];
        assert_eq!(joined(&around, &own), names);
        around.begin_scope();
        around.end_scope("", "1");
        let names = [("service.name", 0), ("otel.scope.version", 1), ("own", 2)];
        assert_eq!(joined(&around, &own), names);
        around.begin_resource();
        around.end_resource();
        around.begin_scope();
        assert_eq!(joined(&around, &own), [("own", 0)]);
    }

    #[test]
    fn what_no_point_could_have_is_found_once() {
        let long = "x".repeat(4_097);
        let large = "x".repeat(4_000);
        let key = "k".repeat(256);
        let cases: [(&[(&str, &str)], _); 5] = [
            (&[("a", "b")], None),
            (&[("", "b")], Some("the key of a tag is empty")),
            (&[(&key, "b")], Some("the key of a tag is longer than 255 bytes")),
            (&[("a", &long)], Some("the value of a tag is longer than 4,096 bytes")),
            (
                &[("a", large.as_str()); 5],
                Some("keys and values of the tags are over 16 KiB together"),
            ),
        ];
        for (tags, expected) in cases {
            for of_scope in [false, true] {
                let mut around = Around::default();
                around.begin_resource();
                if !of_scope {
                    add_all(around.tags(), tags);
                }
                around.end_resource();
                around.begin_scope();
                if of_scope {
                    add_all(around.tags(), tags);
                }
                around.end_scope("", "");
                let found = around.flaw().map(|flaw| match flaw {
                    Flaw::Tags(message) | Flaw::TooLarge(message) => message,
                    other => panic!("{other:?}"),
                });
                assert_eq!(found, expected, "of the scope: {of_scope}");
                around.begin_resource();
                assert_eq!(around.flaw(), None);
            }
        }
    }

    #[test]
    fn the_hundred_and_twenty_ninth_tag_is_one_too_many() {
        let mut around = Around::default();
        around.begin_resource();
        (0..128).for_each(|_| add(around.tags(), "a", "b"));
        around.end_resource();
        assert_eq!(around.flaw(), None);
        around.begin_scope();
        around.end_scope("name", "");
        assert_eq!(around.flaw(), Some(Flaw::Tags("more than 128 tags")));
        around.begin_scope();
        assert_eq!(around.flaw(), None);
    }
}
