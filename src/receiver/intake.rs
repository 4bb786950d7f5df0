//! One intake request over the wire, with the fault that hits it.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, http::request};

use super::Shared;
use super::answer::Answer;
use super::fault::{Fault, ResetAt, When};
use super::judge::{self, Body, Verdict};
use super::store::{Outcome, Seen};
use super::wire::Valve;

/// A client that sends no body byte for this long is cut off.
const BODY_IDLE: Duration = Duration::from_mins(1);

/// A body over the limit is read on and dropped up to so many bytes, so that the 413 reaches a
/// client that reads its answer only when it has sent everything.
const DISCARD_BYTES_MAX: usize = 64 << 20;

/// Room made for a body on the word of its Content-Length alone.
const TRUSTED_BYTES: usize = 1 << 20;

/// How long the connection of an early answer stays open, its body unread.
const EARLY_LINGER: Duration = Duration::from_secs(2);

/// The bytes of an answer that leave before a reset in its middle: the status line and a little.
const ANSWER_BYTES_BEFORE_RESET: usize = 20;

/// The connection ends without an answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection ends without an answer")]
pub(super) struct Severed;

/// Answers one request, or severs its connection.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    valve: &Valve,
) -> Result<Answer, Severed> {
    let (head, body) = request.into_parts();
    let fault = shared.faults.next();
    let log = |outcome| shared.book.record(judge::first_sight(&head, outcome), Vec::new());
    match &fault {
        Fault::Reset(ResetAt::Head) => {
            log(Outcome::Cut);
            valve.cut();
            return Err(Severed);
        }
        Fault::Status { code, body: text, retry_after, when: When::Early } => {
            log(Outcome::Answered(*code));
            // Held unread: dropping it would close the connection under a client that still sends,
            // and the answer would be lost with it.
            tokio::spawn(async move {
                tokio::time::sleep(EARLY_LINGER).await;
                drop(body);
            });
            let close = hyper::header::HeaderValue::from_static("close");
            let answer = Answer::fault(*code, text.clone(), *retry_after);
            return Ok(answer.with(hyper::header::CONNECTION, close));
        }
        _ => {}
    }
    let body = match read(body, shared.options.body_limit, &fault).await {
        Ok(body) => body,
        Err(Unread::Cut) => {
            log(Outcome::Cut);
            valve.cut();
            return Err(Severed);
        }
        Err(Unread::Broken) => {
            log(Outcome::Broken);
            return Err(Severed);
        }
    };
    match fault {
        Fault::Hang => {
            log(Outcome::Hung);
            std::future::pending().await
        }
        Fault::Status { code, body: text, retry_after, .. } => {
            log(Outcome::Answered(code));
            Ok(Answer::fault(code, text, retry_after))
        }
        Fault::Delay(span) => {
            let answer = take(shared, head, body, None).await;
            tokio::time::sleep(span).await;
            Ok(answer)
        }
        Fault::Drip(pause) => {
            let answer = take(shared, head, body, None).await;
            valve.drip(pause);
            Ok(answer)
        }
        Fault::Reset(_) => {
            let answer = take(shared, head, body, Some(Outcome::Cut)).await;
            valve.cut_after(ANSWER_BYTES_BEFORE_RESET);
            Ok(answer)
        }
        Fault::Pass => Ok(take(shared, head, body, None).await),
    }
}

/// Judges, prints and records a request; `outcome` stands in for its answer where that gets lost.
async fn take(
    shared: &Arc<Shared>,
    head: request::Parts,
    body: Body,
    outcome: Option<Outcome>,
) -> Answer {
    let shared = Arc::clone(shared);
    // Inflating and printing block: the first on the processor, the second on a pipe.
    let work = tokio::task::spawn_blocking(move || {
        let Verdict { answer, seen, tuples } = judge::judge(&shared.options, &head, body);
        if let Some(printer) = &shared.options.print
            && !tuples.is_empty()
        {
            printer.print(&tuples);
        }
        if !answer.status.is_success() {
            let status = answer.status.as_u16();
            tracing::warn!(http.status = status, reason = answer.text(), "intake request refused");
        }
        let outcome = outcome.unwrap_or(seen.outcome);
        shared.book.record(Seen { outcome, ..seen }, tuples);
        answer
    });
    match work.await {
        Ok(answer) => answer,
        Err(panicked) => {
            tracing::error!(error = %panicked, "judging a request failed: this is a bug");
            Answer::fault(500, None, None)
        }
    }
}

/// Why a body was not read to its end.
enum Unread {
    /// A fault said so.
    Cut,
    /// The client left or stalled.
    Broken,
}

async fn read(mut body: Incoming, limit: usize, fault: &Fault) -> Result<Body, Unread> {
    let cut_inside = matches!(fault, Fault::Reset(ResetAt::Body));
    let declared = body.size_hint().lower() as usize;
    let mut kept = BytesMut::with_capacity(declared.min(limit).min(TRUSTED_BYTES));
    let mut read = 0;
    loop {
        let frame = match tokio::time::timeout(BODY_IDLE, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return Err(Unread::Broken),
        };
        let Some(data) = frame.data_ref() else { continue };
        if cut_inside {
            break;
        }
        read += data.len();
        if read <= limit {
            kept.extend_from_slice(data);
        } else {
            kept = BytesMut::new();
        }
        if read > limit.saturating_add(DISCARD_BYTES_MAX) {
            break;
        }
    }
    if cut_inside {
        return Err(Unread::Cut);
    }
    Ok(if read > limit { Body::TooLarge(read) } else { Body::Whole(kept.freeze()) })
}
