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
    stand_in(body, format, profile, now, sink)
}

/// Until the stages exist: one tuple per JSON object, whatever is in it.
fn stand_in(
    body: &[u8],
    _: Format,
    _: &Profile,
    now: Timestamp,
    sink: &mut dyn FnMut(Block) -> Result<(), Refused>,
) -> Result<Report, BodyError> {
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| BodyError::Syntax(error.to_string()))?;
    let items = match value {
        serde_json::Value::Array(items) => items,
        one => vec![one],
    };
    let mut report = Report::default();
    let mut text = Vec::new();
    for (index, item) in (0u64..).zip(&items) {
        let Some(name) = item.get("name").and_then(|name| name.as_str()) else {
            report.rejected += 1;
            if report.errors.len() < report::ENTRIES_MAX {
                let message = "no name".to_owned();
                let code = crate::normalize::Code::MissingName;
                report.errors.push(report::Entry { index, line: None, code, message });
            }
            continue;
        };
        report.accepted += 1;
        text.push(format!("[\"{name}\",{},1.0,{{}}]", now.seconds()));
    }
    report.tuples = report.accepted;
    for some in text.chunks(crate::encode::BLOCK_TUPLES_MAX as usize) {
        let block = Block { bytes: some.join(",\n").into(), tuples: some.len() as u32 };
        sink(block).map_err(|Refused| BodyError::Refused)?;
    }
    Ok(report)
}
