//! What tells that files have changed: their content alone, as links are swapped and files renamed over.

use sha2::{Digest, Sha256};

/// Of the contents of several files, in order; one that is not there differs from one that is empty.
#[derive(Default)]
pub(super) struct Contents(Sha256);

impl Contents {
    pub(super) fn add(&mut self, content: Option<&[u8]>) {
        let length = content.map_or(u64::MAX, |content| content.len() as u64);
        self.0.update(length.to_be_bytes());
        self.0.update(content.unwrap_or_default());
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
