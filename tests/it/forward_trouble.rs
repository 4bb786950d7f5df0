//! Nothing is lost and nothing is doubled, whatever the receiver does (contract C6.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tidegate::config::{Compression, Receiver};
use tidegate::forward::{Forwarder, State};
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::{Books, Depth, Fate, Lease, Outlet, Pending, ReadError, Want};
use tokio::net::TcpSocket;

use super::forward_receiver::{
    Act, PATIENCE, Scripted, Seen, Side, answer, append, append_text, names, script, settings,
    until, until_delivered, until_settled,
};

fn is_held(state: &State) -> bool {
    matches!(state, State::Held { .. })
}

/// The shortest time between two requests.
fn shortest_gap(seen: &[Seen]) -> Duration {
    let gaps = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
    gaps.min().expect("two requests")
}

#[tokio::test]
async fn what_passes_is_retried_with_the_same_body_until_it_is_accepted_once() {
    for status in [408, 429, 500, 501, 502, 503, 504, 599] {
        let (receiver, side) = (Scripted::start(script([Act::status(status)])).await, Side::new());
        append(&side.queue, &names(0..3)).await;
        let forwarder = side.start(&settings(receiver.address));
        until_delivered(&side, &forwarder, 3).await;
        let seen = receiver.seen();
        assert_eq!(seen.len(), 2, "{status}");
        assert_eq!(seen[0].body, seen[1].body, "{status}");
        let now = forwarder.status().borrow().clone();
        assert_eq!((now.state, now.delivered_tuples), (State::Flowing, 3));
        let (_, text) = now.last_error.unwrap();
        assert!(text.contains(&status.to_string()), "{text}");
    }
}

#[tokio::test]
async fn what_needs_somebody_holds_everything_and_the_first_acceptance_lets_it_all_go() {
    let cases = [
        (300, "`url` of receiver default"),
        (301, "`url` of receiver default"),
        (307, "`url` of receiver default"),
        (400, "taken nothing since"),
        (401, "`api_key` of receiver default"),
        (403, "`api_key` of receiver default"),
        (404, "`url` of receiver default"),
        (415, "neither deflate nor gzip"),
        (418, "`url` of receiver default"),
        (422, "taken nothing since"),
    ];
    for (status, advice) in cases {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        receiver.rule(Box::new(move |_| Act::answer(status, "", "because\r\nof you")));
        for name in names(0..20) {
            append(&side.queue, &[name]).await;
        }
        let forwarder = side.start(&settings(receiver.address));
        let held = until(&forwarder, |now| is_held(&now.state)).await;
        let State::Held { why, .. } = &held.state else { unreachable!() };
        assert!(why.contains(&format!("HTTP {status}")), "{why}");
        assert!(why.contains("because  of you") && why.contains(advice), "{why}");
        assert_eq!(side.books().queued, 20, "{status}");
        receiver.rule(script([]));
        until_delivered(&side, &forwarder, 20).await;
        assert_eq!(receiver.accepted(), names(0..20), "{status}: each once");
        assert_eq!(forwarder.status().borrow().state, State::Flowing);
    }
}

#[tokio::test]
async fn a_held_receiver_gets_one_probe_at_a_time_and_not_more_often_than_configured() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule(script(std::iter::repeat_n(Act::status(401), 4)));
    let mut settings = settings(receiver.address);
    settings.hold_probe = Duration::from_millis(150);
    // One delivery is refused before the others exist; then there are more than can be in flight.
    let forwarder = side.start(&settings);
    append(&side.queue, &["first"]).await;
    until(&forwarder, |now| is_held(&now.state)).await;
    for part in 0..6 {
        append(&side.queue, &names(part * 10_000..(part + 1) * 10_000)).await;
    }
    until_delivered(&side, &forwarder, 60_001).await;
    let gap = shortest_gap(&receiver.seen()[..5]);
    assert!(gap >= Duration::from_millis(140), "{gap:?} between two probes");
}

