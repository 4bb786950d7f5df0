//! `GET /logs`: the last lines of the log, for `tidegate bundle` and whoever has no other way to them.

use hyper::StatusCode;

use super::route::{Answer, respond};
use crate::observe;

pub(super) const PATH: &str = "/logs";

/// JSON lines, the oldest first.
pub(super) fn answer() -> Answer {
    respond(StatusCode::OK, "application/x-ndjson", observe::recent())
}
