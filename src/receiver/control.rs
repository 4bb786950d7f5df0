//! The routes that are ours and no StackState receiver has: `/_control` and `/_received`.
//!
//! ```text
//! PUT /_control       {"fault": {"status": 503, "retry_after": 2, "rate": 0.5}}
//! PUT /_control       {"fault": {"status": 503, "turns": [5, 2]}}
//! PUT /_control       {"script": [{"reset": "answer"}, {"pass": true}, {"delay_ms": 500}]}
//! PUT /_control       {"rules": {"body_limit": 65536, "poison": [{"begins": "bad."}]}}
//! DELETE /_control    ends all faults; the rules are again those of the start
//! GET /_received      {"totals": {...}, "tuples": [...]}, oldest first
//! GET /_received?newest=10
//! ```
//!
//! A PUT replaces everything: `script` first, one fault per intake request, then `fault` for as long
//! as it stands, and a request that neither hits is judged by `rules`. Neither route asks for a key:
//! keep the port on loopback.
//!
//! A fault has exactly one of
//!
//! * `status`, 200 to 599, with `body`, `retry_after` (seconds), `location`, and `early` (answered
//!   before the body is read, which stays unread);
//! * `hang`, `delay_ms` (the answer comes late), `drip_ms` (the answer comes byte by byte), `endless`
//!   (a status whose text never ends);
//! * `reset` (`head`, `body`, `answer`), `pass`;
//!
//! and `fault` may have `rate`, the share of requests it hits, between 0 and 1, or `turns`: so many
//! good requests, then so many bad ones, and again. An outage, where nobody listens, is what stopping
//! the receiver makes.
//!
//! Rules, each as at the start when absent: `api_keys`; `bad_key` (401 or 403); `body_limit` in bytes,
//! with `limit_of` (`wire` as a proxy counts, `decoded`, `both`) and `limit_early` (answered by the
//! declared length, before the body is read); `encodings` (`deflate`, `gzip`, `identity`) and
//! `bad_encoding` (400 or 415); `poison`, a list of names that are refused, each with `begins` or
//! `contains`, and `status` (400 or 422) and `body` for its answer.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Shared;
use super::answer::Answer;
use super::fault::{Fault, FaultDoc, Hits, Standing};
use super::rules::{Rules, RulesDoc};

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
    #[serde(default)]
    rules: RulesDoc,
}

/// What a document asks for.
#[derive(Debug)]
struct Wanted {
    standing: Option<Standing>,
    script: VecDeque<Fault>,
    rules: Rules,
}

/// `PUT /_control`
pub(super) async fn put(shared: &Shared, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), DOCUMENT_BYTES_MAX).collect();
    let body = match tokio::time::timeout(DOCUMENT_WITHIN, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => return refuse(&format!("no body of at most {DOCUMENT_BYTES_MAX} bytes came")),
    };
    match parse(&body, &shared.faults.rules_at_start()) {
        Ok(Wanted { standing, script, rules }) => {
            tracing::info!(fault = ?standing, scripted = script.len(), ?rules, "faults set");
            shared.faults.replace(standing, script, rules);
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

    let newest = match serde_urlencoded::from_str::<Query>(uri.query().unwrap_or_default()) {
        Ok(query) => query.newest.unwrap_or(usize::MAX),
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

fn parse(body: &[u8], at_start: &Rules) -> Result<Wanted, String> {
    let document: Document = serde_json::from_slice(body).map_err(|cause| cause.to_string())?;
    let standing = document.fault.map(Standing::try_from).transpose();
    let standing = standing.map_err(|bad| bad.to_string())?;
    let mut script = VecDeque::with_capacity(document.script.len());
    for (index, doc) in document.script.into_iter().enumerate() {
        let step = Standing::try_from(doc).map_err(|bad| format!("script[{index}]: {bad}"))?;
        if step.hits != Hits::All {
            return Err(format!("script[{index}]: a scripted fault has no rate and no turns"));
        }
        script.push_back(step.fault);
    }
    let rules = document.rules.over(at_start).map_err(|why| format!("rules: {why}"))?;
    Ok(Wanted { standing, script, rules })
}

fn refuse(why: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, format!("cannot read the request: {why}\n"))
}
