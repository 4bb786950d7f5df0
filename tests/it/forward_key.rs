//! A key that changes in its file, and the connections it travels on (contract C6.1, C6.2).

#![expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tidegate::clock::Clock;
use tidegate::config::{Compression, Receiver, ReceiverAuth, Secret};
use tidegate::forward::State;
use tidegate::forward::client::Client;
use tidegate::forward::outcome::Reply;
use tidegate::forward::target::Target;

use super::forward_receiver::{
    Act, Scripted, Seen, Side, answer, append, names, script, settings, until, until_delivered,
};

const OLD: &str = "the-old-key";
const NEW: &str = "the/new+key";

/// A way to change the key `key` in a directory.
type Change = fn(&Path);

/// Takes the new key alone, and repeats every other one in its answer.
fn only_the_new_key(status: u16) -> Box<dyn FnMut(&Seen) -> Act + Send> {
    Box::new(move |seen| {
        let is_new = seen.target.ends_with("api_key=the%2Fnew%2Bkey")
            || seen.header("sts-api-key") == Some(NEW);
        if is_new { Act::status(200) } else { Act::answer(status, "", &format!("{OLD} or {NEW}?")) }
    })
}

fn rewrite(directory: &Path) {
    std::fs::write(directory.join("key"), format!("{NEW}\n")).unwrap();
}

fn rename_over(directory: &Path) {
    std::fs::write(directory.join("other"), NEW).unwrap();
    std::fs::rename(directory.join("other"), directory.join("key")).unwrap();
}

fn swap_the_link(directory: &Path) {
    std::fs::write(directory.join("second"), NEW).unwrap();
    std::os::unix::fs::symlink("second", directory.join("link")).unwrap();
    std::fs::rename(directory.join("link"), directory.join("key")).unwrap();
}

#[tokio::test]
async fn a_held_receiver_resumes_with_the_key_that_comes_into_its_file() {
    let cases: [(u16, ReceiverAuth, Change); 3] = [
        (401, ReceiverAuth::Query, rewrite),
        (403, ReceiverAuth::Header, rename_over),
        (403, ReceiverAuth::Query, swap_the_link),
    ];
    for (status, auth, change) in cases {
        let receiver = Scripted::start(only_the_new_key(status)).await;
        let (side, directory) = (Side::new(), tempfile::tempdir().unwrap());
        std::fs::write(directory.path().join("first"), OLD).unwrap();
        std::os::unix::fs::symlink("first", directory.path().join("key")).unwrap();
        append(&side.queue, &names(0..50)).await;
        let forwarder = side.start(&Receiver {
            auth,
            api_key: Secret::new(OLD.to_owned()),
            api_key_file: Some(directory.path().join("key")),
            // The file is looked at much more often than the receiver is asked.
            hold_probe: Duration::from_hours(1),
            ..settings(receiver.address)
        });
        let held = until(&forwarder, |now| matches!(now.state, State::Held { .. })).await;
        assert!(!format!("{held:?}").contains(OLD), "{held:?}");
        change(directory.path());
        until_delivered(&side, &forwarder, 50).await;
        assert_eq!(receiver.accepted(), names(0..50));
        assert!(side.books().is_balanced());
    }
}

#[tokio::test]
async fn a_file_that_holds_no_key_leaves_the_old_one_in_use() {
    let (receiver, side) = (Scripted::start(script([Act::status(401)])).await, Side::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "\n").unwrap();
    append(&side.queue, &["m"]).await;
    let forwarder = side.start(&Receiver {
        api_key: Secret::new(OLD.to_owned()),
        api_key_file: Some(path),
        ..settings(receiver.address)
    });
    until_delivered(&side, &forwarder, 1).await;
    assert!(receiver.seen().iter().all(|seen| seen.target.ends_with(OLD)));
}

/// A client of its own, and the time of its dates.
fn client(settings: &Receiver) -> Client {
    Client::new(settings, Target::parse(settings).unwrap()).unwrap()
}

async fn post(client: &Client, body: &Bytes) -> Reply {
    let now = Side::new().clock.now();
    client.post(body.clone(), Compression::Identity, now).await.reply
}

#[tokio::test]
async fn connections_are_used_again_until_the_client_is_renewed() {
    let body = Bytes::from_static(b"{}");
    let never = Duration::from_hours(1);
    for (renewed_every, expected) in [(never, 1), (Duration::ZERO, 5)] {
        let receiver = Scripted::start(Box::new(|_| Act::status(503))).await;
        let client = client(&settings(receiver.address)).renewed_every(renewed_every);
        for _ in 0..5 {
            assert!(matches!(post(&client, &body).await, Reply::Answered { status: 503, .. }));
        }
        assert_eq!((receiver.seen().len(), receiver.connections()), (5, expected));
    }
}

/// A receiver that answers, closes, and leaves megabytes unread resets the connection. Where the reset
/// meets us writing, it hides the answer, and the attempt is one more broken connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_before_a_reset_is_taken_where_it_arrived() {
    let body = Bytes::from(vec![b' '; 4 << 20]);
    let mut statuses = [0; 2];
    // On a machine with much to do the reset is first for long.
    while statuses[0] == 0 && statuses[1] < 2_000 {
        let early = Act::AnswerEarlyAndClose(answer(413, "connection: close\r\n", "too large"));
        let receiver = Scripted::start(Box::new(move |_| early.clone())).await;
        match post(&client(&settings(receiver.address)), &body).await {
            Reply::Answered { status: 413, .. } => statuses[0] += 1,
            Reply::Failed(_) => statuses[1] += 1,
            other @ Reply::Answered { .. } => panic!("{other:?}"),
        }
    }
    assert!(statuses[0] > 0, "{statuses:?}");
}
