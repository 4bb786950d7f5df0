//! Text inside a JSON string.

use crate::metric::words;

/// Where the texts of a metric stand, and whether any text of its tuples can need an escape.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What most of them are parts of; only speeds up copying.
    pub body: &'a [u8],
    /// Whether any can need an escape.
    pub escapes: Escapes,
}

/// Whether texts can hold a quote or a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// Each text is looked at.
    Perhaps,
    /// Whoever says so has looked.
    Never,
}

/// Appends `text` with quotes and backslashes escaped. Control characters were replaced long before
/// (contract C4.7), so nothing else needs it.
#[expect(clippy::inline_always, reason = "a copy of a few instructions, a dozen for each metric")]
#[inline(always)]
pub(super) fn push(out: &mut Vec<u8>, text: &str, source: Source<'_>) {
    debug_assert!(!text.bytes().any(|byte| byte < 0x20), "sanitised: {text:?}");
    match source.escapes {
        Escapes::Never => copy(out, text.as_bytes(), source.body),
        Escapes::Perhaps => push_any(out, text, source.body),
    }
}

#[inline(never)]
fn push_any(out: &mut Vec<u8>, text: &str, body: &[u8]) {
    if needs_escape(text) {
        push_escaped(out, text);
    } else {
        copy(out, text.as_bytes(), body);
    }
}

/// Whether `text` holds a quote or a backslash.
#[inline]
pub(super) fn needs_escape(text: &str) -> bool {
    words::any(text.as_bytes(), |word| words::equal(word, b'"') | words::equal(word, b'\\'))
}

#[cold]
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// Appends `bytes`, which most often are a part of `body`.
///
/// Then whatever follows them in the body is appended too, up to a fixed number of bytes, and cut
/// off again: a copy of fixed size is a few instructions, one of any size a call that has to find
/// out what it is for.
#[inline]
pub(super) fn copy(out: &mut Vec<u8>, bytes: &[u8], body: &[u8]) {
    const SHORT: usize = 32;
    // Of bytes from elsewhere this is no offset in the body, and nothing is read from there.
    let at = bytes.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
    if bytes.len() <= SHORT
        // By value: the compiler knows that this address is `bytes`' own, and through a reference it
        // forgets over it that the size is fixed.
        && let Some(&longer) = body.get(at..).and_then(|rest| rest.first_chunk::<SHORT>())
    {
        debug_assert!(longer.starts_with(bytes), "the same address, the same bytes");
        let end = out.len() + bytes.len();
        out.extend_from_slice(&longer);
        out.truncate(end);
        return;
    }
    copy_any(out, bytes);
}

/// Apart, lest the compiler merge both copies into one of any size.
#[cold]
#[inline(never)]
fn copy_any(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_was() {
        let long = "0123456789abcdef".repeat(4);
        for at in 0..long.len() {
            for odd in ['"', '\\', '\u{e9}', '#', ']'] {
                let mut text = long.clone();
                text.insert(at, odd);
                let mut out = vec![b'"'];
                push(&mut out, &text, Source { body: b"", escapes: Escapes::Perhaps });
                out.push(b'"');
                let read: String = serde_json::from_slice(&out).expect("valid JSON");
                assert_eq!(read, text);
            }
        }
    }

    #[test]
    fn a_part_of_the_body_is_copied_like_any_other_bytes() {
        let body: Vec<u8> = (0..100).collect();
        let elsewhere = body.clone();
        for start in 0..body.len() {
            for end in start..=body.len() {
                for bytes in [&body[start..end], &elsewhere[start..end]] {
                    let mut out = vec![7];
                    copy(&mut out, bytes, &body);
                    assert_eq!((out[0], &out[1..]), (7, bytes));
                }
            }
        }
    }
}
