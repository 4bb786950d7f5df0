//! The answers of the intake, with the texts a StackState receiver gives where they are known.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::coding::Encoding;
use super::endless::Endless;
use super::fault::Status;
use super::poison::Poisoned;
use super::rules::{BadEncoding, BadKey};

/// The body of an answer.
pub(super) type AnswerBody = Either<Full<Bytes>, Endless>;

/// A status, a text and perhaps headers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    text: Cow<'static, str>,
    media: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_endless: bool,
}

impl Answer {
    pub(super) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        let media = "text/plain; charset=UTF-8";
        Self { status, text: text.into(), media, headers: Vec::new(), is_endless: false }
    }

    pub(super) fn json(text: impl Into<Cow<'static, str>>) -> Self {
        Self { media: "application/json", ..Self::new(StatusCode::OK, text) }
    }

    /// 200, whatever becomes of the metrics downstream.
    pub(super) fn accepted() -> Self {
        Self::new(StatusCode::OK, "OK")
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "The requested resource could not be found.")
    }

    pub(super) fn wrong_method(allowed: &'static str) -> Self {
        let text = format!("HTTP method not allowed, supported methods: {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, text)
            .with(header::ALLOW, HeaderValue::from_static(allowed))
    }

    pub(super) fn bad_key(bad_key: BadKey) -> Self {
        match bad_key {
            BadKey::Forbidden => Self::new(
                StatusCode::FORBIDDEN,
                "The supplied authentication is not authorized to access this resource",
            ),
            BadKey::Unauthorized => Self::new(
                StatusCode::UNAUTHORIZED,
                "Authentication is possible but has failed or not yet been provided.",
            ),
        }
    }

    pub(super) fn wrong_media(given: &str) -> Self {
        let text = format!(
            "The request's Content-Type [{given}] is not supported. Expected:\napplication/json"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    }

    pub(super) fn wrong_encoding(expected: &[Encoding], bad_encoding: BadEncoding) -> Self {
        let names: Vec<_> = expected.iter().map(|encoding| encoding.name()).collect();
        let expected = names.join(" or ");
        let text =
            format!("The request's Content-Encoding is not supported. Expected:\n{expected}");
        let status = match bad_encoding {
            BadEncoding::BadRequest => StatusCode::BAD_REQUEST,
            BadEncoding::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        Self::new(status, text)
    }

    pub(super) fn corrupt_encoding() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The request's encoding is corrupt")
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let text = format!("The request entity exceeds the size limit of {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    pub(super) fn poisoned(poisoned: Poisoned) -> Self {
        let status = StatusCode::from_u16(poisoned.status).expect("400 or 422");
        Self::new(status, poisoned.text)
    }

    /// The judging of a request failed.
    pub(super) fn bug() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }

    /// What a fault asks for, with the stock phrase where no text is given.
    pub(super) fn fault(told: Status) -> Self {
        let status = StatusCode::from_u16(told.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let stock = Cow::Borrowed(status.canonical_reason().unwrap_or("Failed as told"));
        let mut answer = Self::new(status, told.body.map_or(stock, Cow::Owned));
        if let Some(seconds) = told.retry_after {
            answer = answer.with(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // What no header can hold is left out.
        match told.location.map(HeaderValue::try_from) {
            Some(Ok(location)) => answer.with(header::LOCATION, location),
            _ => answer,
        }
    }

    /// This status, and a text that never ends.
    pub(super) fn endless(code: u16) -> Self {
        Self { is_endless: true, ..Self::fault(Status { code, ..Status::default() }) }
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The text, for the log.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(match self.text {
            _ if self.is_endless => Either::Right(Endless),
            Cow::Borrowed(text) => Either::Left(Full::from(text)),
            Cow::Owned(text) => Either::Left(Full::from(text)),
        });
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media));
        response.headers_mut().extend(self.headers);
        response
    }
}
