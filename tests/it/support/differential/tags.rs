//! Tags and the host name they may hold, by the letter of the contract (C2.3, C4.5, C4.7).

use tidegate::normalize::{Code, Profile};

use super::item::Stop;
use super::print;
use super::tree::{Members, Tree, look};

/// A tag as it will be written.
pub(crate) struct Tag {
    pub(crate) key: String,
    /// `key:value`, or the key alone.
    pub(crate) text: String,
    /// A single value, not an element of an array: what may name the host.
    scalar: Option<String>,
}

impl Tag {
    /// A tag with or without a value, both sanitised.
    pub(crate) fn new(key: String, value: Option<String>) -> Self {
        let text = value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}:{value}"));
        Self { key, text, scalar: value }
    }
}

/// An array in an array, or an object.
struct Unfit;

/// A value as text; `Err` where it cannot be a tag's.
fn text(tree: &Tree<'_>) -> Result<Option<String>, Unfit> {
    match tree {
        Tree::Null => Ok(None),
        Tree::Bool(bool) => Ok(Some(bool.to_string())),
        Tree::Number(literal) => Ok(Some((*literal).to_owned())),
        Tree::Text(text) => Ok(Some(text.to_string())),
        Tree::Array(_) | Tree::Object(_) => Err(Unfit),
    }
}

/// The metric's own tags, and the bytes of all as sent.
pub(crate) fn read(members: &Members<'_>) -> Result<(Vec<Tag>, usize), Stop> {
    let Some(tree) = members.present("tags")? else { return Ok((Vec::new(), 0)) };
    let Tree::Object(members) = tree else { return Err(Code::InvalidTags.into()) };
    let (mut tags, mut sent, mut bytes) = (Vec::<Tag>::new(), 0_usize, 0_usize);
    // A faulty tag rejects the item, unless the very same key was sent again.
    let mut faulty = false;
    for (at, (key, value)) in members.0.iter().enumerate() {
        let last = !members.0[at + 1..].iter().any(|(later, _)| later == key);
        let (values, in_array) = match look(value)? {
            Tree::Array(elements) => {
                let mut values = Vec::new();
                for element in elements {
                    values.push(look(element)?);
                }
                values.retain(|value| !matches!(value, Tree::Null));
                (values, true)
            }
            value => (vec![value], false),
        };
        let cleaned = print::clean_key(key);
        faulty |= last && !(1..=255).contains(&key.len());
        if last && !values.is_empty() {
            // Equal only once they are sanitised: the last wins all the same.
            tags.retain(|tag| tag.key != cleaned);
        }
        for value in values {
            sent += 1;
            let text = text(&value);
            let length = text.as_ref().map_or(0, |text| text.as_ref().map_or(0, String::len));
            bytes += key.len() + length;
            faulty |= last && (text.is_err() || length > 4_096);
            let text = text.unwrap_or_default().map(|text| print::clean(&text));
            let mut tag = Tag::new(cleaned.clone(), text);
            if in_array {
                tag.scalar = None;
            }
            if last {
                tags.push(tag);
            }
        }
    }
    if sent > 128 || faulty {
        return Err(Code::InvalidTags.into());
    }
    Ok((tags, bytes))
}

/// Adds the source's tags; returns the host name.
pub(crate) fn with_fixed(tags: &mut Vec<Tag>, profile: &Profile) -> String {
    let named = |tags: &[Tag]| {
        profile.policy().hostname_tags.iter().find_map(|name| {
            let tag = tags.iter().find(|tag| tag.key == *name)?;
            tag.scalar.clone().filter(|value| !value.is_empty())
        })
    };
    let own = named(tags);
    let fixed: Vec<Tag> = profile
        .tags()
        .iter()
        .filter(|(key, _)| !tags.iter().any(|tag| tag.key == *key))
        .map(|(key, value)| Tag::new(key.clone(), Some(value.clone())))
        .collect();
    let hostname = own.or_else(|| named(&fixed)).unwrap_or_else(|| profile.hostname().to_owned());
    tags.extend(fixed);
    hostname
}
