//! Reloads under load, and again and again.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::process::{Process, source};
use super::{GAUGE, config};

const RELOADS: usize = 50;
const CLIENTS: usize = 4;

/// Sends on one connection until `is_over`; how often.
fn send_until(address: &str, token: &str, is_over: &AtomicBool, sent: &AtomicU64) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let request = format!(
        "POST /metrics HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n{GAUGE}",
        GAUGE.len()
    );
    while !is_over.load(Ordering::Relaxed) {
        writer.write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 202"), "{line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let header = line.to_ascii_lowercase();
            if let Some(bytes) = header.strip_prefix("content-length: ") {
                length = bytes.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn no_request_is_lost_or_gets_another_answer_while_the_configuration_changes() {
    let kept = source("kept", "kept-token");
    let gateway = Process::start(&config(&kept));
    let (is_over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| send_until(gateway.ingest(), "kept-token", &is_over, &sent));
        }
        for nth in 0..RELOADS {
            let tags = format!("tags = {{ nth = \"{nth}\" }}\n");
            let other = source(&format!("other-{nth}"), &format!("token-{nth}"));
            let answer = gateway.reload(&config(&format!("{other}{kept}{tags}")));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(gateway.send(&format!("token-{nth}")), 202);
            if let Some(before) = nth.checked_sub(1) {
                assert_eq!(gateway.send(&format!("token-{before}")), 403, "{nth}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let sent = sent.load(Ordering::Relaxed) + RELOADS as u64;
    assert!(sent > 2 * RELOADS as u64, "there was load: {sent}");
    assert_eq!(gateway.metric("tidegate_metrics_accepted_total"), Some(sent as f64));
}

#[test]
fn a_reload_leaves_nothing_open_behind() {
    let open_files =
        |gateway: &Process| fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap().count();
    let threads =
        |gateway: &Process| fs::read_dir(format!("/proc/{}/task", gateway.id())).unwrap().count();
    let with = |nth: usize| {
        let job = format!(
            "[[scrape]]\njob = \"job\"\ntargets = [\"127.0.0.1:9\"]\ninterval = \"1h\"\n\
             timeout = \"{}s\"\n",
            1 + nth % 2
        );
        config(&(source("one", &format!("token-{nth}")) + &job))
    };
    let gateway = Process::start(&with(0));
    // What is made once is made by now.
    for nth in 0..10 {
        assert_eq!(gateway.reload(&with(nth)).status, 200);
    }
    let before = (open_files(&gateway), threads(&gateway));
    for nth in 0..200 {
        assert_eq!(gateway.reload(&with(nth)).status, 200);
    }
    let after = (open_files(&gateway), threads(&gateway));
    // A connection that was just answered may not be closed yet, and a thread that waits for work ends.
    assert!(after.0 <= before.0 + 3, "open files: {before:?}, then {after:?}");
    assert!(after.1 <= before.1 + 8, "threads: {before:?}, then {after:?}");
}
