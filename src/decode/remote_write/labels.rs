//! The labels of one series: its name, its tags, and the secret that may stand among them.

use super::TOKEN_LABEL;
use crate::decode::labelled::{Flaw, Labelled};
use crate::decode::raw::{Scalar, TAG_KEY_BYTES_MAX, TAGS_KEPT};

/// Texts longer than this are refused unread, for no name and no tag may be as long (contract C2.2,
/// C2.3): 2.0 lets a few bytes stand for any text, again and again.
pub(super) const TEXT_BYTES_MAX: usize = 4_096;

/// What stands for a name that is no text: such a series is rejected for it, and not for having none.
const UNREADABLE: &str = "\u{fffd}";

/// Most bytes of a name, and of names and values of all tags together (contract C2.2, C2.3). Whoever
/// judges measurements knows them too, and never sees a series that has exemplars alone.
pub(super) const NAME_BYTES_MAX: usize = 1_024;
const TAGS_BYTES_MAX: usize = 16 << 10;

const NAME_TOO_LONG: &str = "the name is longer than 1,024 bytes";
const TOO_MANY: &str = "more than 128 labels";

/// Most labels whose names are compared each with each; of more, sorting takes less.
const COMPARED_MAX: usize = 16;

/// Labels on their way into a [`Labelled`].
///
/// A few bytes of 2.0 name a label, so what one costs must not depend on how long its texts are, nor on how
/// many there are: of a series that is refused anyhow, no further tag is taken in.
pub(crate) struct Labels<'l, 'a> {
    series: &'l mut Labelled<'a>,
    /// The first fault of the name, which comes before any of a label.
    name_flaw: Option<Flaw>,
    flaw: Option<Flaw>,
    token: Option<&'a str>,
    /// The name of the last label: where they come in order, none comes twice.
    last: &'a str,
    in_order: bool,
    /// Of names and values of tags.
    bytes: usize,
}

impl<'l, 'a> Labels<'l, 'a> {
    pub(super) fn of(series: &'l mut Labelled<'a>) -> Self {
        Self {
            series,
            name_flaw: None,
            flaw: None,
            token: None,
            last: "",
            in_order: true,
            bytes: 0,
        }
    }

    /// Takes one label. One without a value is the same as none.
    #[inline]
    pub(super) fn add(&mut self, name: Text<'a>, value: Text<'a>) {
        if value == Ok("") {
            return;
        }
        match name {
            Ok("__name__") => self.name(value),
            Ok(TOKEN_LABEL) => self.token(value),
            // What is there already is enough to refuse the series for.
            _ if self.flaw.is_some() => {}
            _ => self.tag(name, value),
        }
    }

    /// Something is wrong with the labels as a whole.
    pub(super) fn spoil(&mut self, why: &'static str) {
        self.flaw.get_or_insert(Flaw::Tags(why));
    }

    /// What is wrong with the labels, if anything, and the token among them; `wanted` is the one that must
    /// be there.
    pub(super) fn judge(mut self, wanted: Option<&str>) -> (Option<Flaw>, Option<&'a str>) {
        if wanted.is_some() && self.token != wanted {
            self.spoil(
                "the label `better_stack_source_token` is missing, or is not that of the first series",
            );
        }
        if !self.in_order && self.flaw.is_none() && self.is_any_there_twice() {
            self.spoil("a label is there twice");
        }
        if self.bytes > TAGS_BYTES_MAX {
            let why = "names and values of the labels are over 16 KiB together";
            self.flaw.get_or_insert(Flaw::TooLarge(why));
        }
        let nameless = self.series.name.is_empty().then_some(Flaw::NoName);
        (self.name_flaw.or(nameless).or(self.flaw), self.token)
    }

    fn name(&mut self, value: Text<'a>) {
        if !self.series.name.is_empty() {
            self.name_flaw.get_or_insert(Flaw::Name("the label `__name__` is there twice"));
            return;
        }
        match value {
            Ok(name) => {
                self.series.name = name;
                if name.len() > NAME_BYTES_MAX {
                    self.name_flaw.get_or_insert(Flaw::Name(NAME_TOO_LONG));
                }
            }
            Err(fault) => {
                self.series.name = UNREADABLE;
                self.name_flaw.get_or_insert(Flaw::Name(match fault {
                    Unfit::Long => NAME_TOO_LONG,
                    Unfit::Bytes => "the name is not UTF-8",
                }));
            }
        }
    }

    fn token(&mut self, value: Text<'a>) {
        if self.token.is_some() {
            return self.spoil("the label `better_stack_source_token` is there twice");
        }
        // One that is no text is nobody's.
        self.token = Some(value.unwrap_or_default());
    }

    #[inline]
    fn tag(&mut self, name: Text<'a>, value: Text<'a>) {
        let (name, value) = match (name, value) {
            (Ok(name), Ok(value)) => (name, value),
            (Err(Unfit::Long), _) | (_, Err(Unfit::Long)) => {
                return self.spoil(
                    "the name of a label is longer than 255 bytes, or its value than 4,096",
                );
            }
            _ => return self.spoil("a label is not UTF-8"),
        };
        if name.is_empty() || name.len() > TAG_KEY_BYTES_MAX {
            return self.spoil("the name of a label is empty, or longer than 255 bytes");
        }
        // One more than is allowed is enough to be refused for.
        if self.series.tags.tags.len() + 1 == TAGS_KEPT {
            return self.spoil(TOO_MANY);
        }
        if name <= self.last {
            self.in_order = false;
        }
        self.last = name;
        self.bytes += name.len() + value.len();
        self.series.attribute(name, Scalar::Text(value));
    }

    /// Of labels that come in no order.
    #[cold]
    fn is_any_there_twice(&self) -> bool {
        let tags = &self.series.tags.tags;
        if tags.len() <= COMPARED_MAX {
            let mut behind = tags.as_slice();
            while let [first, rest @ ..] = behind {
                if rest.iter().any(|tag| tag.sent_key == first.sent_key) {
                    return true;
                }
                behind = rest;
            }
            return false;
        }
        let mut names = [""; TAGS_KEPT];
        for (name, tag) in names.iter_mut().zip(tags) {
            *name = tag.sent_key;
        }
        let names = names.get_mut(..tags.len()).unwrap_or_default();
        names.sort_unstable();
        !names.is_sorted_by(|one, next| one < next)
    }
}

/// A text of a label, or why it is none.
pub(super) type Text<'a> = Result<&'a str, Unfit>;

/// Why a text is none of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Long,
    Bytes,
}

#[inline]
pub(super) fn text(bytes: &[u8]) -> Text<'_> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(Unfit::Long);
    }
    std::str::from_utf8(bytes).map_err(|_| Unfit::Bytes)
}
