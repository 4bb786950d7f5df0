//! What opens a source: its token, and while that is replaced the next one; kept as digests.

use std::fmt;

use chrono::DateTime;
use sha2::{Digest, Sha256};
use toml::de::DeValue;

use crate::config::file::Needs;
use crate::config::scalar::Scalar;
use crate::config::secret::{self, Given, Keys};
use crate::config::section::Section;
use crate::config::units::quoted;
use crate::metric::timestamp::Timestamp;

/// A token that opens a source; itself forgotten once hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The key that gave it, `token` or `next_token`: what it is called wherever it must not be shown.
    pub key: &'static str,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// From when on it is as unknown as any other (contract C1.2), `token_expires` or
    /// `next_token_expires`: an instant in RFC 3339 with its offset. Default: never.
    pub expires: Option<Timestamp>,
}

impl Token {
    /// Whether it is unknown by now.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Without the digest: it would let somebody who reads a log test guesses of the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("key", &self.key)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

const TOKEN: Keys =
    Keys { value: "token", file: "token_file", env: "token_env", sha256: Some("token_sha256") };
const TOKEN_EXPIRES: &str = "token_expires";

/// What clients get before the first one goes: both open the source, so that they can change one by one.
const NEXT: Keys = Keys {
    value: "next_token",
    file: "next_token_file",
    env: "next_token_env",
    sha256: Some("next_token_sha256"),
};
const NEXT_EXPIRES: &str = "next_token_expires";

/// Every key there is.
const KEYS: [&str; 10] = [
    "token",
    "token_sha256",
    "token_file",
    "token_env",
    TOKEN_EXPIRES,
    "next_token",
    "next_token_sha256",
    "next_token_file",
    "next_token_env",
    NEXT_EXPIRES,
];

/// Those of one source. `None` when one is missing or at fault; none at all where secrets are left alone.
pub(super) fn read(section: &mut Section<'_>) -> Option<Vec<Token>> {
    if section.needs() == Needs::NoSecrets {
        section.ignore(&KEYS);
        return Some(Vec::new());
    }
    let token = secret::read(section, TOKEN);
    let token_expires = expires(section, TOKEN_EXPIRES);
    let next = secret::read_optional(section, NEXT);
    let next_expires = expires(section, NEXT_EXPIRES);
    if matches!(next, Ok(None)) && section.is_written(NEXT_EXPIRES) {
        let text = format!(
            "`{}` is there without a `{}`: remove it, or `{TOKEN_EXPIRES}` is meant",
            section.name(NEXT_EXPIRES),
            NEXT.value
        );
        section.fault(NEXT_EXPIRES, text);
    }
    let (token, next) = (digest(token?), next.ok()?.map(digest));
    let mut tokens = vec![Token { key: TOKEN.value, sha256: token, expires: token_expires }];
    if let Some(sha256) = next {
        if sha256 == token {
            let text = format!(
                "`{}` is the same token as `{}`: make a new one with `tidegate token new`",
                section.name(NEXT.value),
                TOKEN.value
            );
            section.fault_of_section(text);
            return None;
        }
        tokens.push(Token { key: NEXT.value, sha256, expires: next_expires });
    }
    Some(tokens)
}

fn digest(given: Given) -> [u8; 32] {
    match given {
        Given::Secret(token, _) => Sha256::digest(token.reveal().as_bytes()).into(),
        Given::Digest(digest) => digest,
    }
}

/// An instant, in quotes or as TOML writes it. Without an offset it would be another one on every machine.
fn expires(section: &mut Section<'_>, key: &'static str) -> Option<Timestamp> {
    let (scalar, place) = section.scalar(key)?;
    let text = match &scalar {
        Scalar::Value(DeValue::Datetime(instant)) => Some(instant.to_string()),
        other => other.text().map(str::to_owned),
    };
    let instant = text.as_ref().and_then(|text| DateTime::parse_from_rfc3339(text.trim()).ok());
    let Some((instant, text)) = instant.zip(text) else {
        let found = scalar.found();
        let expected = "an instant with its offset, like \"2027-06-30T00:00:00Z\"";
        section.must_be(key, place, expected, &found);
        return None;
    };
    section.show(key, quoted(&text), place);
    Some(Timestamp::from_unix(instant.timestamp(), instant.timestamp_subsec_nanos()))
}
