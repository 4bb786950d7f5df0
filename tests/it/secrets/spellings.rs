//! The ways in which a secret can be told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The characters of an encoding that depend on the secret alone, whatever stands before and after it.
fn core(encode: impl Fn(&[u8]) -> String, before: usize, secret: &str) -> String {
    let whole = encode(&[&vec![b'x'; before][..], secret.as_bytes()].concat());
    let first = (before * 8).div_ceil(6);
    let last = (before + secret.len()) * 8 / 6;
    whole.get(first..last).expect("base64 is ASCII").to_owned()
}

/// Each with what it is called.
pub(super) fn all(secret: &str) -> Vec<(String, String)> {
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let every: String =
        secret.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    let hash = Sha256::digest(secret);
    let byte = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    let lower: String = secret.bytes().map(byte).collect();
    let mut all = vec![
        ("clear".to_owned(), secret.to_owned()),
        ("percent-encoded".to_owned(), percent.clone()),
        ("percent-encoded in lower case".to_owned(), lower),
        ("percent-encoded twice".to_owned(), percent.replace('%', "%25")),
        ("percent-encoded as a whole".to_owned(), every),
        ("hex".to_owned(), hex(secret.as_bytes())),
        ("upper hex".to_owned(), hex(secret.as_bytes()).to_uppercase()),
        ("SHA-256".to_owned(), hex(&hash)),
        ("upper SHA-256".to_owned(), hex(&hash).to_uppercase()),
        ("base64 of SHA-256".to_owned(), STANDARD_NO_PAD.encode(hash)),
        ("url base64 of SHA-256".to_owned(), URL_SAFE_NO_PAD.encode(hash)),
    ];
    for before in 0..3 {
        let standard = core(|bytes| STANDARD_NO_PAD.encode(bytes), before, secret);
        all.push((format!("base64 behind {before}"), standard));
        let url = core(|bytes| URL_SAFE_NO_PAD.encode(bytes), before, secret);
        all.push((format!("url base64 behind {before}"), url));
    }
    all
}

/// Secrets in all of their spellings.
pub(super) struct Spelled(Vec<(String, String)>);

impl Spelled {
    pub(super) fn of(secrets: &[&str]) -> Self {
        let named = |secret: &str| {
            let called = secret.get(..4).unwrap().to_owned();
            all(secret).into_iter().map(move |(how, text)| (format!("{called} in {how}"), text))
        };
        Self(secrets.iter().flat_map(|secret| named(secret)).collect())
    }

    pub(super) fn add_lines<'l>(&mut self, lines: impl Iterator<Item = &'l str>) {
        self.0.extend(lines.map(|line| ("a line of a private key".to_owned(), line.to_owned())));
    }

    pub(super) fn tells(&self, text: &str) -> bool {
        self.0.iter().any(|(_, spelled)| text.contains(spelled.as_str()))
    }

    /// Panics with the first that is found.
    pub(super) fn check(&self, what: &str, text: &str) {
        let found = self.0.iter().find(|(_, spelled)| text.contains(spelled.as_str()));
        assert!(found.is_none(), "{what}: tells {found:?}: {text}");
    }
}

#[test]
fn a_secret_is_found_however_it_is_told() {
    let spelled = Spelled::of(&["s3cr3t-0123456789/+x"]);
    for (how, text) in all("s3cr3t-0123456789/+x") {
        let told = std::panic::catch_unwind(|| spelled.check("x", &format!("a {text} b")));
        assert!(told.is_err(), "{how}");
    }
    for before in ["x:", "user:", "a:b:"] {
        let told = base64(&format!("{before}s3cr3t-0123456789/+x"));
        assert!(std::panic::catch_unwind(|| spelled.check("x", &told)).is_err(), "{before}");
    }
    spelled.check("x", "a text that tells nothing");
}
