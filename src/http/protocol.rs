//! The protocols this edge speaks: what a request is taken for, and what it is told in return.
//!
//! Each of them reads its bodies its own way and ends in the same pipeline and queue; they differ in how a
//! sender names its token, which codings it may use, and which status and body mean what to it.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, Statuses};
use super::auth::Credentials;
use super::content::Response;
use super::otlp;
use super::problem::Problem;
use super::push::{GroupingKey, PathFault};
use super::written;
use crate::decode::media::{self, Coding, Codings, Declared, ForeignType};
use crate::decode::{Exposition, Format, Otlp, RemoteWrite};

const EMPTY: &str = "expected a metric, or several, but the body is empty";

const REMOTE_WRITE_ONLY: &str =
    "it takes remote write (`application/x-protobuf`, snappy); other formats go to POST /metrics";

const PAGES_ONLY: &str = "it takes the text of Prometheus (`text/plain; version=0.0.4`) or OpenMetrics \
    (`application/openmetrics-text`); remote write goes to POST /api/v1/write, OTLP to POST /v1/metrics";

/// Where OTLP's senders post metrics, and nobody else anything.
pub(super) const OTLP_PATH: &str = "/v1/metrics";

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Better Stack's metrics API.
    BetterStack,
    /// A page of Prometheus' text, sent to the same paths.
    Exposition,
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
        let declared = content_type(headers);
        let protocol = match declared {
            Ok(Declared::Format(Format::RemoteWrite(version))) => Protocol::RemoteWrite(version),
            Ok(Declared::Format(Format::Exposition(_))) => Protocol::Exposition,
            // A message of a later version, or another: its sender's credentials are those of the others.
            Err(Problem::ForeignType(ForeignType::Message)) => {
                Protocol::RemoteWrite(RemoteWrite::V1)
            }
            _ => Protocol::BetterStack,
        };
        Self { protocol, declared, labels: Vec::new() }
    }

    /// The paths of remote write: nothing else is taken there.
    pub(super) fn remote_write(headers: &HeaderMap) -> Self {
        // Who names no type is taken for a sender of old, as Prometheus has it.
        let first = Ok(Declared::Format(Format::RemoteWrite(RemoteWrite::V1)));
        let is_named = headers.contains_key(header::CONTENT_TYPE);
        let (protocol, declared) = match if is_named { content_type(headers) } else { first } {
            Ok(declared @ Declared::Format(Format::RemoteWrite(version))) => {
                (Protocol::RemoteWrite(version), Ok(declared))
            }
            Ok(_) => {
                let problem = Problem::UnsupportedType { taken: REMOTE_WRITE_ONLY };
                (Protocol::RemoteWrite(RemoteWrite::V1), Err(problem))
            }
            Err(foreign) => (Protocol::RemoteWrite(RemoteWrite::V1), Err(foreign)),
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

    /// The paths of a Pushgateway, whose grouping key the labels are.
    pub(super) fn push(headers: &HeaderMap, key: Result<GroupingKey, PathFault>) -> Self {
        let syntax = match media::content_type(only(headers, header::CONTENT_TYPE).as_deref()) {
            Ok(Declared::Format(Format::Exposition(syntax))) => Ok(syntax),
            // These are binary, so that reading them as text would end in a puzzling complaint.
            Err(foreign @ ForeignType::MetricFamily) => Err(foreign.into()),
            Ok(Declared::Format(Format::RemoteWrite(_))) => {
                Err(Problem::UnsupportedType { taken: PAGES_ONLY })
            }
            // A Pushgateway asks nobody for a Content-Type.
            _ => Ok(Exposition::Text),
        };
        let (labels, fault) = match key {
            Ok(key) => (key.labels, None),
            Err(fault) => (Vec::new(), Some(Problem::Path(fault))),
        };
        let declared = fault.map_or(syntax, Err).map(Format::Exposition);
        Self { protocol: Protocol::Pushgateway, declared: declared.map(Declared::Format), labels }
    }

    /// How the sender may name its token.
    pub(super) fn credentials(&self) -> Credentials {
        match self.protocol {
            Protocol::BetterStack => Credentials::Bearer,
            // Their senders have a user name and a password to set, and some nothing else.
            _ => Credentials::BearerOrBasic,
        }
    }

    /// How the body is compressed.
    pub(super) fn coding(&self, headers: &HeaderMap) -> Result<Coding, Problem> {
        let codings = match (&self.declared, self.protocol) {
            (Ok(declared), _) => declared.codings(),
            (Err(_), Protocol::RemoteWrite(_)) => Codings::SnappyOnly,
            (Err(_), _) => Codings::Usual,
        };
        let coding = only(headers, header::CONTENT_ENCODING);
        Ok(codings.read(coding.as_deref())?)
    }
}

impl Protocol {
    /// How many there are, versions and encodings aside.
    pub(super) const COUNT: usize = 5;

    /// Their names, in the order of [`Self::number`].
    pub(super) const NAMES: [&str; Self::COUNT] =
        ["better_stack", "exposition", "pushgateway", "remote_write", "otlp"];

    /// Which of them it is.
    pub(super) fn number(self) -> usize {
        match self {
            Self::BetterStack => 0,
            Self::Exposition => 1,
            Self::Pushgateway => 2,
            Self::RemoteWrite(_) => 3,
            Self::Otlp(_) => 4,
        }
    }

    /// What an empty body is: for Better Stack's formats not even a syntax (contract C1.7), and for the
    /// others a page or a message without a measurement; their readers say whether that is sound.
    pub(super) fn check_not_empty(self, body: &[u8]) -> Result<(), Problem> {
        match self {
            Self::BetterStack if body.is_empty() => Err(Problem::Unreadable(EMPTY.to_owned())),
            _ => Ok(()),
        }
    }

    /// What the client is told; `help` is where the codes of a report are explained.
    pub(super) fn respond(
        self,
        outcome: Result<Answer, Problem>,
        nothing_accepted: StatusCode,
        help: &str,
    ) -> Response {
        let better_stack = Statuses { taken: StatusCode::ACCEPTED, nothing_accepted };
        match self {
            Self::BetterStack => respond(outcome, better_stack, help),
            Self::Exposition => respond(outcome.map_err(not_json), better_stack, help),
            Self::Pushgateway => respond(outcome.map_err(not_json), PUSHGATEWAY, help),
            Self::RemoteWrite(_) => to_remote_writer(outcome.map_err(not_json), help),
            Self::Otlp(encoding) => otlp::respond(outcome.map_err(not_json), encoding, help),
        }
    }
}

/// What a client is told whose request was not looked into: its path says how it speaks.
pub(super) fn refuse(head: &Parts, problem: Problem) -> Response {
    if head.uri.path() == OTLP_PATH {
        let entrance = Entrance::otlp(&head.headers);
        return entrance.protocol.respond(Err(problem), StatusCode::BAD_REQUEST, "");
    }
    problem.into_response()
}

/// A Pushgateway answers 200, and 400 for what it will not have.
const PUSHGATEWAY: Statuses =
    Statuses { taken: StatusCode::OK, nothing_accepted: StatusCode::BAD_REQUEST };

/// With a report, or the problem's text.
fn respond(outcome: Result<Answer, Problem>, statuses: Statuses, help: &str) -> Response {
    match outcome {
        Ok(answer) => answer.into_response(statuses, help),
        Err(problem) => problem.into_response(),
    }
}

/// As the specifications of remote write have it, which do not differ in what is answered.
fn to_remote_writer(outcome: Result<Answer, Problem>, help: &str) -> Response {
    match outcome {
        Ok(Answer::Taken(report)) => written::respond(&report),
        Err(problem) => written::nothing(problem.into_response()),
        outcome => respond(outcome, PUSHGATEWAY, help),
    }
}

/// Of senders that were never asked for JSON: what cannot be read is a 400 there, without C1.7's text.
fn not_json(problem: Problem) -> Problem {
    match problem {
        Problem::Unreadable(why) => Problem::Undecodable(why),
        other => other,
    }
}

fn content_type(headers: &HeaderMap) -> Result<Declared, Problem> {
    Ok(media::content_type(only(headers, header::CONTENT_TYPE).as_deref())?)
}

/// The one header of this name. Several mean the same as one with commas, and no comma is understood.
fn only(headers: &HeaderMap<HeaderValue>, name: HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().unwrap_or("(not ASCII)");
    Some(values.fold(first.to_owned(), |all, _| all + ", ..."))
}
