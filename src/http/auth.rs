//! Who is sending: tokens, stored as hashes, compared in constant time (contract C1.2). They come as
//! `Bearer`; from Prometheus-style senders as the password of basic authentication too, or, where a source
//! allows that, in a label of the body.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::config;
use crate::normalize::{Policy, Profile};
use crate::quota::Quota;
use crate::traffic::{Ledger, Traffic};

/// Somebody who may send, with what their metrics get on the way.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) profile: Profile,
    pub(super) ledger: Arc<Ledger>,
    /// What it may send; nothing is asked of the others.
    pub(super) quota: Option<Arc<Quota>>,
    tokens: Vec<Hash>,
    /// Enabled, and may send metrics; anything else is as unknown as an unknown token (C1.2).
    admitted: bool,
    /// Exempt from the per-IP limit (C1.10).
    unlimited: bool,
    /// Its token may come in a label (`label_token`).
    in_label: bool,
}

/// How a token may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// `Bearer <token>`
    Bearer,
    /// The same, or as the password of `Basic`, with any user name.
    BearerOrBasic,
}

/// A SHA-256 in words.
type Hash = [u64; 4];

/// All of them, and the number of the refusal.
#[derive(Debug)]
pub(super) struct Sources {
    list: Vec<Arc<Source>>,
    refusal: StatusCode,
    any_unlimited: bool,
    any_in_label: bool,
}

impl Sources {
    pub(super) fn new(
        sources: &[config::Source],
        policy: &Arc<Policy>,
        auth: config::Auth,
        traffic: &Traffic,
    ) -> Self {
        let list: Vec<_> =
            sources.iter().map(|s| Arc::new(Source::new(s, policy, traffic))).collect();
        Self {
            any_unlimited: list.iter().any(|source| source.unlimited),
            any_in_label: list.iter().any(|source| source.in_label),
            refusal: StatusCode::from_u16(auth.unauthorized_status)
                .unwrap_or(StatusCode::FORBIDDEN),
            list,
        }
    }

    /// The source whose token the request carries, or a refusal that gives no hint.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        credentials: Credentials,
    ) -> Result<&Arc<Source>, Problem> {
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        // Two credentials are no credential: proxies and clients disagree on which one counts.
        let (Some(value), None) = (sent.next(), sent.next()) else { return Err(self.refused()) };
        let source = match (bearer(value), credentials) {
            (Some(token), _) => self.find(token),
            (None, Credentials::BearerOrBasic) => {
                password(value).and_then(|basic| self.find(after_user(&basic)))
            }
            (None, Credentials::Bearer) => None,
        };
        source.filter(|source| source.admitted).ok_or_else(|| self.refused())
    }

    /// Whether the body is worth a look for the token: nothing else names one, and some source allows it.
    pub(super) fn may_be_in_label(&self, headers: &HeaderMap) -> bool {
        self.any_in_label && !headers.contains_key(header::AUTHORIZATION)
    }

    /// The source that a label names, if it may be named there.
    pub(super) fn by_label(&self, token: Option<&str>) -> Result<&Arc<Source>, Problem> {
        let source = token.and_then(|token| self.find(token.as_bytes()));
        source.filter(|source| source.admitted && source.in_label).ok_or_else(|| self.refused())
    }

    /// What everybody is told whose token opens nothing.
    pub(super) fn refused(&self) -> Problem {
        Problem::Unauthorized { status: self.refusal }
    }

    /// Whether the request's source is exempt from the per-IP limit. Costs nothing when none is.
    pub(super) fn is_unlimited(&self, headers: &HeaderMap) -> bool {
        self.any_unlimited
            && self
                .authenticate(headers, Credentials::BearerOrBasic)
                .is_ok_and(|source| source.unlimited)
    }

    /// Looks at every source, whichever matches: the time taken says nothing about the tokens.
    fn find(&self, token: &[u8]) -> Option<&Arc<Source>> {
        let hash = words(Sha256::digest(token).into());
        let mut found = u64::MAX;
        for (index, source) in (0u64..).zip(&self.list) {
            for token in &source.tokens {
                found.conditional_assign(&index, is_same(token, &hash));
            }
        }
        usize::try_from(found).ok().and_then(|index| self.list.get(index))
    }
}

