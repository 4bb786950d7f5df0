//! Tokens that ran out, or soon will: told before clients are refused.

use std::sync::Arc;

use chrono::DateTime;

use super::{Source, Token};
use crate::metric::timestamp::Timestamp;

/// How long before its end a token is spoken of.
const NOTICE_DAYS: i64 = 14;

const DAY_S: i64 = 86_400;

/// A token that expired, or soon will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Its source.
    pub source: Arc<str>,
    /// The key that gave it, `token` or `next_token`.
    pub key: &'static str,
    /// When.
    pub at: Timestamp,
    /// Whether that is over.
    pub is_over: bool,
    /// What is so and what to do about it, for people.
    pub text: String,
}

/// Those of these sources.
pub fn expiring(sources: &[Source], now: Timestamp) -> Vec<Expiring> {
    let of = |source: &Source| -> Vec<Expiring> {
        let notice = |token: &Token| {
            let (at, text) = (token.expires?, text(source, token, now)?);
            let is_over = token.is_expired(now);
            Some(Expiring { source: Arc::clone(&source.name), key: token.key, at, is_over, text })
        };
        source.tokens.iter().filter_map(notice).collect()
    };
    sources.iter().flat_map(of).collect()
}

/// `None` where there is nothing to say.
fn text(source: &Source, token: &Token, now: Timestamp) -> Option<String> {
    let (expires, key, name) = (token.expires?, token.key, &source.name);
    let at = DateTime::from_timestamp(expires.seconds(), 0)
        .map_or_else(String::new, |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    if token.is_expired(now) {
        return Some(format!(
            "`{key}` of source \"{name}\" expired at {at}: requests with it are refused; remove it or \
             replace it, `tidegate token new` makes one"
        ));
    }
    let days = (expires.seconds() - now.seconds()) / DAY_S;
    (days < NOTICE_DAYS).then(|| {
        let within = match days {
            0 => "within a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        };
        format!(
            "`{key}` of source \"{name}\" expires {within}, at {at}: give its clients another one, which \
             both work while it is rotated (`next_token`)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    fn said(expires: &str, now: i64) -> Option<String> {
        let text = format!(
            "[[sources]]\nname = \"s\"\ntoken = \"t\"\ntoken_expires = \"{expires}\"\n\
             [receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n"
        );
        let sources = load("test", &text, &Environment::default()).unwrap().config.sources;
        let list = expiring(&sources, Timestamp::from_unix(now, 0));
        assert!(list.iter().all(|it| (&*it.source, it.key) == ("s", "token")));
        list.into_iter().next().map(|it| it.text)
    }

    #[test]
    fn a_token_is_spoken_of_from_two_weeks_before_its_end() {
        // 2027-01-15T08:00:00Z
        const END: i64 = 1_800_000_000;
        for (before, wanted) in [
            (14 * DAY_S, None),
            (14 * DAY_S - 1, Some("expires in 13 days")),
            (DAY_S, Some("expires in 1 day,")),
            (1, Some("expires within a day")),
            (0, Some("expired at 2027-01-15T08:00:00Z")),
            (-DAY_S, Some("expired at")),
        ] {
            for expires in ["2027-01-15T08:00:00Z", "2027-01-15T09:30:00+01:30"] {
                let said = said(expires, END - before);
                let is_so = wanted.map_or(said.is_none(), |wanted| {
                    said.as_ref().is_some_and(|said| said.contains(wanted))
                });
                assert!(is_so, "{before}: {said:?}");
            }
        }
    }
}
