//! The same metrics as each program likes them best, as requests that are ready to be sent.
//!
//! No two of them are alike, and there are more than any compression looks back on. They are of the last
//! minutes, as a gateway expects it of a client that sends what it just measured.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::time::{ClockId, clock_gettime};

use crate::peer::TOKEN;

/// Different metrics; further requests repeat them.
const DISTINCT: usize = 128_000;

/// How the metrics of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Better Stack's JSON, an array.
    BetterStack,
    /// VictoriaMetrics' own JSON, a series by line.
    Import,
    /// Prometheus' text with times.
    Text,
    /// Datadog's series.
    Datadog,
    /// Prometheus' text without times: pushgateway takes none.
    Pushed,
}

/// Of one measured value.
struct Metric {
    name: String,
    tags: [(&'static str, String); 5],
    at: DateTime<Utc>,
    value: f64,
}

/// Requests in one format, head and body, dealt to so many connections in turn.
pub(crate) fn requests(format: Format, batch: usize, connections: usize) -> Vec<Vec<u8>> {
    let now = DateTime::from_timestamp(clock_gettime(ClockId::Realtime).tv_sec, 0)
        .expect("a time of this century");
    let mut random = fastrand::Rng::with_seed(7);
    let bodies = (DISTINCT / batch).next_multiple_of(connections);
    (0..bodies)
        .map(|index| {
            let metrics: Vec<_> =
                (0..batch).map(|at| metric(index * batch + at, now, &mut random)).collect();
            request(format, &body(format, &metrics), index % connections)
        })
        .collect()
}

fn metric(index: usize, now: DateTime<Utc>, random: &mut fastrand::Rng) -> Metric {
    let service = ["checkout", "payments", "search", "catalog", "identity"][random.usize(..5)];
    let ago = chrono::Duration::microseconds(random.i64(0..60_000_000));
    Metric {
        // A number of each connection's own within a group: pushgateway refuses doubles.
        name: format!("{service}_requests_latency_{}", index % 97),
        tags: [
            ("host", format!("web-{:02}", random.u32(..64))),
            ("env", "production".to_owned()),
            ("region", "eu-central-1".to_owned()),
            ("pod", format!("{service}-{index:05x}")),
            ("status", [200, 204, 404, 500][random.usize(..4)].to_string()),
        ],
        at: now - ago,
        value: f64::from(random.u32(..100_000_000)) / 1000.0,
    }
}

fn request(format: Format, body: &str, connection: usize) -> Vec<u8> {
    let (target, kind) = match format {
        Format::BetterStack => ("/metrics".to_owned(), "application/json"),
        Format::Import => ("/api/v1/import".to_owned(), "application/json"),
        Format::Text => ("/api/v1/import/prometheus".to_owned(), "text/plain"),
        Format::Datadog => ("/datadog/api/v1/series".to_owned(), "application/json"),
        Format::Pushed => (format!("/metrics/job/compare/instance/{connection}"), "text/plain"),
    };
    let method = if format == Format::Pushed { "PUT" } else { "POST" };
    format!(
        "{method} {target} HTTP/1.1\r\nhost: peer\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn body(format: Format, metrics: &[Metric]) -> String {
    let one: fn(&Metric) -> String = match format {
        Format::BetterStack => better_stack,
        Format::Import => import,
        Format::Text => |metric| format!("{} {}", pushed(metric), metric.at.timestamp_millis()),
        Format::Datadog => datadog,
        Format::Pushed => pushed,
    };
    let metrics: Vec<_> = metrics.iter().map(one).collect();
    match format {
        Format::BetterStack => format!("[{}]", metrics.join(",")),
        Format::Datadog => format!("{{\"series\":[{}]}}", metrics.join(",")),
        Format::Import | Format::Text | Format::Pushed => metrics.join("\n") + "\n",
    }
}

fn better_stack(metric: &Metric) -> String {
    let dt = metric.at.to_rfc3339_opts(SecondsFormat::Micros, true);
    format!(
        r#"{{"name":"{}","dt":"{dt}","tags":{{{}}},"gauge":{{"value":{}}}}}"#,
        metric.name,
        members(metric),
        metric.value
    )
}

fn import(metric: &Metric) -> String {
    format!(
        r#"{{"metric":{{"__name__":"{}",{}}},"values":[{}],"timestamps":[{}]}}"#,
        metric.name,
        members(metric),
        metric.value,
        metric.at.timestamp_millis()
    )
}

fn datadog(metric: &Metric) -> String {
    let tags: Vec<_> =
        metric.tags[1..].iter().map(|(key, value)| format!("\"{key}:{value}\"")).collect();
    format!(
        r#"{{"metric":"{}","points":[[{},{}]],"host":"{}","type":"gauge","tags":[{}]}}"#,
        metric.name,
        metric.at.timestamp(),
        metric.value,
        metric.tags[0].1,
        tags.join(",")
    )
}

fn pushed(metric: &Metric) -> String {
    let mut labels = String::new();
    for (key, value) in &metric.tags {
        write!(labels, "{key}=\"{value}\",").expect("a String takes every text");
    }
    format!("{}{{{}}} {}", metric.name, labels.trim_end_matches(','), metric.value)
}

fn members(metric: &Metric) -> String {
    let members: Vec<_> =
        metric.tags.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
    members.join(",")
}
