//! Who is let in, and what is remembered of that.

use std::cell::Cell;

use super::*;

thread_local! {
    /// Comparisons of a token with one that is known.
    pub(super) static COMPARED: Cell<usize> = const { Cell::new(0) };
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000, 0);

fn source(name: &str, token: &str) -> config::Source {
    let sha256 = Sha256::digest(token).into();
    config::Source::plain(name, vec![config::Token { key: "token", sha256, expires: None }])
}

fn check(sources: &Sources, values: &[&str], expected: Option<&str>) {
    check_of(Credentials::Bearer, sources, values, expected);
}

fn check_of(credentials: Credentials, sources: &Sources, values: &[&str], expected: Option<&str>) {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::AUTHORIZATION, value.parse().unwrap());
    }
    let found =
        sources.authenticate(&headers, credentials, NOW).ok().map(|source| source.name.to_string());
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
    let found = |token| sources.by_label(token, NOW).ok().map(|source| source.name.to_string());
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
    let sources =
        Sources::new(&[], &policy, config::Auth { unauthorized_status: 401 }, &Traffic::default());
    check(&sources, &["Bearer x"], None);
}

fn token(key: &'static str, text: &str, expires: Option<i64>) -> config::Token {
    let expires = expires.map(|seconds| Timestamp::from_unix(seconds, 0));
    config::Token { key, sha256: Sha256::digest(text).into(), expires }
}

fn sources(list: &[config::Source]) -> Sources {
    let auth = config::Auth { unauthorized_status: 403 };
    Sources::new(list, &Arc::new(Policy::default()), auth, &Traffic::default())
}

#[test]
fn both_tokens_open_until_each_expires() {
    let now = NOW.seconds();
    let rotated = config::Source {
        tokens: vec![token("token", "old", Some(now)), token("next_token", "new", Some(now + 1))],
        ..source("one", "")
    };
    let sources = sources(&[rotated, source("two", "other")]);
    let opened = |text: &str, seconds: i64| {
        sources.open(text.as_bytes(), Timestamp::from_unix(seconds, 0), |_| true).is_some()
    };
    assert!(opened("old", now - 1) && opened("new", now - 1));
    assert!(!opened("old", now), "from that instant on");
    assert!(opened("new", now) && !opened("new", now + 1));
    assert!(opened("other", now + 1), "whatever expires beside it");
}

#[test]
fn the_last_use_of_a_token_outlives_a_change_of_its_name() {
    let rotated = |name, tokens| config::Source { tokens, ..source(name, "") };
    let before = sources(&[
        rotated("one", vec![token("token", "old", None), token("next_token", "new", None)]),
        config::Source { enabled: false, ..source("off", "third") },
    ]);
    for text in ["new", "third", "unknown"] {
        before.open(text.as_bytes(), NOW, |_| true);
    }
    let told = |sources: &Sources| -> Vec<(String, &'static str, Option<u64>)> {
        let uses = sources.tokens().into_iter();
        uses.map(|it| (it.source.to_string(), it.key, it.last_used_s)).collect()
    };
    let used = Some(NOW.seconds() as u64);
    assert_eq!(
        told(&before),
        [
            ("one".to_owned(), "token", None),
            ("one".to_owned(), "next_token", used),
            ("off".to_owned(), "token", None),
        ]
    );
    let after = sources(&[rotated("renamed", vec![token("token", "new", None)])]).after(&before);
    assert_eq!(told(&after), [("renamed".to_owned(), "token", used)]);
}

#[test]
fn nothing_shown_holds_a_digest() {
    let shown = format!("{:?}", sources(&[source("one", "token-1")]));
    assert!(shown.contains("Opener") && !shown.contains("hash"), "{shown}");
}

#[test]
fn every_token_is_compared_with_all_that_are_known_whatever_it_is() {
    let mut list: Vec<_> =
        (0..20).map(|nth| source(&format!("s{nth}"), &format!("token-{nth}"))).collect();
    list[3].enabled = false;
    list[4].allow_metrics = false;
    list[5].tokens[0].expires = Some(Timestamp::from_unix(1, 0));
    let second = source("x", "token-second").tokens.remove(0);
    list[6].tokens.push(second);
    let policy = Arc::new(Policy::default());
    let auth = config::Auth { unauthorized_status: 403 };
    let sources = Sources::new(&list, &policy, auth, &Traffic::default());
    let of = |nth: usize| format!("token-{nth}");
    // The first, the last, the second of one, those that open nothing, and what nearly is one.
    let mut sent = [0, 19, 3, 4, 5, 6].map(of).to_vec();
    sent.extend(["token-second", "token-1x", "token", "t", "wrong"].map(str::to_owned));
    sent.push("x".repeat(5000));
    for token in sent {
        COMPARED.set(0);
        let value = format!("Bearer {token}").parse().unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        drop(sources.authenticate(&headers, Credentials::Bearer, NOW));
        assert_eq!(COMPARED.get(), 21, "{token}");
        COMPARED.set(0);
        drop(sources.by_label(Some(&token), NOW));
        assert_eq!(COMPARED.get(), 21, "{token} in a label");
    }
}
