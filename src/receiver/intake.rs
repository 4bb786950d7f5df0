//! One intake request over the wire, with the fault that hits it.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, http::request};

use super::Shared;
use super::answer::Answer;
use super::fault::{Fault, ResetAt, Status, When};
use super::judge::{self, BODY_BYTES_MAX, Body, Verdict};
use super::rules::Rules;
use super::store::{Outcome, Seen};
use super::wire::Valve;

/// A client that sends no body byte for this long is cut off.
const BODY_IDLE: Duration = Duration::from_mins(1);

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

/// A request whose head was read, and what it is judged by.
struct Intake {
    shared: Arc<Shared>,
    rules: Arc<Rules>,
    head: request::Parts,
    connection: u64,
}

/// Answers one request, or severs its connection.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    connection: u64,
    valve: &Valve,
) -> Result<Answer, Severed> {
    let (head, body) = request.into_parts();
    let (fault, rules) = shared.faults.next();
    let intake = Intake { shared: Arc::clone(shared), rules, head, connection };
    match fault {
        Fault::Reset(ResetAt::Head) => {
            intake.log(Outcome::Cut);
            valve.cut();
            return Err(Severed);
        }
        Fault::Status(told) if told.when == When::Early => {
            intake.log(Outcome::Answered(told.code));
            return Ok(early(Answer::fault(told), body));
        }
        _ => {}
    }
    let limit = intake.rules.body_limit;
    let most = limit.of_wire(BODY_BYTES_MAX);
    if limit.when == When::Early && body.size_hint().lower() > most as u64 {
        let answer = Answer::too_large(limit.bytes);
        intake.log(Outcome::Answered(answer.status.as_u16()));
        return Ok(early(answer, body));
    }
    let body = match read(body, most, &fault).await {
        Ok(body) => body,
        Err(Unread::Cut) => {
            intake.log(Outcome::Cut);
            valve.cut();
            return Err(Severed);
        }
        Err(Unread::Broken) => {
            intake.log(Outcome::Broken);
            return Err(Severed);
        }
    };
    intake.finish(fault, body, valve).await
}

/// An answer that leaves while the body is still to come.
fn early(answer: Answer, body: Incoming) -> Answer {
    // Held unread: dropping it would close the connection under a client that still sends, and the
    // answer would be lost with it.
    tokio::spawn(async move {
        tokio::time::sleep(EARLY_LINGER).await;
        drop(body);
    });
    answer.with(hyper::header::CONNECTION, hyper::header::HeaderValue::from_static("close"))
}

impl Intake {
    /// What comes once the body was read.
    async fn finish(self, fault: Fault, body: Body, valve: &Valve) -> Result<Answer, Severed> {
        Ok(match fault {
            Fault::Hang => {
                self.note(body, Outcome::Hung).await;
                std::future::pending().await
            }
            Fault::Status(told) => self.refuse(body, told).await,
            Fault::Delay(span) => {
                let answer = self.take(body, None).await;
                tokio::time::sleep(span).await;
                answer
            }
            Fault::Drip(pause) => {
                let answer = self.take(body, None).await;
                valve.drip(pause);
                answer
            }
            Fault::Endless(code @ 200..=299) => {
                let answer = self.take(body, None).await;
                if answer.status.is_success() { Answer::endless(code) } else { answer }
            }
            Fault::Endless(code) => {
                self.note(body, Outcome::Answered(code)).await;
                Answer::endless(code)
            }
            Fault::Reset(_) => {
                let answer = self.take(body, Some(Outcome::Cut)).await;
                valve.cut_after(ANSWER_BYTES_BEFORE_RESET);
                answer
            }
            Fault::Pass => self.take(body, None).await,
        })
    }

    async fn refuse(self, body: Body, told: Status) -> Answer {
        self.note(body, Outcome::Answered(told.code)).await;
        Answer::fault(told)
    }

    /// Records a request whose body was not read.
    fn log(&self, outcome: Outcome) {
        let seen = judge::first_sight(&self.head, self.connection, outcome);
        self.shared.book.record(seen, Vec::new());
    }

    /// Records a request of which nothing is kept.
    async fn note(self, body: Body, outcome: Outcome) {
        let work = move || {
            let seen = judge::look(&self.head, self.connection, outcome, &body);
            self.shared.book.record(seen, Vec::new());
        };
        if let Err(panicked) = tokio::task::spawn_blocking(work).await {
            tracing::error!(error = %panicked, "looking at a request failed: this is a bug");
        }
    }

    /// Judges, prints and records a request; `outcome` stands in for its answer where that gets lost.
    async fn take(self, body: Body, outcome: Option<Outcome>) -> Answer {
        // Inflating and printing block: the first on the processor, the second on a pipe.
        let work = move || {
            let Verdict { answer, seen, tuples } =
                judge::judge(&self.rules, &self.head, self.connection, &body);
            if let Some(printer) = &self.shared.options.print
                && !tuples.is_empty()
            {
                printer.print(&tuples);
            }
            if !answer.status.is_success() {
                let (status, reason) = (answer.status.as_u16(), answer.text());
                tracing::warn!(http.status = status, reason, "intake request refused");
            }
            let outcome = outcome.unwrap_or(seen.outcome);
            self.shared.book.record(Seen { outcome, ..seen }, tuples);
            answer
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(panicked) => {
                tracing::error!(error = %panicked, "judging a request failed: this is a bug");
                Answer::bug()
            }
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
        // Read on and dropped, so that the 413 reaches a client that reads its answer only when it has
        // sent everything.
        if read > limit.saturating_add(BODY_BYTES_MAX) {
            break;
        }
    }
    if cut_inside {
        return Err(Unread::Cut);
    }
    Ok(if read > limit { Body::TooLarge(read) } else { Body::Whole(kept.freeze()) })
}
