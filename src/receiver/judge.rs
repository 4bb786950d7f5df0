//! One whole intake request to its verdict, without faults: key, media type, encoding, size, JSON,
//! envelope and tuples, in this order.

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Uri, http::request};
use serde::Deserialize;

use super::answer::Answer;
use super::coding::{self, Encoding, InflateError};
use super::envelope::{self, Envelope, TimeUnit};
use super::options::Options;
use super::store::{KeyPlace, Outcome, Seen};
use super::tuple::Tuple;

/// A request body once all of it has come.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Bytes),
    /// Over the limit; so many bytes were read and dropped.
    TooLarge(usize),
}

/// The answer to a request, and what is kept of it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    pub(super) seen: Seen,
    pub(super) tuples: Vec<Tuple>,
}

/// What is known about a request before it is judged.
pub(super) fn first_sight(head: &request::Parts, outcome: Outcome) -> Seen {
    Seen {
        outcome,
        tuples: 0,
        wire_bytes: 0,
        body_bytes: 0,
        encoding: header(&head.headers, CONTENT_ENCODING.as_str()).map(str::to_owned),
        key: key(&head.uri, &head.headers).1,
        internal_hostname: None,
        collected_ms: None,
    }
}

/// Whether a request carries a key that is taken.
pub(super) fn has_key(options: &Options, uri: &Uri, headers: &HeaderMap) -> bool {
    key(uri, headers).0.is_some_and(|key| options.api_keys.take(&key))
}

/// Judges one request. Inflates and parses, so it may take tens of milliseconds.
pub(super) fn judge(options: &Options, head: &request::Parts, body: Body) -> Verdict {
    let mut seen = first_sight(head, Outcome::Broken);
    seen.wire_bytes = match &body {
        Body::Whole(bytes) => bytes.len(),
        Body::TooLarge(bytes) => *bytes,
    };
    let (answer, tuples) = match open(options, head, body, &mut seen.body_bytes) {
        Ok(envelope) => {
            seen.internal_hostname = Some(envelope.internal_hostname);
            seen.collected_ms = envelope.collected_ms;
            (Answer::accepted(), envelope.tuples)
        }
        Err(answer) => (answer, Vec::new()),
    };
    seen.outcome = Outcome::Answered(answer.status.as_u16());
    seen.tuples = tuples.len();
    Verdict { answer, seen, tuples }
}

fn open(
    options: &Options,
    head: &request::Parts,
    body: Body,
    body_bytes: &mut usize,
) -> Result<Envelope, Answer> {
    if !has_key(options, &head.uri, &head.headers) {
        return Err(Answer::bad_key(options.bad_key));
    }
    check_media(&head.headers)?;
    let encoding = encoding(&head.headers, &options.encodings)?;
    let Body::Whole(body) = body else { return Err(Answer::too_large(options.body_limit)) };
    let body =
        coding::inflate(encoding, body, options.body_limit).map_err(|error| match error {
            InflateError::Corrupt => Answer::corrupt_encoding(),
            InflateError::TooLarge => Answer::too_large(options.body_limit),
        })?;
    *body_bytes = body.len();
    let unit = match header(&head.headers, "sts-time-format") {
        Some("ms") => TimeUnit::Millis,
        _ => TimeUnit::Seconds,
    };
    envelope::parse(&body, unit)
        .map_err(|refusal| Answer::new(hyper::StatusCode::BAD_REQUEST, refusal.to_string()))
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

fn encoding(headers: &HeaderMap, taken: &[Encoding]) -> Result<Encoding, Answer> {
    let found = match headers.get(CONTENT_ENCODING) {
        None => Some(Encoding::Identity),
        Some(value) => value.to_str().ok().and_then(Encoding::from_header),
    };
    match found {
        Some(encoding) if taken.contains(&encoding) => Ok(encoding),
        _ => Err(Answer::wrong_encoding(taken)),
    }
}

/// The key a request carries; the query goes first.
fn key(uri: &Uri, headers: &HeaderMap) -> (Option<String>, KeyPlace) {
    #[derive(Deserialize)]
    struct Query {
        api_key: Option<String>,
    }

    let query = axum::extract::Query::<Query>::try_from_uri(uri).ok();
    if let Some(key) = query.and_then(|query| query.0.api_key) {
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
