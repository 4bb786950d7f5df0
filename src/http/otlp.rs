//! What OTLP's senders are told: their own messages, in the encoding they spoke.
//!
//! A request of which something was taken is answered 200, and never sent again; `partialSuccess` says what
//! was rejected, and with a count of 0 what is worth a warning. One of which nothing was acceptable is
//! bad data, 400: a sender that reads nothing but the status must not believe that it delivered. Nor is
//! that sent again. Only 429, 502, 503 and 504 are.

use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Serialize;

use super::answer::{Answer, Statuses};
use super::content::{Content, Response};
use super::problem::Problem;
use crate::decode::Otlp;
use crate::pipeline::report::{Entry, Report};

/// Most rejections and warnings that a message repeats, each.
const ENTRIES_MAX: usize = 10;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The answer to a request that was spoken in `encoding`; `help` as reports have it.
pub(super) fn respond(outcome: Result<Answer, Problem>, encoding: Otlp, help: &str) -> Response {
    match outcome {
        Ok(Answer::Taken(report)) if report.is_nothing_accepted() => {
            let response = Response::new(Content::EMPTY);
            status(response, StatusCode::BAD_REQUEST, &message(&report), encoding)
        }
        Ok(Answer::Taken(report)) => taken(&report, encoding),
        // What was asked for is tuples, and those are JSON (contract C1.14).
        Ok(preview @ Answer::Preview(_)) => {
            let ok = StatusCode::OK;
            preview.into_response(Statuses { taken: ok, nothing_accepted: ok }, help)
        }
        Err(problem) => refuse(problem, encoding),
    }
}

/// The same for what was not done; status and headers are those of any other path.
fn refuse(problem: Problem, encoding: Otlp) -> Response {
    let text = problem.to_string();
    let response = problem.into_response();
    let code = response.status();
    status(response, code, &text, encoding)
}

/// `ExportMetricsServiceResponse`
fn taken(report: &Report, encoding: Otlp) -> Response {
    let partial = (!report.is_clean()).then(|| PartialSuccess {
        rejected_data_points: report.rejected.to_string(),
        error_message: message(report),
    });
    let body = match encoding {
        Otlp::Json => json(&ExportResponse { partial_success: partial }),
        Otlp::Protobuf => {
            let mut body = Vec::new();
            if let Some(partial) = partial {
                let mut inner = Vec::new();
                protobuf_number(&mut inner, 1, report.rejected);
                protobuf_bytes(&mut inner, 2, partial.error_message.as_bytes());
                protobuf_bytes(&mut body, 1, &inner);
            }
            body
        }
    };
    let mut response = Response::new(content(body));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type(encoding));
    response
}

/// Makes of `response` a `google.rpc.Status` with the code that gRPC has for `code`.
fn status(mut response: Response, code: StatusCode, message: &str, encoding: Otlp) -> Response {
    let number = grpc_code(code);
    let body = match encoding {
        Otlp::Json => json(&Status { code: number, message }),
        Otlp::Protobuf => {
            let mut body = Vec::new();
            protobuf_number(&mut body, 1, u64::from(number));
            protobuf_bytes(&mut body, 2, message.as_bytes());
            body
        }
    };
    *response.body_mut() = content(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type(encoding));
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartialSuccess {
    /// 64 bits are a string in protobuf's JSON.
    rejected_data_points: String,
    error_message: String,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u32,
    message: &'a str,
}

/// What was rejected and what is worth a warning, in words.
fn message(report: &Report) -> String {
    let Report { accepted, rejected, .. } = report;
    let mut text = if *rejected == 0 {
        format!("all {accepted} data points were taken, some not quite as sent")
    } else {
        format!("{rejected} of {} data points were rejected", accepted + rejected)
    };
    entries(&mut text, ": ", &report.errors);
    let intro = if *rejected == 0 { ": " } else { "; warnings: " };
    entries(&mut text, intro, &report.warnings);
    text
}

fn entries(text: &mut String, intro: &str, entries: &[Entry]) {
    for (nth, entry) in entries.iter().take(ENTRIES_MAX).enumerate() {
        let before = if nth == 0 { intro } else { "; " };
        let Entry { index, code, message, .. } = entry;
        write!(text, "{before}data point {index}: {}: {message}", code.as_str())
            .expect("a String takes all");
    }
    if entries.len() > ENTRIES_MAX {
        text.push_str("; and so on");
    }
}

/// By gRPC's own table of what a status of HTTP means, and of what it makes of one.
fn grpc_code(code: StatusCode) -> u32 {
    const UNKNOWN: u32 = 2;
    match code.as_u16() {
        400 | 405 | 415 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        408 => 4,
        413 | 429 => 8,
        500 => 13,
        503 => 14,
        _ => UNKNOWN,
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and text")
}

fn content_type(encoding: Otlp) -> HeaderValue {
    match encoding {
        Otlp::Json => JSON,
        Otlp::Protobuf => PROTOBUF,
    }
}

fn content(body: Vec<u8>) -> Content {
    if body.is_empty() { Content::EMPTY } else { Content::Whole(body.into()) }
}

/// A varint field; zero is what one that is not sent means.
fn protobuf_number(message: &mut Vec<u8>, field: u8, number: u64) {
    if number > 0 {
        message.push(field << 3);
        varint(message, number);
    }
}

fn protobuf_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
