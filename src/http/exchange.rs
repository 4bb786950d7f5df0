//! One request and its answer, whatever they are about: the id, the per-IP limit, the panic guard,
//! and what the answer says about the connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Version};

use super::connection::Connection;
use super::content::{Content, Response};
use super::problem::Problem;
use super::protocol;
use super::refusals::Refusal;
use super::request_id;
use super::route::route;
use super::state::{Rules, State};
use super::upload::Upload;

/// The routes, behind what every request passes first. Cloned for each request.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) state: Arc<State>,
    pub(super) connection: Arc<Connection>,
}

impl Edge {
    /// Answers one request. It counts as running from the call on, not only from the first poll.
    pub(super) fn call(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        let edge = self.clone();
        self.connection.hears(request.version());
        let running = self.connection.begin();
        async move {
            let response = edge.answer(request).await;
            drop(running);
            Ok(response)
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response {
        let rules = self.state.rules();
        let (head, body) = Upload::split(request, &self.connection, rules.http.drain_timeout);
        let id = request_id::of(&head.headers);

        let mut response = match self.state.admit(&rules, self.connection.peer, &head.headers) {
            Ok(()) => self.route(&rules, &head, body).await,
            Err(problem) => {
                drop(body);
                protocol::refuse(&head, problem)
            }
        };
        shape(&head, &mut response);

        // The body is gone by now, read or not: if it was not, this answer is the last (C1.9).
        if self.connection.is_to_close() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(refusal) = response.extensions().get::<Refusal>() {
            self.state.refusals.count(*refusal);
            if matches!(refusal, Refusal::Queue | Refusal::Memory) {
                self.state.counts.no_room.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.state.counts.answered(response.status());
        if is_let_in(&head.method, response.status()) {
            self.connection.let_in();
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            // A client may have taken its token for an id.
            let is_secret = rules.sources.is_token(id.as_bytes());
            let shown = if is_secret { "***" } else { id.to_str().unwrap_or_default() };
            let status = response.status().as_u16();
            tracing::debug!(http.status = status, request.id = shown, "request answered");
        }
        response.headers_mut().insert(request_id::HEADER, id);
        response
    }

    /// A panic costs its request a 500 and nobody else anything.
    async fn route(&self, rules: &Rules, head: &Parts, body: Upload) -> Response {
        let mut answer = pin!(route(&self.state, rules, head, body));
        let caught =
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            });
        if let Ok(response) = caught.await {
            return response;
        }
        // The panic hook has printed where and why.
        self.state.counts.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!("a request handler panicked: this is a bug in tidegate");
        protocol::refuse(head, Problem::Panicked)
    }
}

/// Whether only somebody with a token gets this answer: that metrics were taken, or what is wrong with a
/// body. Whether the address is alive is told to everybody.
fn is_let_in(method: &Method, status: StatusCode) -> bool {
    let is_about_a_body = matches!(
        status,
        StatusCode::NOT_ACCEPTABLE
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    );
    !method.is_safe() && (status.is_success() || is_about_a_body)
}

/// What the request says about the form of its answer. hyper tells the length of an answer by itself,
/// but for an empty one in HTTP/2; and of one to HEAD it would be told the length of nothing.
fn shape(head: &Parts, response: &mut Response) {
    if head.method == Method::HEAD || head.version == Version::HTTP_2 {
        let length = HeaderValue::from(response.body().left());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    if head.method == Method::HEAD {
        *response.body_mut() = Content::EMPTY;
    }
}
