//! Who is sending: bearer tokens, stored as hashes, compared in constant time (contract C1.2).

use std::sync::Arc;

use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::problem::Problem;
use crate::config;
use crate::normalize::{Policy, Profile};

/// Somebody who may send, with what their metrics get on the way.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) profile: Profile,
    token_sha256: Hash,
    /// Enabled, and may send metrics; anything else is as unknown as an unknown token (C1.2).
    admitted: bool,
    /// Exempt from the per-IP limit (C1.10).
    unlimited: bool,
}

/// A SHA-256 in words.
type Hash = [u64; 4];

/// All of them, and the number of the refusal.
#[derive(Debug)]
pub(super) struct Sources {
    list: Vec<Arc<Source>>,
    refusal: StatusCode,
    any_unlimited: bool,
}

impl Sources {
    pub(super) fn new(
        sources: &[config::Source],
        policy: &Arc<Policy>,
        auth: config::Auth,
    ) -> Self {
        let list: Vec<_> = sources.iter().map(|s| Arc::new(Source::new(s, policy))).collect();
        Self {
            any_unlimited: list.iter().any(|source| source.unlimited),
            refusal: StatusCode::from_u16(auth.unauthorized_status)
                .unwrap_or(StatusCode::FORBIDDEN),
            list,
        }
    }

    /// The source whose token the request carries, or a refusal that gives no hint.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<&Arc<Source>, Problem> {
        let refused = Problem::Unauthorized { status: self.refusal };
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        // Two credentials are no credential: proxies and clients disagree on which one counts.
        let (Some(value), None) = (sent.next(), sent.next()) else { return Err(refused) };
        let source = bearer(value).and_then(|token| self.find(token));
        source.filter(|source| source.admitted).ok_or(refused)
    }

    /// Whether the request's source is exempt from the per-IP limit. Costs nothing when none is.
    pub(super) fn is_unlimited(&self, headers: &HeaderMap) -> bool {
        self.any_unlimited && self.authenticate(headers).is_ok_and(|source| source.unlimited)
    }

    /// Looks at every source, whichever matches: the time taken says nothing about the tokens.
    fn find(&self, token: &[u8]) -> Option<&Arc<Source>> {
        let hash = words(Sha256::digest(token).into());
        let mut found = u64::MAX;
        for (index, source) in (0u64..).zip(&self.list) {
            found.conditional_assign(&index, is_same(&source.token_sha256, &hash));
        }
        usize::try_from(found).ok().and_then(|index| self.list.get(index))
    }
}

impl Source {
    fn new(source: &config::Source, policy: &Arc<Policy>) -> Self {
        let hostname = source.hostname.as_deref();
        Self {
            name: Arc::clone(&source.name),
            profile: Profile::new(Arc::clone(policy), hostname, &source.tags),
            token_sha256: words(source.token_sha256),
            admitted: source.enabled && source.allow_metrics,
            unlimited: !source.rate_limit,
        }
    }
}

fn words(hash: [u8; 32]) -> Hash {
    let (words, _) = hash.as_chunks();
    std::array::from_fn(|index| u64::from_ne_bytes(words[index]))
}

/// In the same time wherever they differ: all words are folded before anything is asked of them. Eight
/// times fewer barriers than byte by byte, which counts where sources are many.
fn is_same(one: &Hash, other: &Hash) -> Choice {
    one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)).ct_eq(&0)
}

/// The token of `Bearer <token>`, scheme in any case.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, rest) = value.as_bytes().split_at_checked("Bearer ".len())?;
    let token = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, token: &str) -> config::Source {
        config::Source {
            name: name.into(),
            token_sha256: Sha256::digest(token).into(),
            enabled: true,
            allow_metrics: true,
            rate_limit: true,
            hostname: None,
            tags: Vec::new(),
        }
    }

    fn check(sources: &Sources, values: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let found = sources.authenticate(&headers).ok().map(|source| source.name.to_string());
        assert_eq!(found.as_deref(), expected, "{values:?}");
    }

    #[test]
    fn only_the_token_of_an_admitted_source_opens() {
        let list = [
            source("one", "token-1"),
            config::Source { enabled: false, ..source("off", "token-2") },
            config::Source { allow_metrics: false, ..source("logs", "token-3") },
            source("four", "token-4"),
        ];
        let policy = Arc::new(Policy::default());
        let sources = Sources::new(&list, &policy, config::Auth { unauthorized_status: 403 });
        check(&sources, &["Bearer token-1"], Some("one"));
        check(&sources, &["bearer token-4"], Some("four"));
        check(&sources, &["BEARER   token-4 "], Some("four"));
        check(&sources, &["Bearer token-2"], None);
        check(&sources, &["Bearer token-3"], None);
        check(&sources, &["Bearer token-5"], None);
        check(&sources, &["Bearer TOKEN-1"], None);
        check(&sources, &["Bearer"], None);
        check(&sources, &["Bearer "], None);
        check(&sources, &["Bearertoken-1"], None);
        check(&sources, &["Basic token-1"], None);
        check(&sources, &["token-1"], None);
        check(&sources, &["Bearer token-1", "Bearer token-1"], None);
        check(&sources, &[], None);
    }

    #[test]
    fn no_sources_means_nobody_may_send() {
        let policy = Arc::new(Policy::default());
        let sources = Sources::new(&[], &policy, config::Auth { unauthorized_status: 401 });
        check(&sources, &["Bearer x"], None);
    }
}
