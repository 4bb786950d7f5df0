//! The api key is on the wire and nowhere else; and what the log says (contract C6.1).

use std::time::Duration;

use tidegate::config::{Receiver, ReceiverAuth, Secret};
use tidegate::forward::envelope::content_encoding;
use tidegate::forward::{Forwarder, State};
use tidegate::queue::Queue;

use super::forward_receiver::{
    Act, Scripted, Side, answer, append, script, settings, until, until_delivered,
};
use super::support::log::Log;

const KEY: &str = "s3cr3t/k+y=0123456789 &\"x\"";

/// Parts of the key that no masking of single characters would hide.
const TRACES: [&str; 4] = ["s3cr3t", "0123456789", "%2Fk%2By", "%252Fk%252By"];

fn assert_clean(text: &str) {
    for trace in TRACES {
        assert!(!text.contains(trace), "{trace} in {text}");
    }
}

#[tokio::test]
async fn the_key_is_in_no_log_no_status_and_no_debug_text() {
    let log = Log::default();
    let _collecting = log.collect();
    for auth in [ReceiverAuth::Query, ReceiverAuth::Header] {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        let echo = |request: &str| {
            let plain = format!("no: {request} {KEY} {}", serde_json::json!(KEY));
            let padded = format!("{}{KEY}", "x".repeat((16 << 10) - 10));
            let location = format!("location: http://h{request}\r\n");
            let twice = request.replace('%', "%25");
            let path = format!("location: http://h/{}\r\n", twice.replace('?', "/"));
            [
                Act::answer(500, "", &plain),
                Act::Reset(format!("HTTP/1.1 200 OK\r\n{request}")),
                Act::Hang(String::new()),
                Act::Answer(format!("HTTP/1.1 200 OK\r\nbad header {KEY}\r\n\r\n")),
                Act::answer(403, "", &plain),
                Act::answer(302, &location, &plain),
                Act::answer(302, &format!("location: {twice}\r\n"), &twice),
                Act::answer(302, &path, &twice.replace('%', "%25")),
                Act::answer(400, "", &padded),
            ]
        };
        let mut step = 0;
        receiver.rule(Box::new(move |seen| {
            step += 1;
            echo(&seen.target).get(step - 1).cloned().unwrap_or_else(|| Act::status(200))
        }));
        append(&side.queue, &["m"]).await;
        let settings = Receiver {
            auth,
            api_key: Secret::new(KEY.to_owned()),
            timeout: Duration::from_millis(500),
            ..settings(receiver.address)
        };
        let forwarder = side.start(&settings);
        let mut status = forwarder.status();
        while status.borrow_and_update().delivered_tuples == 0 {
            assert_clean(&format!("{:?} {forwarder:?} {settings:?}", status.borrow()));
            status.changed().await.unwrap();
        }
        assert!(receiver.seen().len() >= 10, "every act was played");
        let on_wire = format!("{:?}", receiver.seen()[0]);
        assert!(on_wire.contains("s3cr3t"), "the receiver got it");
    }
    let text = log.text();
    assert!(text.contains("TRACE") && text.contains("***"), "{text}");
    assert_clean(&text);
}

#[tokio::test]
async fn the_key_is_not_in_errors_of_a_connection_that_fails() {
    let log = Log::default();
    let _collecting = log.collect();
    let urls = [
        "http://127.0.0.1:1/intake",
        "https://127.0.0.1:1/intake",
        "http://name.invalid/intake",
        "http://user:s3cr3t@127.0.0.1:1/intake?token=s3cr3t",
    ];
    for url in urls {
        let side = Side::new();
        append(&side.queue, &["m"]).await;
        let forwarder = side.start(&Receiver {
            url: url.to_owned(),
            api_key: Secret::new(KEY.to_owned()),
            ..settings("127.0.0.1:1".parse().unwrap())
        });
        let status = until(&forwarder, |now| now.state == State::Retrying).await;
        let (_, text) = status.last_error.unwrap();
        assert!(text.contains(": "), "with its cause: {text}");
        assert_clean(&text);
    }
    assert_clean(&log.text());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_the_key() {
    let side = Side::new();
    for url in ["nonsense", "ftp://h/", "http://h/?api_key=s3cr3t"] {
        let settings = Receiver {
            url: url.to_owned(),
            api_key: Secret::new(KEY.to_owned()),
            ..settings("127.0.0.1:1".parse().unwrap())
        };
        let outlet = side.queue.outlet("default").unwrap();
        let dead_letters = side.dead_letters();
        let error = Forwarder::start(&settings, "h", outlet, dead_letters, side.clock.clone());
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with("receiver default: `url` "), "{error}");
        assert_clean(&format!("{error} {error:?}"));
    }
}

#[tokio::test]
async fn the_log_says_once_what_changed_and_not_what_repeats() {
    let log = Log::default();
    let _collecting = log.collect();
    let mut acts = vec![Act::status(503); 6];
    acts.extend(vec![Act::answer(403, "", "unknown key"); 3]);
    acts.extend(vec![Act::Answer(answer(404, "", "")); 2]);
    let (receiver, side) = (Scripted::start(script(acts)).await, Side::new());
    append(&side.queue, &["m"]).await;
    let forwarder = side.start(&settings(receiver.address));
    until_delivered(&side, &forwarder, 1).await;
    let (warned, failed) = (log.lines("WARN"), log.lines("ERROR"));
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("503") && warned[0].contains("receiver.name=\"default\""));
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(
        failed[0].contains("unknown key") && failed[0].contains("`api_key` of receiver default")
    );
    assert!(failed[1].contains("404") && failed[1].contains("`url` of receiver default"));
    let told = log.lines("INFO");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("accepts deliveries again"));
}

#[tokio::test]
async fn a_refusal_is_no_end_of_an_outage_and_a_probe_in_another_encoding_no_advice() {
    let log = Log::default();
    let _collecting = log.collect();
    // Down, then refusing, then refusing every encoding, then well.
    let mut acts = vec![Act::status(503), Act::answer(422, "", "not this"), Act::status(503)];
    acts.extend(vec![Act::status(415); 7]);
    let (receiver, side) = (Scripted::start(script(acts)).await, Side::new());
    append(&side.queue, &["one", "two"]).await;
    let forwarder = side.start(&Receiver { concurrency: 1, ..settings(receiver.address) });
    until_delivered(&side, &forwarder, 2).await;
    let told = log.lines("INFO");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("accepts deliveries again"));
    let warned = log.lines("WARN");
    let advised = warned.iter().filter(|line| line.contains("set its `compression`"));
    assert_eq!(advised.count(), 2, "from deflate to gzip and on: {warned:?}");
    let seen = receiver.seen();
    let last = seen.last().unwrap().header("content-encoding");
    let shown = forwarder.status().borrow().encoding;
    assert_eq!(content_encoding(shown), last, "what is shown is what is sent");
}