impl Source {
    fn new(source: &config::Source, policy: &Arc<Policy>, traffic: &Traffic) -> Self {
        let hostname = source.hostname.as_deref();
        Self {
            name: Arc::clone(&source.name),
            ledger: traffic.of(&source.name),
            quota: traffic.quotas().of(&source.name, &source.limits),
            profile: Profile::new(Arc::clone(policy), hostname, &source.tags),
            tokens: source.tokens.iter().map(|token| words(token.sha256)).collect(),
            admitted: source.enabled && source.allow_metrics,
            unlimited: !source.rate_limit,
            in_label: source.label_token,
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

/// `<user>:<password>` of `Basic`, decoded, scheme in any case.
fn password(value: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = value.as_bytes().split_at_checked("Basic ".len())?;
    let is_basic = scheme.eq_ignore_ascii_case(b"Basic ");
    let decoded = is_basic.then(|| STANDARD.decode(rest.trim_ascii()).ok()).flatten()?;
    Some(Zeroizing::new(decoded))
}

/// The password is what follows the first colon. An empty one opens nothing, for no token is empty.
fn after_user(pair: &[u8]) -> &[u8] {
    let mut parts = pair.splitn(2, |byte| *byte == b':');
    parts.nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, token: &str) -> config::Source {
        config::Source {
            name: name.into(),
            tokens: vec![config::Token {
                key: "token",
                sha256: Sha256::digest(token).into(),
                expires: None,
            }],
            enabled: true,
            allow_metrics: true,
            rate_limit: true,
            label_token: false,
            hostname: None,
            tags: Vec::new(),
            limits: config::SourceLimits::default(),
        }
    }

    fn check(sources: &Sources, values: &[&str], expected: Option<&str>) {
        check_of(Credentials::Bearer, sources, values, expected);
    }

    fn check_of(
        credentials: Credentials,
        sources: &Sources,
        values: &[&str],
        expected: Option<&str>,
    ) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let found =
            sources.authenticate(&headers, credentials).ok().map(|source| source.name.to_string());
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
        let sources = Sources::new(
            &list,
            &policy,
            config::Auth { unauthorized_status: 403 },
            &Traffic::default(),
        );
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
    fn a_password_is_a_token_where_basic_is_taken() {
        let list = [source("one", "token-1"), source("two", "to:ken-2")];
        let policy = Arc::new(Policy::default());
        let sources = Sources::new(
            &list,
            &policy,
            config::Auth { unauthorized_status: 403 },
            &Traffic::default(),
        );
        let basic = |scheme: &str, pair: &str| format!("{scheme} {}", STANDARD.encode(pair));
        for (sent, expected) in [
            (basic("Basic", "anybody:token-1"), Some("one")),
            (basic("basic ", ":token-1"), Some("one")),
            (basic("BASIC", "user:to:ken-2"), Some("two")),
            (basic("Basic", "token-1"), None),
            (basic("Basic", "token-1:"), None),
            (basic("Basic", "a:token-1 "), None),
            (basic("Basic", ""), None),
            ("Basic token-1".to_owned(), None),
            ("Basic".to_owned(), None),
            ("Bearer token-1".to_owned(), Some("one")),
        ] {
            check_of(Credentials::BearerOrBasic, &sources, &[&sent], expected);
            if !sent.starts_with("Bearer") {
                check(&sources, &[&sent], None);
            }
        }
    }

    #[test]
    fn a_label_opens_only_a_source_that_allows_it() {
        let list = [
            config::Source { label_token: true, ..source("open", "token-1") },
            source("shut", "token-2"),
            config::Source { label_token: true, enabled: false, ..source("off", "token-3") },
        ];
        let policy = Arc::new(Policy::default());
        let sources = Sources::new(
            &list,
            &policy,
            config::Auth { unauthorized_status: 403 },
            &Traffic::default(),
        );
        let found = |token| sources.by_label(token).ok().map(|source| source.name.to_string());
        assert_eq!(found(Some("token-1")).as_deref(), Some("open"));
        for token in [Some("token-2"), Some("token-3"), Some("token-4"), Some(""), None] {
            assert_eq!(found(token), None, "{token:?}");
        }
        let mut headers = HeaderMap::new();
        assert!(sources.may_be_in_label(&headers));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer token-9"));
        assert!(!sources.may_be_in_label(&headers));
    }

    #[test]
    fn no_sources_means_nobody_may_send() {
        let policy = Arc::new(Policy::default());
        let sources = Sources::new(
            &[],
            &policy,
            config::Auth { unauthorized_status: 401 },
            &Traffic::default(),
        );
        check(&sources, &["Bearer x"], None);
    }
}
