//! The integration tests, in one binary: each further one would link everything again.

mod http_early;
mod http_edge;
mod http_limits;
mod http_shutdown;
mod http_two;
mod inflate;
mod support;
mod time;
