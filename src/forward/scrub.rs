//! Takes the api key out of text from elsewhere: answers that echo the request, library errors
//! (contract C6.1).

use crate::config::Secret;

/// What stands where the key stood.
const MASK: &str = "***";

/// Most bytes one byte of the key becomes in any spelling known here: `\u0026` or `&quot;`.
const SPELLING_BYTES_MAX: usize = 6;

/// Whether text that goes through [`Scrub::clean`] is all there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It ends where the sender ended it.
    Whole,
    /// It was cut, perhaps in the middle of the key.
    Cut,
}

/// Knows the key, and finds it however its bytes are spelled: plain, percent-encoded in either case,
/// with `+` for a space, or escaped for JSON or HTML, all mixed.
#[derive(Clone)]
pub struct Scrub {
    /// The one in use first.
    keys: Vec<Secret>,
}

/// Most keys that are looked for, old ones included: answers to them may still be on their way.
const KEYS_MAX: usize = 4;

impl Scrub {
    /// Looks for this key.
    pub fn new(key: Secret) -> Self {
        Self { keys: vec![key] }
    }

    /// Looks for this key, and for those before it.
    #[must_use]
    pub fn with(&self, key: &Secret) -> Self {
        let before = self.keys.iter().filter(|known| *known != key).cloned();
        Self { keys: std::iter::once(key.clone()).chain(before).take(KEYS_MAX).collect() }
    }

    /// One line of at most `chars_max` characters without the key and without control characters.
    pub fn clean(&self, text: &str, extent: Extent, chars_max: usize) -> String {
        let mut clean = self.mask(text);
        if extent == Extent::Cut {
            // The beginning of a key may stand at the end, too short to be recognised.
            let longest = self.keys.iter().map(|key| key.reveal().len()).max().unwrap_or(0);
            let doubtful = longest * SPELLING_BYTES_MAX;
            let keep = clean.len().saturating_sub(doubtful);
            clean.truncate(clean.floor_char_boundary(keep));
        }
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        clean.trim().chars().map(visible).take(chars_max).collect()
    }

    fn mask(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            // The longest: one key may begin with another.
            let found = self.keys.iter().filter_map(|key| match_key(rest.as_bytes(), key)).max();
            let step = if let Some(bytes) = found {
                out.push_str(MASK);
                bytes
            } else {
                out.push(first);
                first.len_utf8()
            };
            // A key that ends inside a character cannot match: both sides are UTF-8.
            rest = rest.get(step..).unwrap_or_default();
        }
        out
    }
}

impl std::fmt::Debug for Scrub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrub(***)")
    }
}

/// How many bytes at the start of `text` spell the whole key.
fn match_key(text: &[u8], key: &Secret) -> Option<usize> {
    let key = key.reveal().as_bytes();
    if key.is_empty() {
        return None;
    }
    key.iter().try_fold(0, |at, byte| Some(at + match_byte(text.get(at..)?, *byte)?))
}

/// How many bytes at the start of `text` spell this byte of the key.
fn match_byte(text: &[u8], byte: u8) -> Option<usize> {
    let hex = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(digits, 16).ok().filter(|value| *value == u32::from(byte))
    };
    match text {
        [b'%', digits @ ..] if digits.len() >= 2 && hex(&digits[..2]).is_some() => Some(3),
        [b'\\', b'u', digits @ ..] if digits.len() >= 4 && hex(&digits[..4]).is_some() => Some(6),
        [b'\\', escaped, ..] if *escaped == byte && !byte.is_ascii_alphanumeric() => Some(2),
        [b'+', ..] if byte == b' ' => Some(1),
        [b'&', ..] if html(byte).any(|entity| text.starts_with(entity.as_bytes())) => {
            html(byte).find(|entity| text.starts_with(entity.as_bytes())).map(str::len)
        }
        [first, ..] if *first == byte => Some(1),
        _ => None,
    }
}

/// The ways HTML spells this byte.
fn html(byte: u8) -> impl Iterator<Item = &'static str> {
    const ENTITIES: [(u8, &str); 9] = [
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'"', "&#34;"),
        (b'\'', "&#39;"),
        (b'\'', "&#x27;"),
        (b'/', "&#x2F;"),
        (b'+', "&#43;"),
    ];
    ENTITIES.iter().filter(move |(of, _)| *of == byte).map(|(_, entity)| *entity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(key: &str) -> Scrub {
        Scrub::new(Secret::new(key.to_owned()))
    }

    #[test]
    fn the_key_is_found_in_every_spelling() {
        let cases = [
            ("s3cr/t+&\"key\" x", "bad key s3cr/t+&\"key\" x!"),
            ("s3cr/t+&\"key\" x", "?api_key=s3cr%2Ft%2B%26%22key%22+x!"),
            ("s3cr/t+&\"key\" x", "?api_key=s3cr%2ft%2b%26%22key%22%20x!"),
            ("s3cr/t+&\"key\" x", r#"{"k":"s3cr\/t+&\"key\" x!"#),
            ("s3cr/t+&\"key\" x", r"s3cr/t+\u0026\u0022key\u0022 x!"),
            ("s3cr/t+&\"key\" x", "<b>s3cr/t+&amp;&quot;key&#34; x!"),
            ("s3cr/t+&\"key\" x", "%73%33%63%72%2F%74%2B%26%22%6B%65%79%22%20%78!"),
            ("schl\u{fc}ssel", "api_key=schl%C3%BCssel!"),
            ("schl\u{fc}ssel", "api_key=schl\u{fc}ssel!"),
            ("k", "k!"),
        ];
        for (key, text) in cases {
            let clean = scrub(key).clean(text, Extent::Whole, 512);
            assert!(clean.ends_with("***!"), "{text} became {clean}");
            assert_eq!(clean.matches("***").count(), 1, "{text} became {clean}");
        }
    }

    #[test]
    fn a_key_cut_in_two_does_not_show_its_first_half() {
        let text = "your key is 0123456789ab";
        let clean = scrub("0123456789abcdef").clean(text, Extent::Cut, 512);
        assert!(!clean.contains('0'), "{clean}");
        assert_eq!(scrub("zz").clean(&"a".repeat(600), Extent::Cut, 512), "a".repeat(512));
    }

    #[test]
    fn text_becomes_one_bounded_line_and_an_empty_key_masks_nothing() {
        assert_eq!(
            scrub("").clean(" a\r\nb\u{1b}[2J \u{e9} ", Extent::Whole, 512),
            "a  b [2J \u{e9}"
        );
        assert_eq!(scrub("key").clean("\u{e9}\u{e9}\u{e9}", Extent::Whole, 2), "\u{e9}\u{e9}");
    }

    #[test]
    fn old_keys_are_found_beside_the_new_one() {
        let scrub = scrub("old").with(&Secret::new("older".to_owned()));
        let scrub = scrub.with(&Secret::new("new/key".to_owned()));
        let clean = scrub.clean("old older new%2Fkey", Extent::Whole, 512);
        assert_eq!(clean, "*** *** ***");
        let clean = scrub.clean(&format!("{}new/ke", "a".repeat(50)), Extent::Cut, 512);
        assert_eq!(clean, "a".repeat(56 - 7 * SPELLING_BYTES_MAX));
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert!(!format!("{:?}", scrub("hunter2")).contains("hunter2"));
    }
}
