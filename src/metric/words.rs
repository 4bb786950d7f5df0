//! Eight bytes looked at together: a test of a byte, done on every byte of a word at once.
//!
//! The tests mark a byte in its top bit. A borrow can mark further bytes above one that is marked
//! rightly, so a word tells whether a byte passes and which is the lowest, and no more.

const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The top bit of each byte, where the marks are.
pub(crate) const HIGH: u64 = ONES << 7;

/// Marks each byte that is `byte`.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * u64::from(byte));
    differs.wrapping_sub(ONES) & !differs
}

/// Marks each byte below 0x20.
#[inline]
pub(crate) fn control(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word
}

/// Marks each byte that is no decimal digit.
#[inline]
pub(crate) fn not_digit(word: u64) -> u64 {
    let value = word ^ (ONES * u64::from(b'0'));
    value.wrapping_add(ONES * (0x80 - 10)) | value
}

/// Marks each byte that is an `e` or `E`, as in an exponent.
#[inline]
pub(crate) fn exponent(word: u64) -> u64 {
    equal(word | (ONES * 0x20), b'e')
}

/// Marks each byte that is 0x7f or more.
#[inline]
pub(crate) fn beyond_ascii(word: u64) -> u64 {
    word | word.wrapping_add(ONES)
}

/// Marks each byte that is no printable ASCII: below 0x20, 0x7f, or 0x80 and more.
#[inline]
pub(crate) fn unprintable(word: u64) -> u64 {
    beyond_ascii(word) | word.wrapping_sub(ONES * 0x20)
}

/// Whether `marks` marks any of `bytes`; a letter must not be marked.
///
/// Texts are short and of every length, so their ends are read as words that overlap instead of byte
/// by byte: a loop whose length nobody can guess costs more than reading a byte twice.
#[inline]
pub(crate) fn any(bytes: &[u8], marks: impl Fn(u64) -> u64) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let mut marked = marks(u64::from_le_bytes(*last));
        for word in bytes.as_chunks::<8>().0 {
            marked |= marks(u64::from_le_bytes(*word));
        }
        return marked & HIGH != 0;
    }
    let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => bytes.iter().fold(ONES * u64::from(b'a'), |word, &byte| word << 8 | u64::from(byte)),
    };
    marks(word) & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_finds_each_byte_at_each_place_of_each_length() {
        for length in 1..40 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    let printable = (b' '..=b'~').contains(&byte);
                    assert_eq!(any(&bytes, unprintable), !printable, "{byte} at {at} of {length}");
                    assert_eq!(any(&bytes, |word| equal(word, b':')), byte == b':');
                    assert_eq!(any(&bytes, beyond_ascii), byte >= 0x7f);
                    assert_eq!(any(&bytes, exponent), matches!(byte, b'e' | b'E'));
                    assert_eq!(any(&bytes, control), byte < 0x20);
                }
            }
        }
        assert!(!any(b"", unprintable));
    }
}
