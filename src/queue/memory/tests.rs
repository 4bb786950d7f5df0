//! The queue in memory: rule by rule, against a plain list, and under many tasks at once.

use crate::queue::{Destination, Sources};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use bytes::Bytes;

mod model;

const ANY: Want = Want { bytes: usize::MAX, tuples: u32::MAX };

/// An entry of one-tuple blocks with these texts.
fn entry(texts: &[&str]) -> Entry {
    let block = |text: &&str| Block { bytes: Bytes::copy_from_slice(text.as_bytes()), tuples: 1 };
    blocks(texts.iter().map(block).collect())
}

fn blocks(blocks: Vec<Block>) -> Entry {
    Entry {
        source: Arc::from("test"),
        received: Timestamp::from_unix(0, 0),
        blocks,
        target: None,
        accepted: 1,
        rejected: 0,
    }
}

fn texts(lease: &Lease) -> Vec<String> {
    let text = |leased: &super::super::Leased| leased.block.bytes.to_vec();
    lease.blocks.iter().map(text).map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn outlet(queue: &MemoryQueue, name: &str) -> Arc<dyn Outlet> {
    queue.outlet(name).expect("a destination of this queue")
}

/// The answer of a future that must not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("nothing to wait for, and yet it waits"),
    }
}

/// Whether a future would wait.
fn waits<T>(future: impl Future<Output = T>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(future).poll(&mut context).is_pending()
}

#[test]
fn requests_that_leave_nothing_are_in_the_totals() {
    let queue = MemoryQueue::new(1 << 20, vec![Destination::named("a")]);
    queue.count_decided(2, 1);
    now(queue.append(entry(&["1"]))).unwrap();
    queue.count_decided(0, 3);
    assert_eq!(queue.totals(), Totals { tuples: 1, accepted: 3, rejected: 4 });
}

#[test]
fn an_entry_that_would_pass_the_cap_is_refused_whole() {
    let queue = MemoryQueue::new(2 * (BLOCK_OVERHEAD_BYTES + 10), vec![Destination::named("a")]);
    now(queue.append(entry(&["0123456789"]))).unwrap();
    let full = now(queue.append(entry(&["0", "012345678"]))).unwrap_err();
    let limit = 2 * (BLOCK_OVERHEAD_BYTES + 10);
    assert_eq!(full, AppendError::Full { used: BLOCK_OVERHEAD_BYTES + 10, limit });
    assert!(full.to_string().contains("`queue.max_bytes`"), "{full}");
    assert_eq!(outlet(&queue, "a").depth().blocks, 1, "nothing of it was kept");
    now(queue.append(entry(&["9876543210"]))).unwrap();
    queue.room().unwrap_err();
}

#[test]
fn an_entry_for_nobody_is_refused_and_one_for_one_alone_passes_its_filter() {
    let none = Destination { sources: Sources::Only(vec![]), ..Destination::named("none") };
    let queue = MemoryQueue::new(1 << 20, vec![Destination::named("all"), none]);
    let only_for = |name: &str| Entry { target: Some(name.into()), ..entry(&["x", "y"]) };
    let refused = now(queue.append(only_for("nobody"))).unwrap_err();
    assert_eq!(refused, AppendError::Unaddressed { target: "nobody".into() });
    now(queue.append(entry(&["z"]))).unwrap();
    let none = outlet(&queue, "none");
    assert!(waits(none.ready()), "it is not woken for what is not for it");
    now(queue.append(only_for("none"))).unwrap();
    assert!(now(none.ready()));
    let lease = now(none.lease(ANY)).unwrap();
    assert_eq!(texts(&lease), ["x", "y"]);
    now(none.ack(lease, Fate { delivered: 1, dead_lettered: 1 }));
    let books = Books {
        series: 1,
        replayed: 2,
        delivered: 1,
        dead_lettered: 1,
        filtered: 1,
        ..Books::default()
    };
    assert_eq!(none.books(), books);
    assert_eq!(outlet(&queue, "all").books().replayed, 0);
}

#[test]
fn what_nobody_wants_takes_no_room() {
    let none = Destination { sources: Sources::Only(vec![]), ..Destination::named("none") };
    let queue = MemoryQueue::new(BLOCK_OVERHEAD_BYTES + 1, vec![none]);
    for _ in 0..3 {
        now(queue.append(entry(&["x"]))).unwrap();
    }
    assert_eq!((queue.standing().used_bytes, queue.totals().tuples), (0, 3));
}

