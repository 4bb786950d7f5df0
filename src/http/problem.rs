//! Everything that can be wrong with a request, and the one place that turns it into an answer.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::content::{Content, Response};
pub use super::push::PathFault;
pub use super::rate_limit::OverLimit;
use super::refusals::Refusal;
use crate::budget::Spent;
use crate::decode::inflate::InflateError;
use crate::decode::media::{ForeignType, UnsupportedCoding};
use crate::pipeline::BodyError;
use crate::queue::AppendError;
use crate::quota::Over;

/// Why a request was not done; its text is the answer's body (contract C1.13).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// 404 (C1.1).
    #[error(
        "there is nothing here: metrics go to POST /metrics, remote write to POST /api/v1/write, OTLP to \
         POST /v1/metrics, pushes of Prometheus' clients to /metrics/job/<job>"
    )]
    NotFound,
    /// 405 (C1.1).
    #[error("this method does nothing here: metrics are sent with POST; allowed: {allow}")]
    MethodNotAllowed {
        /// What does.
        allow: &'static str,
    },
    /// 403, or what `auth.unauthorized_status` says (C1.2). The text is part of the contract.
    #[error("Unauthorized")]
    Unauthorized {
        /// 403 or 401.
        status: StatusCode,
    },
    /// 429, or what `limits.over_limit_status` says (C1.10).
    #[error("more than {} requests a minute from one address (`limits.requests_per_minute`): \
             try again in {} s", over.quota, over.wait_s)]
    OverLimit {
        /// 429 or 503.
        status: StatusCode,
        /// The limit, and the way back.
        over: OverLimit,
    },
    /// The same for what a source may send, from all its addresses together.
    #[error("{over}")]
    OverQuota {
        /// 429 or 503.
        status: StatusCode,
        /// Which limit, and the way back.
        over: Over,
    },
    /// 415 (C1.4).
    #[error(transparent)]
    UnsupportedCoding(#[from] UnsupportedCoding),
    /// 413 (C1.5).
    #[error(
        "payload reached size limit: a body may have {limit} bytes, compressed and decompressed \
             (`limits.body_bytes`); send it in smaller batches"
    )]
    BodyTooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// 413 (C1.5): the text says which limit.
    #[error("{0}")]
    ExpandedTooLarge(BodyError),
    /// 406 (C1.7): neither JSON nor MessagePack nor anything that can be read as one of them.
    #[error("Couldn't parse JSON content. {0}")]
    Unreadable(String),
    /// 406 (C1.7): the text says what was expected, and where.
    #[error("{0}")]
    Syntax(BodyError),
    /// 400: not what its Content-Type or path says; the text says what was expected, and where.
    #[error("{0}")]
    Malformed(BodyError),
    /// 400: does not decompress, from a sender that was never asked for JSON.
    #[error("cannot read the body: {0}")]
    Undecodable(String),
    /// 415: this path takes other bodies.
    #[error("this path does not take bodies of this content-type: {taken}")]
    UnsupportedType {
        /// What it takes, and where others go.
        taken: &'static str,
    },
    /// 415: OTLP has two types.
    #[error("content-type must be application/x-protobuf or application/json on this path")]
    NotOtlp,
    /// 415: what the Content-Type names is taken nowhere.
    #[error(transparent)]
    ForeignType(#[from] ForeignType),
    /// 400: the path of a push says no grouping key.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// 408 (C1.5).
    #[error(
        "the body came too slowly: at least {rate} bytes a second (`http.body_min_rate`), and no \
             pause of {pause_s} s (`http.body_timeout`)"
    )]
    TooSlow {
        /// Bytes a second.
        rate: u64,
        /// Seconds.
        pause_s: u64,
    },
    /// 400: the connection or its framing broke inside the body. Seldom does anybody hear it.
    #[error("the body broke off before its end")]
    BrokenOff,
    /// 400: `dry_run` with a value that says neither yes nor no (C1.14).
    #[error("expected `dry_run=1` to check a body without sending it on, or `dry_run=0`")]
    UnknownPurpose,
    /// 503 (C1.12).
    #[error("no room right now, try again later: {0}")]
    Busy(#[from] Busy),
    /// 500: a bug.
    #[error("internal error")]
    Panicked,
}

