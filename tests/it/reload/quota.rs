//! What a source may send, changed while it sends.

use super::config;
use super::process::{Process, exchange, source};

const SERIES: &str = "tidegate_source_series{source=\"one\"}";
const LIMIT: &str = "tidegate_source_series_limit{source=\"one\"}";

fn limited(limits: &str) -> String {
    config(&(source("one", "token-1") + limits))
}

/// What a metric of this name gets.
fn send(gateway: &Process, name: &str) -> u16 {
    let body = format!("{{\"name\":\"{name}\",\"gauge\":{{\"value\":1}}}}");
    let headers = [("authorization", "Bearer token-1")];
    exchange(gateway.ingest(), "POST", "/metrics", &headers, &body).status
}

#[test]
fn changed_numbers_are_taken_over_and_known_series_stay_known() {
    let gateway = Process::start(&limited("series = 2\n"));
    let send =
        |names: &[&str]| -> Vec<u16> { names.iter().map(|name| send(&gateway, name)).collect() };
    assert_eq!(send(&["a", "b", "c"]), [202, 202, 422]);
    assert_eq!((gateway.metric(SERIES), gateway.metric(LIMIT)), (Some(2.0), Some(2.0)));

    assert_eq!(gateway.reload(&limited("series = 3\n")).status, 200);
    assert_eq!(send(&["c", "d", "a"]), [202, 422, 202]);
    assert_eq!(gateway.reload(&limited("series = 1\ntags = { zone = \"a\" }\n")).status, 200);
    assert_eq!(send(&["a", "b", "c", "d"]), [202, 202, 202, 422]);
    assert_eq!((gateway.metric(SERIES), gateway.metric(LIMIT)), (Some(3.0), Some(1.0)));

    // A configuration with faults changes nothing.
    assert_eq!(gateway.reload(&limited("series = -1\n")).status, 422);
    assert_eq!(gateway.metric(LIMIT), Some(1.0));
    assert_eq!(gateway.reload(&limited("requests_per_minute = 1\n")).status, 200);
    assert_eq!((send(&["d", "e"]), gateway.metric(LIMIT)), (vec![202, 429], None));
    assert_eq!(gateway.reload(&limited("")).status, 200);
    assert_eq!(send(&["d", "e"]), [202, 202]);
}
