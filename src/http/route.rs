//! Which path and method does what (contract C1.1). There are no layers: what every request needs is in
//! [`super::exchange`], before this, because the per-IP limit comes before path and method (C1.9).

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::content::{Content, Response};
use super::ingest::ingest;
use super::problem::Problem;
use super::state::State;
use super::upload::Upload;

/// The flat route table.
pub(super) async fn route(state: &State, head: &Parts, body: Upload) -> Response {
    let problem = match (head.uri.path(), &head.method) {
        ("/" | "/metrics", &Method::POST) => {
            return match ingest(state, head, body).await {
                Ok(answer) => answer.into_response(),
                Err(problem) => problem.into_response(),
            };
        }
        // Clients look whether the address is alive, some before every start.
        ("/metrics", &Method::GET | &Method::HEAD) => {
            drop(body);
            let mut alive = Response::new(Content::EMPTY);
            *alive.status_mut() = StatusCode::OK;
            return alive;
        }
        ("/", _) => Problem::MethodNotAllowed { allow: "POST" },
        ("/metrics", _) => Problem::MethodNotAllowed { allow: "GET,HEAD,POST" },
        _ => Problem::NotFound,
    };
    drop(body);
    problem.into_response()
}
