//! `/readyz`: every cause comes with its reason and goes with it.

use std::sync::Arc;
use std::time::Duration;

use tidegate::admin::{Admin, Delivery};
use tidegate::forward::{Forwarder, State};
use tidegate::queue::AppendError;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::super::forward_receiver::{Act, Scripted, Side, append, script, settings, until};
use super::super::support::edge::Edge;
use super::super::support::faulty::{Faults, FaultyQueue, Reading};
use super::{admin_of, causes, config, get, post, start, until_causes};

/// An admin port over a queue with faults, and deliveries to a scripted receiver.
struct Stand {
    admin: Admin,
    queue: Arc<FaultyQueue>,
    side: Side,
    receiver: Scripted,
    forwarder: Forwarder,
    _edge: Edge,
}

async fn stand() -> Stand {
    let (side, receiver) = (Side::new(), Scripted::start(script([])).await);
    let edge = Edge::start().await;
    let queue = FaultyQueue::over(Arc::clone(&side.queue));
    let to = settings(receiver.address);
    let forwarder = side.start(&to);
    let delivery = Delivery::of(&to, &forwarder, side.dead_letters());
    let admin = admin_of(queue.clone(), &edge, &side, delivery).await;
    Stand { admin, queue, side, receiver, forwarder, _edge: edge }
}

#[tokio::test]
async fn faults_of_the_queue_show_for_as_long_as_they_last() {
    let stand = stand().await;
    let address = stand.admin.addr();
    let why = || Some("No space left on device (os error 28)".into());
    let failed = AppendError::Failed { why: "EIO".into() };
    for (faults, cause, words) in [
        (Faults { fault: why(), ..Faults::default() }, "cannot_commit", "No space left on device"),
        (Faults { refusal: Some(failed), ..Faults::default() }, "cannot_commit", "EIO"),
        (
            Faults { refusal: Some(AppendError::Full { used: 9, limit: 9 }), ..Faults::default() },
            "no_room",
            "queue.max_bytes",
        ),
        (
            Faults {
                refusal: Some(AppendError::Reserve { free: 1, reserve: 9 }),
                ..Faults::default()
            },
            "no_room",
            "queue.min_free_bytes",
        ),
        (Faults { disorder: why(), ..Faults::default() }, "cannot_save", "again after a crash"),
        (Faults { reading: Reading::Fails, ..Faults::default() }, "cannot_read", "EIO"),
        (Faults { reading: Reading::Hangs, ..Faults::default() }, "cannot_read", "no answer"),
        (Faults { is_unbalanced: true, ..Faults::default() }, "books_unbalanced", "a bug"),
        (
            Faults { refusal: Some(AppendError::Closed), ..Faults::default() },
            "shutting_down",
            "shutting down",
        ),
    ] {
        stand.queue.set(faults);
        let reply = get(address, "/readyz").await;
        let told = reply.json();
        assert_eq!((reply.status, &told["causes"][0]["cause"]), (503, &cause.into()), "{told}");
        assert!(told["causes"][0]["message"].as_str().unwrap().contains(words), "{told}");
        assert_eq!(told["causes"].as_array().unwrap().len(), 1, "{told}");
        assert_eq!(get(address, "/livez").await.status, 200);
        let page = super::scrape(address).await;
        assert!(page.at(&format!("tidegate_unready{{cause=\"{cause}\"}}")) == 1.0);
        let balanced = if cause == "books_unbalanced" { 0.0 } else { 1.0 };
        assert!(page.at("tidegate_books_balanced") == balanced);
        let in_order = if cause == "cannot_save" { 0.0 } else { 1.0 };
        assert!(page.at("tidegate_queue_in_order") == in_order);

        stand.queue.set(Faults::default());
        let none: [&str; 0] = [];
        assert_eq!(causes(address).await, none, "{cause}");
    }
    let two = Faults { fault: why(), is_unbalanced: true, ..Faults::default() };
    stand.queue.set(two);
    assert_eq!(causes(address).await, ["cannot_commit", "books_unbalanced"]);
}

#[tokio::test]
async fn a_held_receiver_shows_until_it_accepts() {
    let stand = stand().await;
    stand.receiver.rule(Box::new(|_| Act::answer(403, "", "go away")));
    append(&stand.side.queue, &["m"]).await;
    until_causes(stand.admin.addr(), &["receiver_held"]).await;
    let told = get(stand.admin.addr(), "/readyz").await.json();
    assert_eq!(told["causes"][0]["receiver"], "default");
    // With it comes all that is known of each.
    let one = &told["receivers"][0];
    assert_eq!((&one["name"], &one["state"]), (&"default".into(), &"held".into()), "{told}");
    assert!(one["last_error"]["text"].as_str().unwrap().contains("go away"), "{told}");
    assert_eq!(
        (&one["backlog"]["tuples"], &one["last_success"]),
        (&1.into(), &().into()),
        "{told}"
    );
    let message = told["causes"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("HTTP 403") && message.contains("`api_key` of receiver default"),
        "{message}"
    );
    assert!(!message.contains("go away"), "its own words are for the log");
    stand.receiver.rule(script([]));
    until_causes(stand.admin.addr(), &[]).await;
}

#[tokio::test]
async fn a_receiver_that_fails_for_minutes_shows_while_something_waits() {
    let stand = stand().await;
    let address = stand.admin.addr();
    // It was idle for an hour: that is no failure.
    stand.side.clock.advance(Duration::from_hours(1));
    stand.receiver.rule(Box::new(|_| Act::status(500)));
    append(&stand.side.queue, &["m"]).await;
    until(&stand.forwarder, |now| now.state == State::Retrying).await;
    let none: [&str; 0] = [];
    assert_eq!(causes(address).await, none);
    stand.side.clock.advance(Duration::from_secs(299));
    assert_eq!(causes(address).await, none);
    stand.side.clock.advance(Duration::from_secs(1));
    assert_eq!(causes(address).await, ["receiver_stalled"]);
    stand.receiver.rule(script([]));
    until_causes(address, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_shows_from_its_first_moment_to_its_end() {
    let receiver = Scripted::start(Box::new(|_| Act::status(503))).await;
    let more = "retry_min = \"10ms\"\nretry_max = \"20ms\"\n[shutdown]\ngrace = \"60s\"\n";
    let gateway = start(config(receiver.address, more)).await;
    let (ingest, admin) = (gateway.addr(), gateway.admin_addr().unwrap());
    assert_eq!(post(&gateway, r#"{"name":"a","gauge":{"value":1}}"#).await.status, 202);
    until_causes(admin, &[]).await;
    // A request on its way keeps the edge open for a while.
    let mut upload = TcpStream::connect(ingest).await.unwrap();
    let token = super::TOKEN;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 9\r\n\r\n["
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    while gateway.edge().memory_used() == 0 {
        tokio::task::yield_now().await;
    }

    let stopping = tokio::spawn(gateway.stop());
    until_causes(admin, &["shutting_down"]).await;
    drop(upload);
    // The edge is gone, and what is left of the queue is still told of.
    while TcpStream::connect(ingest).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(get(admin, "/livez").await.status, 200);
    assert!(super::scrape(admin).await.at("tidegate_queued{receiver=\"default\"}") == 1.0);
    assert_eq!(causes(admin).await, ["shutting_down"]);

    receiver.rule(script([]));
    assert_eq!(stopping.await.unwrap().lost, 0);
    // The task that held the port is told to end, and does so when it is next run.
    while TcpStream::connect(admin).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
