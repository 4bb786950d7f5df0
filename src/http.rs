//! The ingest edge: everything between a client's socket and the queue (contract C1).
//!
//! ```text
//! serve        accept, count connections, time-outs, ordered shutdown
//!   connection   one socket: what it is doing, and how long it may do that
//!     exchange     one request: id, per-IP limit, panic guard, what the answer says about the socket
//!       router       path and method (below)
//!         ingest       token, media, length, capacity, body, pipeline, queue
//! ```
//!
//! That order is the order of checks (C1.9). A [`problem::Problem`] is the only way to refuse, and a
//! `Upload` the only way to a body: dropped before its end, it drains itself.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

mod answer;
mod auth;
mod body;
pub mod budget;
mod client_addr;
mod connection;
mod counts;
mod door;
mod exchange;
mod ingest;
mod keep;
pub mod problem;
mod rate_limit;
mod refusals;
mod request_id;
mod serve;
mod state;
mod upload;

pub use counts::Counts;
pub use door::Door;
pub use serve::serve;
pub use state::{Parts, State};

use problem::Problem;

/// The flat route table (contract C1.1). There are no layers: what every request needs is in
/// [`exchange`], before the router, because the per-IP limit comes before path and method (C1.9).
fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/", post(ingest::ingest))
        .route("/metrics", get(probe).post(ingest::ingest))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .fallback(async || Problem::NotFound)
        .with_state(state)
}

/// Clients look whether the address is alive, some before every start (contract C1.1).
async fn probe() -> StatusCode {
    StatusCode::OK
}
