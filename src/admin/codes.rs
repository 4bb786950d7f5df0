//! `/codes`: what each code of a report means, made of `docs/codes.md` by its test (contract C2.4).

use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::route::{Answer, respond};

pub(super) const PATH: &str = "/codes";

const HTML: &str = "text/html; charset=utf-8";

/// Nothing is loaded and nothing runs; the digest is that of the page's own style.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-x7JJhsh7bQg35bDBaF/359jik3cqVUQkXs5u+YTbFq8='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The page.
pub(super) fn page() -> Answer {
    let mut answer = respond(StatusCode::OK, HTML, include_str!("codes.html"));
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    answer
}
