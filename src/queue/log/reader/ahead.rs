//! What was read and not leased: the next lease begins there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::segment::Name;

/// Most stretches that are kept: each keeps up to a buffer of the scan.
const STRETCHES_MAX: usize = 8;

/// Less is read again sooner than kept.
const BYTES_MIN: usize = 32 << 10;

/// Stretches of segments, for whoever asks for what they begin with. Committed bytes never change, and
/// names are never used twice.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    stretches: Mutex<Vec<Stretch>>,
}

#[derive(Debug)]
struct Stretch {
    name: Name,
    offset: u64,
    bytes: Bytes,
    is_old: bool,
}

impl Ahead {
    /// What lies at an offset, as far as it is known.
    pub(super) fn take(&self, name: Name, offset: u64) -> Bytes {
        let mut stretches = self.lock();
        let is_it = |stretch: &Stretch| stretch.name == name && stretch.offset == offset;
        let found = stretches.iter().position(is_it);
        found.map_or_else(Bytes::new, |index| stretches.swap_remove(index).bytes)
    }

    pub(super) fn keep(&self, name: Name, offset: u64, bytes: Bytes) {
        if bytes.len() < BYTES_MIN {
            return;
        }
        let mut stretches = self.lock();
        if stretches.len() >= STRETCHES_MAX {
            stretches.remove(0);
        }
        stretches.push(Stretch { name, offset, bytes, is_old: false });
    }

    /// Lets go of what nobody came for since the last call.
    pub(super) fn age(&self) {
        let mut stretches = self.lock();
        stretches.retain(|stretch| !stretch.is_old);
        stretches.iter_mut().for_each(|stretch| stretch.is_old = true);
    }

    /// Lets go of a segment.
    pub(super) fn forget(&self, name: Name) {
        self.lock().retain(|stretch| stretch.name != name);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Stretch>> {
        self.stretches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name { first: 1, attempt: 0 };
    const OTHER: Name = Name { first: 1, attempt: 1 };

    fn content() -> Bytes {
        Bytes::from(vec![7; BYTES_MIN])
    }

    #[test]
    fn a_stretch_is_there_once_for_its_segment_and_offset() {
        let ahead = Ahead::default();
        ahead.keep(NAME, 5, content());
        ahead.keep(NAME, 6, content().slice(1..));
        for (name, offset, bytes) in
            [(OTHER, 5, 0), (NAME, 4, 0), (NAME, 6, 0), (NAME, 5, BYTES_MIN), (NAME, 5, 0)]
        {
            assert_eq!(ahead.take(name, offset).len(), bytes, "{name:?} {offset}");
        }
    }

    #[test]
    fn what_nobody_comes_for_goes_by_age_number_and_segment() {
        let ahead = Ahead::default();
        ahead.keep(NAME, 5, content());
        ahead.age();
        assert!(!ahead.take(NAME, 5).is_empty());
        ahead.keep(NAME, 5, content());
        ahead.age();
        ahead.age();
        assert!(ahead.take(NAME, 5).is_empty());
        ahead.keep(NAME, 5, content());
        ahead.forget(NAME);
        assert!(ahead.take(NAME, 5).is_empty());
        (0..=STRETCHES_MAX as u64).for_each(|offset| ahead.keep(NAME, offset, content()));
        assert!(ahead.take(NAME, 0).is_empty());
        assert!(!ahead.take(NAME, 1).is_empty());
    }
}
