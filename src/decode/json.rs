//! A pull reader of JSON, exactly RFC 8259 (contract C2.5).
//!
//! It borrows strings from the body, keeps numbers as their digits, builds nothing and recurses
//! nowhere: a skipped value costs one bit for each level it is deep. serde_json is the oracle its
//! verdicts are tested against.

use bumpalo::Bump;

use super::pull::{Extent, Fault, Key, Pull, Token};
use super::raw::{Number, Scalar};

mod number;
mod plain;
mod scan;
mod string;

pub(crate) use plain::Plain;

/// Levels a skipped value may be deep: what fits the bits of `skip`'s stack. The contract asks 64.
pub const DEPTH_MAX: u32 = 128;

/// Reads values off `text`.
#[derive(Debug)]
pub struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    arena: &'a Bump,
}

impl<'a> JsonReader<'a> {
    /// A reader at the start of `text`; strings that have escapes are decoded into `arena`.
    pub fn new(text: &'a str, arena: &'a Bump) -> Self {
        Self { text, at: 0, arena }
    }

    /// Passes white space; true when nothing else is left.
    pub fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads past one value, for the benches and the differential tests; the offset of a fault.
    pub fn check(&mut self) -> Result<(), usize> {
        self.skip().map_err(|fault| fault.offset())
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is not white space; it is not consumed.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    #[inline]
    fn word(&mut self, word: &'static str, scalar: Scalar<'a>) -> Result<Scalar<'a>, Fault> {
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(scalar);
        }
        Err(self.expected_value())
    }

    #[inline]
    fn literal(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.at = number::scan(self.bytes(), start)?;
        // Every byte a number is made of is ASCII, so both ends are character boundaries.
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// The string whose opening quote is next.
    #[expect(clippy::inline_always, reason = "called for every member; a call costs as much as it")]
    #[inline(always)]
    fn string(&mut self) -> Result<&'a str, Fault> {
        let (text, end) = string::read(self.text, self.at + 1, self.arena)?;
        self.at = end;
        Ok(text)
    }

    #[cold]
    fn expected_value(&self) -> Fault {
        Fault::new(self.at, "expected a JSON value")
    }

    /// Passes the separator before the next entry of a container; false at its end.
    #[inline]
    fn entry(
        &mut self,
        extent: &mut Extent,
        close: u8,
        expected: &'static str,
    ) -> Result<bool, Fault> {
        let next = self.peek();
        if next == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if extent.0 == 0 {
            extent.0 = 1;
            return Ok(true);
        }
        if next != Some(b',') {
            return Err(Fault::new(self.at, expected));
        }
        self.at += 1;
        // `[1,]`: the grammar has no value here, and whoever reads one says so.
        Ok(true)
    }

    /// The key of a member up to and with its colon.
    #[expect(clippy::inline_always, reason = "called for every member; a call costs as much as it")]
    #[inline(always)]
    fn member(&mut self) -> Result<&'a str, Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::new(self.at, "expected a member name in double quotes"));
        }
        let key = self.string()?;
        self.colon()?;
        Ok(key)
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b':') {
            return Err(Fault::new(self.at, "expected `:` after a member name"));
        }
        self.at += 1;
        Ok(())
    }

    /// One value without members, or the opening bracket of one with.
    #[inline]
    fn skip_step(&mut self) -> Result<Step, Fault> {
        match self.peek() {
            Some(b'"') => self.at = string::skip(self.bytes(), self.at + 1)?,
            Some(b'-' | b'0'..=b'9') => self.at = number::scan(self.bytes(), self.at)?,
            Some(b't') => _ = self.word("true", Scalar::Null)?,
            Some(b'f') => _ = self.word("false", Scalar::Null)?,
            Some(b'n') => _ = self.word("null", Scalar::Null)?,
            Some(b'[') => {
                self.at += 1;
                return Ok(Step::Array);
            }
            Some(b'{') => {
                self.at += 1;
                return Ok(Step::Map);
            }
            _ => return Err(self.expected_value()),
        }
        Ok(Step::Scalar)
    }
}

