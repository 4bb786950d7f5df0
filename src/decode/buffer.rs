//! A body while it arrives: in memory of its own, so that it takes what it holds and nothing stays
//! behind.
//!
//! A vector that doubles lies in memory twice while it moves, and an allocator keeps what large
//! vectors leave: under a flood of bodies a process takes several times what they add up to. So a body
//! that outgrows the first buffer gets a mapping as large as it may ever become. The kernel backs only
//! the pages that were written to, and takes them back when the body is dropped.

use std::ops::Deref;

use memmap2::{Advice, MmapMut};

/// Bodies up to this size are left to the allocator, which is faster with them.
pub const HEAP_BYTES_MAX: usize = 256 << 10;

/// First allocation where nothing is known about what will come.
const FIRST_BYTES: usize = 4 << 10;

/// A mapping is backed by memory in steps of this size: one call costs less than a fault a page.
const STEP_BYTES: usize = 64 << 10;

/// Bytes in the order they came, in one piece; up to a fixed number of them.
#[derive(Debug)]
pub struct Buffer {
    room: Room,
    len: usize,
    most: usize,
    heap_max: usize,
}

/// All of it is initialized; what has been filled is in front.
#[derive(Debug)]
enum Room {
    Heap(Vec<u8>),
    /// `backed` is where the kernel was last asked for pages ahead of the writer.
    Mapped {
        map: MmapMut,
        backed: usize,
    },
}

/// From here on a mapping is backed by huge pages, where the kernel has them: one fault instead of 512.
const HUGE_FROM: usize = 2 << 20;

/// Bytes of such a page.
const HUGE_BYTES: usize = 2 << 20;

impl Buffer {
    /// An empty buffer for at most `most` bytes, of which few may come.
    pub fn new(most: usize) -> Self {
        Self { room: Room::Heap(Vec::new()), len: 0, most, heap_max: HEAP_BYTES_MAX }
    }

    /// An empty buffer for `most` bytes that were announced.
    pub fn announced(most: usize) -> Self {
        let heap_max = if most > HEAP_BYTES_MAX { 0 } else { HEAP_BYTES_MAX };
        Self { heap_max, ..Self::new(most) }
    }

    /// Whether anything more fits.
    pub fn is_full(&self) -> bool {
        self.len >= self.most
    }

    /// Bytes of memory it takes, less than a step of pages aside.
    pub fn memory(&self) -> usize {
        match &self.room {
            Room::Heap(all) => all.len(),
            Room::Mapped { .. } => self.mapped(self.len),
        }
    }

    /// What a mapping takes that is filled so far.
    fn mapped(&self, len: usize) -> usize {
        let pages = if len > HUGE_FROM { len.next_multiple_of(HUGE_BYTES) } else { len };
        pages.min(self.most)
    }

    /// The same, were `more` bytes appended to it.
    pub fn memory_with(&self, more: usize) -> usize {
        let need = self.len.saturating_add(more).min(self.most);
        match &self.room {
            Room::Heap(all) if need <= all.len() => all.len(),
            Room::Heap(all) if need <= self.heap_max => {
                let size = (all.len() * 2).max(FIRST_BYTES).min(self.heap_max);
                size.max(need).min(self.most)
            }
            _ => self.mapped(need),
        }
    }

