//! Bytes to items: which format a body is in, and its members as the sender wrote them.
//!
//! Nothing here judges a metric; a fault of the whole body is an error, an item's members are handed
//! on as they are and `normalize` decides.

pub mod buffer;
pub mod inflate;
pub(crate) mod item;
pub mod json;
pub mod media;
pub mod msgpack;
pub(crate) mod pull;
pub mod raw;

/// How a body is written (contract C1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON value: an object, or an array of objects.
    Json,
    /// JSON values in a row, with or without white space between: what sniffing finds.
    JsonStream,
    /// JSON values by line; a broken line is one rejected item.
    Ndjson,
    /// MessagePack values, one or several in a row.
    MessagePack,
}
