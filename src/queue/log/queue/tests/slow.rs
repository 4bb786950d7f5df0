//! A disk that takes its time to read: whoever writes does not wait for it.

use super::*;
use crate::queue::Sources;

/// The keeper counts the books, and is stuck in it.
#[tokio::test]
async fn a_slow_count_of_the_books_keeps_nobody_from_making_room() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = one_of_three_delivered(&directory).await;
    triggers.hold_read.store(true, Ordering::SeqCst);
    triggers.ahead_s.store(60, Ordering::SeqCst);
    until(|| triggers.holds.load(Ordering::SeqCst)).await;
    let shared = Arc::clone(&queue.shared);
    let round = tokio::task::spawn_blocking(move || shared.engine().maintain());
    soon(round).await.unwrap().unwrap();
    triggers.hold_read.store(false, Ordering::SeqCst);
    soon(queue.end()).await;
}

/// It is over its bound, and what expires has to be read.
#[tokio::test]
async fn a_slow_expiry_keeps_no_answer_back_while_there_is_room() {
    let directory = TempDir::new().unwrap();
    let dead = Destination {
        sources: Sources::Only(vec!["1".into()]),
        max_backlog_bytes: Some(500_000),
        ..Destination::named("dead")
    };
    let options = Options {
        destinations: vec![Destination::named("a"), dead],
        durability: Durability::Os,
        max_bytes: 4_000_000,
        segment_bytes: 64 << 10,
        ..options()
    };
    let (queue, triggers) = open_brittle_with(&directory, &options);
    triggers.hold_read.store(true, Ordering::SeqCst);
    let blocks = vec![Block { bytes: vec![b'x'; 10_000].into(), tuples: 1 }];
    // Up to where two groups would not fit any more.
    while queue.standing().used_bytes < 3_700_000 {
        soon(queue.append(Entry { blocks: blocks.clone(), ..entry("1") })).await.unwrap();
    }
    until(|| triggers.holds.load(Ordering::SeqCst)).await;
    triggers.hold_read.store(false, Ordering::SeqCst);
    until(|| queue.account("dead").unwrap().depth.bytes <= 500_000).await;
    for (name, books) in soon(queue.end()).await {
        assert!(books.is_balanced(), "{name}: {books:?}");
    }
}
