//! Attributes: values of several kinds, of which some can be tags.

use bumpalo::Bump;

use crate::decode::raw::{Number, RawTag, RawTags, Scalar};

/// A value as sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Any<'a, Array> {
    /// Null where none was sent.
    Scalar(Scalar<'a>),
    /// Where its elements are.
    Array(Array),
    /// A map or bytes: no tag could hold them.
    LeftOut,
}

/// Who has attributes.
pub(super) trait Bearer<'a> {
    /// Where the tags of the next attribute go.
    fn tags(&mut self) -> &mut RawTags<'a>;

    /// The attribute of this key is complete. One that `is_said` has tags; another has a value that no tag
    /// can hold, or one that is empty, and is the last word on its key all the same.
    fn complete(&mut self, key: &'a str, is_said: bool);
}

/// An attribute on its way into the tags.
pub(super) struct Attribute<'a> {
    key: &'a str,
    member: u32,
    /// Tags before it.
    before: usize,
    arena: &'a Bump,
}

impl<'a> Attribute<'a> {
    /// The one behind those in `tags`.
    pub(super) fn new(key: &'a str, tags: &RawTags<'_>, arena: &'a Bump) -> Self {
        let member = tags.tags.last().map_or(0, |last| last.member + 1);
        Self { key, member, before: tags.tags.len() + tags.beyond, arena }
    }

    /// Its only value.
    pub(super) fn value(&self, value: Scalar<'a>, tags: &mut RawTags<'a>) {
        tags.push(RawTag::new(self.key, self.text(value), self.member, false));
    }

    /// One of its values: a tag each, but for null (contract C2.3) and for what could not be one.
    pub(super) fn element<Array>(&self, element: &Any<'a, Array>, tags: &mut RawTags<'a>) {
        match *element {
            Any::Scalar(Scalar::Null) | Any::Array(_) | Any::LeftOut => {}
            Any::Scalar(value) => {
                tags.push(RawTag::new(self.key, self.text(value), self.member, true));
            }
        }
    }

    /// There is no more of it.
    pub(super) fn end(self, bearer: &mut impl Bearer<'a>) {
        let tags = bearer.tags();
        let is_said = tags.tags.len() + tags.beyond > self.before;
        bearer.complete(self.key, is_said);
    }

    /// The text of a number is made here, where it is read: what a resource says is a tag of each of its
    /// points, of which there can be millions.
    fn text(&self, value: Scalar<'a>) -> Scalar<'a> {
        match value {
            Scalar::Number(number) => Scalar::Text(number.text(self.arena)),
            Scalar::Bool(bool) => Scalar::Text(if bool { "true" } else { "false" }),
            other => other,
        }
    }
}

/// An integer as the value of a tag.
pub(super) fn integer<'a>(integer: i64) -> Scalar<'a> {
    Scalar::Number(Number::Signed(integer))
}

/// A double as the value of a tag: the shortest digits, in whichever encoding it came, so that a sender
/// who changes it keeps its series.
pub(super) fn double<'a>(double: f64) -> Scalar<'a> {
    Scalar::Number(Number::Double(double))
}