#[test]
fn a_dead_receiver_keeps_its_newest_and_the_other_one_gets_everything() {
    let dead = Destination {
        max_backlog_bytes: Some(5 * (BLOCK_OVERHEAD_BYTES + 2)),
        ..Destination::named("dead")
    };
    let queue = MemoryQueue::new(2000, vec![Destination::named("live"), dead]);
    let (live, dead) = (outlet(&queue, "live"), outlet(&queue, "dead"));
    for number in 10..60 {
        now(queue.append(entry(&[&number.to_string()]))).unwrap();
        now(live.deliver(now(live.lease(ANY)).unwrap()));
    }
    assert_eq!(texts(&now(dead.lease(ANY)).unwrap()), ["55", "56", "57", "58", "59"]);
    let books = Books { series: 50, queued: 5, expired: 45, ..Books::default() };
    assert_eq!(dead.books(), books);
    assert_eq!(live.books(), Books { series: 50, delivered: 50, ..Books::default() });
}

/// Each keeps to its bound, and together they fill the queue.
#[test]
fn several_who_are_dead_stop_nobody_by_what_they_hold_together() {
    for drains in [false, true] {
        let names = ["a", "b", "c"];
        let only = |name: &str| Destination {
            sources: Sources::Only(vec![name.into()]),
            max_backlog_bytes: Some(900),
            ..Destination::named(name)
        };
        let queue = MemoryQueue::new(2000, names.map(only).into());
        let mut got = Vec::new();
        for number in 10..70 {
            queue.room().unwrap();
            let source = Arc::from(names[number % 3]);
            now(queue.append(Entry { source, ..entry(&[&number.to_string()]) })).unwrap();
            let c = outlet(&queue, "c");
            if drains && c.depth().blocks > 0 {
                let lease = now(c.lease(ANY)).unwrap();
                got.extend(texts(&lease));
                now(c.deliver(lease));
            }
        }
        for name in names {
            let books = outlet(&queue, name).books();
            assert!(books.is_balanced() && books.filtered == 40, "{name}: {books:?}");
            assert_eq!(books.expired > 0, !drains || name != "c", "{name}: {books:?}");
        }
        assert!(!drains || got.len() == 20, "{got:?}");
        assert!(queue.standing().used_bytes > 1500, "no more than it takes");
    }
}

#[test]
fn only_a_bound_gives_way_and_nobody_in_vain() {
    let bounded = Destination { max_backlog_bytes: Some(1500), ..Destination::named("bounded") };
    let queue = MemoryQueue::new(1290, vec![Destination::named("unbounded"), bounded]);
    for number in 0..10 {
        now(queue.append(entry(&[&number.to_string()]))).unwrap();
    }
    queue.room().unwrap_err();
    now(queue.append(entry(&["x"]))).unwrap_err();
    assert_eq!(outlet(&queue, "bounded").books().expired, 0, "it would free nothing");
    let unbounded = outlet(&queue, "unbounded");
    now(unbounded.deliver(now(unbounded.lease(ANY)).unwrap()));
    now(queue.append(entry(&["x"]))).unwrap();
    assert_eq!(outlet(&queue, "bounded").books().expired, 1);
    assert_eq!(unbounded.books().expired, 0);
}

#[test]
fn what_is_on_loan_costs_nothing_that_waits_and_a_large_entry_stays_until_the_next() {
    let bound = 2 * (BLOCK_OVERHEAD_BYTES + 1);
    let only = Destination { max_backlog_bytes: Some(bound), ..Destination::named("a") };
    let queue = MemoryQueue::new(1 << 20, vec![only]);
    let a = outlet(&queue, "a");
    now(queue.append(entry(&["1", "2", "3", "4"]))).unwrap();
    assert_eq!(a.books().expired, 0, "the newest entry is kept whole");
    let lease = now(a.lease(ANY)).unwrap();
    assert_eq!(texts(&lease), ["1", "2", "3", "4"]);
    now(queue.append(entry(&["5"]))).unwrap();
    now(queue.append(entry(&["6"]))).unwrap();
    assert_eq!(a.books().expired, 0, "the loan is twice the bound, and costs nothing");
    now(queue.append(entry(&["7"]))).unwrap();
    assert_eq!(texts(&now(a.lease(ANY)).unwrap()), ["6", "7"]);
    a.release(lease);
    now(queue.append(entry(&["8"]))).unwrap();
    assert_eq!(texts(&now(a.lease(ANY)).unwrap()), ["4", "8"]);
    assert!(a.books().is_balanced());
}

