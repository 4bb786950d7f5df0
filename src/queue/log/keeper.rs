//! The positions' files, in the order of the destinations.

use super::position::PositionFile;

/// Who holds this is the only one to save positions and to delete segments.
#[derive(Default)]
pub(super) struct Keeper {
    pub(super) files: Vec<PositionFile>,
}

impl Keeper {
    /// Whether no destination would get any of these sequences again, whichever half of its position
    /// were damaged: only then may they be deleted.
    pub(super) fn is_past(&self, first: u64, last: u64) -> bool {
        self.files.iter().all(|file| file.is_past(first, last))
    }
}
