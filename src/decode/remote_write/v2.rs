//! `io.prometheus.write.v2.Request`: texts stand in a table of symbols, metadata in each series.

use super::TOKEN_LABEL;
use super::family::Family;
use super::labels::{Labels, TEXT_BYTES_MAX, Text, Unfit, text};
use super::repeated::Repeated;
use super::{Dialect, Head, Reader, Sorts, bytes, varint};
use crate::decode::protobuf::{Field, Message, Slice, Wire};
use crate::decode::pull::Fault;

const SYMBOLS: u32 = 4;
const LABELS: u32 = 1;
const METADATA: u32 = 5;

/// Reads an `io.prometheus.write.v2.Request`.
pub(crate) type V2<'a> = Reader<'a, Two<'a>>;

impl<'a> V2<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, Fault> {
        Ok(Reader::over(body, Two::new(body)?))
    }
}

/// The table of symbols.
///
/// Each is looked at once, whoever refers to it how often: what is no text of a label is marked, and long
/// ones are kept as the texts they are. Short ones are cheaper to look at again than to keep.
pub(crate) struct Two<'a> {
    body: &'a [u8],
    symbols: Vec<Symbol>,
    long: Vec<&'a str>,
    /// How many of either there will be.
    counts: (usize, usize),
    /// The name of a label whose value is still to come: a list of references may be cut anywhere.
    name: Option<u32>,
}

/// Texts of so many bytes are kept: sixteen bytes for one that takes four times as many of the body.
const LONG_BYTES: usize = 64;

fn is_long(symbol: &[u8]) -> bool {
    (LONG_BYTES..=TEXT_BYTES_MAX).contains(&symbol.len())
}

/// What is known of a symbol, in four bytes, for an empty one takes two of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Symbol(u32);

/// [`Symbol`], read.
enum Known {
    /// Where its length stands.
    At(usize),
    /// Which of the long ones it is.
    Long(usize),
    /// No text of a label.
    Unfit(Unfit),
}

impl Symbol {
    const TOO_LONG: Self = Self(u32::MAX);
    const NOT_UTF_8: Self = Self(u32::MAX - 1);
    /// In front of the place of a long one; bodies are smaller.
    const LONG: u32 = 1 << 31;

    #[inline]
    fn known(self) -> Known {
        match self {
            Self::TOO_LONG => Known::Unfit(Unfit::Long),
            Self::NOT_UTF_8 => Known::Unfit(Unfit::Bytes),
            Self(place) if place >= Self::LONG => Known::Long((place - Self::LONG) as usize),
            Self(at) => Known::At(at as usize),
        }
    }
}

impl<'a> Two<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Fault> {
        if body.len() >= Symbol::LONG as usize {
            return Err(Fault::new(0, "expected less than 2 GiB"));
        }
        let (mut symbols, mut long) = (0, 0);
        each_symbol(body, |symbol| {
            symbols += 1;
            long += usize::from(is_long(symbol.bytes));
        })?;
        let counts = (symbols, long);
        Ok(Self { body, symbols: Vec::new(), long: Vec::new(), counts, name: None })
    }

    #[inline]
    fn symbol(&self, reference: u32) -> Option<Text<'a>> {
        let at = match self.symbols.get(reference as usize)?.known() {
            Known::Unfit(unfit) => return Some(Err(unfit)),
            Known::Long(place) => return self.long.get(place).copied().map(Ok),
            Known::At(at) => at,
        };
        // It was read once already.
        let rest = self.body.get(at..)?;
        let mut length = Message::new(rest);
        let bytes = length.varint().ok()? as usize;
        rest.get(length.offset()..)?.get(..bytes).map(text)
    }

    fn reference(&mut self, reference: u64, labels: &mut Labels<'_, 'a>) {
        // A reference beyond 32 bits is cut, as it is by others that read it as what it is declared.
        let reference = reference as u32;
        let Some(name) = self.name.take() else {
            self.name = Some(reference);
            return;
        };
        match (self.symbol(name), self.symbol(reference)) {
            (Some(name), Some(value)) => labels.add(name, value),
            _ => labels.spoil("a label refers to a symbol that is not there"),
        }
    }
}

fn each_symbol<'a>(body: &'a [u8], mut see: impl FnMut(Slice<'a>)) -> Result<(), Fault> {
    let mut request = Message::new(body);
    loop {
        let at = request.offset();
        let Some(field) = request.field()? else { return Ok(()) };
        if field.number == SYMBOLS {
            see(bytes(field, at)?);
        }
    }
}

/// Where the length in front of `slice` stands. It is read backwards, for what lies before the field may be
/// much that is passed over, and would be again for each label.
fn length_at(body: &[u8], slice: Slice<'_>) -> usize {
    let stands = |bytes: &usize| {
        let length = slice.at.checked_sub(*bytes).and_then(|at| body.get(at..slice.at));
        let mut length = Message::new(length.unwrap_or_default());
        length.varint() == Ok(slice.bytes.len() as u64) && length.is_empty()
    };
    let bytes = (1..=10).find(stands);
    slice.at - bytes.expect("a length was read there")
}

