//! The labels of one series: its name, its tags, and the secret that may stand among them.

use super::TOKEN_LABEL;
use crate::decode::labelled::{Flaw, Labelled};
use crate::decode::raw::{Scalar, TAG_KEY_BYTES_MAX};

/// Texts longer than this are refused unread, for no name and no tag may be as long (contract C2.2,
/// C2.3): 2.0 lets a few bytes stand for any text, again and again.
const TEXT_BYTES_MAX: usize = 4_096;

/// What stands for a name that is no text: such a series is rejected for it, and not for having none.
const UNREADABLE: &str = "\u{fffd}";

/// Labels on their way into a [`Labelled`].
pub(crate) struct Labels<'l, 'a> {
    series: &'l mut Labelled<'a>,
    /// The first fault of the name, which comes before any of a label.
    name_flaw: Option<Flaw>,
    flaw: Option<Flaw>,
    token: Option<&'a str>,
    /// The name of the last label: where they come in order, none comes twice.
    last: &'a str,
    in_order: bool,
}

impl<'l, 'a> Labels<'l, 'a> {
    pub(super) fn of(series: &'l mut Labelled<'a>) -> Self {
        Self { series, name_flaw: None, flaw: None, token: None, last: "", in_order: true }
    }

    /// Takes one label. One without a value is the same as none.
    #[inline]
    pub(super) fn add(&mut self, name: &'a [u8], value: &'a [u8]) {
        if value.is_empty() {
            return;
        }
        match name {
            b"__name__" => self.name(value),
            name if name == TOKEN_LABEL.as_bytes() => self.token(value),
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
        if self.series.tags.beyond > 0 {
            self.spoil("more than 128 labels");
        }
        let nameless = self.series.name.is_empty().then_some(Flaw::NoName);
        (self.name_flaw.or(nameless).or(self.flaw), self.token)
    }

    fn name(&mut self, value: &'a [u8]) {
        if !self.series.name.is_empty() {
            self.name_flaw.get_or_insert(Flaw::Name("the label `__name__` is there twice"));
        }
        match text(value) {
            Ok(name) => self.series.name = name,
            Err(fault) => {
                self.series.name = UNREADABLE;
                self.name_flaw.get_or_insert(Flaw::Name(match fault {
                    Unfit::Long => "the name is longer than 1,024 bytes",
                    Unfit::Bytes => "the name is not UTF-8",
                }));
            }
        }
    }

    fn token(&mut self, value: &'a [u8]) {
        // One that is no text is nobody's.
        let token = text(value).unwrap_or_default();
        if self.token.replace(token).is_some() {
            self.spoil("the label `better_stack_source_token` is there twice");
        }
    }

    #[inline]
    fn tag(&mut self, name: &'a [u8], value: &'a [u8]) {
        let (name, value) = match (text(name), text(value)) {
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
        if name <= self.last {
            self.in_order = false;
        }
        self.last = name;
        if !self.in_order && self.is_there(name) {
            self.spoil("a label is there twice");
        }
        self.series.attribute(name, Scalar::Text(value));
    }

    /// Of more labels than may be, which are refused anyhow, only the first are looked at.
    fn is_there(&self, name: &str) -> bool {
        self.series.tags.tags.iter().any(|tag| tag.sent_key == name)
    }
}

enum Unfit {
    Long,
    Bytes,
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, Unfit> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(Unfit::Long);
    }
    std::str::from_utf8(bytes).map_err(|_| Unfit::Bytes)
}
