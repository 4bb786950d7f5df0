//! Prometheus' remote write, 1.0 and 2.0: what real senders sent, what the specifications ask of a
//! receiver, and a second reading of every message.

mod captured;
mod client;
mod messages;
mod oracle;
