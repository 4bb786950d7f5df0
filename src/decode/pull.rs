//! The face both readers show: values are pulled one at a time, and nothing is built that is not kept.
//!
//! `item` reads a metric through this trait once for JSON and MessagePack alike, so the rules on
//! members (duplicates, nulls, wrong types) exist in one place.

use std::borrow::Cow;

use super::json::Plain;
use super::raw::{Number, Scalar};

/// What the next value is; a scalar is whole, a container is entered.
#[derive(Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// Anything without members; never [`Scalar::Array`] or [`Scalar::Map`].
    Scalar(Scalar<'a>),
    /// Read it to its end with [`Pull::element`].
    Array(Extent),
    /// Read it to its end with [`Pull::key`].
    Map(Extent),
}

/// How far a container has been read; only the reader that made it knows what the number means.
#[derive(Debug, PartialEq)]
pub(crate) struct Extent(pub(crate) u32);

/// The key of a member.
#[derive(Debug, PartialEq)]
pub(crate) enum Key<'a> {
    /// A string.
    Text(&'a str),
    /// MessagePack: anything else; the member is ignored (contract C2.5).
    Other,
}

/// Why a body, or a line of one, cannot be read on. Boxed, because every read returns room for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(Box<Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    offset: usize,
    expected: Cow<'static, str>,
}

impl Fault {
    #[cold]
    pub(crate) fn new(offset: usize, expected: &'static str) -> Self {
        Self(Box::new(Place { offset, expected: Cow::Borrowed(expected) }))
    }

    #[cold]
    pub(crate) fn because(offset: usize, expected: String) -> Self {
        Self(Box::new(Place { offset, expected: Cow::Owned(expected) }))
    }

    /// Where, in bytes from the start of what the reader was given.
    pub(crate) fn offset(&self) -> usize {
        self.0.offset
    }

    /// What was expected there, or what was wrong.
    pub(crate) fn expected(&self) -> &str {
        &self.0.expected
    }
}

/// A reader of one value after the other.
pub(crate) trait Pull<'a> {
    /// Reads a scalar, or enters a container.
    fn next(&mut self) -> Result<Token<'a>, Fault>;

    /// The next value if it is a string and the reader can tell at a glance; else nothing is read and
    /// [`Self::next`] says what it is. Most values are strings, and those need not travel through a
    /// [`Token`].
    fn text(&mut self) -> Result<Option<&'a str>, Fault> {
        Ok(None)
    }

    /// The same for a number.
    fn number(&mut self) -> Result<Option<Number<'a>>, Fault> {
        Ok(None)
    }

    /// The same for a map: it is entered if it is one.
    fn map(&mut self) -> Result<Option<Extent>, Fault> {
        Ok(None)
    }

    /// Whether another element follows; it must then be read or skipped.
    fn element(&mut self, extent: &mut Extent) -> Result<bool, Fault>;

    /// The next member's key; its value must then be read or skipped.
    fn key(&mut self, extent: &mut Extent) -> Result<Option<Key<'a>>, Fault>;

    /// Reads past one value of any kind, checking its grammar.
    fn skip(&mut self) -> Result<(), Fault>;

    /// Whether all texts read since this was last asked are printable ASCII without quote and
    /// backslash; none for a reader that does not look.
    fn tame_since(&mut self) -> Option<bool> {
        None
    }

    /// JSON: a cursor for plain values that stands where this reader does.
    fn plain(&self) -> Option<Plain<'a>> {
        None
    }

    /// Goes on where such a cursor has come to.
    fn go_on_after(&mut self, _plain: &Plain<'a>) {}

    /// The position, to come back to.
    fn mark(&self) -> usize;

    /// Back to a position that [`Self::mark`] gave.
    fn rewind(&mut self, mark: usize);
}

/// Reads a value whole; containers are skipped and leave only their kind.
#[expect(clippy::inline_always, reason = "a string goes straight from the reader to its place")]
#[inline(always)]
pub(crate) fn scalar<'a, R: Pull<'a>>(reader: &mut R) -> Result<Scalar<'a>, Fault> {
    match reader.text()? {
        Some(text) => Ok(Scalar::Text(text)),
        None => scalar_of_any_kind(reader),
    }
}

/// [`scalar`] where a number is likely.
#[expect(clippy::inline_always, reason = "a number goes straight from the reader to its place")]
#[inline(always)]
pub(crate) fn number_or_scalar<'a, R: Pull<'a>>(reader: &mut R) -> Result<Scalar<'a>, Fault> {
    match reader.number()? {
        Some(number) => Ok(Scalar::Number(number)),
        None => scalar_of_any_kind(reader),
    }
}

fn scalar_of_any_kind<'a, R: Pull<'a>>(reader: &mut R) -> Result<Scalar<'a>, Fault> {
    match reader.next()? {
        Token::Scalar(scalar) => Ok(scalar),
        Token::Array(extent) => {
            skip_array(reader, extent)?;
            Ok(Scalar::Array)
        }
        Token::Map(extent) => {
            skip_map(reader, extent)?;
            Ok(Scalar::Map)
        }
    }
}

/// Reads past what remains of an array.
pub(crate) fn skip_array<'a, R: Pull<'a>>(reader: &mut R, mut extent: Extent) -> Result<(), Fault> {
    while reader.element(&mut extent)? {
        reader.skip()?;
    }
    Ok(())
}

/// Reads past what remains of a map.
pub(crate) fn skip_map<'a, R: Pull<'a>>(reader: &mut R, mut extent: Extent) -> Result<(), Fault> {
    while reader.key(&mut extent)?.is_some() {
        reader.skip()?;
    }
    Ok(())
}
