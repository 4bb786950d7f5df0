//! Takes the api key, and what opens a proxy, out of text from elsewhere: answers that echo the request,
//! library errors
//! (contract C6.1).

mod derived;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::{Proxy, Secret};
use derived::Derived;

/// What stands where the key stood.
const MASK: &str = "***";

/// So many times a percent sign may itself be percent-encoded: each proxy on the way may do it once more.
const ENCODED_TIMES_MAX: usize = 4;

/// Most bytes one byte of the key becomes in any spelling known here: `%` and its digits, with a `25` for
/// each time it was encoded again. `\u0026` and `&quot;` are shorter.
const SPELLING_BYTES_MAX: usize = 3 + 2 * ENCODED_TIMES_MAX;

/// Whether text that goes through [`Scrub::clean`] is all there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It ends where the sender ended it.
    Whole,
    /// It was cut, perhaps in the middle of the key.
    Cut,
}

/// Knows the key, and finds it however its bytes are spelled: plain, percent-encoded in either case and
/// several times over, with `+` for a space, or escaped for JSON or HTML, all mixed; and what is as good as
/// the key: it in base64 or hexadecimal, and its SHA-256.
#[derive(Clone)]
pub struct Scrub {
    /// The one in use first.
    keys: Vec<Secret>,
    /// Of proxies, those of the one in use first: password, user and password, and both as they travel.
    proxies: Vec<Secret>,
    /// Of each of both.
    derived: Vec<Derived>,
}

/// Most keys that are looked for, old ones included: answers to them may still be on their way.
const KEYS_MAX: usize = 4;

/// The same of proxies: the one in use, and one before it.
const PROXY_SECRETS_MAX: usize = 2 * 3;

impl Scrub {
    /// Looks for this key.
    pub fn new(key: Secret) -> Self {
        Self::of(vec![key], Vec::new())
    }

    /// Looks for this key, and for those before it.
    #[must_use]
    pub fn with(&self, key: &Secret) -> Self {
        let keys = newest([key.clone()], &self.keys, KEYS_MAX);
        Self::of(keys, self.proxies.clone())
    }

    /// Looks for what opens this proxy as well, which may echo what it was sent.
    #[must_use]
    pub fn with_proxy(&self, proxy: &Proxy) -> Self {
        let Proxy::Through { credentials: Some((user, password)), .. } = proxy else {
            return self.clone();
        };
        let pair = format!("{user}:{}", password.reveal());
        let travels = STANDARD.encode(&pair);
        let opens = [password.clone(), Secret::new(pair), Secret::new(travels)];
        let proxies = newest(opens, &self.proxies, PROXY_SECRETS_MAX);
        Self::of(self.keys.clone(), proxies)
    }

    fn of(keys: Vec<Secret>, proxies: Vec<Secret>) -> Self {
        Self { derived: keys.iter().chain(&proxies).map(Derived::of).collect(), keys, proxies }
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        self.keys.iter().chain(&self.proxies)
    }

    /// One line of at most `chars_max` characters without the key and without control characters.
    pub fn clean(&self, text: &str, extent: Extent, chars_max: usize) -> String {
        let mut clean = self.mask(text);
        if extent == Extent::Cut {
            // The beginning of a key may stand at the end, too short to be recognised.
            let longest = self.all().map(|key| key.reveal().len()).max().unwrap_or(0);
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
            let text = rest.as_bytes();
            let spelled = self.all().filter_map(|key| match_key(text, key));
            let derived = self.derived.iter().filter_map(|derived| derived.match_start(text));
            let found = spelled.chain(derived).max();
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

/// These, and those before them, no more than `most`.
fn newest<const N: usize>(new: [Secret; N], before: &[Secret], most: usize) -> Vec<Secret> {
    let before: Vec<Secret> = before.iter().filter(|old| !new.contains(old)).cloned().collect();
    new.into_iter().chain(before).take(most).collect()
}

impl std::fmt::Debug for Scrub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrub(***)")
    }
}

/// How many bytes at the start of `text` spell the whole key, at most.
fn match_key(text: &[u8], key: &Secret) -> Option<usize> {
    let key = key.reveal().as_bytes();
    if key.is_empty() {
        return None;
    }
    // Where what was matched so far may end: `%25` is one byte of a key, or its first three.
    let mut ends = vec![0];
    for byte in key {
        let next = ends.iter().flat_map(|end| {
            let spelled = spellings(text.get(*end..).unwrap_or_default(), *byte);
            spelled.map(move |bytes| end + bytes)
        });
        ends = next.collect();
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return None;
        }
    }
    ends.last().copied()
}

