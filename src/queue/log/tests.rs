//! The log over a directory that tears, forgets and fails.

mod anatomy;
mod cuts;
mod interleavings;
mod model;
