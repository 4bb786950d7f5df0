//! What a receiver takes and what it refuses; all of it may change while it runs.

use std::fmt;

use serde::Deserialize;

use super::coding::Encoding;
use super::fault::When;
use super::poison::Poison;

/// The rules a request is judged by. [`Rules::default`] are those of a receiver out of the box, with
/// the key `API_KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The keys taken in `?api_key=` or `sts-api-key`. Default: `API_KEY` alone.
    pub api_keys: ApiKeys,
    /// The answer to a bad or missing key. Default 403.
    pub bad_key: BadKey,
    /// How large a body may be. Default 8 MiB, on the wire and again once decoded.
    pub body_limit: BodyLimit,
    /// The Content-Encodings taken. Default: all.
    pub encodings: Vec<Encoding>,
    /// The answer to any other encoding. Default 400.
    pub bad_encoding: BadEncoding,
    /// Tuples that are refused although nothing is wrong with them. Default: none.
    pub poisons: Vec<Poison>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            api_keys: ApiKeys::only(["API_KEY"]),
            bad_key: BadKey::Forbidden,
            body_limit: BodyLimit::default(),
            encodings: Encoding::ALL.to_vec(),
            bad_encoding: BadEncoding::BadRequest,
            poisons: Vec::new(),
        }
    }
}

impl Rules {
    /// The default, with this key alone.
    pub fn for_key(key: &str) -> Self {
        Self { api_keys: ApiKeys::only([key]), ..Self::default() }
    }
}

/// The largest body that is taken; one byte more is answered 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Most bytes.
    pub bytes: usize,
    /// Which bytes count.
    pub of: LimitOf,
    /// Before or after the body was read; before it only by its declared length, as a proxy may.
    pub when: When,
}

/// Which bytes of a body count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitOf {
    /// Those on the wire, as a proxy counts.
    Wire,
    /// Those of the decoded body.
    Decoded,
    /// The ones as well as the others.
    Both,
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self { bytes: 8 << 20, of: LimitOf::Both, when: When::AfterBody }
    }
}

impl BodyLimit {
    /// On the wire alone, told once the body was read.
    pub fn wire(bytes: usize) -> Self {
        Self { bytes, of: LimitOf::Wire, ..Self::default() }
    }

    /// On the decoded body alone.
    pub fn decoded(bytes: usize) -> Self {
        Self { bytes, of: LimitOf::Decoded, ..Self::default() }
    }

    /// On both.
    pub fn both(bytes: usize) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Most bytes on the wire, where `no_limit` stands for as many as are ever kept.
    pub(super) fn of_wire(self, no_limit: usize) -> usize {
        if self.of == LimitOf::Decoded { no_limit } else { self.bytes }
    }

    /// Most bytes once decoded.
    pub(super) fn of_decoded(self, no_limit: usize) -> usize {
        if self.of == LimitOf::Wire { no_limit } else { self.bytes }
    }
}

/// The keys a receiver takes. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeys(Vec<String>);

impl ApiKeys {
    /// Any of these; with none, every request is refused.
    pub fn only<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    pub(super) fn take(&self, key: &str) -> bool {
        self.0.iter().any(|known| known == key)
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// The answer to a bad or missing key. Real receivers have been seen to send either; the key check
/// route always answers 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// 403
    Forbidden,
    /// 401
    Unauthorized,
}

/// The answer to an encoding that is not taken; both name Content-Encoding in their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEncoding {
    /// 400, as a StackState receiver answers.
    BadRequest,
    /// 415, as RFC 9110 has it.
    UnsupportedMediaType,
}

/// Rules as the control document writes them; whatever is absent stays as it was at the start.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesDoc {
    api_keys: Option<Vec<String>>,
    bad_key: Option<u16>,
    body_limit: Option<usize>,
    limit_of: Option<LimitOf>,
    limit_early: Option<bool>,
    encodings: Option<Vec<Encoding>>,
    bad_encoding: Option<u16>,
    poison: Option<Vec<Poison>>,
}

impl RulesDoc {
    /// `start` with what the document says.
    pub(super) fn over(self, start: &Rules) -> Result<Rules, String> {
        let mut rules = start.clone();
        if let Some(keys) = self.api_keys {
            rules.api_keys = ApiKeys::only(keys);
        }
        match self.bad_key {
            None => {}
            Some(401) => rules.bad_key = BadKey::Unauthorized,
            Some(403) => rules.bad_key = BadKey::Forbidden,
            Some(other) => return Err(format!("bad_key is 401 or 403, not {other}")),
        }
        match self.bad_encoding {
            None => {}
            Some(400) => rules.bad_encoding = BadEncoding::BadRequest,
            Some(415) => rules.bad_encoding = BadEncoding::UnsupportedMediaType,
            Some(other) => return Err(format!("bad_encoding is 400 or 415, not {other}")),
        }
        let limit = &mut rules.body_limit;
        limit.bytes = self.body_limit.unwrap_or(limit.bytes);
        limit.of = self.limit_of.unwrap_or(limit.of);
        match self.limit_early {
            None => {}
            Some(true) => limit.when = When::Early,
            Some(false) => limit.when = When::AfterBody,
        }
        rules.encodings = self.encodings.unwrap_or(rules.encodings);
        rules.poisons = self.poison.unwrap_or(rules.poisons);
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rules, String> {
        let start = Rules { body_limit: BodyLimit::wire(77), ..Rules::default() };
        serde_json::from_str::<RulesDoc>(text).map_err(|bad| bad.to_string())?.over(&start)
    }

    #[test]
    fn what_a_document_names_changes_and_the_rest_is_as_at_the_start() {
        let start = Rules { body_limit: BodyLimit::wire(77), ..Rules::default() };
        assert_eq!(read("{}"), Ok(start.clone()));
        let limit = BodyLimit { bytes: 5, of: LimitOf::Decoded, when: When::Early };
        assert_eq!(
            read(r#"{"body_limit":5,"limit_of":"decoded","limit_early":true}"#),
            Ok(Rules { body_limit: limit, ..start.clone() })
        );
        let rules = read(
            r#"{"api_keys":["a"],"bad_key":401,"encodings":["gzip"],"bad_encoding":415,
                "poison":[{"begins":"bad."},{"contains":"x","status":422,"body":"no"}]}"#,
        );
        let poisons =
            vec![Poison::begins("bad."), Poison::contains("x").with_status(422).saying("no")];
        let expected = Rules {
            api_keys: ApiKeys::only(["a"]),
            bad_key: BadKey::Unauthorized,
            encodings: vec![Encoding::Gzip],
            bad_encoding: BadEncoding::UnsupportedMediaType,
            poisons,
            ..start
        };
        assert_eq!(rules, Ok(expected));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for (text, why) in [
            (r#"{"bad_key":400}"#, "bad_key is 401 or 403, not 400"),
            (r#"{"bad_encoding":406}"#, "bad_encoding is 400 or 415, not 406"),
            (r#"{"encodings":["br"]}"#, "unknown variant `br`, expected one of `deflate`"),
            (r#"{"limit":1}"#, "unknown field `limit`"),
            (r#"{"poison":[{"begins":"a","contains":"b"}]}"#, "a poison has either"),
            (r#"{"poison":[{"begins":""}]}"#, "a poison's text is not empty"),
            (r#"{"poison":[{"begins":"a","status":200}]}"#, "a poison is answered 400 or 422"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(why), "{text}: {refused}");
        }
    }
}
