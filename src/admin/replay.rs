//! `POST /dead-letters/replay`: dead letters go into the queue of the gateway that runs.
//!
//! ```text
//!  {"receiver"?: "eu", "since"?: "2h", "source"?: "checkout", "code"?: 400, "dry_run"?: false}
//!  {"dry_run": false, "replayed": [{"receiver": "eu", "letters": 12, "more": false, "error": null}]}
//! ```
//!
//! An answer comes within seconds: `more` says that the same request has to be made again for the
//! rest. The one thing on this port that changes something, so it takes only what a web page cannot
//! send from a browser on this machine.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::State;
use super::route::{Answer, refused, respond};
use crate::dead_letter::{DeadLetters, ReplayError, Selection};

pub(super) const PATH: &str = "/dead-letters/replay";

/// A request is a handful of names.
const BODY_BYTES_MAX: usize = 4 << 10;

/// All receivers together; a connection of this port lives for 10 s.
const BUDGET: Duration = Duration::from_secs(4);

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    receiver: Option<String>,
    since: Option<String>,
    source: Option<String>,
    code: Option<u16>,
    dry_run: bool,
}

/// What became of one receiver's letters.
#[derive(Debug, Serialize)]
struct Line {
    receiver: String,
    /// Replayed, or that would be.
    letters: u64,
    /// Whether the same request is to be made again.
    more: bool,
    error: Option<String>,
}

/// The body, if it is as short as a request.
pub(super) async fn read(body: Incoming) -> Option<Bytes> {
    Some(Limited::new(body, BODY_BYTES_MAX).collect().await.ok()?.to_bytes())
}

/// For every method but POST.
pub(super) fn wrong_method() -> Answer {
    let why = "this is for POST: it puts dead letters into the queue again";
    let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, why);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// Replays, and says what was done.
pub(super) async fn answer(state: &State, headers: &HeaderMap, body: Option<Bytes>) -> Answer {
    if let Err((status, why)) = check(headers) {
        return refused(status, why);
    }
    let Some(body) = body else {
        return refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is late or longer than 4,096 bytes: send one short JSON object",
        );
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &format!("the body: {error}")),
    };
    let now = state.clock.now();
    let since = request.since.as_deref().map(|text| Selection::since(text, now)).transpose();
    let since = match since {
        Ok(since) => since,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &format!("since: {error}")),
    };
    let source = request.source.map(Arc::from);
    let selection = Selection { since, source, status: request.code };
    let deliveries = state.destinations.iter().filter_map(|known| known.delivery.as_ref());
    let meant: Vec<&Arc<DeadLetters>> = deliveries
        .filter(|known| request.receiver.as_ref().is_none_or(|name| **name == *known.name))
        .map(|known| &known.dead_letters)
        .collect();
    if let (Some(name), true) = (&request.receiver, meant.is_empty()) {
        return refused(
            StatusCode::NOT_FOUND,
            &format!("receiver \"{name}\" is not configured in the gateway that runs"),
        );
    }
    let mut replayed = Vec::with_capacity(meant.len());
    let mut status = StatusCode::OK;
    let until = state.clock.monotonic() + BUDGET;
    for letters in meant {
        let line = if request.dry_run {
            count(letters, &selection).await
        } else {
            replay(state, letters, &selection, until).await
        };
        let line = line.unwrap_or_else(|(code, line)| {
            status = code;
            line
        });
        replayed.push(line);
    }
    let told = json!({ "dry_run": request.dry_run, "replayed": replayed });
    respond(status, "application/json", told.to_string())
}

/// Whether a page in a browser of this machine could have sent this: one cannot set this type without
/// asking first, which nobody answers here. What its browser says of it is looked at before (`guard`).
fn check(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send it with Content-Type: application/json",
        ));
    }
    Ok(())
}

async fn count(
    letters: &Arc<DeadLetters>,
    selection: &Selection,
) -> Result<Line, (StatusCode, Line)> {
    let line = |letters_meant, error| {
        let receiver = letters.receiver().to_string();
        Line { receiver, letters: letters_meant, more: false, error }
    };
    match letters.count(selection).await {
        Ok(meant) => Ok(line(meant, None)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, line(0, Some(error.to_string())))),
    }
}

async fn replay(
    state: &State,
    letters: &Arc<DeadLetters>,
    selection: &Selection,
    until: Duration,
) -> Result<Line, (StatusCode, Line)> {
    let receiver = letters.receiver().to_string();
    let budget = until.saturating_sub(state.clock.monotonic());
    let outcome = letters.replay(&state.queue, selection, &state.clock, Some(budget)).await;
    let (status, replayed, error) = match outcome {
        Ok(done) => {
            if done.letters > 0 {
                tracing::info!(%receiver, letters = done.letters, "dead letters were replayed");
            }
            let (letters, more) = (done.letters, done.is_cut_short);
            return Ok(Line { receiver, letters, more, error: None });
        }
        Err(error @ ReplayError::Busy) => (StatusCode::CONFLICT, 0, error),
        Err(error @ ReplayError::NotConfigured { .. }) => (StatusCode::NOT_FOUND, 0, error),
        Err(error @ ReplayError::Refused { replayed, .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, replayed, error)
        }
        Err(error @ ReplayError::Failed { replayed, .. }) => {
            (StatusCode::INTERNAL_SERVER_ERROR, replayed, error)
        }
    };
    tracing::warn!(%receiver, %error, "a replay of dead letters ended early");
    let error = Some(error.to_string());
    Err((status, Line { receiver, letters: replayed, more: false, error }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_web_page_can_send_is_refused() {
        for (headers, wanted) in [
            (&[("content-type", "application/json")][..], None),
            (&[("content-type", "Application/JSON; charset=utf-8")], None),
            (&[], Some(415)),
            (&[("content-type", "text/plain")], Some(415)),
            (&[("content-type", "application/x-www-form-urlencoded")], Some(415)),
            (&[("content-type", "application/jsonp")], Some(415)),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            let map: HeaderMap = map.collect();
            let status = check(&map).err().map(|(status, _)| status.as_u16());
            assert_eq!(status, wanted, "{headers:?}");
        }
    }

    #[test]
    fn a_request_names_only_what_is_known() {
        let request: Request = serde_json::from_str("{}").unwrap();
        assert!(!request.dry_run && request.receiver.is_none());
        for broken in ["", "[]x", "{\"recever\":\"a\"}", "{\"code\":70000}", "{\"dry_run\":1}"] {
            assert!(serde_json::from_str::<Request>(broken).is_err(), "{broken}");
        }
    }
}
