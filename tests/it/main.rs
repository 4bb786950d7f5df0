//! The integration tests, in one binary: each further one would link everything again.

mod http_edge;
mod inflate;
mod support;
mod time;
