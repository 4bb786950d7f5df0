//! The routes that are ours and no StackState receiver has: `/_control` and `/_received`.
//!
//! ```text
//! PUT /_control       {"fault": {"status": 503, "retry_after": 2, "rate": 0.5}}
//! PUT /_control       {"script": [{"reset": "answer"}, {"pass": true}, {"delay_ms": 500}]}
//! DELETE /_control    ends all faults
//! GET /_received      {"totals": {...}, "tuples": [...]}, oldest first
//! GET /_received?newest=10
//! ```
//!
//! A PUT replaces all faults: `script` first, one fault per intake request, then `fault` for as long
//! as it stands. A fault has exactly one of `status` (with `body`, `retry_after`, `early`), `hang`,
//! `delay_ms`, `reset` (`head`, `body`, `answer`), `drip_ms` and `pass`; `rate`, between 0 and 1,
//! goes with `fault` alone. Neither route asks for a key: keep the port on loopback.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shared;
use super::answer::Answer;
use super::fault::{Fault, FaultDoc, Standing};

/// Most bytes of a control document.
const DOCUMENT_BYTES_MAX: usize = 64 << 10;

/// The document has to come within this time.
const DOCUMENT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    fault: Option<FaultDoc>,
    #[serde(default)]
    script: Vec<FaultDoc>,
}

/// `PUT /_control`
pub(super) async fn put(shared: &Shared, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), DOCUMENT_BYTES_MAX).collect();
    let body = match tokio::time::timeout(DOCUMENT_WITHIN, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => return refuse(&format!("no body of at most {DOCUMENT_BYTES_MAX} bytes came")),
    };
    match parse(&body) {
        Ok((standing, script)) => {
            tracing::info!(fault = ?standing, scripted = script.len(), "faults set");
            shared.faults.replace(standing, script);
            Answer::new(StatusCode::NO_CONTENT, "")
        }
        Err(why) => refuse(&why),
    }
}

/// `DELETE /_control`
pub(super) fn delete(shared: &Shared) -> Answer {
    shared.faults.heal();
    tracing::info!("faults ended");
    Answer::new(StatusCode::NO_CONTENT, "")
}

/// `GET /_received`
pub(super) fn received(shared: &Shared, uri: &Uri) -> Answer {
    #[derive(Deserialize)]
    struct Query {
        newest: Option<usize>,
    }

    #[derive(Serialize)]
    struct Page<'a> {
        totals: &'a super::store::Totals,
        tuples: Vec<&'a RawValue>,
    }

    let newest = match axum::extract::Query::<Query>::try_from_uri(uri) {
        Ok(query) => query.0.newest.unwrap_or(usize::MAX),
        Err(_) => return refuse("newest is a number of tuples"),
    };
    let page = shared.book.read(|received| {
        let skipped = received.tuples.len().saturating_sub(newest);
        let tuples = received.tuples.iter().skip(skipped);
        let raw = |text| serde_json::from_str(text).expect("was JSON when it was accepted");
        let tuples = tuples.map(|tuple| raw(tuple.text())).collect();
        serde_json::to_string(&Page { totals: &received.totals, tuples })
    });
    Answer::json(page.expect("totals and raw values always serialize"))
}

fn parse(body: &[u8]) -> Result<(Option<Standing>, VecDeque<Fault>), String> {
    let document: Document = serde_json::from_slice(body).map_err(|cause| cause.to_string())?;
    let standing = document.fault.map(Standing::try_from).transpose();
    let standing = standing.map_err(|bad| bad.to_string())?;
    let mut script = VecDeque::with_capacity(document.script.len());
    for (index, doc) in document.script.into_iter().enumerate() {
        let step = Standing::try_from(doc).map_err(|bad| format!("script[{index}]: {bad}"))?;
        if step.rate < 1.0 {
            return Err(format!("script[{index}]: a scripted fault has no rate"));
        }
        script.push_back(step.fault);
    }
    Ok((standing, script))
}

fn refuse(why: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, format!("cannot read the request: {why}\n"))
}
