//! Names, keys and values without control characters (contract C4.7).
//!
//! A text that has none, like almost every one, stays where it is; another is copied to the arena.

use bumpalo::Bump;

use super::words;

/// The texts of one body: where changed ones are put, and what is known of all of them.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    arena: &'a Bump,
    tame: bool,
}

impl<'a> Texts<'a> {
    /// Texts of which nothing is known.
    pub fn new(arena: &'a Bump) -> Self {
        Self { arena, tame: false }
    }

    /// The texts of a JSON body that is read without fault. One look at all of its bytes, many at a
    /// time, is cheaper than a look at every text, and bodies that need more are rare.
    pub fn of_json(body: &[u8], arena: &'a Bump) -> Self {
        Self { arena, tame: is_tame(body) }
    }

    /// The same texts, whose reader looked at those of the item at hand.
    #[inline]
    #[must_use]
    pub fn of_item(self, tame: bool) -> Self {
        Self { tame, ..self }
    }

    /// No text of the body holds a control character, a quote or a backslash: all are printable ASCII
    /// and need neither cleaning nor escaping.
    pub fn are_tame(self) -> bool {
        self.tame
    }

    /// `text` with every control character as `_`.
    #[inline]
    pub fn clean(self, text: &'a str) -> &'a str {
        if self.tame { text } else { clean(text, self.arena) }
    }

    /// A tag's key: control characters and `:` as `_`, because the first `:` ends the key.
    #[expect(clippy::inline_always, reason = "of the general way only the call should be inlined")]
    #[inline(always)]
    pub fn clean_key(self, text: &'a str) -> &'a str {
        if self.tame && !words::any(text.as_bytes(), |word| words::equal(word, b':')) {
            text
        } else {
            clean_key(text, self.arena)
        }
    }

    /// Where a text that had to be made is put.
    pub fn arena(self) -> &'a Bump {
        self.arena
    }
}

/// ASCII without DEL and without backslash. A raw control character cannot stand in a JSON string,
/// and without a backslash neither can a quote or anything else that has to be escaped.
fn is_tame(body: &[u8]) -> bool {
    // In pieces, so that a body which is not tame is soon known not to be.
    const PIECE: usize = 1024;
    let wild = |word| words::beyond_ascii(word) | words::equal(word, b'\\');
    body.chunks(PIECE).all(|piece| !words::any(piece, wild))
}

/// Printable ASCII without a quote or a backslash: it needs neither cleaning nor escaping.
#[inline]
pub fn is_plain(text: &str) -> bool {
    let odd =
        |word| words::unprintable(word) | words::equal(word, b'"') | words::equal(word, b'\\');
    !words::any(text.as_bytes(), odd)
}

/// `text` with every control character as `_`.
#[inline]
pub fn clean<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    if words::any(text.as_bytes(), words::unprintable) {
        replace(text, char::is_control, arena)
    } else {
        text
    }
}

/// A tag's key: control characters and `:` as `_`, because the first `:` ends the key.
#[inline(never)]
pub fn clean_key<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    if words::any(text.as_bytes(), |word| words::unprintable(word) | words::equal(word, b':')) {
        replace(text, |c: char| c == ':' || c.is_control(), arena)
    } else {
        text
    }
}

#[cold]
fn replace<'a>(text: &'a str, unfit: impl Fn(char) -> bool + Copy, arena: &'a Bump) -> &'a str {
    if text.contains(unfit) { arena.alloc_str(&text.replace(unfit, "_")) } else { text }
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

    #[test]
    fn a_body_is_tame_only_without_any_byte_that_could_need_a_change() {
        let arena = Bump::new();
        for length in [1, 15, 16, 17, 1023, 1024, 1025, 3000] {
            for byte in 0..=u8::MAX {
                for at in [0, length / 2, length - 1] {
                    let mut body = vec![b'"'; length];
                    body[at] = byte;
                    let tame = byte < 0x7f && byte != b'\\';
                    assert_eq!(Texts::of_json(&body, &arena).are_tame(), tame, "{byte} at {at}");
                }
            }
        }
        assert!(!Texts::new(&arena).are_tame());
    }

    #[test]
    fn a_text_is_plain_only_without_any_character_that_could_need_a_change() {
        for code in (0..0x180).filter_map(char::from_u32) {
            for filler in [0, 3, 8, 20] {
                let text = format!("{}{code}{}", "x".repeat(filler), "~".repeat(filler / 2));
                let plain = (' '..='~').contains(&code) && !matches!(code, '"' | '\\');
                assert_eq!(is_plain(&text), plain, "{text:?}");
            }
        }
        assert!(is_plain(""));
    }

    #[test]
    fn keys_of_tame_bodies_still_lose_their_colons() {
        let arena = Bump::new();
        let texts = Texts::of_json(b"{}", &arena);
        assert_eq!(texts.clean_key("a:b"), "a_b");
        assert_eq!(texts.clean_key("long-enough:for-a-word:"), "long-enough_for-a-word_");
        assert_eq!(texts.clean_key("ab"), "ab");
        assert_eq!(texts.clean("a:b"), "a:b");
    }
}
