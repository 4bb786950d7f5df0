//! The strings that metrics are made of: short, and printable ASCII that needs no escape.
//!
//! A check of each string's UTF-8 cost a fifth of the whole pipeline, and the looks for control
//! characters and escapes behind it as much again. One look at sixteen bytes replaces all of them.

use crate::metric::words;

/// Bytes looked at together: most strings are no longer.
const CHUNK: usize = 16;

/// Bytes without their top bits, which are a text whatever they were. A string among them that is ASCII
/// reads the same, and is known to be a text here.
pub(crate) fn stripped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte & 0x7f).collect()
}

/// Whether the first `length` bytes of `rest` are printable ASCII without quote and backslash: texts
/// that need neither cleaning nor escaping (contract C4.7). False where there are not so many.
#[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
#[inline(always)]
pub(super) fn is_tame(rest: &[u8], length: usize) -> bool {
    match rest.first_chunk() {
        Some(chunk) if length <= CHUNK => tame_bytes(chunk) >= length,
        _ => is_tame_of_any_length(rest, length),
    }
}

#[inline(never)]
fn is_tame_of_any_length(rest: &[u8], length: usize) -> bool {
    let wild =
        |word| words::unprintable(word) | words::equal(word, b'"') | words::equal(word, b'\\');
    rest.get(..length).is_some_and(|bytes| !words::any(bytes, wild))
}

/// How many bytes come before the first that is not tame.
#[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
#[inline(always)]
fn tame_bytes(chunk: &[u8; CHUNK]) -> usize {
    let mut wild = [0; CHUNK];
    // One comparison after the other for all bytes at once: the compiler makes vectors of it.
    for (wild, byte) in wild.iter_mut().zip(chunk) {
        let is_tame = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        *wild = if is_tame { 0 } else { u8::MAX };
    }
    (u128::from_le_bytes(wild).trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_tame_when_each_of_its_bytes_is() {
        for length in 0..=2 * CHUNK + 1 {
            for at in 0..=2 * CHUNK {
                for byte in 0..=u8::MAX {
                    let mut bytes = [b'x'; 2 * CHUNK + 1];
                    bytes[at] = byte;
                    let wild = !(b' '..=b'~').contains(&byte) || byte == b'"' || byte == b'\\';
                    let expected = at >= length || !wild;
                    assert_eq!(is_tame(&bytes, length), expected, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_text_cut_short_is_not_tame() {
        for left in 0..40 {
            assert!(is_tame(&vec![b'x'; left], left) && !is_tame(&vec![b'x'; left], left + 1));
        }
    }

    #[test]
    fn stripped_bytes_are_a_text_and_ascii_stays_what_it_was() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let text = String::from_utf8(stripped(&bytes)).expect("ASCII");
        assert_eq!(text.as_bytes()[..0x80], bytes[..0x80]);
        assert_eq!(text.as_bytes()[0x80..], bytes[..0x80]);
    }
}
