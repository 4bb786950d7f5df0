//! Settings that take effect at once, one by one.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::process::{Process, exchange, source};
use super::{GAUGE, config};

/// The status of a metric that says `hello`.
fn limited(gateway: &Process) -> Vec<u16> {
    (0..4).map(|_| gateway.send("token-1")).collect()
}

#[test]
fn limits_take_effect_and_the_limiter_keeps_its_memory_unless_its_numbers_change() {
    let one = source("one", "token-1");
    let with = |limit: u32, more: &str| {
        let text = config(&one)
            .replace("requests_per_minute = 0", &format!("requests_per_minute = {limit}"));
        text + more
    };
    let gateway = Process::start(&with(2, ""));
    assert_eq!(limited(&gateway), [202, 202, 429, 429]);
    let answer = gateway.reload(&with(2, "[http]\nbody_timeout = \"20s\"\n"));
    assert_eq!(answer.list("changed"), ["`http.body_timeout`: \"30s\" -> \"20s\""]);
    assert_eq!(gateway.send("token-1"), 429, "it is remembered");
    gateway.reload(&with(3, ""));
    assert_eq!(limited(&gateway), [202, 202, 202, 429]);
    gateway.reload(&with(0, ""));
    assert_eq!(limited(&gateway), [202; 4]);
}

#[test]
fn settings_of_bodies_and_tuples_take_effect() {
    let one = source("one", "token-1");
    let gateway = Process::start(&config(&one));
    let large = format!("{GAUGE}{}", " ".repeat(2_000));
    let send = |path: &str, body: &str| {
        let headers = [("authorization", "Bearer token-1")];
        exchange(gateway.ingest(), "POST", path, &headers, body)
    };
    assert_eq!(send("/metrics", &large).status, 202);
    let text = config(&one).replace(
        "limits.requests_per_minute = 0",
        "limits.requests_per_minute = 0\nlimits.body_bytes = \"1KiB\"\nhostname = \"renamed\"",
    );
    let changed = gateway.reload(&text).list("changed");
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(changed[1].contains("`limits.body_bytes`: \"20MiB\" -> \"1KiB\""), "{changed:?}");
    assert_eq!(send("/metrics", &large).status, 413);
    let shown = send("/metrics?dry_run=1", GAUGE).body;
    assert!(shown.contains("renamed"), "{shown}");
}

#[test]
fn time_outs_change_for_connections_that_are_open() {
    let patience = |time: &str| {
        let http = format!("[http]\nheader_timeout = \"{time}\"\n");
        config(&(source("one", "token-1") + &http))
    };
    let gateway = Process::start(&patience("10min"));
    let mut stream = TcpStream::connect(gateway.ingest()).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.write_all(b"POST /metr").unwrap();
    let answer = gateway.reload(&patience("100ms"));
    assert_eq!(answer.status, 200, "{answer:?}");
    stream.write_all(b"i").unwrap();
    // Closed, in whatever way.
    let ended = stream.read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(ended, Ok(0) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
}

#[test]
fn room_for_the_largest_body_is_kept_while_its_size_waits_for_a_restart() {
    let one = source("one", "token-1");
    let gateway = Process::start(&config(&one));
    // Valid as written: 2 x 1 MiB + 1 MiB. With the 128 MiB that stay in effect no body would ever fit.
    let small = "limits.requests_per_minute = 0\nlimits.body_bytes = \"1MiB\"\n\
                 limits.expanded_bytes = \"1MiB\"\nlimits.memory_bytes = \"3MiB\"";
    let text = config(&one).replace("limits.requests_per_minute = 0", small);
    let answer = gateway.reload(&text);
    assert_eq!(
        answer.list("needs_restart"),
        ["`limits.body_bytes`", "`limits.expanded_bytes`", "`limits.memory_bytes`"]
    );
    assert_eq!(gateway.send("token-1"), 202);
    assert_eq!(gateway.metric("tidegate_http_memory_limit_bytes"), Some(f64::from(256 << 20)));
}

#[test]
fn the_level_of_the_log_changes() {
    let gateway = Process::start(&config(&source("one", "token-1")));
    let quiet = config(&source("one", "token-1")) + "[log]\nlevel = \"error\"\n";
    gateway.reload(&quiet);
    gateway.reload(&config(&source("one", "token-1")));
    gateway.logged("`log.level`: \\\"error\\\" -> \\\"info\\\"");
    let quiet = gateway.log().matches("the configuration was read again").count();
    assert_eq!(quiet, 1, "what was said while only errors were shown is not there");
}

/// A receiver that takes these sources alone.
fn routed(sources: &str, taken: &str) -> String {
    let receiver = "[[receivers]]\nname = \"a\"\nurl = \"http://127.0.0.1:9/\"\napi_key = \"k\"\n";
    format!("{}{}{sources}{receiver}sources = [{taken}]\n", super::TOP, super::BY_HAND)
}

#[test]
fn a_source_that_only_receivers_of_the_next_start_take_waits_for_it() {
    let gateway = Process::start(&routed(&source("one", "token-1"), "\"one\""));
    let two = source("one", "token-1") + &source("two", "token-2");
    for _ in 0..2 {
        let answer = gateway.reload(&routed(&two, "\"one\", \"two\""));
        let waits = ["source \"two\" is added", "`sources` of receiver a"];
        assert_eq!(answer.list("needs_restart"), waits, "{answer:?}");
        assert_eq!(answer.list("changed"), Vec::<String>::new(), "{answer:?}");
        let warnings = answer.list("warnings");
        let wanted = "source \"two\" goes to no receiver that runs";
        assert!(warnings[0].contains(wanted), "{warnings:?}");
        assert_eq!((gateway.send("token-1"), gateway.send("token-2")), (202, 403));
    }
}

#[test]
fn a_source_that_is_renamed_for_its_receiver_too_keeps_its_name_until_a_restart() {
    let gateway = Process::start(&routed(&source("one", "token-1"), "\"one\""));
    let answer = gateway.reload(&routed(&source("uno", "token-1"), "\"uno\""));
    let waits = ["source \"one\" is called \"uno\" now", "`sources` of receiver a"];
    assert_eq!(answer.list("needs_restart"), waits, "{answer:?}");
    assert_eq!(gateway.send("token-1"), 202);
    let status = gateway.admin("GET", "/status", &[]).json();
    assert_eq!(status["sources"][0]["name"], "one", "{status}");
    assert_eq!(gateway.metric("tidegate_filtered_total{receiver=\"a\"}"), Some(0.0));
    let answer = gateway.reload(&routed(&source("one", "token-1"), "\"one\""));
    assert_eq!(answer.list("needs_restart"), Vec::<String>::new(), "back to what runs");
}
