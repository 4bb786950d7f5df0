//! What a forwarder does about refusals of content, size and encoding, and how many deliveries it has in
//! flight (contract C6.2 to C6.4). Each ends with balanced books.

use std::time::Duration;

use tidegate::config::{Compression, Receiver};
use tidegate::dead_letter::{DeadLetters, Ownership};
use tidegate::forward::{Forwarder, State};
use tidegate::queue::Queue;

use super::forward_receiver::{
    Act, PATIENCE, Scripted, Seen, Side, append, names, script, settings, until, until_delivered,
    until_settled,
};

type Rule = Box<dyn FnMut(&Seen) -> Act + Send>;

/// These names among others, and what the receiver says to a request.
fn refusing(status: u16, is_bad: impl Fn(&[String]) -> bool + Send + 'static) -> Rule {
    Box::new(move |seen| {
        Act::answer(if is_bad(&seen.names()) { status } else { 200 }, "", "not this")
    })
}

fn is_held(state: &State) -> bool {
    matches!(state, State::Held { .. })
}

/// Without the body the rule cannot tell: the receiver reads it first.
async fn start(rule: Rule) -> (Scripted, Side) {
    let receiver = Scripted::start(script([])).await;
    receiver.rule_by_body(rule);
    (receiver, Side::new())
}

