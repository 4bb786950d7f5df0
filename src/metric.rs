//! The domain: what a metric is, whatever wire it came on.

pub mod timestamp;
