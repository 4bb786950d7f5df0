//! Instants, and the permissive parser of `dt` (contract C3).

mod diary;
mod number;
mod text;

use std::time::Duration;

pub(crate) use diary::Diary;

/// An instant as seconds and nanoseconds since 1970-01-01T00:00:00Z; `nanos` always counts forward,
/// so half a second before the epoch is `-1 s + 500,000,000 ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

/// 2261-12-31T23:59:59, the last second that is understood (contract C3.4).
const SECONDS_MAX: i64 = 9_214_646_399;
const NANOS_MAX: u32 = 999_999_999;

impl Timestamp {
    /// An instant from its parts; nanoseconds past a second are cut to the last one.
    pub const fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos: if nanos > NANOS_MAX { NANOS_MAX } else { nanos } }
    }

    /// Reads a string: epoch digits (contract C3.2) or a date and time (C3.3), white space around it
    /// trimmed. None for anything else, and outside 1970 to 2261.
    ///
    /// Second 60 is accepted in any minute: which minutes had one is a table that ages, and the
    /// instant meant is plain.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.trim().as_bytes();
        if bytes.get(4) == Some(&b'-') {
            return text::date_time(bytes);
        }
        number::digits(bytes).or_else(|| text::date_time(bytes))
    }

    /// Reads the literal of a JSON number, valid by RFC 8259, whose magnitude decides its unit
    /// (contract C3.2). Exact: digits are shifted, never made a double; what is finer than a
    /// nanosecond is cut. None for negative numbers (`-0` is none) and outside 1970 to 2261.
    pub fn from_literal(json_number: &str) -> Option<Self> {
        number::literal(json_number.as_bytes())
    }

    /// An integer whose magnitude decides its unit (contract C3.2). None after 2261.
    pub fn from_u64(number: u64) -> Option<Self> {
        number::instant(number, 0)
    }

    /// A double whose magnitude decides its unit (contract C3.2): the shortest decimal that names it is
    /// read, so `1.7e9 + 0.1` is a tenth of a second, not 99,999,904 ns, and a number means the same
    /// instant in MessagePack as in JSON. None for NaN, infinity, negative numbers and after 2261.
    pub fn from_f64(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        Self::from_literal(zmij::Buffer::new().format_finite(number))
    }

    /// Reads the payload of a MessagePack timestamp extension, type -1 (contract C3.4): 4 bytes of
    /// seconds, 8 bytes of nanoseconds (30 bits) and seconds (34 bits), or 12 bytes of nanoseconds and
    /// signed seconds. Any instant is taken; None where the payload is malformed.
    pub fn from_extension(payload: &[u8]) -> Option<Self> {
        let (seconds, nanos) = match payload.len() {
            4 => (i64::from(u32::from_be_bytes(payload.try_into().ok()?)), 0),
            8 => {
                let both = u64::from_be_bytes(payload.try_into().ok()?);
                ((both & ((1 << 34) - 1)) as i64, (both >> 34) as u32)
            }
            12 => {
                let (nanos, seconds) = payload.split_first_chunk()?;
                (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanos))
            }
            _ => return None,
        };
        (nanos <= NANOS_MAX).then_some(Self { seconds, nanos })
    }

    /// Whole seconds, rounded down: what goes on the wire (contract C3.7).
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds past [`Self::seconds`].
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Time since an earlier instant; none when a clock was set back between them.
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = |at: Self| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
        u64::try_from(nanos(self) - nanos(earlier)).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// An instant that was worked out from a text or number: 1970 to 2261 or none (contract C3.4).
    fn in_range(seconds: i64, nanos: u32) -> Option<Self> {
        debug_assert!(nanos <= NANOS_MAX, "parsers carry whole seconds over");
        (0..=SECONDS_MAX).contains(&seconds).then_some(Self { seconds, nanos })
    }
}
