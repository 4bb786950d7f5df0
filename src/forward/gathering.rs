//! When a delivery should wait for company.
//!
//! Without that, clients with small requests would make a delivery of every few of them, and those cost the
//! gateway and the receiver more than the tuples in them.

use std::time::Duration;

use crate::queue::{Depth, Lease, Want};

/// How long the next lease waits: far below what anybody can see of a metric, far above what passes
/// between the requests of busy clients.
const PAUSE: Duration = Duration::from_millis(10);

/// A lease with less than this part of what one request takes is small.
const SMALL_PART: usize = 8;

/// With so many full requests waiting there is company enough, whatever was leased: of a backlog only every
/// few leases are while fresh tuples come in, and each pause would hold it up as well.
const FULL_REQUESTS_MAX: u64 = 2;

/// The pause before the next lease, after `lease` and with `waiting` in the queue, this one included, which is
/// asked for only if it matters.
pub(super) fn pause(
    lease: &Lease,
    waiting: impl FnOnce() -> Depth,
    want: Want,
) -> Option<Duration> {
    let blocks = || lease.blocks.iter().map(|leased| &leased.block);
    let bytes: usize = blocks().map(|block| block.bytes.len()).sum();
    let tuples: usize = blocks().map(|block| block.tuples as usize).sum();
    let is_small = bytes < want.bytes / SMALL_PART && tuples < want.tuples as usize / SMALL_PART;
    if !is_small {
        return None;
    }
    let waiting = waiting();
    let is_little = waiting.bytes < want.bytes as u64 * FULL_REQUESTS_MAX
        && waiting.tuples < u64::from(want.tuples) * FULL_REQUESTS_MAX;
    is_little.then_some(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Block;
    use crate::metric::timestamp::Timestamp;
    use crate::queue::Leased;

    fn lease(blocks: &[(usize, u32)]) -> Lease {
        let leased = |&(bytes, tuples): &(usize, u32)| Leased {
            sequence: 1,
            source: "shop".into(),
            received: Timestamp::from_unix(0, 0),
            block: Block { bytes: vec![b' '; bytes].into(), tuples },
        };
        Lease { id: 1, blocks: blocks.iter().map(leased).collect() }
    }

    #[test]
    fn only_small_leases_are_followed_by_a_pause_and_none_beside_a_backlog() {
        let want = Want { bytes: 8_000, tuples: 80 };
        for (blocks, bytes, tuples, pauses) in [
            (&[(100, 1)][..], 100, 1, true),
            (&[(999, 9)], 999, 9, true),
            (&[(500, 5), (499, 4)], 999, 9, true),
            (&[(1_000, 1)], 1_000, 1, false),
            (&[(500, 5), (500, 1)], 1_000, 6, false),
            (&[(10, 10)], 10, 10, false),
            (&[(10, 5), (10, 5)], 20, 10, false),
            // What is on its way with other deliveries counts as well.
            (&[(100, 1)], 15_999, 159, true),
            (&[(100, 1)], 16_000, 10, false),
            (&[(100, 1)], 100, 160, false),
        ] {
            let waiting = Depth { blocks: 1, bytes, tuples };
            let pause = pause(&lease(blocks), || waiting, want);
            assert_eq!(pause.is_some(), pauses, "{blocks:?}, {bytes} bytes, {tuples} tuples");
        }
    }
}
