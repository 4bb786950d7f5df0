//! The page and what it needs, built in: no build step, nothing from anywhere else.

use hyper::header::HeaderValue;

use super::route::{Answer, respond};

/// Nothing but what this port serves; nobody may put the page into another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file that the page needs.
pub(super) struct Asset {
    content_type: &'static str,
    text: &'static str,
}

/// By path.
const ASSETS: [(&str, Asset); 0] = [];

/// The one at `path`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|(known, _)| *known == path).map(|(_, asset)| asset)
}

impl Asset {
    pub(super) fn answer(&self) -> Answer {
        guarded(respond(hyper::StatusCode::OK, self.content_type, self.text))
    }
}

/// The page.
pub(super) fn page(_told: &serde_json::Value) -> Answer {
    guarded(respond(
        hyper::StatusCode::OK,
        "text/html; charset=utf-8",
        "<!doctype html><title>tidegate</title>",
    ))
}

fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    answer
}