/// What there is no room in (contract C1.12).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// The queue takes nothing more.
    #[error(transparent)]
    Queue(#[from] AppendError),
    /// Other requests hold the memory.
    #[error(transparent)]
    Memory(#[from] Spent),
    /// The gateway is on its way out.
    #[error("shutting down")]
    ShuttingDown,
}

pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

impl Problem {
    /// The number of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized { status }
            | Self::OverLimit { status, .. }
            | Self::OverQuota { status, .. } => *status,
            Self::UnsupportedCoding(_)
            | Self::UnsupportedType { .. }
            | Self::NotOtlp
            | Self::ForeignType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } | Self::ExpandedTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(_) | Self::Syntax(_) => StatusCode::NOT_ACCEPTABLE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed(_)
            | Self::Undecodable(_)
            | Self::Path(_)
            | Self::BrokenOff
            | Self::UnknownPurpose => StatusCode::BAD_REQUEST,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether it is the body's fault, and nothing of it was taken.
    pub(super) fn is_about_the_body(&self) -> bool {
        matches!(
            self,
            Self::UnsupportedCoding(_)
                | Self::UnsupportedType { .. }
                | Self::NotOtlp
                | Self::ForeignType(_)
                | Self::Path(_)
                | Self::BodyTooLarge { .. }
                | Self::ExpandedTooLarge(_)
                | Self::Unreadable(_)
                | Self::Undecodable(_)
                | Self::Syntax(_)
                | Self::Malformed(_)
        )
    }

    /// What a body was refused for; `refusal` is why the sink took no further block, if it did not.
    pub(super) fn of_body(error: BodyError, refusal: impl FnOnce() -> Busy) -> Self {
        match error {
            BodyError::Syntax(_) => Self::Syntax(error),
            BodyError::Malformed { .. } => Self::Malformed(error),
            BodyError::Expanded { .. } => Self::ExpandedTooLarge(error),
            BodyError::Refused => Self::Busy(refusal()),
        }
    }

    /// The same as HTTP has it.
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Content::Whole(self.to_string().into()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
        self.add_headers(&mut response);
        if let Some(refusal) = Refusal::of(&self) {
            response.extensions_mut().insert(refusal);
        }
        response
    }

    fn add_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        match self {
            // A 415 should say what would do (RFC 9110, section 12.5.3).
            Self::UnsupportedCoding(refused) => {
                let names = HeaderValue::from_static(refused.taken().names());
                headers.insert(header::ACCEPT_ENCODING, names);
            }
            Self::Unauthorized { status: StatusCode::UNAUTHORIZED } => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::OverLimit { over: OverLimit { quota, wait_s }, .. } => {
                limited(headers, "ip", u64::from(*quota), *wait_s);
            }
            Self::OverQuota { over: Over { rate, quota, wait_s, .. }, .. } => {
                limited(headers, &format!("source-{}", rate.as_str()), *quota, *wait_s);
            }
            Self::Busy(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s()));
            }
            Self::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::NotFound
            | Self::Unauthorized { .. }
            | Self::BodyTooLarge { .. }
            | Self::ExpandedTooLarge(_)
            | Self::Unreadable(_)
            | Self::Syntax(_)
            | Self::Malformed(_)
            | Self::Undecodable(_)
            | Self::UnsupportedType { .. }
            | Self::NotOtlp
            | Self::ForeignType(_)
            | Self::Path(_)
            | Self::TooSlow { .. }
            | Self::BrokenOff
            | Self::UnknownPurpose
            | Self::Panicked => {}
        }
    }
}

impl From<InflateError> for Problem {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge { limit } => Self::BodyTooLarge { limit },
            InflateError::Corrupt(why) => Self::Unreadable(why),
        }
    }
}

impl From<Spent> for Problem {
    fn from(spent: Spent) -> Self {
        Self::Busy(Busy::Memory(spent))
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        Self::Busy(Busy::Queue(error))
    }
}

/// A few seconds, spread so that clients turned away together do not come back together.
pub(super) fn retry_after_s() -> u64 {
    fastrand::u64(2..=6)
}

/// Which limit it is, and when there is something left of it.
fn limited(headers: &mut HeaderMap, name: &str, quota: u64, wait_s: u64) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
    headers.insert(RATE_LIMIT_POLICY, value(&format!("\"{name}\";q={quota};w=60")));
    headers.insert(RATE_LIMIT, value(&format!("\"{name}\";r=0;t={wait_s}")));
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and punctuation are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn over_limit_carries_the_three_headers_in_their_exact_form() {
        let over = OverLimit { quota: 500, wait_s: 7 };
        let status = StatusCode::TOO_MANY_REQUESTS;
        let response = Problem::OverLimit { status, over }.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(header(&response, "retry-after"), Some("7"));
        assert_eq!(header(&response, "ratelimit-policy"), Some("\"ip\";q=500;w=60"));
        assert_eq!(header(&response, "ratelimit"), Some("\"ip\";r=0;t=7"));
    }

    #[test]
    fn texts_begin_as_the_contract_says() {
        let limit = 20 << 20;
        let of_body = |error| Problem::of_body(error, || Busy::ShuttingDown);
        let cases = [
            (Problem::Unauthorized { status: StatusCode::FORBIDDEN }, 403, "Unauthorized"),
            (Problem::BodyTooLarge { limit }, 413, "payload reached size limit"),
            (of_body(BodyError::Expanded { limit: 1 }), 413, "payload reached size limit"),
            (Problem::Unreadable("x".to_owned()), 406, "Couldn't parse JSON content. x"),
            (of_body(BodyError::Syntax("x".to_owned())), 406, "Couldn't parse JSON content. x"),
        ];
        for (problem, status, text) in cases {
            assert_eq!(problem.status(), status, "{problem:?}");
            assert!(problem.to_string().starts_with(text), "{problem:?}");
        }
    }

    #[test]
    fn every_busy_answer_says_when_to_come_back() {
        for busy in [
            Busy::ShuttingDown,
            Busy::Memory(Spent::Whole { limit: 1 }),
            AppendError::Closed.into(),
        ] {
            let response = Problem::Busy(busy).into_response();
            assert_eq!(response.status(), 503);
            let seconds: u64 = header(&response, "retry-after").unwrap().parse().unwrap();
            assert!((1..=10).contains(&seconds));
        }
    }
}
