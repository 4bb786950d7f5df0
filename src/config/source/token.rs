//! What opens a source: its token, kept as its digest.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::config::file::Needs;
use crate::config::secret::{self, Given, Keys};
use crate::config::section::Section;
use crate::metric::timestamp::Timestamp;

/// A token that opens a source; itself forgotten once hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The key that gave it, `token` for one: what it is called wherever it must not be shown.
    pub key: &'static str,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// From when on it is unknown. Default: never.
    pub expires: Option<Timestamp>,
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

/// Those of one source. `None` when one is missing or at fault; none at all where secrets are left alone.
pub(super) fn read(section: &mut Section<'_>) -> Option<Vec<Token>> {
    if section.needs() == Needs::NoSecrets {
        section.ignore(&["token", "token_sha256", "token_file", "token_env"]);
        return Some(Vec::new());
    }
    let sha256 = match secret::read(section, TOKEN)? {
        Given::Secret(token, _) => Sha256::digest(token.reveal().as_bytes()).into(),
        Given::Digest(digest) => digest,
    };
    Some(vec![Token { key: TOKEN.value, sha256, expires: None }])
}
