//! Names, keys and values without control characters (contract C4.7).

use std::borrow::Cow;

/// `text` with every control character as `_`.
#[inline]
pub fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_printable_ascii(text.as_bytes()) { text } else { replace(text, char::is_control) }
}

/// A tag's key: control characters and `:` as `_`, because the first `:` ends the key.
#[inline]
pub fn clean_key(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_printable_ascii(text.as_bytes()) && !text.as_bytes().contains(&b':') {
        text
    } else {
        replace(text, |c: char| c == ':' || c.is_control())
    }
}

#[cold]
fn replace(text: Cow<'_, str>, unfit: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    if text.contains(unfit) { Cow::Owned(text.replace(unfit, "_")) } else { text }
}

/// No control character and nothing beyond ASCII; eight bytes at a time.
#[inline]
fn is_printable_ascii(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The top bit of each byte: set if it is 0x80 or more, below 0x20, or 0x7f.
    let hits = |word: u64| word | word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES);
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hit = 0;
    for word in words {
        hit |= hits(u64::from_le_bytes(*word));
    }
    hit & HIGH == 0 && rest.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_underscores_and_nothing_else_changes() {
        let table = [
            ("plain", "plain", "plain"),
            ("a:b", "a:b", "a_b"),
            ("tab\tnl\nnul\0", "tab_nl_nul_", "tab_nl_nul_"),
            ("del\u{7f}", "del_", "del_"),
            ("c1 \u{80}\u{9f}", "c1 __", "c1 __"),
            ("nbsp\u{a0}\u{a9}", "nbsp\u{a0}\u{a9}", "nbsp\u{a0}\u{a9}"),
            ("\u{e9}\u{4e16}", "\u{e9}\u{4e16}", "\u{e9}\u{4e16}"),
        ];
        for (text, cleaned, key) in table {
            assert_eq!(clean(text.into()), cleaned, "{text:?}");
            assert_eq!(clean_key(text.into()), key, "{text:?}");
        }
        for code in (0..0x180).filter_map(char::from_u32) {
            for filler in 0..9 {
                let text = format!("{}{code}{}", "x".repeat(filler), "~".repeat(8 - filler));
                let expected = text.replace(char::is_control, "_");
                assert_eq!(clean(text.as_str().into()), expected, "{text:?}");
                assert_eq!(clean_key(text.as_str().into()), expected.replace(':', "_"));
            }
        }
        assert!(matches!(clean("plain".into()), Cow::Borrowed(_)));
        assert!(matches!(clean_key("\u{a9}".into()), Cow::Borrowed(_)));
    }
}
