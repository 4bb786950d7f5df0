//! Names, keys and values without control characters (contract C4.7).
//!
//! A text that has none, like almost every one, stays where it is; another is copied to the arena.

use bumpalo::Bump;

/// `text` with every control character as `_`.
#[inline]
pub fn clean<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    if is_printable_ascii(text.as_bytes()) { text } else { replace(text, char::is_control, arena) }
}

/// A tag's key: control characters and `:` as `_`, because the first `:` ends the key.
#[inline]
pub fn clean_key<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    if is_printable_ascii(text.as_bytes()) && !text.as_bytes().contains(&b':') {
        text
    } else {
        replace(text, |c: char| c == ':' || c.is_control(), arena)
    }
}

#[cold]
fn replace<'a>(text: &'a str, unfit: impl Fn(char) -> bool + Copy, arena: &'a Bump) -> &'a str {
    if text.contains(unfit) { arena.alloc_str(&text.replace(unfit, "_")) } else { text }
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
        let arena = Bump::new();
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
            assert_eq!(clean(text, &arena), cleaned, "{text:?}");
            assert_eq!(clean_key(text, &arena), key, "{text:?}");
        }
        for code in (0..0x180).filter_map(char::from_u32) {
            for filler in 0..9 {
                let text = format!("{}{code}{}", "x".repeat(filler), "~".repeat(8 - filler));
                let expected = text.replace(char::is_control, "_");
                assert_eq!(clean(&text, &arena), expected, "{text:?}");
                assert_eq!(clean_key(&text, &arena), expected.replace(':', "_"));
            }
        }
    }

    #[test]
    fn a_text_without_control_characters_is_not_copied() {
        let arena = Bump::new();
        clean("plain", &arena);
        clean_key("\u{a9}", &arena);
        assert_eq!(arena.allocated_bytes(), 0);
    }
}
