//! The protocols this edge speaks: what a request is taken for, and what it is told in return.
//!
//! Each of them reads its bodies its own way and ends in the same pipeline and queue; they differ in how a
//! sender names its token, which codings it may use, and which status and body mean what to it.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};

use super::answer::Answer;
use super::content::Response;
use super::otlp;
use super::problem::Problem;
use crate::decode::media::{self, Coding, Declared};
use crate::decode::{Exposition, Format, Otlp, RemoteWrite};

/// Where OTLP's senders post metrics, and nobody else anything.
pub(super) const OTLP_PATH: &str = "/v1/metrics";

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Better Stack's metrics API, and a page of Prometheus' text sent the same way.
    BetterStack,
    /// A Pushgateway's paths.
    Pushgateway,
    /// Prometheus' remote write.
    RemoteWrite(RemoteWrite),
    /// OTLP over HTTP.
    Otlp(Otlp),
}

/// What a request is, by its path and its Content-Type.
pub(super) struct Entrance {
    pub(super) protocol: Protocol,
    /// What its body is; told only to a client whose token is known (contract C1.9).
    pub(super) declared: Result<Declared, Problem>,
    /// Labels that the path gives to every measurement.
    pub(super) labels: Vec<(String, String)>,
}

impl Entrance {
    /// `POST /metrics` and `POST /`: the Content-Type decides.
    pub(super) fn metrics(headers: &HeaderMap) -> Self {
        let declared = media::content_type(only(headers, header::CONTENT_TYPE).as_deref());
        let protocol = match declared {
            Declared::Format(Format::RemoteWrite(version)) => Protocol::RemoteWrite(version),
            _ => Protocol::BetterStack,
        };
        Self { protocol, declared: Ok(declared), labels: Vec::new() }
    }

    /// The paths of remote write: nothing else is taken there.
    pub(super) fn remote_write(headers: &HeaderMap) -> Self {
        let declared = media::content_type(only(headers, header::CONTENT_TYPE).as_deref());
        let (protocol, declared) = match declared {
            Declared::Format(Format::RemoteWrite(version)) => {
                (Protocol::RemoteWrite(version), Ok(declared))
            }
            _ => (Protocol::RemoteWrite(RemoteWrite::V1), Err(Problem::UnsupportedType)),
        };
        Self { protocol, declared, labels: Vec::new() }
    }

    /// `/v1/metrics`
    pub(super) fn otlp(headers: &HeaderMap) -> Self {
        let declared = media::otlp_type(only(headers, header::CONTENT_TYPE).as_deref());
        let protocol = Protocol::Otlp(declared.unwrap_or(Otlp::Protobuf));
        let declared = declared.map(|otlp| Declared::Format(Format::Otlp(otlp)));
        Self { protocol, declared: declared.ok_or(Problem::NotOtlp), labels: Vec::new() }
    }

    /// The paths of a Pushgateway, whose grouping key `labels` are.
    pub(super) fn push(headers: &HeaderMap, labels: Vec<(String, String)>) -> Self {
        let declared = media::content_type(only(headers, header::CONTENT_TYPE).as_deref());
        let syntax = match declared {
            Declared::Format(Format::Exposition(syntax)) => syntax,
            // A Pushgateway asks nobody for a Content-Type.
            _ => Exposition::Text,
        };
        let declared = Ok(Declared::Format(Format::Exposition(syntax)));
        Self { protocol: Protocol::Pushgateway, declared, labels }
    }

    /// How the body is compressed.
    pub(super) fn coding(&self, headers: &HeaderMap) -> Result<Coding, Problem> {
        let coding = only(headers, header::CONTENT_ENCODING);
        Ok(media::coding(coding.as_deref())?)
    }
}

impl Protocol {
    /// Whether a body of no bytes is a message without metrics rather than a mistake.
    pub(super) fn takes_empty_bodies(self) -> bool {
        matches!(self, Self::Otlp(_))
    }

    /// What the client is told.
    pub(super) fn respond(
        self,
        outcome: Result<Answer, Problem>,
        nothing_accepted: StatusCode,
    ) -> Response {
        match (self, outcome) {
            (Self::Otlp(encoding), outcome) => otlp::respond(outcome, encoding),
            (_, Ok(answer)) => answer.into_response(nothing_accepted),
            (_, Err(problem)) => problem.into_response(),
        }
    }
}

/// What a client is told whose request was not looked into: its path says how it speaks.
pub(super) fn refuse(head: &Parts, problem: Problem) -> Response {
    if head.uri.path() == OTLP_PATH {
        let entrance = Entrance::otlp(&head.headers);
        return entrance.protocol.respond(Err(problem), StatusCode::BAD_REQUEST);
    }
    problem.into_response()
}

/// The one header of this name. Several mean the same as one with commas, and no comma is understood.
fn only(headers: &HeaderMap<HeaderValue>, name: HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().unwrap_or("(not ASCII)");
    Some(values.fold(first.to_owned(), |all, _| all + ", ..."))
}
