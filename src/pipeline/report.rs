//! What became of a body's items (contract C1.6).

use serde::Serialize;

use crate::normalize::Code;

/// Most entries of each list in a report; the counts go on.
pub const ENTRIES_MAX: usize = 100;

/// Counts metrics as sent, not derived series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Items that became tuples.
    pub accepted: u64,
    /// Items that did not.
    pub rejected: u64,
    /// The first [`ENTRIES_MAX`] rejections.
    pub errors: Vec<Entry>,
    /// The first [`ENTRIES_MAX`] warnings, once per item and code.
    pub warnings: Vec<Entry>,
    /// Tuples encoded.
    #[serde(skip)]
    pub tuples: u64,
}

/// One fault or warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The item, from 0 over the whole body, arrays flattened one level.
    pub index: u64,
    /// NDJSON: the physical line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What kind of fault, from the closed list of C2.4.
    pub code: Code,
    /// What was wrong, which limit or setting, what to do.
    pub message: String,
}

impl Report {
    /// Every metric was taken as sent: the answer needs no body (C1.6).
    pub fn is_clean(&self) -> bool {
        self.rejected == 0 && self.warnings.is_empty()
    }

    /// Items, but none acceptable (C1.8).
    pub fn is_nothing_accepted(&self) -> bool {
        self.accepted == 0 && self.rejected > 0
    }
}
