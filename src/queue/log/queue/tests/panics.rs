//! Panics where nothing should panic: none of them ends the queue without being told of.

use super::*;

#[tokio::test]
async fn a_panic_of_the_disk_costs_the_group_and_not_the_writer() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    soon(queue.append(entry("1"))).await.unwrap();
    triggers.panic_sync.store(true, Ordering::SeqCst);
    let Err(AppendError::Failed { why }) = soon(queue.append(entry("2"))).await else {
        panic!("acknowledged without a sync");
    };
    assert!(why.contains("panicked"), "{why}");
    assert_eq!(queue.standing().fault, Some(why));
    triggers.panic_sync.store(false, Ordering::SeqCst);
    soon(queue.append(entry("3"))).await.unwrap();
    assert_eq!(queue.standing().fault, None, "it works again");
    queue.close();
    assert_eq!(drain(&*queue.outlet("a").unwrap()).await, ["1", "3"]);
    let books = soon(queue.end()).await;
    assert_eq!((books[0].1.series, books[0].1.delivered), (2, 2));
    drop(queue);
    let queue = open(&directory);
    assert_eq!(queue.totals().accepted, 2, "what was refused is not there after a restart");
    assert!(!queue.standing().is_unbalanced);
}

#[tokio::test]
async fn a_writer_that_dies_is_told_of_and_leaves_nobody_waiting() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    let outlet = queue.outlet("a").unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    triggers.panic_clock.store(true, Ordering::SeqCst);
    let appends = ["2", "3", "4"].map(|text| queue.append(entry(text)));
    for append in appends {
        assert!(matches!(soon(append).await, Err(AppendError::Failed { .. })));
    }
    triggers.panic_clock.store(false, Ordering::SeqCst);
    until(|| queue.standing().fault.is_some()).await;
    for refused in [queue.room(), soon(queue.append(entry("5"))).await] {
        let Err(AppendError::Failed { why }) = refused else { panic!("{refused:?}") };
        assert!(why.contains("restart"), "{why}");
        assert_eq!(queue.standing().fault, Some(why), "readiness says so too");
    }
    queue.close();
    assert_eq!(drain(&*outlet).await, ["1"], "delivery goes on, and has an end");
    assert!(soon(queue.end()).await[0].1.is_balanced());
    drop(queue);
    soon(open(&directory).append(entry("6"))).await.unwrap();
}

#[tokio::test]
async fn a_panic_of_a_read_keeps_no_block_from_the_next_one() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    let outlet = queue.outlet("a").unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    triggers.panic_read.store(true, Ordering::SeqCst);
    let mut first = outlet.lease(ANY);
    assert!(poll(&mut first).is_pending());
    until(|| triggers.panics.load(Ordering::SeqCst)).await;
    drop(first);
    triggers.panic_read.store(false, Ordering::SeqCst);
    queue.close();
    assert_eq!(drain(&*outlet).await, ["1"]);
}

#[tokio::test]
async fn a_panic_of_the_keeper_is_not_its_last_round() {
    let directory = TempDir::new().unwrap();
    let (queue, triggers) = open_brittle(&directory);
    let outlet = queue.outlet("a").unwrap();
    soon(queue.append(entry("1"))).await.unwrap();
    let lease = soon(outlet.lease(ANY)).await.unwrap();
    triggers.panic_sync.store(true, Ordering::SeqCst);
    outlet.deliver(lease).await;
    queue.shared.keeper.ring();
    until(|| triggers.panics.load(Ordering::SeqCst)).await;
    triggers.panic_sync.store(false, Ordering::SeqCst);
    queue.shared.keeper.ring();
    let saved = || {
        let disk = RealDisk::open(&directory.path().join(DIRECTORY), Access::ReadOnly).unwrap();
        let read = PositionFile::open(&disk, "a").unwrap();
        read.is_ok_and(|(_, saved)| saved.is_past(1, 1))
    };
    until(saved).await;
    soon(queue.end()).await;
}
