//! `/openapi/*`: what both ports take and answer, as OpenAPI 3.1. Both stand here, as the ingest port
//! reveals nothing without a token (contract C9).

use hyper::StatusCode;

use super::route::{Answer, respond};

pub(super) const INGEST: &str = "/openapi/ingest.json";
pub(super) const ADMIN: &str = "/openapi/admin.json";

const JSON: &str = "application/json";

/// The document of the ingest port.
pub(super) fn ingest() -> Answer {
    respond(StatusCode::OK, JSON, include_str!("../../docs/openapi/ingest.json"))
}

/// The document of this port.
pub(super) fn admin() -> Answer {
    respond(StatusCode::OK, JSON, include_str!("../../docs/openapi/admin.json"))
}
