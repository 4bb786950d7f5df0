//! Buffers to read into, used again: a fresh one is cleared by the operating system page by page, and
//! that cost as much as reading into it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of a buffer that is used again. Others are as long as was asked for, and are freed.
pub(in super::super) const BUFFER_BYTES: usize = 1 << 20;

/// A read of fewer bytes gets no such buffer: its blocks would keep all of it.
const SHARE_BYTES_MIN: usize = BUFFER_BYTES / 4;

/// Most buffers that wait to be used again.
const SPARE_MAX: usize = 8;

/// Buffers that nobody uses. What is in them is what was read last.
#[derive(Debug, Default)]
pub(in super::super) struct Pool {
    spare: Mutex<Spare>,
}

#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    /// The fewest there were since the last [`Pool::trim`].
    unused: usize,
}

/// Some bytes to read into; they come back to their pool when the last slice of them is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    content: Vec<u8>,
    bytes: usize,
    pool: Arc<Pool>,
}

impl Pool {
    /// A buffer of so many bytes. They hold anything.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Buffer {
        let content = if (SHARE_BYTES_MIN..=BUFFER_BYTES).contains(&bytes) {
            let mut spare = self.lock();
            let content = spare.buffers.pop();
            spare.unused = spare.unused.min(spare.buffers.len());
            drop(spare);
            content.unwrap_or_else(|| vec![0; BUFFER_BYTES])
        } else {
            vec![0; bytes]
        };
        Buffer { content, bytes, pool: Arc::clone(self) }
    }

    /// Frees what was not used since the last call.
    pub(in super::super) fn trim(&self) {
        let mut spare = self.lock();
        let kept = spare.buffers.len() - spare.unused;
        let unused = spare.buffers.split_off(kept);
        spare.unused = kept;
        drop(spare);
        drop(unused);
    }

    fn give_back(&self, content: Vec<u8>) {
        let mut spare = self.lock();
        if spare.buffers.len() < SPARE_MAX {
            spare.buffers.push(content);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.content[..self.bytes]
    }

    /// What was read, to be sliced and shared.
    pub(super) fn freeze(mut self, bytes: usize) -> Bytes {
        self.bytes = self.bytes.min(bytes);
        if self.content.len() == BUFFER_BYTES {
            return Bytes::from_owner(self);
        }
        let mut content = std::mem::take(&mut self.content);
        content.truncate(self.bytes);
        Bytes::from(content)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.content[..self.bytes]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.content.len() == BUFFER_BYTES {
            self.pool.give_back(std::mem::take(&mut self.content));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Pool {
        /// Buffers that wait to be used again.
        pub(in super::super) fn spare(&self) -> usize {
            self.lock().buffers.len()
        }
    }

    #[test]
    fn a_buffer_comes_back_when_its_last_slice_is_dropped() {
        let pool = Arc::new(Pool::default());
        let mut buffer = pool.take(BUFFER_BYTES);
        buffer.as_mut()[7] = 7;
        let bytes = buffer.freeze(8);
        assert_eq!(&bytes[..], [0, 0, 0, 0, 0, 0, 0, 7]);
        let slice = bytes.slice(7..);
        drop(bytes);
        assert_eq!((pool.spare(), slice[0]), (0, 7));
        drop(slice);
        assert_eq!(pool.spare(), 1);
        drop(pool.take(BUFFER_BYTES - 1));
        assert_eq!(pool.spare(), 1);
    }

    #[test]
    fn small_and_large_reads_get_buffers_of_their_own_size() {
        let pool = Arc::new(Pool::default());
        for bytes in [0, 1, SHARE_BYTES_MIN - 1, BUFFER_BYTES + 1] {
            let mut buffer = pool.take(bytes);
            assert_eq!(buffer.as_mut().len(), bytes);
            assert_eq!(buffer.freeze(bytes).len(), bytes);
            assert_eq!(pool.spare(), 0);
        }
    }

    #[test]
    fn no_more_than_a_few_wait_and_those_not_used_go() {
        let pool = Arc::new(Pool::default());
        let taken: Vec<Buffer> = (0..2 * SPARE_MAX).map(|_| pool.take(BUFFER_BYTES)).collect();
        drop(taken);
        assert_eq!(pool.spare(), SPARE_MAX);
        pool.trim();
        drop((pool.take(BUFFER_BYTES), pool.take(BUFFER_BYTES)));
        pool.trim();
        assert_eq!(pool.spare(), 2);
        pool.trim();
        assert_eq!(pool.spare(), 0);
    }
}