#[tokio::test]
async fn one_bad_tuple_is_found_and_set_aside_and_all_others_arrive() {
    for status in [400, 422] {
        let (receiver, side) =
            start(refusing(status, |names| names.iter().any(|name| name == "m000777"))).await;
        append(&side.queue, &names(0..5_000)).await;
        append(&side.queue, &names(5_000..9_999)).await;
        let forwarder = side.start(&Receiver { concurrency: 1, ..settings(receiver.address) });
        let books = until_settled(&side, &forwarder).await;
        assert_eq!((books.delivered, books.dead_lettered), (9_998, 1));
        assert_eq!(side.letters(), ["m000777"]);
        assert_eq!(receiver.accepted().len(), 9_998, "each once");
        // 2 * log2(9,999) + 1 beyond the first.
        assert!(receiver.seen().len() <= 29, "{}", receiver.seen().len());
        assert_eq!(forwarder.status().borrow().state, State::Flowing);
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_is_probed_by_one_request_at_a_time() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule(Box::new(|_| Act::answer(400, "", "we take nothing")));
    append(&side.queue, &names(0..100)).await;
    let probe = Duration::from_millis(60);
    let forwarder = side.start(&Receiver { hold_probe: probe, ..settings(receiver.address) });
    until(&forwarder, |now| is_held(&now.state)).await;
    let before = receiver.seen().len();
    append(&side.queue, &names(100..200)).await;
    while receiver.seen().len() < before + 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = receiver.seen();
    let gaps = seen[before..].windows(2).map(|pair| pair[1].at - pair[0].at);
    // The first fresh tuples need not wait; everything else does.
    let short = gaps.filter(|gap| *gap + Duration::from_millis(10) < probe).count();
    assert!(short <= 1, "{short} probes too soon after another");
    let fresh = |seen: &Seen| seen.names().iter().any(|name| name.as_str() >= "m000100");
    assert!(seen[before..].iter().any(fresh), "other tuples are tried as well");
    assert_eq!((side.letters().len(), side.books().queued), (0, 200));
    receiver.rule(script([]));
    until_delivered(&side, &forwarder, 200).await;
    assert_eq!(receiver.accepted(), names(0..200));
}

#[tokio::test]
async fn other_tuples_that_are_accepted_show_that_it_is_the_tuple() {
    let (receiver, side) = start(refusing(422, |names| names.iter().any(|n| n == "bad"))).await;
    append(&side.queue, &["bad"]).await;
    let forwarder = side.start(&settings(receiver.address));
    until(&forwarder, |now| is_held(&now.state)).await;
    assert!(side.letters().is_empty(), "nothing was accepted in between");
    append(&side.queue, &["good"]).await;
    let books = until_settled(&side, &forwarder).await;
    assert_eq!((books.delivered, books.dead_lettered), (1, 1));
    assert_eq!(side.letters(), ["bad"]);
}

#[tokio::test]
async fn fresh_tuples_are_tried_before_those_of_many_deliveries_that_are_being_halved() {
    let is_bad = |name: &String| name.starts_with("bad");
    let (receiver, side) = start(refusing(422, move |names| names.iter().any(is_bad))).await;
    for lease in 0..4 {
        let bad: Vec<_> = names(0..10_000).iter().map(|name| format!("bad{lease}{name}")).collect();
        append(&side.queue, &bad).await;
    }
    let forwarder = side.start(&Receiver {
        concurrency: 4,
        hold_probe: Duration::from_millis(200),
        ..settings(receiver.address)
    });
    until(&forwarder, |now| is_held(&now.state)).await;
    let before = receiver.seen().len();
    append(&side.queue, &["good"]).await;
    until(&forwarder, |now| now.delivered_tuples > 0).await;
    let seen = receiver.seen();
    let tried = seen[before..].iter().take_while(|seen| seen.names() != ["good"]).count();
    assert!(tried <= 3, "{tried} requests before it");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_split_and_the_size_is_learned() {
    let (receiver, side) =
        start(Box::new(|seen| Act::status(if seen.plain().len() > 100_000 { 413 } else { 200 })))
            .await;
    let forwarder = side.start(&Receiver { concurrency: 1, ..settings(receiver.address) });
    for part in 0..5 {
        append(&side.queue, &names(part * 9_000..(part + 1) * 9_000)).await;
        until_delivered(&side, &forwarder, u64::from(part + 1) * 9_000).await;
    }
    assert_eq!(receiver.accepted(), names(0..45_000));
    let bound = forwarder.status().borrow().size_bound;
    assert!((80_000..=100_000).contains(&bound), "{bound}");
    let before = receiver.seen().len();
    append(&side.queue, &names(45_000..54_000)).await;
    until_delivered(&side, &forwarder, 54_000).await;
    let seen = receiver.seen();
    let refused = seen[before..].iter().filter(|seen| seen.plain().len() > 100_000);
    assert!(refused.count() <= 1, "it was learned");
}

#[tokio::test]
async fn a_tuple_too_large_alone_makes_no_other_request_smaller() {
    let (receiver, side) =
        start(Box::new(|seen| Act::status(if seen.plain().len() > 100_000 { 413 } else { 200 })))
            .await;
    append(&side.queue, &["x".repeat(200_000)]).await;
    let forwarder = side.start(&settings(receiver.address));
    let books = until_settled(&side, &forwarder).await;
    assert_eq!(books.dead_lettered, 1);
    assert_eq!(forwarder.status().borrow().size_bound, 4 << 20);
}

#[tokio::test]
async fn an_encoding_that_is_refused_gives_way_to_the_next() {
    for (status, text) in [(415, ""), (400, "bad CONTENT-Encoding")] {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        receiver.rule(Box::new(move |seen| match seen.header("content-encoding") {
            None => Act::status(200),
            Some(_) => Act::answer(status, "", text),
        }));
        append(&side.queue, &names(0..10)).await;
        let forwarder = side.start(&settings(receiver.address));
        until_delivered(&side, &forwarder, 10).await;
        let tried: Vec<_> = receiver
            .seen()
            .iter()
            .map(|s| s.header("content-encoding").map(str::to_owned))
            .collect();
        assert_eq!(tried, [Some("deflate".to_owned()), Some("gzip".to_owned()), None]);
        assert_eq!(forwarder.status().borrow().encoding, Compression::Identity);
    }
}

#[tokio::test]
async fn a_tuple_whose_words_look_like_a_refused_encoding_is_found_with_nothing_else_queued() {
    let is_bad = |name: &String| name == "Content-Encoding";
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule_by_body(Box::new(move |seen| match seen.names().into_iter().find(is_bad) {
        Some(bad) => Act::answer(400, "", &format!("cannot take {bad}")),
        None => Act::status(200),
    }));
    let mut all = names(0..100);
    all[70] = "Content-Encoding".to_owned();
    append(&side.queue, &all).await;
    let probe = Duration::from_millis(10);
    let settings = settings(receiver.address);
    let forwarder = side.start(&Receiver { concurrency: 1, hold_probe: probe, ..settings });
    let books = until_settled(&side, &forwarder).await;
    assert_eq!((books.delivered, books.dead_lettered), (99, 1));
    assert_eq!(side.letters(), ["Content-Encoding"]);
}

#[tokio::test]
async fn full_dead_letters_hold_everything_until_there_is_room() {
    let (receiver, side) = start(refusing(400, |names| names.iter().any(|n| n == "bad"))).await;
    let narrow = DeadLetters::open(side.directory.path(), "default", 1, Ownership::Held).unwrap();
    append(&side.queue, &["good", "bad"]).await;
    let start = |letters| {
        let (outlet, clock) = (side.queue.outlet("default").unwrap(), side.clock.clone());
        Forwarder::start(&settings(receiver.address), "h", outlet, letters, clock).unwrap()
    };
    let forwarder = start(std::sync::Arc::new(narrow));
    let held = until(&forwarder, |now| is_held(&now.state)).await;
    let State::Held { status, why } = held.state else { unreachable!() };
    assert!(status.is_none() && why.contains("`dead_letters.max_bytes`"), "{why}");
    let before = receiver.seen().len();
    append(&side.queue, &["waits"]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((receiver.seen().len(), side.books().queued), (before, 3), "nothing is delivered");
    drop(forwarder);
    let forwarder = start(side.dead_letters());
    let books = until_settled(&side, &forwarder).await;
    assert_eq!((books.delivered, books.dead_lettered), (2, 1));
}

#[tokio::test]
async fn the_limit_grows_with_success_and_falls_with_refusals_for_load() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let forwarder = side.start(&Receiver { concurrency: 8, ..settings(receiver.address) });
    assert_eq!(forwarder.status().borrow().limit, 1);
    let mut sent = 0;
    let grown = async {
        while forwarder.status().borrow().limit < 4 {
            for _ in 0..8 {
                append(&side.queue, &names(0..10_000)).await;
            }
            sent += 80_000;
            until_delivered(&side, &forwarder, sent).await;
        }
    };
    tokio::time::timeout(PATIENCE, grown).await.expect("it grows");
    let before = forwarder.status().borrow().limit;
    receiver.rule(script([Act::status(429)]));
    append(&side.queue, &["m"]).await;
    until(&forwarder, |now| now.last_error.is_some()).await;
    let after = until(&forwarder, |now| now.limit < before).await.limit;
    assert!(after <= before / 2 + 1, "{before} became {after}");
    until_delivered(&side, &forwarder, sent + 1).await;
}
