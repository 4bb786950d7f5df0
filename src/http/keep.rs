//! Where finished tuples wait: the queue may hold them long after their request is over.

use bytes::Bytes;
use memmap2::MmapOptions;

use crate::encode::Block;

/// Blocks of this size and more are kept in mappings.
const MAPPED_BYTES_MIN: usize = 1 << 20;

/// The same block. A large one moves to a mapping of exactly its size, which goes back to the kernel
/// with it: an allocator would hold on to it, and on to what the encoder reserved in vain.
pub(super) fn keep(block: Block) -> Block {
    if block.bytes.len() < MAPPED_BYTES_MIN {
        return block;
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
            let place = block.bytes.as_ptr();
            let kept = keep(block.clone());
            assert!(kept == block, "{length}");
            assert_eq!(kept.bytes.as_ptr() == place, length < MAPPED_BYTES_MIN);
        }
    }
}
