//! The integration tests, in one binary: each further one would link everything again.

mod differential;
mod inflate;
mod mutation;
mod time;
