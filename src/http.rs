//! The ingest edge: everything between a client's socket and the queue (contract C1).
//!
//! ```text
//! serve        accept, count connections, time-outs, ordered shutdown; `seats` is who makes way for whom
//!   connection   one socket: what it is doing, and how long it may do that
//!     exchange     one request: id, per-IP limit, panic guard, what the answer says about the socket
//!       route        path and method
//!         ingest       token, media, length, capacity, body, pipeline, queue
//! ```
//!
//! That order is the order of checks (C1.9). A [`problem::Problem`] is the only way to refuse, and a
//! `Upload` the only way to a body: dropped before its end, it drains itself.

mod alarm;
mod answer;
mod auth;
mod body;
mod client_addr;
mod complaints;
mod connection;
mod content;
mod counts;
mod door;
mod examples;
mod exchange;
mod ingest;
mod otlp;
pub mod problem;
mod protocol;
mod push;
mod rate_limit;
mod refusals;
mod rehearsal;
mod request_id;
mod route;
mod seats;
mod serve;
mod state;
mod strays;
mod upload;
mod written;

pub use auth::TokenUse;
pub use counts::Counts;
pub use door::Door;
pub use rehearsal::{Heard, Rehearsal, Request};
pub use serve::serve;
pub use state::{Parts, State, Terms};
