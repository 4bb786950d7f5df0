//! Which path and method does what (contract C1.1). There are no layers: what every request needs is in
//! [`super::exchange`], before this, because the per-IP limit comes before path and method (C1.9).

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::auth::Credentials;
use super::content::{Content, Response};
use super::ingest::{Stream, ingest};
use super::problem::Problem;
use super::protocol::{Entrance, OTLP_PATH, refuse};
use super::push::{self, GroupingKey, PathFault};
use super::state::{Rules, State};

/// The flat route table.
pub(super) async fn route(
    state: &State,
    rules: &Rules,
    head: &Parts,
    body: impl Stream,
) -> Response {
    let (path, headers) = (head.uri.path(), &head.headers);
    let problem = match (path, &head.method) {
        ("/" | "/metrics", &Method::POST) => {
            return take(state, rules, head, Entrance::metrics(headers), body).await;
        }
        ("/api/v1/write" | "/prometheus/api/v1/write", &Method::POST) => {
            return take(state, rules, head, Entrance::remote_write(headers), body).await;
        }
        (OTLP_PATH, &Method::POST) => {
            return take(state, rules, head, Entrance::otlp(headers), body).await;
        }
        // Clients look whether the address is alive, some before every start.
        (
            "/metrics" | "/api/v1/write" | "/prometheus/api/v1/write",
            &Method::GET | &Method::HEAD,
        ) => {
            drop(body);
            return empty(StatusCode::OK);
        }
        ("/" | OTLP_PATH, _) => Problem::MethodNotAllowed { allow: "POST" },
        ("/metrics" | "/api/v1/write" | "/prometheus/api/v1/write", _) => {
            Problem::MethodNotAllowed { allow: "GET,HEAD,POST" }
        }
        (_, method) => match push::grouping_key(path) {
            Some(key) => return at_pushgateway(state, rules, head, method, key, body).await,
            None => Problem::NotFound,
        },
    };
    drop(body);
    refuse(head, problem)
}

/// PUT and POST differ in what a Pushgateway keeps from the push before; nothing is kept here. DELETE has
/// nothing to do for the same reason, and says so as a Pushgateway does.
async fn at_pushgateway(
    state: &State,
    rules: &Rules,
    head: &Parts,
    method: &Method,
    key: Result<GroupingKey, PathFault>,
    body: impl Stream,
) -> Response {
    match *method {
        Method::PUT | Method::POST => {
            take(state, rules, head, Entrance::push(&head.headers, key), body).await
        }
        Method::DELETE => {
            drop(body);
            let (now, way) = (state.clock.now(), Credentials::BearerOrBasic);
            let known = rules.sources.authenticate(&head.headers, way, now).map(|_| ());
            match known.and_then(|()| Ok(key.map(|_| ())?)) {
                Ok(()) => empty(StatusCode::ACCEPTED),
                Err(problem) => problem.into_response(),
            }
        }
        _ => {
            drop(body);
            Problem::MethodNotAllowed { allow: push::ALLOW }.into_response()
        }
    }
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Content::EMPTY);
    *response.status_mut() = status;
    response
}

async fn take(
    state: &State,
    rules: &Rules,
    head: &Parts,
    entrance: Entrance,
    body: impl Stream,
) -> Response {
    let protocol = entrance.protocol;
    state.counts.came(protocol);
    let outcome = ingest(state, rules, head, entrance, body).await;
    protocol.respond(outcome, rules.nothing_accepted, &rules.http.help_url)
}