#[tokio::test]
async fn retry_after_is_respected_as_seconds_and_as_a_date() {
    // One second after the test's clock, which stands still.
    let headers = ["retry-after: 1\r\n", "retry-after: Sun, 06 Nov 1994 08:49:38 GMT\r\n"];
    for header in headers {
        let acts = [Act::answer(429, header, ""), Act::answer(503, header, "")];
        let (receiver, side) = (Scripted::start(script(acts)).await, Side::new());
        append(&side.queue, &["m"]).await;
        let forwarder = side.start(&settings(receiver.address));
        until(&forwarder, |now| now.state == State::Retrying).await;
        append(&side.queue, &["other"]).await;
        until_delivered(&side, &forwarder, 2).await;
        let gap = shortest_gap(&receiver.seen()[..3]);
        assert!(gap >= Duration::from_millis(990), "{gap:?} after {header}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_says_where_it_leads() {
    let (elsewhere, side) = (Scripted::start(script([])).await, Side::new());
    let location = format!("location: http://{}/new?api_key=k3y\r\n", elsewhere.address);
    for status in [301, 302, 303, 307, 308] {
        let receiver = Scripted::start(script([])).await;
        let location = location.clone();
        receiver.rule(Box::new(move |_| Act::answer(status, &location, "")));
        append(&side.queue, &["m"]).await;
        let forwarder = side.start(&settings(receiver.address));
        let held = until(&forwarder, |now| is_held(&now.state)).await;
        let State::Held { why, .. } = &held.state else { unreachable!() };
        assert!(why.contains("/new;") && !why.contains("api_key="), "{why}");
    }
    assert_eq!((elsewhere.connections(), side.books().delivered), (0, 0));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_yet_gets_everything_when_it_comes() {
    let side = Side::new();
    // Bound and not listening: nobody else gets the port, and connections are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    append(&side.queue, &["m"]).await;
    let forwarder = side.start(&settings(socket.local_addr().unwrap()));
    let down = until(&forwarder, |now| now.state == State::Retrying).await;
    let (_, text) = down.last_error.unwrap();
    assert!(text.contains("refused"), "{text}");
    let receiver = Scripted::listen(socket.listen(8).unwrap(), script([]));
    until_delivered(&side, &forwarder, 1).await;
    assert_eq!(receiver.accepted(), ["m"]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_retried_unless_its_status_had_arrived() {
    let reset = |text: &str| Act::Reset(text.to_owned());
    let cases = [
        (reset(""), 2),
        (reset("HTTP/1.1 20"), 2),
        (reset("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"), 2),
        (reset("HTTP/1.1 500 No\r\ncontent-length: 5\r\n\r\nab"), 2),
        (Act::Answer("rubbish\r\n\r\n".to_owned()), 2),
        (Act::Hang("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_owned()), 1),
    ];
    for (act, requests) in cases {
        let (receiver, side) = (Scripted::start(script([act.clone()])).await, Side::new());
        append(&side.queue, &["m"]).await;
        let forwarder = side.start(&settings(receiver.address));
        until_delivered(&side, &forwarder, 1).await;
        assert_eq!(receiver.seen().len(), requests, "{act:?}");
        assert_eq!(receiver.accepted(), ["m"], "{act:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_left_after_the_timeout_and_tried_again() {
    let acts = [Act::Hang(String::new()), Act::Hang("HTTP/1.1 200 OK\r\nx: ".to_owned())];
    let (receiver, side) = (Scripted::start(script(acts)).await, Side::new());
    append(&side.queue, &["m"]).await;
    let mut settings = settings(receiver.address);
    settings.timeout = Duration::from_millis(300);
    let forwarder = side.start(&settings);
    let late = until(&forwarder, |now| now.state == State::Retrying).await;
    let (_, text) = late.last_error.unwrap();
    assert!(text.contains("`timeout` of receiver default"), "{text}");
    // A loaded machine may be late more than twice.
    until_delivered(&side, &forwarder, 1).await;
    assert!(receiver.seen().len() >= 3);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_and_its_status_counts() {
    let endless = |status: u16| {
        Act::Drip(format!("HTTP/1.1 {status} Status\r\ntransfer-encoding: chunked\r\n\r\nffff\r\n"))
    };
    let (receiver, side) =
        (Scripted::start(script([endless(403), endless(200)])).await, Side::new());
    append(&side.queue, &["m"]).await;
    let forwarder = side.start(&settings(receiver.address));
    let held = until(&forwarder, |now| is_held(&now.state)).await;
    let State::Held { why, .. } = held.state else { unreachable!() };
    assert!(why.starts_with("HTTP 403"), "{why}");
    until_delivered(&side, &forwarder, 1).await;
    assert_eq!(receiver.seen().len(), 2);
}

#[tokio::test]
async fn a_long_answer_is_kept_in_part() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule(Box::new(|_| Act::answer(403, "", &"\u{e9}\n".repeat(1 << 20))));
    append(&side.queue, &["m"]).await;
    let forwarder = side.start(&settings(receiver.address));
    let held = until(&forwarder, |now| is_held(&now.state)).await;
    let (_, text) = held.last_error.unwrap();
    assert_eq!(text.chars().count(), 512);
    assert!(!text.contains('\n'));
}

#[tokio::test]
async fn an_answer_that_breaks_off_still_shows_its_status() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    let broken = "HTTP/1.1 400 Bad Request\r\ncontent-length: 99\r\n\r\nno";
    receiver.rule(Box::new(|_| Act::Hang(broken.to_owned())));
    append(&side.queue, &["m"]).await;
    let forwarder = side.start(&settings(receiver.address));
    let held = until(&forwarder, |now| is_held(&now.state)).await;
    assert_eq!(held.last_error.unwrap().1.as_ref(), "HTTP 400 Bad Request");
}

/// The receiver answers while megabytes are still to come.
#[tokio::test]
async fn an_answer_before_the_body_was_read_counts_where_it_arrives_and_loses_nothing_where_not() {
    let early = [
        Act::AnswerEarly(answer(401, "", "go away")),
        Act::AnswerEarlyAndClose(answer(401, "", "")),
    ];
    for act in early {
        let (receiver, side) = (Scripted::start(script([])).await, Side::new());
        let (act, must_hold) = (act.clone(), matches!(act, Act::AnswerEarly(_)));
        receiver.rule(Box::new(move |_| act.clone()));
        let padding = "x".repeat(4 << 20 >> 1);
        for name in ["a", "b"] {
            let text = format!("[\"{name}\",1,1.0,{{\"p\":\"{padding}\"}}]");
            append_text(&side.queue, text, 1).await;
        }
        let mut settings = settings(receiver.address);
        settings.compression = Compression::Identity;
        let forwarder = side.start(&settings);
        // A reset may overtake the answer; then it is a connection error.
        let told = until(&forwarder, |now| now.state != State::Flowing).await;
        assert!(!must_hold || is_held(&told.state), "{told:?}");
        receiver.rule(script([]));
        until_delivered(&side, &forwarder, 2).await;
        assert_eq!(receiver.accepted(), ["a", "b"]);
    }
}

#[tokio::test]
async fn one_delivery_that_always_fails_does_not_stop_the_others() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule(Box::new(|seen| {
        let is_poison = seen.header("content-length").is_some_and(|length| length.len() > 3);
        Act::status(if is_poison { 500 } else { 200 })
    }));
    append(&side.queue, &names(0..10_000)).await;
    let forwarder = side.start(&settings(receiver.address));
    until(&forwarder, |now| now.state == State::Retrying).await;
    for name in names(0..20) {
        append(&side.queue, &[name]).await;
    }
    until(&forwarder, |now| now.delivered_tuples == 20).await;
    assert_eq!(side.books().queued, 10_000, "and it is not lost");
    receiver.rule(script([]));
    tokio::time::timeout(PATIENCE, until_delivered(&side, &forwarder, 10_020)).await.unwrap();
}

/// Any of the ways in which a receiver does not accept, or acceptance.
fn random_act() -> Act {
    let statuses = [200, 200, 204, 299, 429, 500, 503, 400, 401, 403, 404, 413, 415, 422, 301];
    match fastrand::u8(..10) {
        0 => Act::Reset(String::new()),
        1 => Act::Reset("HTTP/1.1 200 OK\r\ncontent-".to_owned()),
        2 => Act::Answer("HTTP/1.1\r\n\r\n".to_owned()),
        3 => Act::answer(500, "connection: close\r\n", "closing"),
        _ => Act::status(statuses[fastrand::usize(..statuses.len())]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_answers_lose_nothing_and_double_nothing() {
    let (receiver, side) = (Scripted::start(Box::new(|_| random_act())).await, Side::new());
    let mut settings = settings(receiver.address);
    (settings.concurrency, settings.hold_probe) = (8, Duration::from_millis(3));
    let forwarder = side.start(&settings);
    let all = names(0..2_000);
    for name in &all {
        append(&side.queue, &[name]).await;
        if fastrand::u8(..8) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let books = until_settled(&side, &forwarder).await;
    let accepted = receiver.accepted();
    assert_eq!(books.delivered, accepted.len() as u64, "each once");
    // A tuple that was refused alone, by chance, while others were accepted.
    let letters = side.letters();
    assert_eq!(books.dead_lettered, letters.len() as u64);
    let mut both: Vec<String> = accepted.into_iter().chain(letters).collect();
    both.sort_unstable();
    assert_eq!(both, all);
    let end = until(&forwarder, |now| now.in_flight == 0).await;
    assert_eq!(end.delivered_tuples, books.delivered);
    // What was told last is what was true last, in whichever order the workers were heard.
    assert_eq!(end.state, State::Flowing);
}

/// An outlet with a bug: its first lease panics.
struct Faulty {
    outlet: Arc<dyn Outlet>,
    panicked: AtomicBool,
}

impl Outlet for Faulty {
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>> {
        assert!(self.panicked.swap(true, Ordering::Relaxed), "a bug, on purpose");
        self.outlet.lease(want)
    }

    fn ack(&self, lease: Lease, fate: Fate) -> Pending<'_, ()> {
        self.outlet.ack(lease, fate)
    }

    fn ready(&self) -> Pending<'_, bool> {
        self.outlet.ready()
    }

    fn release(&self, lease: Lease) {
        self.outlet.release(lease);
    }

    fn depth(&self) -> Depth {
        self.outlet.depth()
    }

    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>> {
        self.outlet.oldest()
    }

    fn books(&self) -> Books {
        self.outlet.books()
    }
}

#[tokio::test]
async fn a_bug_that_ends_one_delivery_does_not_end_deliveries() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    append(&side.queue, &["m"]).await;
    let outlet = Arc::new(Faulty { outlet: Arc::clone(&side.outlet), panicked: false.into() });
    let mut settings = settings(receiver.address);
    settings.concurrency = 1;
    let dead_letters = side.dead_letters();
    let forwarder =
        Forwarder::start(&settings, "h", outlet, dead_letters, side.clock.clone()).unwrap();
    until_delivered(&side, &forwarder, 1).await;
}

/// An outlet on a disk that does not answer for a while, if ever, from some lease on.
struct Slow {
    inner: Arc<dyn Outlet>,
    leases: AtomicU32,
    /// From this lease on ...
    from: u32,
    /// ... each takes so long.
    wait: Duration,
}

impl Outlet for Slow {
    fn lease(&self, want: Want) -> Pending<'_, Option<Lease>> {
        let is_slow = self.leases.fetch_add(1, Ordering::Relaxed) >= self.from;
        Box::pin(async move {
            if is_slow {
                tokio::time::sleep(self.wait).await;
            }
            self.inner.lease(want).await
        })
    }

    fn ready(&self) -> Pending<'_, bool> {
        Box::pin(std::future::ready(true))
    }

    fn ack(&self, lease: Lease, fate: Fate) -> Pending<'_, ()> {
        self.inner.ack(lease, fate)
    }

    fn release(&self, lease: Lease) {
        self.inner.release(lease);
    }

    fn depth(&self) -> Depth {
        self.inner.depth()
    }

    fn oldest(&self) -> Pending<'_, Result<Option<Timestamp>, ReadError>> {
        self.inner.oldest()
    }

    fn books(&self) -> Books {
        self.inner.books()
    }
}

impl Slow {
    fn start(side: &Side, receiver: &Scripted, from: u32, wait: Duration) -> Forwarder {
        let inner = Arc::clone(&side.outlet);
        let slow = Self { inner, leases: AtomicU32::new(0), from, wait };
        let settings = Receiver { concurrency: 1, ..settings(receiver.address) };
        let letters = side.dead_letters();
        Forwarder::start(&settings, "h", Arc::new(slow), letters, side.clock.clone()).unwrap()
    }
}

#[tokio::test]
async fn a_lease_that_takes_long_to_read_is_delivered_all_the_same() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    append(&side.queue, &names(0..10)).await;
    let forwarder = Slow::start(&side, &receiver, 0, Duration::from_millis(1_300));
    until_delivered(&side, &forwarder, 10).await;
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_queue_that_cannot_be_read_keeps_nobody_from_delivering_what_is_on_loan() {
    let (receiver, side) = (Scripted::start(script([])).await, Side::new());
    receiver.rule_by_body(Box::new(|seen| {
        Act::status(if seen.names().iter().any(|name| name == "m000700") { 422 } else { 200 })
    }));
    append(&side.queue, &names(0..1_000)).await;
    let started = tokio::time::Instant::now();
    let forwarder = Slow::start(&side, &receiver, 1, Duration::from_hours(1));
    let books = until_settled(&side, &forwarder).await;
    assert_eq!((books.delivered, books.dead_lettered), (999, 1));
    // Some twenty requests: a second each, if each waited for a lease in vain.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}
