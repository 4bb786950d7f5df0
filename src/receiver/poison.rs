//! Tuples that a receiver refuses by their names, as a real one refuses what it cannot read: the
//! whole request, with 400.

use std::str::FromStr;

use serde::Deserialize;

use super::tuple::Tuple;

/// Refuses every request with a tuple of such a name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PoisonDoc")]
pub struct Poison {
    part: Part,
    status: u16,
    answer: Option<String>,
}

/// What makes a name poisonous.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Begins(String),
    Contains(String),
}

/// A request that is refused: by which status, in which words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Poisoned {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Poison {
    /// Names that begin like this; answered 400.
    pub fn begins(text: &str) -> Self {
        Self { part: Part::Begins(text.to_owned()), status: 400, answer: None }
    }

    /// Names with this anywhere in them; answered 400.
    pub fn contains(text: &str) -> Self {
        Self { part: Part::Contains(text.to_owned()), status: 400, answer: None }
    }

    /// Answered with this status instead.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Answered in these words instead of some that name the tuple.
    #[must_use]
    pub fn saying(self, answer: &str) -> Self {
        Self { answer: Some(answer.to_owned()), ..self }
    }

    fn is_in(&self, name: &str) -> bool {
        match &self.part {
            Part::Begins(text) => name.starts_with(text),
            Part::Contains(text) => name.contains(text),
        }
    }
}

/// The first of `tuples` that one of `poisons` is in.
pub(super) fn find(poisons: &[Poison], tuples: &[Tuple]) -> Result<(), Poisoned> {
    if poisons.is_empty() {
        return Ok(());
    }
    for (index, tuple) in tuples.iter().enumerate() {
        let name = tuple.parts().name;
        let Some(poison) = poisons.iter().find(|poison| poison.is_in(&name)) else { continue };
        let text = poison.answer.clone().unwrap_or_else(|| {
            format!(
                "Failed to deserialize JSON on fields: metrics, with message: \
                 metrics[{index}][0]: the name {name:?} is poison"
            )
        });
        return Err(Poisoned { status: poison.status, text });
    }
    Ok(())
}

/// As the control document writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PoisonDoc {
    begins: Option<String>,
    contains: Option<String>,
    status: Option<u16>,
    body: Option<String>,
}

impl TryFrom<PoisonDoc> for Poison {
    type Error = &'static str;

    fn try_from(doc: PoisonDoc) -> Result<Self, Self::Error> {
        let part = match (doc.begins, doc.contains) {
            (Some(text), None) => Part::Begins(text),
            (None, Some(text)) => Part::Contains(text),
            _ => return Err("a poison has either `begins` or `contains`"),
        };
        let (Part::Begins(text) | Part::Contains(text)) = &part;
        if text.is_empty() {
            return Err("a poison's text is not empty");
        }
        let status = doc.status.unwrap_or(400);
        if !matches!(status, 400 | 422) {
            return Err("a poison is answered 400 or 422");
        }
        Ok(Self { part, status, answer: doc.body })
    }
}

/// `begins=TEXT` or `contains=TEXT`; anything else is what a name begins with.
impl FromStr for Poison {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let doc = match text.split_once('=') {
            Some(("begins", text)) => PoisonDoc { begins: Some(text.to_owned()), ..<_>::default() },
            Some(("contains", text)) => {
                PoisonDoc { contains: Some(text.to_owned()), ..<_>::default() }
            }
            _ => PoisonDoc { begins: Some(text.to_owned()), ..<_>::default() },
        };
        doc.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuples(names: &[&str]) -> Vec<Tuple> {
        let keep = |name| Tuple::keep(&format!(r#"["{name}",1,1.0,{{"type":"raw"}}]"#));
        names.iter().map(keep).collect()
    }

    #[test]
    fn the_first_poisonous_name_is_told_by_its_place() {
        let found = find(&[Poison::begins("bad.")], &tuples(&["a", "x.bad.y", r"b\u0061d.1"]));
        let Poisoned { status, text } = found.unwrap_err();
        assert_eq!(status, 400);
        assert!(text.ends_with(r#"metrics[2][0]: the name "bad.1" is poison"#), "{text}");
    }

    #[test]
    fn status_and_words_are_those_of_the_poison_that_was_found() {
        let poisons = [
            Poison::begins("c"),
            Poison::contains("bad").with_status(422).saying("\"bad\" \u{e9}\n"),
        ];
        let expected = Poisoned { status: 422, text: "\"bad\" \u{e9}\n".to_owned() };
        assert_eq!(find(&poisons, &tuples(&["a", "x.bad", "c"])), Err(expected));
        assert_eq!(find(&poisons, &tuples(&["a", "b"])), Ok(()));
        assert_eq!(find(&[], &tuples(&["bad"])), Ok(()));
    }

    #[test]
    fn poisons_as_the_command_line_writes_them() {
        for (text, poison) in [
            ("bad.", Ok(Poison::begins("bad."))),
            ("begins=bad=", Ok(Poison::begins("bad="))),
            ("contains=x", Ok(Poison::contains("x"))),
            ("a=b", Ok(Poison::begins("a=b"))),
            ("contains=", Err("a poison's text is not empty")),
        ] {
            assert_eq!(text.parse(), poison, "{text}");
        }
    }
}
