//! Requests as they go over the wire, ready before a run begins.

use super::bodies::{self, Mix};

/// How many different ones there are of each size: enough that no two neighbours compress as one.
const SINGLES: usize = 4096;
const BATCHES: usize = 16;

/// Requests of `metrics` gauges each.
pub(crate) fn of(metrics: usize, token: &str, path: &str) -> Vec<Vec<u8>> {
    let count = if metrics < 100 { SINGLES } else { BATCHES };
    let all = bodies::metrics(Mix::Gauges, count * metrics);
    let bodies = all.chunks(metrics).map(|metrics| match metrics {
        [metric] => metric.clone().into_bytes(),
        metrics => bodies::json_array(metrics),
    });
    bodies.map(|body| request(token, path, &body)).collect()
}

fn request(token: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: load\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
