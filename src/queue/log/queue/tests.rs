//! The queue with its threads, in a real directory: callers who give up, ends in every order, and
//! panics where nothing should panic.

use std::panic::Location;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use tempfile::TempDir;
use tokio::task::yield_now;

use super::*;
use crate::clock::SystemClock;
use crate::encode::Block;
use crate::queue::log::lanes::Order;
use crate::queue::log::position::PositionFile;
use crate::queue::log::state::Look;
use crate::queue::{Destination, Meters};

mod brittle;
mod panics;
mod several;
mod slow;

use brittle::{BrittleClock, BrittleDisk, Hand, Triggers};

const ANY: Want = Want { bytes: usize::MAX, tuples: u32::MAX };

/// Long enough for a machine under load; whoever waits as long has lost a wake-up.
const PATIENCE: Duration = Duration::from_secs(30);

fn options() -> Options {
    Options {
        destinations: vec![Destination::named("a")],
        durability: Durability::Fsync,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1 << 20,
        order: Order::default(),
        meters: Meters::default(),
    }
}

fn open(directory: &TempDir) -> LogQueue {
    LogQueue::open(directory.path(), &options(), Arc::new(SystemClock::new())).unwrap()
}

/// A queue on a disk and with a clock that panic when they are told to.
fn open_brittle(directory: &TempDir) -> (LogQueue, Hand) {
    open_brittle_with(directory, &options())
}

fn open_brittle_with(directory: &TempDir, options: &Options) -> (LogQueue, Hand) {
    let triggers = Arc::new(Triggers::default());
    let lock = Lock::take(&directory.path().join(LOCK)).unwrap();
    let disk = RealDisk::open(&directory.path().join(DIRECTORY), Access::ReadWrite).unwrap();
    let disk = Arc::new(BrittleDisk::new(disk, Arc::clone(&triggers)));
    let clock = BrittleClock::new(Arc::clone(&triggers));
    (LogQueue::start(lock, disk, options, Arc::new(clock)).unwrap(), Hand(triggers))
}

fn entry(text: &'static str) -> Entry {
    Entry {
        // One source each, so that no two share a record.
        source: Arc::from(text),
        received: Timestamp::from_unix(0, 0),
        blocks: vec![Block { bytes: text.as_bytes().into(), tuples: 1 }],
        target: None,
        accepted: 1,
        rejected: 0,
    }
}

fn texts(lease: &Lease) -> Vec<&str> {
    lease.blocks.iter().map(|leased| &*leased.source).collect()
}

/// The answer of a future that has to come.
#[track_caller]
fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let answer = tokio::time::timeout(PATIENCE, future).await;
        answer.unwrap_or_else(|_| panic!("waits for ever at {caller}"))
    }
}

/// Polls once.
fn poll<F: Future + Unpin + ?Sized>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Until something has happened in another thread.
async fn until(mut what: impl FnMut() -> bool) {
    soon(async {
        while !what() {
            yield_now().await;
        }
    })
    .await;
}

/// Everything that is left, acknowledged.
async fn drain(outlet: &dyn Outlet) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(lease) = soon(outlet.lease(ANY)).await {
        all.extend(texts(&lease).into_iter().map(str::to_owned));
        outlet.deliver(lease).await;
    }
    all.sort();
    all
}

// -- callers who give up --

#[tokio::test]
async fn an_append_nobody_waits_for_is_in_all_the_same() {
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    let mut append = queue.append(entry("1"));
    assert!(poll(&mut append).is_pending());
    drop(append);
    until(|| queue.totals().accepted == 1).await;
    queue.close();
    assert_eq!(drain(&*queue.outlet("a").unwrap()).await, ["1"]);
    assert!(soon(queue.end()).await[0].1.is_balanced());
}

#[tokio::test]
async fn an_append_that_was_never_polled_takes_no_room() {
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    drop(queue.append(entry("1")));
    queue.close();
    assert_eq!(drain(&*queue.outlet("a").unwrap()).await, [""; 0]);
    assert_eq!(queue.totals(), Totals::default());
}

