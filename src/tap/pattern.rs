//! Which names somebody wants to see: `*` stands for any text, `?` for one character.

use std::borrow::Cow;

/// Most bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 128;

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// A pattern that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern of names has at most {PATTERN_BYTES_MAX} bytes")]
pub struct TooLong;

impl Pattern {
    /// As it is written; every text that is short enough is one.
    ///
    /// # Errors
    ///
    /// Where it has more than [`PATTERN_BYTES_MAX`] bytes.
    pub fn new(text: String) -> Result<Self, TooLong> {
        if text.len() > PATTERN_BYTES_MAX { Err(TooLong) } else { Ok(Self(text)) }
    }

    /// Whether the name of a tuple is like this; `None` when that would take more than `steps` has left.
    pub(super) fn is_met_by(&self, tuple: &[u8], steps: &mut usize) -> Option<bool> {
        let Some(name) = name_of(tuple) else { return Some(false) };
        // As many as it takes at worst.
        let worst = (self.0.len() + 1) * (name.len() + 1);
        *steps = steps.checked_sub(worst)?;
        Some(is_like(&self.0, &name))
    }
}

/// The first text of a tuple.
fn name_of(tuple: &[u8]) -> Option<Cow<'_, str>> {
    let inner = tuple.strip_prefix(b"[\"")?;
    let end = memchr::memchr2_iter(b'"', b'\\', inner).next()?;
    if inner.get(end) == Some(&b'"') {
        return std::str::from_utf8(inner.get(..end)?).ok().map(Cow::Borrowed);
    }
    // Escapes are rare in names.
    let mut values = serde_json::Deserializer::from_slice(tuple.get(1..)?).into_iter::<String>();
    values.next()?.ok().map(Cow::Owned)
}

/// In time that grows with one text times the other at worst.
fn is_like(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where the last `*` stands, and the first character it does not stand for.
    let mut star = None;
    loop {
        let at = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                name = at;
                star = Some((pattern.clone(), name.clone()));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((behind, taken)) = &mut star else { return false };
                if taken.next().is_none() {
                    return false;
                }
                (pattern, name) = (behind.clone(), taken.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_texts_and_characters() {
        for (pattern, name, wanted) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("*aab", "aaaab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "\u{e9}", true),
            ("http.*.count", "http.requests.count", true),
            ("http.*.count", "http.requests.counts", false),
        ] {
            assert_eq!(is_like(pattern, name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!is_like(&pattern, &"a".repeat(1024)));
    }

    #[test]
    fn the_name_of_a_tuple_is_its_first_text() {
        for (tuple, wanted) in [
            (&b"[\"a.b\",1,2.0,{}]"[..], Some("a.b")),
            (br#"["a\"b\\",1,2.0,{}]"#, Some("a\"b\\")),
            (b"[1]", None),
            (b"", None),
            (b"[\"a", None),
        ] {
            assert_eq!(name_of(tuple).as_deref(), wanted);
        }
    }
}
