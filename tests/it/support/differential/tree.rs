//! JSON as serde_json reads it, one level at a time: what is not looked into stays text, so a fault
//! inside a member nobody reads stays unseen (contract C2.5), and numbers stay digits.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One level of a value.
pub(crate) enum Tree<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<&'a RawValue>),
    Object(Members<'a>),
}

/// The members of an object as they stand there, duplicates included.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

/// serde_json refuses it.
#[derive(Debug)]
pub(crate) struct Broken;

impl From<serde_json::Error> for Broken {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

/// The first value of `text`, and what follows it.
pub(crate) fn first(text: &str) -> Result<(&RawValue, &str), Broken> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = <&RawValue>::deserialize(&mut deserializer)?;
    let end = value.get().as_ptr() as usize - text.as_ptr() as usize + value.get().len();
    Ok((value, text.get(end..).expect("a value ends at a character")))
}

/// Looks one level into a value.
pub(crate) fn look(value: &RawValue) -> Result<Tree<'_>, Broken> {
    let text = value.get();
    Ok(match text.as_bytes()[0] {
        b'n' => Tree::Null,
        b't' => Tree::Bool(true),
        b'f' => Tree::Bool(false),
        b'"' => Tree::Text(serde_json::from_str::<Text<'_>>(text)?.0),
        b'[' => Tree::Array(serde_json::from_str(text)?),
        b'{' => Tree::Object(serde_json::from_str(text)?),
        _ => Tree::Number(text),
    })
}

impl<'a> Members<'a> {
    /// The member of that name that counts: the last (contract C2.1).
    pub(crate) fn last(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The last of that name, one level deep; null is absent.
    pub(crate) fn present(&self, name: &str) -> Result<Option<Tree<'a>>, Broken> {
        let tree = self.last(name).map(look).transpose()?;
        Ok(tree.filter(|tree| !matches!(tree, Tree::Null)))
    }
}

struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(key), value)) = map.next_entry()? {
            members.push((key, value));
        }
        Ok(Members(members))
    }
}
