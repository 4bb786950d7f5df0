//! Many dates and times of one body, which mostly are of one day.

use super::{NANOS_MAX, Timestamp};

/// Reads dates and times like [`Timestamp::parse`], and remembers the last day.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    /// `2026-11-22`, and its first second.
    day: Option<([u8; 10], i64)>,
}

impl Diary {
    /// The same as [`Timestamp::parse`].
    #[inline]
    pub(crate) fn parse(&mut self, text: &str) -> Option<Timestamp> {
        let bytes = text.as_bytes();
        if let Some((date, rest)) = bytes.split_first_chunk()
            && let Some((known, start)) = &self.day
            && date == known
            && let Some((second, nanos)) = time(rest)
        {
            return Some(Timestamp { seconds: start + second, nanos });
        }
        self.parse_another(text)
    }

    /// A day that is new, or a way to write it that is less common.
    #[inline(never)]
    fn parse_another(&mut self, text: &str) -> Option<Timestamp> {
        let at = Timestamp::parse(text)?;
        if let Some((date, rest)) = text.as_bytes().split_first_chunk()
            && let Some((second, _)) = time(rest)
        {
            self.day = Some((*date, at.seconds - second));
        }
        Some(at)
    }
}

/// `T10:30:00Z`, up to nine digits of a second's fraction before the `Z`: the second of the day, and
/// nanoseconds.
#[inline]
fn time(bytes: &[u8]) -> Option<(i64, u32)> {
    let (clock, rest) = bytes.strip_prefix(b"T")?.split_first_chunk()?;
    // Each digit by its value, and the colons as zeros.
    let parts = u64::from_le_bytes(*clock) ^ u64::from_le_bytes(*b"00:00:00");
    let wild = (parts | parts.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080;
    let colons = parts & 0x0000_ff00_00ff_0000;
    let pair = |at: u32| (parts >> at & 0xf) * 10 + (parts >> (at + 8) & 0xf);
    let (hour, minute, second) = (pair(0), pair(24), pair(48));
    if (wild | colons) != 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let second = (hour * 3_600 + minute * 60 + second) as i64;
    if rest == b"Z" {
        return Some((second, 0));
    }
    let [b'.', digits @ .., b'Z'] = rest else { return None };
    let missing = 9_usize.checked_sub(digits.len()).filter(|_| !digits.is_empty())?;
    let mut nanos = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        nanos = nanos * 10 + u32::from(digit);
    }
    let nanos = nanos * TENS[missing];
    debug_assert!(nanos <= NANOS_MAX, "nine digits");
    Some((second, nanos))
}

const TENS: [u32; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_diary_reads_is_what_is_read_without_one() {
        let mut diary = Diary::default();
        let mut taken = 0;
        // A date of zeros comes first, to a diary in which nothing was written yet.
        let dates = [
            "\0\0\0\0\0\0\0\0\0\0",
            "2026-11-22",
            "2026-02-30",
            "1970-01-01",
            "2261-12-31",
            "1969-12-31",
            "2026-11-2x",
        ];
        let clocks =
            ["00:00:00", "23:59:59", "10:30:60", "24:00:00", "10:60:00", "1a:30:00", "10:30"];
        let ends = [
            "Z",
            "",
            ".5Z",
            ".123456789Z",
            ".1234567891Z",
            ".Z",
            ",5Z",
            ".12a4Z",
            "./////////Z",
            "z",
            " Z",
            "+01:00",
            ".000000001Z",
            ".99999999Z",
            ".5",
            "Z ",
            ".5ZZ",
            "UTC",
        ];
        for round in 0..2 {
            for date in dates {
                for separator in ["T", " ", "t", ""] {
                    for clock in clocks {
                        for end in ends {
                            let text = format!("{date}{separator}{clock}{end}");
                            let read = Timestamp::parse(&text);
                            assert_eq!(diary.parse(&text), read, "{text} in round {round}");
                            taken += u32::from(read.is_some());
                        }
                    }
                }
            }
        }
        assert!(taken > 500, "{taken} instants");
    }
}
