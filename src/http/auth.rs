//! Who is sending: tokens, stored as hashes, compared in constant time (contract C1.2). They come as
//! `Bearer`; from Prometheus-style senders as the password of basic authentication too, or, where a source
//! allows that, in a label of the body.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::config;
use crate::metric::timestamp::Timestamp;
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

/// A token, and what it opens.
struct Opener {
    hash: Hash,
    /// The source, by its place in the list.
    source: usize,
    key: &'static str,
    expires: Option<Timestamp>,
    /// Unix seconds of its last use; 0 = none since the start.
    used_s: Arc<AtomicU64>,
}

/// What is known of a token, which is not among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUse {
    /// Its source.
    pub source: Arc<str>,
    /// The key that gave it, `token` or `next_token`.
    pub key: &'static str,
    /// From when on it is unknown.
    pub expires: Option<Timestamp>,
    /// Unix seconds of the last request that was let in with it; `None` = none since the start.
    pub last_used_s: Option<u64>,
}

/// All of them, and the number of the refusal.
#[derive(Debug)]
pub(super) struct Sources {
    list: Vec<Arc<Source>>,
    openers: Vec<Opener>,
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
        let of = |(at, source): (usize, &config::Source)| -> Vec<Opener> {
            source.tokens.iter().map(|token| Opener::new(token, at)).collect()
        };
        Self {
            openers: sources.iter().enumerate().flat_map(of).collect(),
            any_unlimited: list.iter().any(|source| source.unlimited),
            any_in_label: list.iter().any(|source| source.in_label),
            refusal: StatusCode::from_u16(auth.unauthorized_status)
                .unwrap_or(StatusCode::FORBIDDEN),
            list,
        }
    }

    /// Tokens that were there before keep what is known of their use, under whatever name they are now.
    #[must_use]
    pub(super) fn after(mut self, before: &Self) -> Self {
        let used: HashMap<&Hash, &Arc<AtomicU64>> =
            before.openers.iter().map(|opener| (&opener.hash, &opener.used_s)).collect();
        for opener in &mut self.openers {
            if let Some(used_s) = used.get(&opener.hash) {
                opener.used_s = Arc::clone(used_s);
            }
        }
        self
    }

    /// The tokens of all of them, in the order of the configuration.
    pub(super) fn tokens(&self) -> Vec<TokenUse> {
        let of = |opener: &Opener| TokenUse {
            source: Arc::clone(&self.list[opener.source].name),
            key: opener.key,
            expires: opener.expires,
            last_used_s: Some(opener.used_s.load(Ordering::Relaxed)).filter(|at| *at > 0),
        };
        self.openers.iter().map(of).collect()
    }

    /// The source whose token the request carries, or a refusal that gives no hint.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<&Arc<Source>, Problem> {
        let mut sent = headers.get_all(header::AUTHORIZATION).iter();
        // Two credentials are no credential: proxies and clients disagree on which one counts.
        let (Some(value), None) = (sent.next(), sent.next()) else { return Err(self.refused()) };
        let source = match (bearer(value), credentials) {
            (Some(token), _) => self.open(token, now, |_| true),
            (None, Credentials::BearerOrBasic) => {
                password(value).and_then(|basic| self.open(after_user(&basic), now, |_| true))
            }
            (None, Credentials::Bearer) => None,
        };
        source.ok_or_else(|| self.refused())
    }

    /// Whether the body is worth a look for the token: nothing else names one, and some source allows it.
    pub(super) fn may_be_in_label(&self, headers: &HeaderMap) -> bool {
        self.any_in_label && !headers.contains_key(header::AUTHORIZATION)
    }

    /// The source that a label names, if it may be named there.
    pub(super) fn by_label(
        &self,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<&Arc<Source>, Problem> {
        let source =
            token.and_then(|token| self.open(token.as_bytes(), now, |source| source.in_label));
        source.ok_or_else(|| self.refused())
    }

    /// What everybody is told whose token opens nothing.
    pub(super) fn refused(&self) -> Problem {
        Problem::Unauthorized { status: self.refusal }
    }

    /// Whether this is anybody's token, whatever it opens.
    pub(super) fn is_token(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// Whether the request's source is exempt from the per-IP limit. Costs nothing when none is.
    pub(super) fn is_unlimited(&self, headers: &HeaderMap, now: impl Fn() -> Timestamp) -> bool {
        self.any_unlimited
            && self
                .authenticate(headers, Credentials::BearerOrBasic, now())
                .is_ok_and(|source| source.unlimited)
    }

    /// The source that this token opens at this time, and `may` be opened so.
    fn open(
        &self,
        token: &[u8],
        now: Timestamp,
        may: impl Fn(&Source) -> bool,
    ) -> Option<&Arc<Source>> {
        let opener = self.find(token)?;
        let source = &self.list[opener.source];
        let is_open = source.admitted && opener.is_good(now) && may(source);
        is_open.then(|| {
            opener.used(now);
            source
        })
    }

    /// Looks at every token, whichever matches and whether or not it expired: the time taken says nothing
    /// about any of them.
    fn find(&self, token: &[u8]) -> Option<&Opener> {
        let hash = words(Sha256::digest(token).into());
        let mut found = u64::MAX;
        for (index, opener) in (0u64..).zip(&self.openers) {
            found.conditional_assign(&index, is_same(&opener.hash, &hash));
        }
        usize::try_from(found).ok().and_then(|index| self.openers.get(index))
    }
}

impl Opener {
    fn new(token: &config::Token, source: usize) -> Self {
        Self {
            hash: words(token.sha256),
            source,
            key: token.key,
            expires: token.expires,
            used_s: Arc::default(),
        }
    }

    fn is_good(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn used(&self, now: Timestamp) {
        let now_s = u64::try_from(now.seconds()).unwrap_or_default();
        // Written once a second, so that cores do not pass it back and forth for every request.
        if self.used_s.load(Ordering::Relaxed) != now_s {
            self.used_s.store(now_s, Ordering::Relaxed);
        }
    }
}

/// Without the digest.
impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener")
            .field("source", &self.source)
            .field("key", &self.key)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
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
    #[cfg(test)]
    tests::COMPARED.with(|compared| compared.set(compared.get() + 1));
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
mod tests;
