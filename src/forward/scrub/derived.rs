//! What is as good as the key: its bytes in base64 or hexadecimal, as an answer quotes a header that a
//! proxy made of it, and its SHA-256, which says whether a guess is right.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// A shorter key has encodings that other texts hold by chance.
const KEY_BYTES_MIN: usize = 8;

/// Texts to be looked for.
#[derive(Clone)]
pub(super) struct Derived(Vec<Form>);

#[derive(Clone)]
struct Form {
    text: Secret,
    case: Case,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Matters,
    /// Hexadecimal digits.
    Either,
}

impl Derived {
    pub(super) fn of(key: &Secret) -> Self {
        let key = key.reveal().as_bytes();
        if key.len() < KEY_BYTES_MIN {
            return Self(Vec::new());
        }
        let hash = Sha256::digest(key);
        let form = |text: String, case| Form { text: Secret::new(text), case };
        let mut forms = vec![form(hex(key), Case::Either), form(hex(&hash), Case::Either)];
        for encode in [(|bytes| STANDARD_NO_PAD.encode(bytes)) as fn(&[u8]) -> String, |bytes| {
            URL_SAFE_NO_PAD.encode(bytes)
        }] {
            forms.push(form(encode(&hash), Case::Matters));
            // Something may stand before it, like the user of basic authentication.
            forms.extend((0..3).map(|before| form(core(encode, before, key), Case::Matters)));
        }
        Self(forms)
    }

    /// How many bytes at the start of `text` are one of them, at most.
    pub(super) fn match_start(&self, text: &[u8]) -> Option<usize> {
        self.0.iter().filter_map(|form| form.match_start(text)).max()
    }
}

impl Form {
    fn match_start(&self, text: &[u8]) -> Option<usize> {
        let wanted = self.text.reveal().as_bytes();
        let start = text.get(..wanted.len())?;
        let is_it = match self.case {
            Case::Matters => start == wanted,
            Case::Either => start.eq_ignore_ascii_case(wanted),
        };
        is_it.then_some(wanted.len())
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// The characters of an encoding that depend on nothing but the key, when so many bytes stand before it.
fn core(encode: fn(&[u8]) -> String, before: usize, key: &[u8]) -> String {
    let whole = encode(&[&[0; 3][..before], key].concat());
    let (first, end) = ((before * 8).div_ceil(6), (before + key.len()) * 8 / 6);
    whole.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn what_is_as_good_as_the_key_is_found_whatever_stands_around_it() {
        let key = "s3cr3t/k+y=0123456789";
        let derived = Derived::of(&Secret::new(key.to_owned()));
        let hash = Sha256::digest(key);
        let mut told = vec![
            hex(key.as_bytes()),
            hex(key.as_bytes()).to_uppercase(),
            hex(&hash),
            STANDARD.encode(hash),
            URL_SAFE_NO_PAD.encode(hash),
        ];
        for before in ["", "x:", "ab:", "abc:", "user:"] {
            told.push(STANDARD.encode(format!("{before}{key}")));
            told.push(STANDARD.encode(format!("{before}{key} and more")));
            told.push(URL_SAFE_NO_PAD.encode(format!("{before}{key}")));
        }
        for text in told {
            let found =
                (0..text.len()).filter_map(|at| derived.match_start(&text.as_bytes()[at..]));
            let most = found.max().unwrap_or(0);
            // What is left over is at most a character at each end, and what stood around it.
            assert!(most * 6 / 8 + 2 >= key.len().min(32) || most == text.len(), "{text}: {most}");
        }
        assert_eq!(derived.match_start(b"s3cr3t"), None);
    }

    #[test]
    fn a_short_key_has_no_forms_that_others_would_be_taken_for() {
        let derived = Derived::of(&Secret::new("k".to_owned()));
        for text in ["6b", "aw", "k", ""] {
            assert_eq!(derived.match_start(text.as_bytes()), None, "{text}");
        }
    }
}
