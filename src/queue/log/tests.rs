//! The log over a directory that tears, forgets and fails.

mod interleavings;
mod model;