/// At each of the places where such a future can be: before its read, while it runs, when its answer
/// is there and nobody has taken it.
#[tokio::test]
async fn a_lease_whose_caller_gives_up_goes_back() {
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    let outlet = queue.outlet("a").unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    for round in 0..200 {
        until(|| !is_lent(&queue)).await;
        let mut lease = outlet.lease(ANY);
        if let Poll::Ready(Some(lease)) = poll(&mut lease) {
            // The read was faster than we are.
            outlet.release(lease);
            continue;
        }
        match round % 3 {
            0 => {}
            1 => std::thread::yield_now(),
            _ => {
                // A read that was given up before may come in between: this one looks again then.
                let mut read = None;
                while read.is_none() && !is_lent(&queue) {
                    if let Poll::Ready(lease) = poll(&mut lease) {
                        read = lease;
                    }
                    yield_now().await;
                }
                if let Some(lease) = read {
                    outlet.release(lease);
                    continue;
                }
            }
        }
        drop(lease);
    }
    // Nothing more comes in: what wakes this one is what went back.
    let lease = soon(outlet.lease(ANY)).await.unwrap();
    assert_eq!(texts(&lease), ["1"]);
    outlet.deliver(lease).await;
    queue.close();
    assert!(soon(outlet.lease(ANY)).await.is_none(), "nothing is on loan to nobody");
}

fn is_lent(queue: &LogQueue) -> bool {
    queue.shared.engine().look(0) == Look::Nothing
}

#[tokio::test]
async fn a_caller_who_gives_up_leaves_no_waker_behind() {
    struct Counted;
    impl std::task::Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    let outlet = queue.outlet("a").unwrap();
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let mut waiting: Vec<_> = (0..10).map(|_| outlet.lease(ANY)).collect();
    for _ in 0..10 {
        for lease in &mut waiting {
            assert!(lease.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    assert_eq!(Arc::strong_count(&counted), 2 + 10, "one for each, however often it was polled");
    drop(waiting);
    assert_eq!(Arc::strong_count(&counted), 2);
}

// -- ends --

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_before_or_during_the_end_is_there_after_it() {
    let directory = TempDir::new().unwrap();
    for round in 0..10 {
        let queue = Arc::new(open(&directory));
        let before = queue.totals().accepted;
        let append = |text| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.append(entry(text)).await })
        };
        let appends: Vec<_> = ["1", "2", "3", "4", "5", "6", "7", "8"].map(append).into();
        (0..round).for_each(|_| std::thread::yield_now());
        soon(queue.end()).await;
        let mut taken = 0;
        for append in appends {
            match soon(append).await.unwrap() {
                Ok(()) => taken += 1,
                Err(error) => assert_eq!(error, AppendError::Closed),
            }
        }
        assert_eq!(queue.append(entry("9")).await, Err(AppendError::Closed));
        drop(queue);
        assert_eq!(open(&directory).totals().accepted - before, taken, "round {round}");
    }
}

#[tokio::test]
async fn the_second_end_waits_for_the_first_even_if_nobody_else_does() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    triggers.hold_sync.store(true, Ordering::SeqCst);
    let mut append = queue.append(entry("1"));
    assert!(poll(&mut append).is_pending());
    until(|| triggers.holds.load(Ordering::SeqCst)).await;
    let mut first = queue.end();
    assert!(poll(&mut first).is_pending());
    drop(first);
    let mut second = queue.end();
    for _ in 0..1000 {
        assert!(poll(&mut second).is_pending(), "the writer is still at work");
        yield_now().await;
    }
    triggers.hold_sync.store(false, Ordering::SeqCst);
    let books = soon(second).await;
    assert_eq!((books[0].1.series, books[0].1.queued), (1, 1), "the last group is in the books");
    assert_eq!(soon(append).await, Ok(()));
    assert_eq!(soon(queue.end()).await, books);
}

#[tokio::test]
async fn the_lock_is_free_only_when_nobody_writes_any_more() {
    let directory = TempDir::new().unwrap();
    for round in 1..=10 {
        let queue = open(&directory);
        let mut append = queue.append(entry("1"));
        assert!(poll(&mut append).is_pending());
        let outlet = queue.outlet("a").unwrap();
        drop(append);
        drop(queue);
        assert!(soon(outlet.lease(ANY)).await.is_none(), "somebody else may lease it now");
        let queue = open(&directory);
        assert_eq!(queue.totals().accepted, round, "what was taken is written");
        queue.end().await;
    }
}

#[tokio::test]
async fn whoever_waits_for_a_lease_hears_of_the_end() {
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    let outlet = queue.outlet("a").unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    let held = soon(outlet.lease(ANY)).await.unwrap();
    let mut waiting = outlet.lease(ANY);
    queue.close();
    assert!(poll(&mut waiting).is_pending(), "what is on loan may come back");
    soon(queue.end()).await;
    assert!(soon(waiting).await.is_none());
    outlet.release(held);
    assert_eq!(outlet.depth().blocks, 1, "kept for the next start");
}

