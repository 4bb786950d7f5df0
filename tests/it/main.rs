//! The integration tests, in one binary: each further one would link everything again.

#[path = "support/corpus.rs"]
mod corpus;
mod bounds;
mod differential;
mod inflate;
mod json_suite;
mod mutation;
mod pipeline_property;
mod report;
mod time;
mod vector_events;