#[test]
fn a_block_is_counted_until_its_last_destination_has_it() {
    let queue = MemoryQueue::new(
        BLOCK_OVERHEAD_BYTES + 1,
        vec![Destination::named("a"), Destination::named("b")],
    );
    now(queue.append(entry(&["x"]))).unwrap();
    let (a, b) = (outlet(&queue, "a"), outlet(&queue, "b"));
    let (of_a, of_b) = (now(a.lease(ANY)).unwrap(), now(b.lease(ANY)).unwrap());
    let pointer = |lease: &Lease| lease.blocks[0].block.bytes.as_ptr();
    assert_eq!(pointer(&of_a), pointer(&of_b), "the bytes are shared, not copied");
    now(a.deliver(of_a));
    queue.room().unwrap_err();
    now(b.deliver(of_b));
    queue.room().unwrap();
}

#[test]
fn a_released_lease_comes_again_before_newer_blocks() {
    let queue = MemoryQueue::new(1 << 20, vec![Destination::named("a")]);
    let a = outlet(&queue, "a");
    now(queue.append(entry(&["1", "2", "3", "4", "5"]))).unwrap();
    let two = Want { bytes: usize::MAX, tuples: 2 };
    let first = now(a.lease(two)).unwrap();
    let second = now(a.lease(two)).unwrap();
    a.release(second);
    a.release(first);
    assert_eq!(texts(&now(a.lease(ANY)).unwrap()), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_lease_counts_separators_and_holds_at_least_one_block() {
    let cases: [(usize, u32, &[&str]); 5] = [
        (8, 9, &["111", "222"]),
        (7, 9, &["111"]),
        (12, 9, &["111", "222"]),
        (13, 9, &["111", "222", "333"]),
        (0, 0, &["111"]),
    ];
    for (bytes, tuples, expected) in cases {
        let queue = MemoryQueue::new(1 << 20, vec![Destination::named("a")]);
        now(queue.append(entry(&["111", "222", "333"]))).unwrap();
        let lease = now(outlet(&queue, "a").lease(Want { bytes, tuples })).unwrap();
        assert_eq!(texts(&lease), expected, "want {bytes} bytes, {tuples} tuples");
    }
}

#[test]
fn a_closed_queue_gives_out_the_rest_and_ends_only_when_no_lease_can_come_back() {
    let queue = MemoryQueue::new(1 << 20, vec![Destination::named("a")]);
    let a = outlet(&queue, "a");
    now(queue.append(entry(&["1"]))).unwrap();
    queue.close();
    assert_eq!(now(queue.append(entry(&["2"]))), Err(AppendError::Closed));
    assert_eq!(queue.room(), Err(AppendError::Closed));
    let lease = now(a.lease(ANY)).unwrap();
    assert!(waits(a.lease(ANY)), "the open lease may still be released");
    a.release(lease);
    let lease = now(a.lease(ANY)).unwrap();
    now(a.deliver(lease));
    assert!(now(a.lease(ANY)).is_none());
}

#[test]
fn the_end_counts_what_is_left_as_lost_and_late_answers_change_nothing() {
    let queue = MemoryQueue::new(1 << 20, vec![Destination::named("a"), Destination::named("b")]);
    let (a, b) = (outlet(&queue, "a"), outlet(&queue, "b"));
    now(queue.append(entry(&["1", "2", "3"]))).unwrap();
    let done = now(a.lease(Want { bytes: 1, tuples: 1 })).unwrap();
    now(a.deliver(done));
    let (late_ack, late_release) = (now(a.lease(ANY)).unwrap(), now(b.lease(ANY)).unwrap());
    let of_a = Books { series: 3, delivered: 1, lost: 2, ..Books::default() };
    let of_b = Books { series: 3, lost: 3, ..Books::default() };
    assert_eq!(now(queue.end()), [(Arc::from("a"), of_a), (Arc::from("b"), of_b)]);
    now(a.deliver(late_ack));
    b.release(late_release);
    assert_eq!((a.books(), b.books()), (of_a, of_b));
    assert!(now(b.lease(ANY)).is_none());
    assert_eq!(now(queue.end())[1].1, of_b, "a second end finds nothing more to lose");
}

/// Nothing else happens in the queue that could wake the waiter by accident; producer and consumer
/// are threads of their own, so they meet at every point of each other's way.
#[tokio::test]
async fn the_only_block_is_delivered_without_another_arriving() {
    let queue = MemoryQueue::new(1 << 20, vec![Destination::named("a")]);
    let a = outlet(&queue, "a");
    let producer = tokio::task::spawn_blocking(move || append_one_by_one(&queue, 30_000));
    while let Some(lease) = a.lease(ANY).await {
        a.deliver(lease).await;
    }
    assert_eq!(producer.await.unwrap(), None, "the round with a lost wake-up");
}

/// Appends a block when the last one is delivered; the round in which that took too long.
fn append_one_by_one(queue: &MemoryQueue, rounds: u64) -> Option<u64> {
    let a = outlet(queue, "a");
    let stuck = (1..=rounds).find(|round| {
        let entry = entry(&["1"]);
        // From before the consumer looks to after it went to sleep.
        (0..fastrand::u32(..300)).for_each(|_| std::hint::spin_loop());
        now(queue.append(entry)).unwrap();
        let delivered = |_: &u32| {
            std::thread::yield_now();
            a.books().delivered >= *round
        };
        (0..20_000_000).find(delivered).is_none()
    });
    queue.close();
    stuck
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_producers_and_consumers_lose_and_double_nothing_and_miss_no_wake_up() {
    const PRODUCERS: u64 = 16;
    const EACH: u64 = 400;
    // Small enough that producers meet the cap all the time.
    let queue = Arc::new(MemoryQueue::new(
        60 * (BLOCK_OVERHEAD_BYTES + 8),
        vec![Destination::named("a"), Destination::named("b")],
    ));
    let consumers: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|name| (0..6).map(move |_| *name))
        .map(|name| (name, outlet(&queue, name)))
        .map(|(name, outlet)| tokio::spawn(async move { (name, consume(outlet).await) }))
        .collect();
    let producers: Vec<_> =
        (0..PRODUCERS).map(|id| tokio::spawn(produce(Arc::clone(&queue), id, EACH))).collect();
    let all = async {
        for producer in producers {
            producer.await.unwrap();
        }
        // Closing wakes everybody, and would hide a waiter that slept through the last append.
        while ["a", "b"].iter().any(|name| outlet(&queue, name).books().queued > 0) {
            tokio::task::yield_now().await;
        }
        queue.close();
        let mut seen: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for consumer in consumers {
            let (name, numbers) = consumer.await.unwrap();
            seen.entry(name).or_default().extend(numbers);
        }
        seen
    };
    let seen = tokio::time::timeout(Duration::from_mins(1), all).await.expect("a lost wake-up");
    for (name, mut numbers) in seen {
        numbers.sort_unstable();
        assert_eq!(numbers, (0..PRODUCERS * EACH).collect::<Vec<_>>(), "destination {name}");
        let total = PRODUCERS * EACH;
        let books = Books { series: total, delivered: total, ..Books::default() };
        assert_eq!(outlet(&queue, name).books(), books);
    }
}

async fn produce(queue: Arc<MemoryQueue>, id: u64, each: u64) {
    for n in 0..each {
        let number = (id * each + n).to_le_bytes();
        let block = Block { bytes: Bytes::copy_from_slice(&number), tuples: 1 };
        while queue.append(blocks(vec![block.clone()])).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

/// Leases, gives up waiting now and then, releases some and acknowledges the rest.
async fn consume(outlet: Arc<dyn Outlet>) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let want = Want { bytes: usize::MAX, tuples: 1 + fastrand::u32(..5) };
        let lease = tokio::select! {
            biased;
            () = tokio::task::yield_now(), if fastrand::u8(..4) == 0 => continue,
            lease = outlet.lease(want) => lease,
        };
        let Some(lease) = lease else { return numbers };
        if fastrand::u8(..8) == 0 {
            tokio::task::yield_now().await;
            outlet.release(lease);
            continue;
        }
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        numbers.extend(lease.blocks.iter().map(|leased| number(&leased.block.bytes)));
        outlet.deliver(lease).await;
    }
}
