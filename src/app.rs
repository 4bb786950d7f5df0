//! The composition root: settings to parts, parts to tasks, and their end in order (contract C6.5).

pub mod signal;
