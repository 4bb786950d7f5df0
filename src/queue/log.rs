//! The durable queue: a log of segment files on a local disk (contract C5).

pub mod disk;
pub mod lanes;
pub mod position;
pub mod record;
pub mod scan;
pub mod segment;
