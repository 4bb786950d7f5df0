//! The stages composed: a body, its source's profile and a clock reading in; blocks and a report out.
//!
//! The server, `convert`, `dry_run`, the benches and the fuzz targets all call [`run`].

pub mod report;

use crate::decode::Format;
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::normalize::Profile;
use report::Report;

/// Why a whole body was refused; nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, NDJSON or MessagePack; the text says what was expected and where (C1.7: 406).
    #[error("Couldn't parse JSON content. {0}")]
    Syntax(String),
    /// The tuples of this body pass the limit (C1.5: 413).
    #[error(
        "payload reached size limit: its metrics expand to more than {limit} bytes of tuples (`limits.expanded_bytes`)"
    )]
    Expanded {
        /// The limit, bytes.
        limit: u64,
    },
    /// The caller's sink would take no further block (C1.12: 503).
    #[error("no room for the tuples of this body")]
    Refused,
}

/// The sink's answer when it takes no further block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Turns one whole body into blocks, handed to `sink` as they fill, and a report of its items.
///
/// On an error the blocks already handed out must be thrown away.
pub fn run(
    body: &[u8],
    format: Format,
    profile: &Profile,
    now: Timestamp,
    sink: &mut dyn FnMut(Block) -> Result<(), Refused>,
) -> Result<Report, BodyError> {
    let _ = (body, format, profile, now, sink);
    todo!()
}