impl<'a> Dialect<'a> for Two<'a> {
    const SERIES: u32 = 5;
    const BESIDE: u32 = SYMBOLS;
    const FOREIGN: [u32; 2] = [1, 3];
    const HISTOGRAMS: u32 = 3;
    const EXEMPLARS: u32 = 4;

    fn begin(&mut self) {
        self.name = None;
    }

    #[inline]
    fn head(
        &mut self,
        field: Field<'a>,
        at: usize,
        labels: &mut Labels<'_, 'a>,
        head: &mut Head,
    ) -> Result<(), Fault> {
        match (field.number, field.wire) {
            (LABELS, Wire::Varint(reference)) => self.reference(reference, labels),
            (LABELS, _) => {
                let mut run = bytes(field, at)?.message();
                while !run.is_empty() {
                    let reference = run.varint()?;
                    self.reference(reference, labels);
                }
            }
            (METADATA, _) => {
                head.is_described = true;
                let mut metadata = bytes(field, at)?.message();
                loop {
                    let at = metadata.offset();
                    let Some(field) = metadata.field()? else { break };
                    match field.number {
                        1 => head.family = Family::of(varint(field, at)?),
                        3 | 4 => drop(varint(field, at)?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, labels: &mut Labels<'_, 'a>) {
        if self.name.is_some() {
            labels.spoil("a label has a name and no value");
        }
    }

    #[inline]
    fn sorts(&self, name: &str, told: Family) -> Sorts {
        Sorts { sample: told.sort(name), histogram: told.histogram_sort() }
    }

    fn memory(&self) -> u64 {
        let (symbols, long) = self.counts;
        (symbols * size_of::<Symbol>() + long * size_of::<&str>()) as u64
    }

    fn prepare(&mut self) -> Result<(), Fault> {
        let (symbols, long) = self.counts;
        self.symbols.reserve_exact(symbols);
        self.long.reserve_exact(long);
        let body = self.body;
        each_symbol(body, |symbol| {
            self.symbols.push(match text(symbol.bytes) {
                Err(Unfit::Long) => Symbol::TOO_LONG,
                Err(Unfit::Bytes) => Symbol::NOT_UTF_8,
                Ok(text) if is_long(symbol.bytes) => {
                    self.long.push(text);
                    Symbol(Symbol::LONG + (self.long.len() - 1) as u32)
                }
                Ok(_) => Symbol(length_at(body, symbol) as u32),
            });
        })
    }
}

/// The token that `series`, a series of the request `body`, names in its label; the first of several.
///
/// Nobody is known yet, so no table is made: the request is gone through for the symbols that are the name
/// of the label, the series for the first reference to one, and the request again for what is beside it.
pub(super) fn token_of<'a>(body: &'a [u8], series: Slice<'a>) -> Result<Option<&'a str>, Fault> {
    let mut names = Vec::new();
    let mut number = 0_u32;
    each_symbol(body, |symbol| {
        if symbol.bytes == TOKEN_LABEL.as_bytes() {
            names.push(number);
        }
        number = number.saturating_add(1);
    })?;
    let Some(wanted) = value_of(&names, series)? else { return Ok(None) };
    let (mut number, mut found) = (0_u32, None);
    each_symbol(body, |symbol| {
        if number == wanted {
            found = Some(symbol);
        }
        number = number.saturating_add(1);
    })?;
    Ok(found.and_then(|symbol| text(symbol.bytes).ok()).filter(|token| !token.is_empty()))
}

/// What stands beside the first of `names`, which rise, among the references of a series.
fn value_of(names: &[u32], series: Slice<'_>) -> Result<Option<u32>, Fault> {
    let mut references = Repeated::of(series, LABELS);
    while let (Some(name), Some(value)) = (references.varint()?, references.varint()?) {
        if names.binary_search(&(name as u32)).is_ok() {
            return Ok(Some(value as u32));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::labelled::{Labelled, Readout};

    #[test]
    fn tables_are_told_of_before_they_are_made_and_are_no_larger() {
        let long = "x".repeat(LONG_BYTES);
        let body = [b"\x22\0\x22\x01a\x22\x40", long.as_bytes(), b"\x22\x01\xff"].concat();
        let mut reader = V2::new(&body).unwrap();
        assert_eq!(reader.memory(), 4 * 4 + 16);
        assert_eq!((reader.dialect.symbols.capacity(), reader.dialect.long.capacity()), (0, 0));
        assert_eq!(reader.next(&mut Labelled::blank()), Ok(None));
        assert_eq!((reader.dialect.symbols.capacity(), reader.dialect.long.capacity()), (4, 1));
        assert_eq!(reader.memory(), 4 * 4 + 16);
        let texts: Vec<_> = (0..5).map(|reference| reader.dialect.symbol(reference)).collect();
        let known = [Some(Ok("")), Some(Ok("a")), Some(Ok(&*long)), Some(Err(Unfit::Bytes)), None];
        assert_eq!(texts, known);
    }

    #[test]
    fn a_token_is_found_without_a_table() {
        let mut symbols = Vec::new();
        for symbol in ["", TOKEN_LABEL, "a", "t1", TOKEN_LABEL, "t2"] {
            symbols.extend([0x22, symbol.len() as u8]);
            symbols.extend(symbol.as_bytes());
        }
        for (series, token) in [
            (&b"\x2a\x06\x0a\x04\x02\x03\x01\x03"[..], Some("t1")),
            (b"\x2a\x04\x0a\x02\x04\x05\x2a\x04\x0a\x02\x01\x03", Some("t2")),
            (b"\x2a\x04\x08\x04\x08\x05", Some("t2")),
            (b"\x2a\x04\x0a\x02\x01\x09", None),
            (b"\x2a\x04\x0a\x02\x01\0", None),
            (b"\x2a\x03\x0a\x01\x01", None),
            (b"\x2a\x04\x0a\x02\x02\x03", None),
            (b"\x2a\0", None),
            (b"", None),
        ] {
            for body in [[&symbols, series].concat(), [series, &symbols].concat()] {
                let found = super::super::label_token(&body, crate::decode::RemoteWrite::V2);
                assert_eq!(found, token, "{series:x?}");
            }
        }
    }
}
