//! Which letters are meant.

use std::sync::Arc;

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

impl Selection {
    /// Whether this letter is meant.
    pub fn has(&self, letter: &Letter) -> bool {
        self.since.is_none_or(|since| letter.at >= since)
            && self.source.as_ref().is_none_or(|source| *source == letter.source)
            && self.status.is_none_or(|status| status == letter.status)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

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
