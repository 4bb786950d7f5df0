//! Names, keys and values without control characters (contract C4.7).

use std::borrow::Cow;

/// `text` with every control character as `_`.
pub fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(may_be_control) && text.contains(char::is_control) {
        return Cow::Owned(text.replace(char::is_control, "_"));
    }
    text
}

/// A tag's key: control characters and `:` as `_`, because the first `:` ends the key.
pub fn clean_key(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte == b':' || may_be_control(byte)) {
        let unfit = |c: char| c == ':' || c.is_control();
        if text.contains(unfit) {
            return Cow::Owned(text.replace(unfit, "_"));
        }
    }
    text
}

/// False for every byte of a text without control characters, save that 0xc2 also starts others:
/// U+0080 to U+009F are `c2 80` to `c2 9f`.
#[inline]
fn may_be_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f || byte == 0xc2
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
        assert!(matches!(clean("plain".into()), Cow::Borrowed(_)));
        assert!(matches!(clean_key("\u{a9}".into()), Cow::Borrowed(_)));
    }
}
