//! The durable queue: a log of segment files on a local disk (contract C5).

pub mod disk;
pub mod record;
pub mod segment;
pub mod scan;
mod group;
mod appender;
mod catalogue;
mod recovery;
pub mod position;
pub mod lanes;
mod reader;
mod state;
mod keeper;
pub mod notice;
pub mod engine;
mod primitives;
mod handoff;
mod bell;
mod queue;

pub use queue::LogQueue;
