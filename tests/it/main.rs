//! The integration tests, in one binary: each further one would link everything again.

mod config;
mod inflate;
mod tidy;
mod time;
