//! The integration tests, in one binary: each further one would link everything again.

mod inflate;
mod tame;
mod time;
