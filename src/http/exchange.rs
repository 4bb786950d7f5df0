//! One request and its answer, whatever they are about: the id, the per-IP limit, the panic guard,
//! and what the answer says about the connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::connection::Connection;
use super::problem::Problem;
use super::refusals::Refusal;
use super::request_id;
use super::state::State;
use super::upload::Upload;

/// The routes, behind what every request passes first. Cloned for each connection.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) state: Arc<State>,
    pub(super) connection: Arc<Connection>,
    pub(super) router: TowerToHyperService<Router>,
}

impl Service<Request<Incoming>> for Edge {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let edge = self.clone();
        self.connection.hears(request.version());
        let running = self.connection.begin();
        Box::pin(async move {
            let response = edge.answer(request).await;
            drop(running);
            Ok(response)
        })
    }
}

impl Edge {
    async fn answer(self, request: Request<Incoming>) -> Response {
        let id = request_id::of(request.headers());
        let request = Upload::wrap(request, &self.connection, self.state.http.drain_timeout);

        let mut response = match self.state.admit(self.connection.peer, request.headers()) {
            Ok(()) => self.route(request.map(Body::new)).await,
            Err(problem) => {
                drop(request);
                problem.into_response()
            }
        };

        // The body is gone by now, read or not: if it was not, this answer is the last (C1.9).
        if self.connection.is_to_close() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(refusal) = response.extensions().get::<Refusal>() {
            self.state.refusals.count(*refusal);
        }
        self.state.counts.answered(response.status());
        tracing::debug!(
            http.status = response.status().as_u16(),
            request.id = id.to_str().unwrap_or_default(),
            "request answered"
        );
        response.headers_mut().insert(request_id::HEADER, id);
        response
    }

    /// A panic costs its request a 500 and nobody else anything.
    async fn route(&self, request: Request<Body>) -> Response {
        let mut answer = pin!(self.router.call(request));
        let caught =
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            });
        match caught.await {
            Ok(Ok(response)) => response,
            // The panic hook has printed where and why.
            Err(_) => {
                self.state.counts.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a request handler panicked: this is a bug in tidegate");
                Problem::Panicked.into_response()
            }
        }
    }
}