    /// Appends a copy, as far as it fits; the rest is given back.
    pub fn extend<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (fits, rest) = bytes.split_at(bytes.len().min(self.most - self.len));
        self.reserve(fits.len());
        let at = self.len;
        self.all_mut()[at..at + fits.len()].copy_from_slice(fits);
        self.len += fits.len();
        rest
    }

    /// Where to write next: at least one byte, unless it is full. [`Self::advance`] counts what was
    /// written.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.all().len() == self.len {
            self.reserve(usize::from(!self.is_full()));
        }
        let at = self.len;
        &mut self.all_mut()[at..]
    }

    /// Where to write exactly `bytes` next, which must fit.
    pub fn spare_for(&mut self, bytes: usize) -> &mut [u8] {
        assert!(bytes <= self.most - self.len, "more room asked for than there may be");
        self.reserve(bytes);
        let at = self.len;
        &mut self.all_mut()[at..at + bytes]
    }

    /// Counts `bytes` written to [`Self::spare`].
    pub fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.all().len() - self.len, "more written than there was room");
        self.len += bytes;
    }

    fn reserve(&mut self, bytes: usize) {
        let need = self.len + bytes;
        let size = self.memory_with(bytes);
        match &mut self.room {
            Room::Mapped { map, backed } => back(map, backed, need),
            Room::Heap(heap) if need <= heap.len() => {}
            Room::Heap(heap) if need <= self.heap_max => {
                heap.reserve_exact(size - heap.len());
                heap.resize(size, 0);
            }
            Room::Heap(_) => self.leave_the_heap(need),
        }
    }

    fn leave_the_heap(&mut self, need: usize) {
        let Ok(mut map) = MmapMut::map_anon(self.most) else {
            // Where the kernel promises no more than it has, `most` may be refused while what is
            // needed is there.
            self.heap_max = self.most;
            return self.reserve(need - self.len);
        };
        if let Some(huge) = self.most.checked_sub(HUGE_FROM) {
            // Where there are none, small pages do.
            map.advise_range(Advice::HugePage, HUGE_FROM, huge).ok();
        }
        let mut backed = 0;
        back(&mut map, &mut backed, need);
        map[..self.len].copy_from_slice(&self.all()[..self.len]);
        self.room = Room::Mapped { map, backed };
    }

    fn all(&self) -> &[u8] {
        match &self.room {
            Room::Heap(all) => all,
            Room::Mapped { map, .. } => map,
        }
    }

    fn all_mut(&mut self) -> &mut [u8] {
        match &mut self.room {
            Room::Heap(all) => all,
            Room::Mapped { map, .. } => map,
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.all()[..self.len]
    }
}

/// Has pages at hand up to `need`, whole steps of them. An older kernel does not know how; then they come one
/// by one as they are written to.
fn back(map: &mut MmapMut, backed: &mut usize, need: usize) {
    if need > *backed {
        let until = need.next_multiple_of(STEP_BYTES).min(map.len());
        map.advise_range(Advice::PopulateWrite, *backed, until - *backed).ok();
        *backed = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_comes_out_however_it_was_cut() {
        let bytes: Vec<u8> = (0..5 * HEAP_BYTES_MAX + 7).map(|n| (n / 7) as u8).collect();
        for cut in [1000, HEAP_BYTES_MAX, HEAP_BYTES_MAX + 1, bytes.len()] {
            for size in [1, 5000, HEAP_BYTES_MAX, HEAP_BYTES_MAX + 1, bytes.len()] {
                let mut copied = Buffer::new(size);
                let mut written = Buffer::new(size);
                for chunk in bytes[..size].chunks(cut) {
                    assert_eq!(copied.extend(chunk), b"");
                    let mut rest = chunk;
                    while !rest.is_empty() {
                        let spare = written.spare();
                        let (now, later) = rest.split_at(rest.len().min(spare.len()));
                        spare[..now.len()].copy_from_slice(now);
                        written.advance(now.len());
                        rest = later;
                    }
                }
                assert!(copied[..] == bytes[..size] && written[..] == bytes[..size]);
                assert!(copied.is_full() && written.spare().is_empty());
                assert_eq!(copied.extend(b"more"), b"more");
            }
        }
    }

    #[test]
    fn small_bodies_stay_on_the_heap_and_large_ones_do_not() {
        let mut buffer = Buffer::new(20 << 20);
        buffer.extend(&vec![1; HEAP_BYTES_MAX]);
        assert!(matches!(buffer.room, Room::Heap(_)));
        buffer.extend(&[2]);
        assert!(matches!(buffer.room, Room::Mapped { .. }));
        assert_eq!((buffer[0], buffer[HEAP_BYTES_MAX], buffer.len()), (1, 2, HEAP_BYTES_MAX + 1));
    }
}
