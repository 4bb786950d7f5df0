//! Several destinations of one queue: what is for whom, and one that is dead.

use super::*;
use crate::queue::Sources;

#[tokio::test]
async fn records_for_another_destination_do_not_keep_a_closed_queue_from_its_end() {
    let directory = TempDir::new().unwrap();
    let destinations = vec![Destination::named("a"), Destination::named("b")];
    let options = Options { destinations, ..options() };
    let clock = Arc::new(SystemClock::new());
    let queue = LogQueue::open(directory.path(), &options, clock).unwrap();
    let for_b = Entry { target: Some(Arc::from("b")), ..entry("1") };
    soon(queue.append(for_b)).await.unwrap();
    queue.close();
    assert!(soon(queue.outlet("a").unwrap().lease(ANY)).await.is_none());
    assert_eq!(drain(&*queue.outlet("b").unwrap()).await, ["1"]);
}

/// Nothing waits that is for it, though records do.
#[tokio::test]
async fn whoever_asks_whether_something_is_there_is_told_of_its_own_alone() {
    let directory = TempDir::new().unwrap();
    let wanted = Sources::Only(vec!["1".into()]);
    let options = |sources: Sources| Options {
        destinations: vec![
            Destination::named("b"),
            Destination { sources, ..Destination::named("a") },
        ],
        ..options()
    };
    let open = |sources| {
        let clock = Arc::new(SystemClock::new());
        LogQueue::open(directory.path(), &options(sources), clock).unwrap()
    };
    let queue = open(Sources::All);
    soon(queue.append(entry("0"))).await.unwrap();
    soon(queue.end()).await;
    drop(queue);
    // Now it is not known any more what waits.
    let queue = open(wanted);
    let outlet = queue.outlet("a").unwrap();
    let mut ready = outlet.ready();
    assert!(poll(&mut ready).is_pending());
    let books = || queue.account("a").unwrap().books;
    until(|| poll(&mut ready).is_pending() && books().filtered == 1).await;
    assert_eq!(soon(outlet.oldest()).await.unwrap(), None);
    soon(queue.append(entry("2"))).await.unwrap();
    assert!(poll(&mut ready).is_pending());
    soon(queue.append(entry("1"))).await.unwrap();
    assert!(soon(ready).await);
    assert_eq!(texts(&soon(outlet.lease(ANY)).await.unwrap()), ["1"]);
    assert_eq!((books().filtered, books().series), (2, 3));
}

#[tokio::test]
async fn an_entry_for_a_receiver_that_is_not_configured_is_refused() {
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    let error = soon(queue.append(Entry { target: Some("b".into()), ..entry("1") })).await;
    assert_eq!(error, Err(AppendError::Unaddressed { target: "b".into() }));
    assert_eq!(queue.standing().used_bytes, 0);
}

#[tokio::test]
async fn whoever_looks_for_a_gateway_finds_what_it_notes() {
    let directory = TempDir::new().unwrap();
    let queue = open(&directory);
    queue.note("admin 127.0.0.1:1").unwrap();
    let file = LogQueue::lock_file(directory.path());
    let pid = std::process::id();
    let noted = Lock::read(&file).unwrap();
    assert_eq!(noted, Some(format!("{pid}\nadmin 127.0.0.1:1\n")));
    drop(queue);
    assert_eq!(Lock::read(&file).unwrap(), None);
}

/// The keeper is not waited for: what it does not get to in time, the writer does.
#[tokio::test]
async fn no_append_is_ever_refused_because_of_a_receiver_that_is_dead() {
    let directory = TempDir::new().unwrap();
    let dead = Destination { max_backlog_bytes: Some(100_000), ..Destination::named("dead") };
    let options = Options {
        destinations: vec![Destination::named("live"), dead],
        durability: Durability::Os,
        max_bytes: 400_000,
        segment_bytes: 16_000,
        ..options()
    };
    let clock = Arc::new(SystemClock::new());
    let queue = LogQueue::open(directory.path(), &options, clock).unwrap();
    let live = queue.outlet("live").unwrap();
    let text = "x".repeat(5_000);
    let mut delivered = 0;
    for _ in 0..250 {
        let block = Block { bytes: text.clone().into(), tuples: 1 };
        soon(queue.append(Entry { blocks: vec![block], ..entry("1") })).await.unwrap();
        let lease = soon(live.lease(ANY)).await.unwrap();
        delivered += lease.tuples();
        soon(live.deliver(lease)).await;
    }
    assert_eq!(delivered, 250);
    let books = queue.account("dead").unwrap().books;
    assert!(books.is_balanced() && books.expired > 100, "{books:?}");
    assert!(queue.account("live").unwrap().books.is_balanced());
}

// -- the keeper --
