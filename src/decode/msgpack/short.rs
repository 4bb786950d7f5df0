//! The strings that metrics are made of: short, and printable ASCII that needs no escape.
//!
//! A check of each string's UTF-8 cost a fifth of the whole pipeline, and the looks for control
//! characters and escapes behind it as much again. One look at sixteen bytes replaces all of them.

use wide::{CmpEq as _, CmpGt as _, i8x16};

use crate::decode::raw::Number;

/// Bytes looked at together: most strings are no longer.
const CHUNK: usize = 16;

/// Bytes without their top bits, which are a text whatever they were. A string among them that is ASCII
/// reads the same, and is known to be a text here.
pub(crate) fn stripped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte & 0x7f).collect()
}

/// The same in the room of `copy`, which has at least as many.
#[inline]
pub(crate) fn strip_into<'c>(copy: &'c mut [u8], bytes: &[u8]) -> &'c [u8] {
    let copy = &mut copy[..bytes.len()];
    for (copy, byte) in copy.iter_mut().zip(bytes) {
        *copy = byte & 0x7f;
    }
    copy
}

/// Whether the first `length` bytes of `rest` are printable ASCII without quote and backslash, and
/// without `also`: texts that need neither cleaning nor escaping (contract C4.7). False where there
/// are not so many.
#[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
#[inline(always)]
pub(super) fn is_tame(rest: &[u8], length: usize, also: u8) -> bool {
    match rest.first_chunk() {
        Some(chunk) if length <= CHUNK => wild(chunk, also) & ((1 << length) - 1) == 0,
        _ => is_tame_of_any_length(rest, length, also),
    }
}

#[inline(never)]
fn is_tame_of_any_length(rest: &[u8], length: usize, also: u8) -> bool {
    let Some(text) = rest.get(..length) else { return false };
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        // What lies between the first and the last look; the last may see bytes again.
        let (between, _) = text[CHUNK..].as_chunks();
        return (wild(first, also) | wild(last, also)) == 0
            && between.iter().all(|chunk| wild(chunk, also) == 0);
    }
    let is_tame = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    text.iter().all(|&byte| is_tame(byte) && byte != also)
}

/// A bit for each byte that is not tame, or is `also`; the lowest for the first.
#[inline]
fn wild(chunk: &[u8; CHUNK], also: u8) -> u32 {
    // Moves 0x20..=0x7e to the bottom of the signed bytes, so that one comparison finds all others.
    const DOWN: i8 = i8::MIN.wrapping_sub_unsigned(b' ');
    const LAST: i8 = DOWN.wrapping_add_unsigned(b'~');
    let bytes = i8x16::new(chunk.map(|byte| byte as i8));
    let odd = (bytes + i8x16::splat(DOWN)).cmp_gt(i8x16::splat(LAST));
    let equal = |byte: u8| bytes.cmp_eq(i8x16::splat(byte as i8));
    (odd | equal(b'"') | equal(b'\\') | equal(also)).move_mask() as u32
}

/// The number that is next and its bytes, if it is of a kind that metrics are made of.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<(Number<'static>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    Some(match first {
        0xcb => (Number::Double(f64::from_be_bytes(*rest.first_chunk()?)), 9),
        0..=0x7f => (Number::Unsigned(first.into()), 1),
        0xce => (Number::Unsigned(u32::from_be_bytes(*rest.first_chunk()?).into()), 5),
        0xcd => (Number::Unsigned(u16::from_be_bytes(*rest.first_chunk()?).into()), 3),
        0xcc => (Number::Unsigned((*rest.first()?).into()), 2),
        0xcf => (Number::Unsigned(u64::from_be_bytes(*rest.first_chunk()?)), 9),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_tame_when_each_of_its_bytes_is() {
        for length in 0..=3 * CHUNK + 1 {
            for at in 0..=3 * CHUNK {
                for byte in 0..=u8::MAX {
                    let mut bytes = [b'x'; 3 * CHUNK + 1];
                    bytes[at] = byte;
                    let wild = !(b' '..=b'~').contains(&byte) || byte == b'"' || byte == b'\\';
                    let expected = at >= length || !wild;
                    assert_eq!(
                        is_tame(&bytes, length, b'"'),
                        expected,
                        "{byte} at {at} of {length}"
                    );
                    let expected = expected && (at >= length || byte != b':');
                    assert_eq!(
                        is_tame(&bytes, length, b':'),
                        expected,
                        "{byte} at {at} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_text_cut_short_is_not_tame() {
        for left in 0..40 {
            assert!(
                is_tame(&vec![b'x'; left], left, b'"')
                    && !is_tame(&vec![b'x'; left], left + 1, b'"')
            );
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