enum Step {
    Scalar,
    Array,
    Map,
}

const IN_ARRAY: &str = "expected `,` or `]`";
const IN_MAP: &str = "expected `,` or `}`";

impl<'a> Pull<'a> for JsonReader<'a> {
    #[inline]
    fn next(&mut self) -> Result<Token<'a>, Fault> {
        let scalar = match self.peek() {
            Some(b'"') => Scalar::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Scalar::Number(Number::Literal(self.literal()?)),
            Some(b'{') => {
                self.at += 1;
                return Ok(Token::Map(Extent(0)));
            }
            Some(b'[') => {
                self.at += 1;
                return Ok(Token::Array(Extent(0)));
            }
            Some(b't') => self.word("true", Scalar::Bool(true))?,
            Some(b'f') => self.word("false", Scalar::Bool(false))?,
            Some(b'n') => self.word("null", Scalar::Null)?,
            _ => return Err(self.expected_value()),
        };
        Ok(Token::Scalar(scalar))
    }

    #[expect(clippy::inline_always, reason = "called for every member; a call costs as much as it")]
    #[inline(always)]
    fn text(&mut self) -> Result<Option<&'a str>, Fault> {
        if self.peek() == Some(b'"') { self.string().map(Some) } else { Ok(None) }
    }

    #[inline]
    fn number(&mut self) -> Result<Option<Number<'a>>, Fault> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => Ok(Some(Number::Literal(self.literal()?))),
            _ => Ok(None),
        }
    }

    #[inline]
    fn map(&mut self) -> Result<Option<Extent>, Fault> {
        if self.peek() != Some(b'{') {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(Extent(0)))
    }

    #[inline]
    fn element(&mut self, extent: &mut Extent) -> Result<bool, Fault> {
        self.entry(extent, b']', IN_ARRAY)
    }

    #[expect(clippy::inline_always, reason = "called for every member; a call costs as much as it")]
    #[inline(always)]
    fn key(&mut self, extent: &mut Extent) -> Result<Option<Key<'a>>, Fault> {
        if !self.entry(extent, b'}', IN_MAP)? {
            return Ok(None);
        }
        Ok(Some(Key::Text(self.member()?)))
    }

    /// Walks the value with a stack of one bit a level: 1 inside an object, 0 inside an array.
    fn skip(&mut self) -> Result<(), Fault> {
        let mut kinds = 0_u128;
        let mut depth = 0_u32;
        loop {
            // Here a value is due.
            let entered = match self.skip_step()? {
                Step::Scalar => false,
                Step::Array => {
                    kinds <<= 1;
                    true
                }
                Step::Map => {
                    kinds = kinds << 1 | 1;
                    true
                }
            };
            if entered {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Fault::new(
                        self.at - 1,
                        "a value is nested more than 128 levels deep",
                    ));
                }
            }
            // Here an entry is due, or ends: of the container just entered, or of those around.
            let mut extent = Extent(u32::from(!entered));
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_map = kinds & 1 == 1;
                let (close, expected) = if in_map { (b'}', IN_MAP) } else { (b']', IN_ARRAY) };
                if self.entry(&mut extent, close, expected)? {
                    if in_map {
                        if self.peek() != Some(b'"') {
                            return Err(Fault::new(
                                self.at,
                                "expected a member name in double quotes",
                            ));
                        }
                        self.at = string::skip(self.bytes(), self.at + 1)?;
                        self.colon()?;
                    }
                    break;
                }
                kinds >>= 1;
                depth -= 1;
                extent.0 = 1;
            }
        }
    }

    #[inline]
    fn plain(&self) -> Option<Plain<'a>> {
        Some(Plain::new(self.text, self.at))
    }

    #[inline]
    fn go_on_after(&mut self, plain: &Plain<'a>) {
        self.at = plain.at();
    }

    fn mark(&self) -> usize {
        self.at
    }

    fn rewind(&mut self, mark: usize) {
        self.at = mark;
    }
}
