//! The integration tests, in one binary: each further one would link everything again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod admin;
mod bounds;
mod cli;
mod config;
mod crash_stories;
mod dead_letters;
mod differential;
mod disk_full;
mod forward_delivery;
mod forward_key;
mod forward_manners;
mod forward_receiver;
mod forward_secret;
mod forward_shutdown;
mod forward_trouble;
mod fresh_first;
mod gateway;
mod http_early;
mod http_edge;
mod http_limits;
mod http_shutdown;
mod http_two;
mod inflate;
mod ingest;
mod json_suite;
mod kill;
mod manners;
mod mutation;
mod packed;
mod pipeline_property;
mod queue_cli;
mod receiver_client;
mod receiver_corpus;
mod receiver_faults;
mod receiver_intake;
mod receiver_library;
mod receiver_rules;
mod report;
mod strace;
mod support;
mod tame;
mod tidy;
mod time;
mod vector_events;
