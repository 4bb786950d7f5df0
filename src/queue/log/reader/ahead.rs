//! What was read and not leased: the next lease begins there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::lanes::Lane;
use super::super::scan::CHUNK_BYTES;
use super::super::segment::Name;

/// Most stretches that are kept. Each keeps up to a buffer of the scan, so this is 16 MiB at most; both
/// lanes of eight destinations.
const STRETCHES_MAX: usize = 16;

/// Less is read again sooner than kept. More is a record that has a buffer of its own, which a lease
/// of its own reads in one go.
const BYTES_MIN: usize = 32 << 10;
const BYTES_MAX: usize = CHUNK_BYTES;

/// Stretches of segments, one for each lane of a destination. Committed bytes never change, and names
/// are never used twice. When there is no room, newcomers get none until somebody has not come for
/// theirs: if the oldest went, those who take turns would push each other out, and nobody had any.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    stretches: Mutex<Vec<Stretch>>,
}

#[derive(Debug)]
struct Stretch {
    destination: Arc<str>,
    lane: Lane,
    name: Name,
    offset: u64,
    bytes: Bytes,
    is_old: bool,
}

impl Ahead {
    /// What lies at an offset, as far as it is known to anybody.
    pub(super) fn find(&self, name: Name, offset: u64) -> Bytes {
        let mut stretches = self.lock();
        let is_it = |stretch: &&mut Stretch| stretch.name == name && stretch.offset == offset;
        stretches.iter_mut().find(is_it).map_or_else(Bytes::new, |stretch| {
            stretch.is_old = false;
            stretch.bytes.clone()
        })
    }

    /// Keeps what lies at an offset, if it is worth it, instead of what the lane had.
    pub(super) fn keep(
        &self,
        (destination, lane): (&Arc<str>, Lane),
        (name, offset): (Name, u64),
        bytes: Bytes,
    ) {
        let mut stretches = self.lock();
        stretches.retain(|stretch| stretch.lane != lane || stretch.destination != *destination);
        if (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) && stretches.len() < STRETCHES_MAX {
            let destination = Arc::clone(destination);
            stretches.push(Stretch { destination, lane, name, offset, bytes, is_old: false });
        }
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

    fn content(bytes: usize) -> Bytes {
        Bytes::from(vec![7; bytes])
    }

    fn keep(ahead: &Ahead, destination: u64, lane: Lane, offset: u64) {
        let destination = Arc::from(destination.to_string());
        ahead.keep((&destination, lane), (NAME, offset), content(BYTES_MIN));
    }

    /// Which of these offsets are known.
    fn known(ahead: &Ahead, offsets: impl IntoIterator<Item = u64>) -> Vec<u64> {
        offsets.into_iter().filter(|offset| !ahead.find(NAME, *offset).is_empty()).collect()
    }

    #[test]
    fn a_stretch_is_there_for_its_segment_and_offset_until_its_lane_has_another() {
        let ahead = Ahead::default();
        keep(&ahead, 1, Lane::Live, 5);
        for (name, offset, bytes) in
            [(OTHER, 5, 0), (NAME, 4, 0), (NAME, 5, BYTES_MIN), (NAME, 5, BYTES_MIN)]
        {
            assert_eq!(ahead.find(name, offset).len(), bytes, "{name:?} {offset}");
        }
        keep(&ahead, 1, Lane::Backlog, 6);
        keep(&ahead, 2, Lane::Live, 7);
        assert_eq!(known(&ahead, 5..9), [5, 6, 7]);
        keep(&ahead, 1, Lane::Live, 8);
        assert_eq!(known(&ahead, 5..9), [6, 7, 8]);
    }

    #[test]
    fn what_is_not_worth_it_or_too_large_is_not_kept_and_what_was_there_goes() {
        for (bytes, is_kept) in
            [(0, false), (BYTES_MIN - 1, false), (BYTES_MAX, true), (BYTES_MAX + 1, false)]
        {
            let ahead = Ahead::default();
            keep(&ahead, 1, Lane::Live, 5);
            ahead.keep((&Arc::from("1"), Lane::Live), (NAME, 6), content(bytes));
            assert_eq!(known(&ahead, 5..7), if is_kept { vec![6] } else { vec![] }, "{bytes}");
        }
    }

    #[test]
    fn what_nobody_comes_for_goes_with_time_and_with_its_segment() {
        let ahead = Ahead::default();
        keep(&ahead, 1, Lane::Live, 5);
        keep(&ahead, 2, Lane::Live, 6);
        ahead.age();
        assert_eq!(known(&ahead, [5]), [5]);
        ahead.age();
        assert_eq!(known(&ahead, 5..7), [5]);
        ahead.forget(OTHER);
        assert_eq!(known(&ahead, 5..7), [5]);
        ahead.forget(NAME);
        assert!(known(&ahead, 5..7).is_empty());
    }

    #[test]
    fn those_who_take_turns_do_not_push_each_other_out() {
        let ahead = Ahead::default();
        let crowd = STRETCHES_MAX as u64 + 3;
        for turn in 0..3 {
            for destination in 0..crowd {
                keep(&ahead, destination, Lane::Live, 100 * turn + destination);
            }
            let kept = known(&ahead, 0..1000);
            assert_eq!(kept.len(), STRETCHES_MAX);
            assert!(kept.iter().all(|offset| offset / 100 == turn), "{kept:?}");
        }
    }
}
