//! Real senders: a Prometheus server with its exporter, its Python client, and OpenTelemetry's SDK, each as
//! it comes from its makers. What they measured is compared, series by series and value by value, with
//! the tuples that reach a StackState receiver.
//!
//! What a sender has is taken from the sender: the exporter's page, the server's own storage, what the
//! SDK's reader says. `.ci/peers` installs them.

mod exported;
mod exporter;
mod killed;
mod page;
mod points;
mod prometheus;
mod pushed;
mod python;
mod remote_write;
mod scraped;
mod world;
