//! Path and method of one request, and its answer.

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use super::content::Content;
use super::readiness::Readiness;
use super::reading::{Health, Reading};
use super::{State, page, receivers, replay};

pub(super) type Answer = Response<Content>;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What the port answers; errors are text.
pub(super) async fn answer(
    state: &State,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Answer {
    if path == replay::PATH {
        return replay::wrong_method();
    }
    if !matches!(path, "/livez" | "/readyz" | "/metrics" | "/receivers") {
        let text = "there is nothing here: the admin port has /metrics, /livez, /readyz, /receivers and, for \
             POST, /dead-letters/replay";
        return respond(StatusCode::NOT_FOUND, TEXT, text);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let text = "this method does nothing here: the admin port is for GET and HEAD";
        let mut answer = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match path {
        "/livez" => respond(StatusCode::OK, TEXT, "ok"),
        "/receivers" => {
            let told = receivers::render(&Health::of(state).await).to_string();
            respond(StatusCode::OK, "application/json", told)
        }
        "/readyz" => readyz(&Health::of(state).await),
        _ => {
            let form = page::Form::of(headers);
            let page = page::render(Reading::of(state).await, form);
            respond(StatusCode::OK, form.content_type(), page)
        }
    }
}

/// The causes, and every receiver, so that whoever finds the gateway not ready need not ask again.
fn readyz(health: &Health) -> Answer {
    let Readiness { ready, causes } = Readiness::of(health);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let told = json!({"ready": ready, "causes": causes, "receivers": receivers::render(health)});
    respond(status, "application/json", told.to_string())
}

pub(super) fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Content::Whole(Some(body.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // What was true a moment ago is of no use.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
