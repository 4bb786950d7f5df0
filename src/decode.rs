//! Bytes to items: which format a body is in, and its members as the sender wrote them.
//!
//! Nothing here judges a metric; a fault of the whole body is an error, an item's members are handed
//! on as they are and `normalize` decides.

pub mod buffer;
pub(crate) mod exposition;
pub mod inflate;
pub(crate) mod item;
pub mod json;
pub mod labelled;
pub mod media;
pub mod msgpack;
pub(crate) mod otlp;
pub(crate) mod protobuf;
pub(crate) mod pull;
pub mod raw;
pub(crate) mod remote_write;
mod snappy;

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
    /// Prometheus' text, or OpenMetrics.
    Exposition(Exposition),
    /// Prometheus' remote write, decompressed.
    RemoteWrite(RemoteWrite),
    /// OpenTelemetry's protocol.
    Otlp(Otlp),
}

/// Which text a page of metrics is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text exposition format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// The version of a remote write message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteWrite {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// The encoding of an OTLP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otlp {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}
