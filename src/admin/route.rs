//! Path and method of one request, and its answer.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::json;

use super::content::Content;
use super::process::Process;
use super::readiness::Readiness;
use super::reading::{Health, Reading};
use super::{State, assets, codes, events, logs, openapi, page, receivers, reload};
use super::{replay, status, tap};

pub(super) type Answer = Response<Content>;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Everything that GET finds here.
const PATHS: [&str; 12] = [
    "/",
    "/status",
    "/events",
    "/livez",
    "/readyz",
    "/metrics",
    "/receivers",
    logs::PATH,
    tap::PATH,
    codes::PATH,
    openapi::INGEST,
    openapi::ADMIN,
];

/// What the port answers; errors are text.
pub(super) async fn answer(state: &Arc<State>, head: &Parts) -> Answer {
    let path = head.uri.path();
    if path == replay::PATH {
        return replay::wrong_method();
    }
    if path == reload::PATH {
        return reload::wrong_method();
    }
    let asset = assets::find(path);
    if asset.is_none() && !PATHS.contains(&path) {
        return nothing_here();
    }
    if path == tap::PATH {
        return tap::answer(&state.tap, &head.method, head.uri.query());
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let text = "this method does nothing here: the admin port is for GET and HEAD";
        let mut answer = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    if let Some(asset) = asset {
        return asset.answer();
    }
    match path {
        "/livez" => respond(StatusCode::OK, TEXT, "ok"),
        "/receivers" => {
            let told = receivers::render(&Health::of(state).await).to_string();
            respond(StatusCode::OK, JSON, told)
        }
        logs::PATH => logs::answer(),
        codes::PATH => codes::page(),
        openapi::INGEST => openapi::ingest(),
        openapi::ADMIN => openapi::admin(),
        "/readyz" => readyz(&Health::of(state).await),
        "/status" => respond(StatusCode::OK, JSON, status::tell(state).await.to_string()),
        // Whoever asks for the head alone would never see its end.
        "/events" if head.method == Method::HEAD => respond(StatusCode::OK, events::TYPE, ""),
        "/events" => events::answer(state, &head.headers),
        "/" => assets::page(&status::tell(state).await),
        _ => {
            let form = page::Form::of(&head.headers);
            let page = page::render(Reading::of(state).await, Process::look().await, form);
            respond(StatusCode::OK, form.content_type(), page)
        }
    }
}

fn nothing_here() -> Answer {
    let text = format!(
        "there is nothing here: the admin port has {} and, for POST, {} and {}",
        PATHS.join(", "),
        replay::PATH,
        reload::PATH
    );
    respond(StatusCode::NOT_FOUND, TEXT, text)
}

/// The causes, and every receiver, so that whoever finds the gateway not ready need not ask again.
fn readyz(health: &Health) -> Answer {
    let Readiness { ready, causes } = Readiness::of(health);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let told = json!({"ready": ready, "causes": causes, "receivers": receivers::render(health)});
    respond(status, JSON, told.to_string())
}

/// Why something that would have changed something was not done, as JSON.
pub(super) fn refused(status: StatusCode, why: &str) -> Answer {
    respond(status, JSON, json!({ "error": why }).to_string())
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
