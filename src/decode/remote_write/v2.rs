//! `io.prometheus.write.v2.Request`: texts stand in a table of symbols, metadata in each series.

use super::family::Family;
use super::labels::{Labels, Text, Unfit, text};
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
    /// The name of a label whose value is still to come: a list of references may be cut anywhere.
    name: Option<u32>,
}

/// Texts of so many bytes are kept: sixteen bytes for one that takes four times as many of the body.
const LONG_BYTES: usize = 64;

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
        // Counted first: a list that grows takes up to three times what it holds.
        let (mut count, mut long_count) = (0, 0);
        each_symbol(body, |symbol| {
            count += 1;
            long_count += usize::from(symbol.bytes.len() >= LONG_BYTES);
        })?;
        let mut symbols = Vec::with_capacity(count);
        let mut long = Vec::with_capacity(long_count);
        each_symbol(body, |symbol| {
            symbols.push(match text(symbol.bytes) {
                Err(Unfit::Long) => Symbol::TOO_LONG,
                Err(Unfit::Bytes) => Symbol::NOT_UTF_8,
                Ok(text) if text.len() >= LONG_BYTES => {
                    long.push(text);
                    Symbol(Symbol::LONG + (long.len() - 1) as u32)
                }
                Ok(_) => Symbol(length_at(body, symbol) as u32),
            });
        })?;
        Ok(Self { body, symbols, long, name: None })
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
        let symbols = self.symbols.capacity() * size_of::<Symbol>();
        (symbols + self.long.capacity() * size_of::<&str>()) as u64
    }
}
