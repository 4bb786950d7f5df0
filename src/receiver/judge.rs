//! One whole intake request to its verdict, without faults: key, media type, encoding, size, JSON,
//! envelope, tuples and poison, in this order.

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Uri, http::request};
use serde::Deserialize;

use super::answer::Answer;
use super::coding::{self, Encoding, InflateError};
use super::envelope::{self, Envelope, TimeUnit};
use super::poison;
use super::rules::Rules;
use super::store::{KeyPlace, Outcome, Seen};
use super::tuple::Tuple;

/// Most bytes a body may have where no rule says less: it is read to its end, and decoded, up to here.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;

/// A request body once all of it has come.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Bytes),
    /// Over the limit; so many bytes were read and dropped.
    TooLarge(usize),
}

impl Body {
    /// Bytes that came on the wire.
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::TooLarge(bytes) => *bytes,
        }
    }
}

/// The answer to a request, and what is kept of it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    pub(super) seen: Seen,
    pub(super) tuples: Vec<Tuple>,
}

/// What is known about a request before it is judged.
pub(super) fn first_sight(head: &request::Parts, connection: u64, outcome: Outcome) -> Seen {
    Seen {
        outcome,
        connection,
        is_malformed: key(&head.uri, &head.headers).0.is_none()
            || check_media(&head.headers).is_err()
            || encoding(&head.headers).is_none(),
        tuples: 0,
        carried: Vec::new(),
        wire_bytes: 0,
        body_bytes: 0,
        encoding: header(&head.headers, CONTENT_ENCODING.as_str()).map(str::to_owned),
        key: key(&head.uri, &head.headers).1,
        internal_hostname: None,
        collected_ms: None,
    }
}

/// Whether a request carries a key that is taken.
pub(super) fn has_key(rules: &Rules, uri: &Uri, headers: &HeaderMap) -> bool {
    key(uri, headers).0.is_some_and(|key| rules.api_keys.take(&key))
}

/// Judges one request. Inflates and parses, so it may take tens of milliseconds.
pub(super) fn judge(rules: &Rules, head: &request::Parts, connection: u64, body: &Body) -> Verdict {
    let (envelope, body_bytes) = match open(rules, head, body) {
        Ok(opened) => opened,
        Err(answer) => {
            let outcome = Outcome::Answered(answer.status.as_u16());
            let seen = look(head, connection, outcome, body);
            return Verdict { answer, seen, tuples: Vec::new() };
        }
    };
    let answer = Answer::accepted();
    let outcome = Outcome::Answered(answer.status.as_u16());
    let seen = Seen {
        wire_bytes: body.bytes(),
        body_bytes,
        internal_hostname: Some(envelope.internal_hostname),
        collected_ms: envelope.collected_ms,
        tuples: envelope.tuples.len(),
        carried: envelope.tuples.clone(),
        ..first_sight(head, connection, outcome)
    };
    Verdict { answer, seen, tuples: envelope.tuples }
}

/// What is known about a request whose body has come, whatever its answer will be.
pub(super) fn look(head: &request::Parts, connection: u64, outcome: Outcome, body: &Body) -> Seen {
    let mut seen = first_sight(head, connection, outcome);
    seen.wire_bytes = body.bytes();
    let Body::Whole(body) = body else { return seen };
    let plain = encoding(&head.headers).map(|it| coding::inflate(it, body.clone(), BODY_BYTES_MAX));
    let Some(Ok(plain)) = plain else {
        seen.is_malformed = true;
        return seen;
    };
    seen.body_bytes = plain.len();
    match envelope::parse(&plain, unit(&head.headers)) {
        Ok(envelope) => seen.carried = envelope.tuples,
        Err(_) => seen.is_malformed = true,
    }
    seen
}

/// The envelope, and its bytes once decoded.
fn open(rules: &Rules, head: &request::Parts, body: &Body) -> Result<(Envelope, usize), Answer> {
    if !has_key(rules, &head.uri, &head.headers) {
        return Err(Answer::bad_key(rules.bad_key));
    }
    check_media(&head.headers)?;
    let encoding = encoding(&head.headers).filter(|encoding| rules.encodings.contains(encoding));
    let encoding =
        encoding.ok_or_else(|| Answer::wrong_encoding(&rules.encodings, rules.bad_encoding))?;
    let limit = rules.body_limit;
    let too_large = || Answer::too_large(limit.bytes);
    let Body::Whole(body) = body else { return Err(too_large()) };
    let most = limit.of_decoded(BODY_BYTES_MAX);
    let body = coding::inflate(encoding, body.clone(), most).map_err(|error| match error {
        InflateError::Corrupt => Answer::corrupt_encoding(),
        InflateError::TooLarge => too_large(),
    })?;
    let envelope = envelope::parse(&body, unit(&head.headers))
        .map_err(|refusal| Answer::new(hyper::StatusCode::BAD_REQUEST, refusal.to_string()))?;
    poison::find(&rules.poisons, &envelope.tuples).map_err(Answer::poisoned)?;
    Ok((envelope, body.len()))
}

fn unit(headers: &HeaderMap) -> TimeUnit {
    match header(headers, "sts-time-format") {
        Some("ms") => TimeUnit::Millis,
        _ => TimeUnit::Seconds,
    }
}

/// JSON, whatever its parameters; a request that does not say so is refused.
fn check_media(headers: &HeaderMap) -> Result<(), Answer> {
    // What a body without a declared type is taken for.
    let given = header(headers, CONTENT_TYPE.as_str()).unwrap_or("application/octet-stream");
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Answer::wrong_media(given))
}

/// `None` for one that nobody knows.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    match headers.get(CONTENT_ENCODING) {
        None => Some(Encoding::Identity),
        Some(value) => value.to_str().ok().and_then(Encoding::from_header),
    }
}

/// The key a request carries; the query goes first.
fn key(uri: &Uri, headers: &HeaderMap) -> (Option<String>, KeyPlace) {
    #[derive(Deserialize)]
    struct Query {
        api_key: Option<String>,
    }

    let query = serde_urlencoded::from_str::<Query>(uri.query().unwrap_or_default()).ok();
    if let Some(key) = query.and_then(|query| query.api_key) {
        return (Some(key), KeyPlace::Query);
    }
    match header(headers, "sts-api-key") {
        Some(key) => (Some(key.to_owned()), KeyPlace::Header),
        None => (None, KeyPlace::Absent),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
