//! What a shutdown still delivers, and what it counts (contract C6.5).

use std::time::Duration;

use tidegate::forward::{Drain, State};
use tidegate::queue::{Books, Queue, Want};
use tokio::time::Instant;

use super::forward_receiver::{
    Act, PATIENCE, Scripted, Side, append, names, script, settings, until, until_delivered,
};

fn soon(grace: Duration) -> Instant {
    Instant::now() + grace
}

#[tokio::test]
async fn with_a_queue_in_memory_everything_that_waits_is_still_delivered() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let mut settings = settings(receiver.address);
    settings.concurrency = 2;
    let forwarder = side.start(&settings);
    for part in 0..8 {
        append(&side.queue, &names(part * 10_000..(part + 1) * 10_000)).await;
    }
    side.queue.close();
    assert_eq!(forwarder.shutdown(Drain::All, soon(PATIENCE)).await, 0);
    assert_eq!(receiver.accepted(), names(0..80_000));
    let ended = side.queue.end().await;
    let books = Books { series: 80_000, delivered: 80_000, ..Books::default() };
    assert_eq!(ended[0].1, books);
}

#[tokio::test]
async fn a_stop_with_a_queue_that_keeps_does_not_wait_for_a_receiver_that_is_down() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule(Box::new(|_| Act::status(500)));
    let mut settings = settings(receiver.address);
    settings.concurrency = 2;
    let forwarder = side.start(&settings);
    append(&side.queue, &["failed"]).await;
    until(&forwarder, |now| now.state == State::Retrying).await;
    append(&side.queue, &["waits"]).await;
    let grace = Duration::from_hours(1);
    let ended = tokio::time::timeout(PATIENCE, forwarder.shutdown(Drain::InFlight, soon(grace)));
    assert_eq!(ended.await.expect("nothing is on the wire"), 2);
    assert_eq!(receiver.accepted(), Vec::<String>::new());
    let all = Want { bytes: usize::MAX, tuples: u32::MAX };
    assert_eq!(side.outlet.lease(all).await.unwrap().tuples(), 2, "both wait again");
}

#[tokio::test]
async fn the_deadline_ends_a_hanging_delivery_and_gives_its_blocks_back() {
    let receiver = Scripted::start(Box::new(|_| Act::Hang(String::new()))).await;
    let side = Side::new();
    let forwarder = side.start(&settings(receiver.address));
    append(&side.queue, &names(0..7)).await;
    until(&forwarder, |now| now.in_flight == 1).await;
    let status = forwarder.status();
    side.queue.close();
    assert_eq!(forwarder.shutdown(Drain::All, soon(Duration::from_millis(200))).await, 7);
    assert_eq!(status.borrow().in_flight, 0);
    let again = side.outlet.lease(Want { bytes: usize::MAX, tuples: u32::MAX }).await.unwrap();
    assert_eq!(again.tuples(), 7, "the lease came back");
    let books = Books { series: 7, lost: 7, ..Books::default() };
    assert_eq!(side.queue.end().await[0].1, books);
}

#[tokio::test]
async fn a_held_receiver_gets_a_last_chance_and_does_not_use_up_the_grace() {
    for (last, delivered) in [(401, 0), (200, 50)] {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        receiver.rule(Box::new(|_| Act::status(401)));
        let mut settings = settings(receiver.address);
        settings.hold_probe = Duration::from_hours(1);
        let forwarder = side.start(&settings);
        for name in names(0..50) {
            append(&side.queue, &[name]).await;
        }
        until(&forwarder, |now| now.state != State::Flowing).await;
        receiver.rule(Box::new(move |_| Act::status(last)));
        side.queue.close();
        let grace = Duration::from_mins(10);
        let ended = tokio::time::timeout(PATIENCE, forwarder.shutdown(Drain::All, soon(grace)));
        let remaining = ended.await.expect("no wait for a probe that cannot come");
        assert_eq!(remaining, 50 - delivered, "{last}");
        assert_eq!(receiver.accepted().len() as u64, delivered);
    }
}

#[tokio::test]
async fn an_idle_forwarder_stops_at_once() {
    for drain in [Drain::InFlight, Drain::All] {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        let forwarder = side.start(&settings(receiver.address));
        append(&side.queue, &["m"]).await;
        until_delivered(&side, &forwarder, 1).await;
        side.queue.close();
        let grace = Duration::from_hours(1);
        let ended = tokio::time::timeout(PATIENCE, forwarder.shutdown(drain, soon(grace)));
        assert_eq!(ended.await.expect("nothing to wait for"), 0);
    }
}

#[tokio::test]
async fn a_dropped_forwarder_gives_its_leases_back() {
    let receiver = Scripted::start(Box::new(|_| Act::Hang(String::new()))).await;
    let side = Side::new();
    let forwarder = side.start(&settings(receiver.address));
    append(&side.queue, &["m"]).await;
    until(&forwarder, |now| now.in_flight == 1).await;
    drop(forwarder);
    let lease = side.outlet.lease(Want { bytes: 1, tuples: 1 });
    assert_eq!(tokio::time::timeout(PATIENCE, lease).await.unwrap().unwrap().tuples(), 1);
}
