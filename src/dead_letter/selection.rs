//! Which letters are meant.

use std::sync::Arc;
use std::time::Duration;

use super::Letter;
use crate::metric::timestamp::Timestamp;

/// A choice of letters; all that is given must hold, and nothing given means all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Refused at this instant or later.
    pub since: Option<Timestamp>,
    /// Of this source, by its exact name.
    pub source: Option<Arc<str>>,
    /// Refused with this status.
    pub status: Option<u16>,
}

/// What was given is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is neither how long ago, like 90min, 2h or 3days, nor an instant like \
     2026-11-22T08:00:00Z"
)]
pub struct SinceError {
    text: String,
}

impl Selection {
    /// The instant that is meant with how long ago it was, or with its date and time.
    pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, SinceError> {
        let text = text.trim();
        let error = || SinceError { text: text.to_owned() };
        // Digits alone could be seconds of either kind.
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(earlier(now, ago));
        }
        let has_date = text.as_bytes().get(4) == Some(&b'-');
        Timestamp::parse(text).filter(|_| has_date).ok_or_else(error)
    }

    /// Whether this letter is meant.
    pub fn has(&self, letter: &Letter) -> bool {
        self.since.is_none_or(|since| letter.at >= since)
            && self.source.as_ref().is_none_or(|source| *source == letter.source)
            && self.status.is_none_or(|status| status == letter.status)
    }
}

fn earlier(now: Timestamp, ago: Duration) -> Timestamp {
    let seconds = i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
    let (seconds, nanos) = (now.seconds().saturating_sub(seconds), now.nanos());
    match nanos.checked_sub(ago.subsec_nanos()) {
        Some(nanos) => Timestamp::from_unix(seconds, nanos),
        None => Timestamp::from_unix(
            seconds.saturating_sub(1),
            nanos + 1_000_000_000 - ago.subsec_nanos(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_instant_is_how_long_ago_or_a_date_and_time() {
        let now = Timestamp::from_unix(1_000_000, 400);
        let at = |seconds, nanos| Some(Timestamp::from_unix(seconds, nanos));
        for (text, wanted) in [
            ("2h", at(1_000_000 - 7200, 400)),
            (" 1day 1s ", at(1_000_000 - 86_401, 400)),
            ("600ns", at(999_999, 999_999_800)),
            ("1970-01-01T00:01:00Z", at(60, 0)),
            ("1970-01-01 02:01:00+02:00", at(60, 0)),
            ("60", None),
            ("", None),
            ("yesterday", None),
            ("-2h", None),
            ("1970-01-01", None),
            ("1.5", None),
        ] {
            let since = Selection::since(text, now);
            assert_eq!(since.ok(), wanted, "{text}");
        }
        let said = Selection::since("soon", now).unwrap_err().to_string();
        assert!(said.starts_with("\"soon\" is neither how long ago"), "{said}");
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let at = Timestamp::from_unix(100, 5);
        let letter = Letter {
            sequence: 0,
            index: 0,
            received: Timestamp::from_unix(90, 0),
            source: Arc::from("checkout"),
            at,
            status: 422,
            answer: Arc::from(""),
            tuple: Bytes::from_static(b"[]"),
        };
        let (later, name) = (Timestamp::from_unix(100, 6), |name: &str| Some(Arc::from(name)));
        for (since, source, status, wanted) in [
            (None, None, None, true),
            (Some(at), None, None, true),
            (Some(later), None, None, false),
            (None, name("checkout"), None, true),
            (None, name("check"), None, false),
            (None, None, Some(422), true),
            (None, None, Some(400), false),
            (Some(at), name("checkout"), Some(422), true),
            (Some(later), name("checkout"), Some(422), false),
            (Some(at), name("search"), Some(422), false),
            (Some(at), name("checkout"), Some(413), false),
        ] {
            let selection = Selection { since, source, status };
            assert_eq!(selection.has(&letter), wanted, "{selection:?}");
        }
    }
}