/// The disk refuses the last group: nothing else happens that could end the wait.
#[tokio::test]
async fn a_closed_queue_whose_last_group_fails_is_over() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    let outlet = queue.outlet("a").unwrap();
    triggers.hold_sync.store(true, Ordering::SeqCst);
    triggers.fail_sync.store(true, Ordering::SeqCst);
    let mut append = queue.append(entry("1"));
    assert!(poll(&mut append).is_pending());
    queue.close();
    let mut lease = outlet.lease(ANY);
    assert!(poll(&mut lease).is_pending(), "the group may still succeed");
    triggers.hold_sync.store(false, Ordering::SeqCst);
    assert!(soon(lease).await.is_none());
    assert!(matches!(soon(append).await, Err(AppendError::Failed { .. })));
}

/// Whoever reads them finds nothing, and is not told by anybody that there is nothing to come.
#[tokio::test]
async fn a_position_that_cannot_be_saved_shows_until_it_is() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    let outlet = queue.outlet("a").unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    let lease = soon(outlet.lease(ANY)).await.unwrap();
    assert_eq!(queue.disorder(), None);
    triggers.fail_sync.store(true, Ordering::SeqCst);
    outlet.deliver(lease).await;
    until(|| queue.disorder().is_some()).await;
    let (why, full) = (queue.disorder().unwrap(), std::io::ErrorKind::StorageFull.to_string());
    assert!(why.contains(&full), "{why}");
    assert_eq!(queue.standing().fault, None, "it is not that nothing can be committed");
    triggers.fail_sync.store(false, Ordering::SeqCst);
    until(|| queue.disorder().is_none()).await;
    soon(queue.end()).await;
}

/// What is left ends inside the segment or begins there: to count it, it has to be read.
async fn one_of_three_delivered(directory: &TempDir) -> (LogQueue, Hand) {
    let (queue, triggers) = open_brittle(directory);
    let outlet = queue.outlet("a").unwrap();
    for text in ["1", "2", "3"] {
        soon(queue.append(entry(text))).await.unwrap();
    }
    let lease = soon(outlet.lease(Want { bytes: 1, tuples: 1 })).await.unwrap();
    outlet.deliver(lease).await;
    (queue, triggers)
}

#[tokio::test]
async fn the_books_are_counted_when_a_minute_is_over_and_not_after_so_many_rounds() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = one_of_three_delivered(&directory).await;
    triggers.panic_read.store(true, Ordering::SeqCst);
    let begun = triggers.rounds.load(Ordering::SeqCst);
    until(|| {
        queue.shared.keeper.ring();
        triggers.rounds.load(Ordering::SeqCst) > begun + 100
    })
    .await;
    assert!(!triggers.panics.load(Ordering::SeqCst), "nothing was read");
    triggers.ahead_s.store(60, Ordering::SeqCst);
    until(|| triggers.panics.load(Ordering::SeqCst)).await;
    triggers.panic_read.store(false, Ordering::SeqCst);
    soon(queue.end()).await;
}

// -- those who only look --

#[tokio::test]
async fn a_look_at_the_room_makes_none_and_a_question_of_the_edge_does() {
    let directory = TempDir::new().unwrap();
    let options = Options { max_bytes: 64 << 10, segment_bytes: 64 << 10, ..options() };
    let queue = LogQueue::open(directory.path(), &options, Arc::new(SystemClock::new())).unwrap();
    let outlet = queue.outlet("a").unwrap();
    // Full by what is delivered, all of it in the segment that is written to.
    while queue.would_take().is_ok() {
        let blocks = vec![Block { bytes: vec![b'x'; 4000].into(), tuples: 1 }];
        soon(queue.append(Entry { blocks, ..entry("1") })).await.unwrap();
        let lease = soon(outlet.lease(ANY)).await.unwrap();
        outlet.deliver(lease).await;
    }
    for _ in 0..3 {
        queue.shared.engine().maintain().unwrap();
        assert!(matches!(queue.would_take(), Err(AppendError::Full { .. })));
    }
    queue.room().unwrap_err();
    until(|| queue.would_take().is_ok()).await;
    soon(queue.end()).await;
}

#[tokio::test]
async fn an_account_is_of_one_moment_and_of_every_destination_with_a_position() {
    let directory = TempDir::new().unwrap();
    let two = Options {
        destinations: vec![Destination::named("a"), Destination::named("b")],
        ..options()
    };
    let queue = LogQueue::open(directory.path(), &two, Arc::new(SystemClock::new())).unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    soon(queue.end()).await;
    drop(queue);
    let queue = open(&directory);
    assert!(queue.outlet("b").is_none() && queue.account("c").is_none());
    for name in queue.destinations() {
        let account = queue.account(&name).unwrap();
        assert_eq!((account.books.queued, account.depth.tuples), (1, 1), "{name}");
    }
}
