//! How large a body the receiver takes, learned from its 413 answers (contract C6.2). Pure.

use super::envelope::ENVELOPE_BYTES_MAX;

/// The learned bound.
#[derive(Clone, Debug)]
pub struct Size {
    bound: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { bound: ENVELOPE_BYTES_MAX }
    }
}

impl Size {
    /// Most raw bytes of a body that should be posted now, envelope included; what that leaves for
    /// tuples is [`super::envelope::Envelope::room`].
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// A body of so many raw bytes was answered 413.
    pub fn too_large(&mut self, bytes: usize) {
        self.bound = (bytes / 2).min(self.bound);
    }

    /// A body of so many raw bytes was accepted.
    pub fn accepted(&mut self, bytes: usize) {
        self.bound = self.bound.max(bytes);
    }
}
