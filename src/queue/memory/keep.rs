//! Where blocks wait: in memory of their own, long after their request is over.

use bytes::Bytes;
use memmap2::MmapOptions;

use crate::encode::Block;

/// Blocks of this size and more are kept in mappings.
const MAPPED_BYTES_MIN: usize = 1 << 20;

/// The same block in memory of exactly its size: the encoder reserved for more, and the queue counts
/// what a block holds, not what it occupies. A large one moves to a mapping, which goes back to the
/// kernel with it where an allocator would hold on to it.
pub(super) fn keep(block: Block) -> Block {
    if block.bytes.len() < MAPPED_BYTES_MIN {
        return Block { bytes: Bytes::copy_from_slice(&block.bytes), tuples: block.tuples };
    }
    let room = MmapOptions::new().len(block.bytes.len()).populate().map_anon();
    // Where the kernel grants none, the block is as good where it is.
    let Ok(mut room) = room else { return block };
    room.copy_from_slice(&block.bytes);
    Block { bytes: Bytes::from_owner(room), tuples: block.tuples }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_block_is_the_same_block() {
        for length in [1, MAPPED_BYTES_MIN - 1, MAPPED_BYTES_MIN, MAPPED_BYTES_MIN + 1] {
            let bytes: Vec<u8> = (0..length).map(|n| (n / 3) as u8).collect();
            let block = Block { bytes: bytes.into(), tuples: 7 };
            let kept = keep(block.clone());
            assert!(kept == block, "{length}");
            assert_ne!(
                kept.bytes.as_ptr(),
                block.bytes.as_ptr(),
                "{length}: in a place of its own"
            );
        }
    }
}