/// How many bytes at the start of `text` spell this byte of the key, for each way in which they do.
fn spellings(text: &[u8], byte: u8) -> impl Iterator<Item = usize> {
    let escaped = match text {
        [b'\\', b'u', digits @ ..] if is_hex(digits, 4, byte) => Some(6),
        [b'\\', escaped, ..] if *escaped == byte && !byte.is_ascii_alphanumeric() => Some(2),
        [b'+', ..] if byte == b' ' => Some(1),
        [b'&', ..] => html(byte).find(|entity| text.starts_with(entity.as_bytes())).map(str::len),
        _ => None,
    };
    let plain = (text.first() == Some(&byte)).then_some(1);
    plain.into_iter().chain(escaped).chain(percent(text, byte))
}

/// The same, percent-encoded: `%2F`, `%252F`, ...
fn percent(text: &[u8], byte: u8) -> impl Iterator<Item = usize> {
    let mut digits = text.strip_prefix(b"%");
    let times = std::iter::from_fn(move || {
        let here = digits?;
        digits = here.strip_prefix(b"25");
        Some(here)
    });
    let matching = times.take(1 + ENCODED_TIMES_MAX).enumerate();
    matching.filter(move |(_, digits)| is_hex(digits, 2, byte)).map(|(again, _)| 3 + 2 * again)
}

/// Whether the first `count` characters are the byte in hexadecimal.
fn is_hex(digits: &[u8], count: usize, byte: u8) -> bool {
    let digits = digits.get(..count).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    value == Some(u32::from(byte))
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
            ("s3cr/t+&\"key\" x", "?api_key=s3cr%252Ft%252b%25252526%2522key%25252522%20x!"),
            ("a%25b", "?api_key=a%25b!"),
            ("a%25b", "?api_key=a%2525b!"),
            ("a%25b", "?api_key=a%252525b!"),
            ("a/25", "?api_key=a%252F25!"),
            ("a%", "?api_key=a%2525!"),
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
        let clean = scrub.clean(&format!("{}new/ke", "a".repeat(94)), Extent::Cut, 512);
        assert_eq!(clean, "a".repeat(100 - 7 * SPELLING_BYTES_MAX));
    }

    #[test]
    fn what_opens_a_proxy_is_found_and_that_of_the_one_before() {
        let proxy = |password: &str| Proxy::Through {
            url: "http://proxy:3128/".to_owned(),
            credentials: Some(("me".to_owned(), Secret::new(password.to_owned()))),
        };
        let first = scrub("key").with_proxy(&proxy("s3cr/t"));
        // printf %s me:s3cr/t | base64; short ones are found whole alone.
        let text = "key s3cr%2Ft me:s3cr/t Basic bWU6czNjci90!";
        assert_eq!(first.clean(text, Extent::Whole, 99), "*** *** *** Basic ***!");
        let second = first.with_proxy(&proxy("0ther")).with(&Secret::new("newer".to_owned()));
        let text = format!("{text} 0ther newer {}", STANDARD.encode("me:0ther"));
        let clean = second.clean(&text, Extent::Whole, 99);
        assert_eq!(clean, "*** *** *** Basic ***! *** *** ***");
        let clean = first.with_proxy(&Proxy::Off).clean("s3cr/t", Extent::Whole, 99);
        assert_eq!(clean, "***", "an answer may be on its way");
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert!(!format!("{:?}", scrub("hunter2")).contains("hunter2"));
    }
}
