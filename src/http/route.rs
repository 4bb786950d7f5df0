//! Which path and method does what (contract C1.1). There are no layers: what every request needs is in
//! [`super::exchange`], before this, because the per-IP limit comes before path and method (C1.9).

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::content::{Content, Response};
use super::ingest::ingest;
use super::problem::Problem;
use super::protocol::{Entrance, OTLP_PATH, refuse};
use super::state::State;
use super::upload::Upload;

/// The flat route table.
pub(super) async fn route(state: &State, head: &Parts, body: Upload) -> Response {
    let (path, headers) = (head.uri.path(), &head.headers);
    let problem = match (path, &head.method) {
        ("/" | "/metrics", &Method::POST) => {
            return take(state, head, Entrance::metrics(headers), body).await;
        }
        ("/api/v1/write" | "/prometheus/api/v1/write", &Method::POST) => {
            return take(state, head, Entrance::remote_write(headers), body).await;
        }
        (OTLP_PATH, &Method::POST) => {
            return take(state, head, Entrance::otlp(headers), body).await;
        }
        // Clients look whether the address is alive, some before every start.
        (
            "/metrics" | "/api/v1/write" | "/prometheus/api/v1/write",
            &Method::GET | &Method::HEAD,
        ) => {
            drop(body);
            let mut alive = Response::new(Content::EMPTY);
            *alive.status_mut() = StatusCode::OK;
            return alive;
        }
        ("/" | OTLP_PATH, _) => Problem::MethodNotAllowed { allow: "POST" },
        ("/metrics" | "/api/v1/write" | "/prometheus/api/v1/write", _) => {
            Problem::MethodNotAllowed { allow: "GET,HEAD,POST" }
        }
        _ => Problem::NotFound,
    };
    drop(body);
    refuse(head, problem)
}

async fn take(state: &State, head: &Parts, entrance: Entrance, body: Upload) -> Response {
    let protocol = entrance.protocol;
    let outcome = ingest(state, head, entrance, body).await;
    protocol.respond(outcome, state.nothing_accepted)
}
