//! Where a run of plain text ends, sixteen bytes at a look.

use wide::{CmpEq as _, CmpGt as _, i8x16};

/// Bytes of one look; most strings end within the first.
const CHUNK: usize = 16;

/// The first byte that a plain string cannot hold: a quote, a backslash, or anything that
/// is not printable ASCII; or that is `also`. The end of `bytes` where there is none.
#[expect(clippy::inline_always, reason = "called for every string; a call costs as much as it")]
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], also: u8) -> usize {
    match bytes.first_chunk().map(|chunk| stops(chunk, also)) {
        Some(stops) if stops != 0 => stops.trailing_zeros() as usize,
        _ => plain_end_of_long(bytes, also),
    }
}

#[inline(never)]
fn plain_end_of_long(bytes: &[u8], also: u8) -> usize {
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let stops = stops(chunk, also);
        if stops != 0 {
            return bytes.len() - rest.len() + stops.trailing_zeros() as usize;
        }
        rest = behind;
    }
    let plain =
        |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\') && byte != also;
    bytes.len() - rest.len() + rest.iter().take_while(|&&byte| plain(byte)).count()
}

/// A bit for each byte that ends a plain string.
#[inline]
fn stops(chunk: &[u8; CHUNK], also: u8) -> u32 {
    // Moves 0x20..=0x7e to the bottom of the signed bytes, so that one comparison finds all others.
    const DOWN: i8 = i8::MIN.wrapping_sub_unsigned(b' ');
    const LAST: i8 = DOWN.wrapping_add_unsigned(b'~');
    let bytes = i8x16::new(chunk.map(|byte| byte as i8));
    let wild = (bytes + i8x16::splat(DOWN)).cmp_gt(i8x16::splat(LAST));
    let quote = bytes.cmp_eq(i8x16::splat(b'"' as i8));
    let backslash = bytes.cmp_eq(i8x16::splat(b'\\' as i8));
    let also = bytes.cmp_eq(i8x16::splat(also as i8));
    (wild | quote | backslash | also).move_mask() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_ends_a_run_ends_it_at_every_place() {
        for length in 0..50 {
            for byte in 0..=u8::MAX {
                for at in 0..length {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    let stops = matches!(byte, 0..0x20 | 0x7f.. | b'"' | b'\\');
                    let end = if stops { at } else { length };
                    assert_eq!(plain_end(&bytes, b'"'), end, "{byte} at {at} of {length}");
                    assert_eq!(plain_end(&bytes[at..], b'"'), end - at);
                    let end = if byte == b':' { at } else { end };
                    assert_eq!(plain_end(&bytes, b':'), end, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
