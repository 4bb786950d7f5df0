//! The log over a directory that tears, forgets and fails.

mod anatomy;
mod interleavings;
mod model;
