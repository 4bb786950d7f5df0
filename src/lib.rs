//! tidegate: a metrics gateway. Clients speak Better Stack's metrics ingest API to it; a StackState
//! receiver gets what they sent, as metric tuples.
//!
//! # The map of the house
//!
//! One request travels the modules in this order, and they are listed in it below:
//!
//! ```text
//!  client ──► http      limit, authenticate, read the body within its bounds
//!             │
//!             ▼
//!             pipeline  decode ─► normalize ─► expand ─► encode      bytes in, blocks and a report out
//!             │
//!             ▼
//!             queue     keeps blocks until every destination has them; answers when that is safe
//!             │
//!             ▼
//!             forward   lease ─► envelope ─► POST ─► ack | retry | split | hold ──► StackState receiver
//!             │
//!             ▼
//!             dead_letter   what a receiver refuses for good, with its answer
//! ```
//!
//! Where nobody sends, `scrape` fetches: pages of metrics from exporters, which go the same way from
//! `pipeline` on.
//!
//! Beside the road stands `admin`, the second port: it tells how all of this is doing.
//!
//! # What each layer must never know
//!
//! * `metric`, `decode`, `normalize`, `expand`, `encode` and `pipeline` are the pure core: no I/O, no
//!   clock, no tokio, no tracing. Time, limits and policy come in as arguments. The one thing it asks of
//!   the operating system is memory: `decode::buffer` takes large bodies in mappings of their own.
//! * `queue` knows blocks (bytes with a tuple count), never metrics. Nothing behind the encoder parses
//!   a tuple again.
//! * `forward` knows block bytes, never sources' tokens and never HTTP ingest.
//! * `http` and `scrape` never see `forward`: the queue is all that lies between them. They share `budget`, the
//!   memory of bodies, `intake`, how bodies get there, and `blocks`, what becomes of them; they know nothing
//!   of each other.
//! * `tls` makes connections to our ports secret; what lies above one does not know of it.
//! * `admin` reads what the others count and keep, and nobody knows of it but `app`.
//! * `config` holds leaf values; `app` builds the parts from them. Nobody reads global state.
//! * `receiver` is the other end of the wire and shares nothing with the gateway but the clock.
//!
//! `tests/it/tidy.rs` holds these rules against the `use crate::` lines of every file.

// -- pure core, in the order a metric passes through it --
pub mod metric;
pub mod decode;
pub mod normalize;
pub mod expand;
pub mod encode;
pub mod pipeline;

// -- effects --
pub mod clock;
pub mod budget;
pub mod spread;
pub mod intake;
mod blocks;
mod causes;
pub mod quota;
pub mod traffic;
pub mod tap;
pub mod tls;
pub mod queue;
pub mod dead_letter;
pub mod forward;
pub mod http;
pub mod scrape;
pub mod admin;
pub mod receiver;
pub mod config;
pub mod observe;
pub mod app;
pub mod cli;
