//! A queue's directory as seen from outside, also while a gateway writes to it.
//!
//! Nothing here takes the lock or writes, [`purge`] apart. [`View`] is what lies in the directory at one moment,
//! [`View::walk`] reads its records in order and decides what is part of the log by the rules a
//! gateway opens it with, and [`verify`] proves the books from that (contract C7).
//!
//! A second reading of the same rules, on purpose: it shares the format with the writing side and
//! none of its decisions, so that the one is a check of the other.

use std::io;

use super::position::VERSION as POSITION_VERSION;
use super::segment::VERSION as SEGMENT_VERSION;

pub mod account;
pub mod purge;
pub mod survey;
pub mod verify;
pub mod view;
pub mod walk;

mod judge;
mod ranges;
#[cfg(test)]
mod tests;

pub use ranges::Ranges;
pub use view::View;

/// Why a queue cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The operating system refuses.
    #[error("{what}: {source}")]
    Io {
        /// The file.
        what: String,
        /// Its words.
        source: io::Error,
    },
    /// A later, or much earlier, tidegate wrote it.
    #[error(
        "{file} has format version {version}, this tidegate reads segments of version \
         {SEGMENT_VERSION} and positions of version {POSITION_VERSION}: use the tidegate that wrote it"
    )]
    Version {
        /// The file.
        file: String,
        /// The version it names.
        version: u32,
    },
    /// A file has the name of one of the queue's, and is something else.
    #[error(
        "{file} is not a file of a tidegate queue, though it is called like one: is this the right \
         directory? If it is, move that file away"
    )]
    Foreign {
        /// The file.
        file: String,
    },
    /// Files come and go faster than they can be read.
    #[error(
        "the queue moves on faster than it can be read (last: {file} is gone): try again, or stop the \
         gateway first"
    )]
    Moving {
        /// What vanished.
        file: String,
    },
}

impl InspectError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}
