//! Targets that are slow, lie, end too early or never; and a gateway without room.

use std::time::Duration;

use tidegate::normalize::Code;
use tidegate::scrape::Outcome;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::exporter::{Answer, Exporter, gzip, page, text};
use super::{Settings, World, job, shown, start, until};
use crate::support::edge::PATIENCE;
use crate::support::log::Log;

/// What a target does, what its scrapes come to, and what the log says of it.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn troubles() -> Vec<(Exporter, Outcome, &'static str)> {
    let redirect =
        |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let zeros = gzip(&vec![0; 4 << 20]);
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n", "# 345678".repeat(8192).as_bytes(), b"\r\n"].concat();
    let cases: Vec<(Answer, Outcome, &'static str)> = vec![
        (
            Answer::Keep(b"HTTP/1.1 500 Oh\r\ncontent-length: 6\r\n\r\nhunter".to_vec()),
            Outcome::Refused,
            "it answered with status 500, not 200",
        ),
        (
            Answer::Keep(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
            Outcome::Refused,
            "it answered with status 204, not 200",
        ),
        (
            Answer::Keep(redirect("http://127.0.0.1:1/metrics").into_bytes()),
            Outcome::Refused,
            "it redirects to another scheme, host or port",
        ),
        (
            Answer::Keep(redirect("/again").into_bytes()),
            Outcome::Refused,
            "it redirects more than 3 times",
        ),
        (
            Answer::Keep(page("content-type: text/html\r\n", b"<html>hunter</html>\n")),
            Outcome::Malformed,
            "its Content-Type says a web page",
        ),
        (
            Answer::Keep(page("", b"a 1\nb \xff 2\n")),
            Outcome::Malformed,
            "its page is not the text exposition format",
        ),
        (
            Answer::Keep(page("content-encoding: gzip\r\n", b"a 1\n")),
            Outcome::Malformed,
            "does not decompress as gzip",
        ),
        (
            Answer::Keep(page("content-encoding: br\r\n", b"a 1\n")),
            Outcome::Malformed,
            "a Content-Encoding that was not asked for",
        ),
        (
            Answer::Keep(page("content-encoding: gzip\r\n", &zeros)),
            Outcome::TooLarge,
            "its page is over 1048576 bytes (`limits.body_bytes`)",
        ),
        (
            Answer::Keep(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\na 1\n".to_vec()),
            Outcome::TooLarge,
            "its page is over 1048576 bytes (`limits.body_bytes`)",
        ),
        (
            Answer::Endless(chunked.clone(), chunk, Duration::ZERO),
            Outcome::TooLarge,
            "its page is over 1048576 bytes (`limits.body_bytes`)",
        ),
        (
            Answer::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\na 1\n".to_vec()),
            Outcome::Down,
            "its page broke off",
        ),
        (
            Answer::Close(b"HTTP/1.1 200 OK\r\n\r\na 1\nb 1".to_vec()),
            Outcome::Malformed,
            "its page ends in the middle of a line",
        ),
        (Answer::Close(Vec::new()), Outcome::Down, ""),
        (Answer::Close(b"SSH-2.0-hunter\r\n".to_vec()), Outcome::Down, ""),
        (Answer::Silence, Outcome::Timeout, "no whole page within 500ms (`timeout`)"),
        (
            Answer::Endless(chunked, b"1\r\n#\r\n".to_vec(), Duration::from_millis(100)),
            Outcome::Timeout,
            "no whole page within 500ms (`timeout`)",
        ),
    ];
    let mut troubles = Vec::new();
    for (answer, outcome, text) in cases {
        troubles.push((Exporter::always(answer).await, outcome, text));
    }
    troubles
}

#[tokio::test]
async fn whatever_a_target_does_it_is_down_and_the_others_are_scraped() {
    let (slow, others): (Vec<_>, Vec<_>) =
        troubles().await.into_iter().partition(|(_, outcome, _)| *outcome == Outcome::Timeout);
    check(others, PATIENCE).await;
    check(slow, Duration::from_millis(500)).await;
}

async fn check(troubles: Vec<(Exporter, Outcome, &str)>, timeout: Duration) {
    let log = Log::default();
    let _collecting = log.collect();
    let good = Exporter::always(Answer::Keep(text(""))).await;
    // A job for each, so that each is counted by itself, and one for the good one.
    let mut jobs = job("good", &[&good.at()], "");
    for (nth, (exporter, ..)) in troubles.iter().enumerate() {
        jobs += &job(&format!("bad-{nth}"), &[&exporter.at()], "headers = { X-Key = \"hunter\" }");
    }
    let settings = Settings { timeout, ..Settings::of(jobs) };
    let world = settings.start().await;
    for (nth, (exporter, outcome, text)) in troubles.iter().enumerate() {
        let counts = &world.counts.jobs()[nth + 1];
        world.until(|_| counts.scrapes(*outcome) > 0).await;
        let others = Outcome::ALL.into_iter().filter(|other| other != outcome);
        let others: Vec<_> = others.filter(|other| counts.scrapes(*other) > 0).collect();
        assert_eq!(others, [], "{text}");
        // That it is down, and nothing of its page.
        let samples = world.entry_of(&exporter.at()).await;
        let labels = format!("instance:{},job:bad-{nth}", exporter.at());
        assert_eq!(
            shown(&samples),
            [
                format!("up{{{labels}}} 0.0 @1700000000 gauge"),
                format!("scrape_samples_scraped{{{labels}}} 0.0 @1700000000 gauge"),
            ]
        );
        let line = format!("{} of job bad-{nth} is down: ", exporter.at());
        let lines: Vec<_> =
            log.lines("WARN").into_iter().filter(|written| written.contains(&line)).collect();
        let [written] = &lines[..] else { panic!("one line each: {lines:?}") };
        assert!(written.contains(text), "{text}: {written}");
    }
    // Meanwhile, and while each of the others had a scrape under way or went through several.
    let before = world.scrapes(Outcome::Ok);
    world.until(|world| world.scrapes(Outcome::Ok) > before + 3).await;
    // Neither what was sent nor what came back, on any level of any library.
    assert!(!log.text().contains("hunter"), "{}", log.text());
    let (budget, World { scraper, .. }) = (world.budget.clone(), world);
    scraper.stop(Instant::now() + PATIENCE).await;
    until(|| budget.used() == 0).await;
}

#[tokio::test]
async fn a_target_that_is_gone_and_comes_back_is_told_of_once_each_way() {
    let log = Log::default();
    let _collecting = log.collect();
    // Bound, so that nobody else gets the port, and not listening.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = closed.local_addr().unwrap().to_string();
    let flaky = Exporter::start(|nth, _| match nth {
        0 | 5.. => Answer::Keep(text("")),
        _ => Answer::Keep(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_vec()),
    })
    .await;
    let world = start(job("node", &[&gone, &flaky.at()], "")).await;
    world.until(|world| world.scrapes(Outcome::Down) > 2 && flaky.heads().len() > 6).await;
    let lines = |text: &str| {
        let lines = log.lines("WARN").into_iter().chain(log.lines("INFO"));
        lines.filter(|line| line.contains(text)).count()
    };
    assert_eq!(lines(&format!("{gone} of job node is down")), 1);
    assert_eq!(lines(&format!("{} of job node is down", flaky.at())), 1);
    assert_eq!(lines(&format!("{} of job node is up again", flaky.at())), 1);
    assert_eq!(world.up()[&gone], "0.0");
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_alone_with_the_headers() {
    let other = Exporter::always(Answer::Keep(text(""))).await;
    let elsewhere = other.at();
    let exporter = Exporter::start(move |_, head| {
        let to = match head {
            _ if head.starts_with("GET /here ") => return Answer::Keep(text("")),
            _ if head.starts_with("GET /away ") => format!("http://{elsewhere}/metrics"),
            _ => "/here".to_owned(),
        };
        Answer::Keep(
            format!("HTTP/1.1 308 Gone\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes(),
        )
    })
    .await;
    let away = format!("http://{}/away", exporter.at());
    let key = "headers = { X-Key = \"hunter\" }";
    let jobs = job("node", &[&exporter.at()], key) + &job("away", &[&away], key);
    let world = start(jobs).await;
    world.until(|world| world.scrapes(Outcome::Ok) > 0).await;
    world.until(|world| world.counts.jobs()[1].scrapes(Outcome::Refused) > 0).await;
    let heads = exporter.heads();
    let here: Vec<_> = heads.iter().filter(|head| head.starts_with("GET /here ")).collect();
    assert!(!here.is_empty() && here.iter().all(|head| head.contains("x-key: hunter\r\n")));
    assert_eq!(other.heads(), [""; 0], "nobody else is asked");
}

#[tokio::test]
async fn without_room_a_scrape_is_dropped_and_counted_and_says_nothing_of_its_target() {
    let log = Log::default();
    let _collecting = log.collect();
    let exporter = Exporter::always(Answer::Keep(text(""))).await;
    let world = start(job("node", &[&exporter.at()], "")).await;
    world.until(|world| world.scrapes(Outcome::Ok) > 0).await;

    // Noticed when the entry comes.
    world.queue.fill_by_surprise();
    world.until(|world| world.scrapes(Outcome::NoRoom) > 1).await;
    let appended = world.queue.entries().len();
    // Known before anything is fetched.
    world.queue.fill();
    let dropped = world.scrapes(Outcome::NoRoom);
    world.until(|world| world.scrapes(Outcome::NoRoom) > dropped + 1).await;
    let asked = exporter.heads().len();
    world.until(|world| world.scrapes(Outcome::NoRoom) > dropped + 5).await;
    assert_eq!((world.queue.entries().len(), exporter.heads().len()), (appended, asked));
    let lines = log.lines("WARN");
    let [line] = &lines[..] else { panic!("one line for all of them: {lines:?}") };
    let said = "1 scrapes were dropped, the last one because queue is full (7 of 7 bytes, `queue.max_bytes`)";
    assert!(line.contains(said), "{line}");
}

#[tokio::test]
async fn stopping_cuts_off_what_is_under_way_but_not_what_is_on_its_way_into_the_queue() {
    let silent = Exporter::always(Answer::Silence).await;
    let good = Exporter::always(Answer::Keep(text("odd NaN\n"))).await;
    // Bound and never accepted from.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf_at = deaf.local_addr().unwrap().to_string();
    for (patience, entries) in [(PATIENCE, 1), (Duration::ZERO, 0)] {
        let world = start(job("node", &[&silent.at(), &good.at(), &deaf_at], "")).await;
        // Nothing has run yet.
        world.queue.hold();
        let before = silent.heads().len();
        world.until(|_| silent.heads().len() > before).await;
        world.queue.append_begun().await;
        let World { queue, budget, counts, scraper } = world;
        let stopping = tokio::spawn(scraper.stop(Instant::now() + patience));
        if patience > Duration::ZERO {
            tokio::task::yield_now().await;
            queue.let_one_through();
        }
        tokio::time::timeout(PATIENCE, stopping).await.expect("nothing hangs").unwrap();
        // What the queue has is what is counted.
        assert_eq!(queue.entries().len(), entries);
        assert_eq!(counts.warnings(Code::SkippedValue), entries as u64);
        let asked = good.heads().len();
        queue.let_one_through();
        until(|| budget.used() == 0).await;
        assert_eq!(good.heads().len(), asked);
    }
}

#[tokio::test]
async fn targets_that_change_all_at_once_write_no_more_than_a_few_lines() {
    let log = Log::default();
    let _collecting = log.collect();
    let exporter =
        Exporter::always(Answer::Keep(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec()))
            .await;
    let targets: Vec<_> = (0..50).map(|nth| format!("http://{}/{nth}", exporter.at())).collect();
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let world = start(job("node", &targets, "")).await;
    world.until(|world| world.scrapes(Outcome::Refused) > 200).await;
    assert_eq!(log.lines("WARN").len(), 20);
}
