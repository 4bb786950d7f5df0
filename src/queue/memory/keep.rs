//! Where blocks wait, long after their request is over.

use bytes::Bytes;

use crate::encode::Block;

/// Blocks of this size and more stay where they are: the encoder leaves them little unused room, and a
/// copy costs as much as the rest of queueing them.
const COPIED_BYTES_MAX: usize = 256 << 10;

/// The same block in memory of exactly its size: the queue counts what a block holds, not what it occupies,
/// and of small ones it may hold very many.
pub(super) fn keep(block: Block) -> Block {
    if block.bytes.len() > COPIED_BYTES_MAX {
        return block;
    }
    Block { bytes: Bytes::copy_from_slice(&block.bytes), tuples: block.tuples }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_block_is_the_same_block_and_a_small_one_has_its_own_place() {
        for length in [1, COPIED_BYTES_MAX, COPIED_BYTES_MAX + 1] {
            let bytes: Vec<u8> = (0..length).map(|n| (n / 3) as u8).collect();
            let block = Block { bytes: bytes.into(), tuples: 7 };
            let kept = keep(block.clone());
            assert!(kept == block, "{length}");
            let is_moved = kept.bytes.as_ptr() != block.bytes.as_ptr();
            assert_eq!(is_moved, length <= COPIED_BYTES_MAX, "{length}");
        }
    }
}
