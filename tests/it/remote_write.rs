//! Prometheus' remote write, 1.0 and 2.0: what real senders sent, what the specifications ask of a
//! receiver, and a second reading of every message.

mod answers;
mod captured;
mod client;
mod hostile;
mod limited;
mod messages;
mod oracle;
mod property;
mod token;

pub(crate) use property::bodies;
