//! Bodies for the benches: gauges only, and a mix as a fleet of services sends it.

use std::fmt::Write as _;

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Gauges with five tags.
    Gauges,
    /// 70 % gauges, 20 % counters, 8 % histograms of 11 buckets, 2 % summaries.
    Mixed,
}

/// Metrics as JSON objects; no two alike, from a fixed seed. All are of the quarter of an hour before
/// 10:30, as clients that send what they just measured send them.
pub(crate) fn metrics(mix: Mix, count: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..count).map(|index| metric(mix, index, &mut random)).collect()
}

/// Metrics until they fill `bytes`, separators included.
pub(crate) fn metrics_filling(mix: Mix, bytes: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut metrics = Vec::new();
    let mut filled = 2;
    loop {
        let metric = metric(mix, metrics.len(), &mut random);
        filled += metric.len() + 1;
        if filled > bytes {
            return metrics;
        }
        metrics.push(metric);
    }
}

/// As one JSON array.
pub(crate) fn json_array(metrics: &[String]) -> Vec<u8> {
    format!("[{}]", metrics.join(",")).into_bytes()
}

/// One by line.
pub(crate) fn ndjson(metrics: &[String]) -> Vec<u8> {
    metrics.join("\n").into_bytes()
}

/// As one MessagePack array.
pub(crate) fn messagepack(metrics: &[String]) -> Vec<u8> {
    let values: Vec<serde_json::Value> =
        metrics.iter().map(|metric| serde_json::from_str(metric).expect("made here")).collect();
    rmp_serde::to_vec(&values).expect("values encode")
}

fn metric(mix: Mix, index: usize, random: &mut fastrand::Rng) -> String {
    let service = ["checkout", "payments", "search", "catalog", "identity"][random.usize(..5)];
    let mut metric = format!(
        r#"{{"name":"{service}.requests.latency_{}","dt":"2026-11-22T10:{:02}:{:02}.{:06}Z","tags":{{"host":"web-{:02}","env":"production","region":"eu-central-1","pod":"{service}-{:05x}","status":"{}"}},"#,
        index % 97,
        random.u32(16..30),
        random.u32(..60),
        random.u32(..1_000_000),
        random.u32(..64),
        random.u32(..0xf_ffff),
        [200, 204, 404, 500][random.usize(..4)],
    );
    let kind = if mix == Mix::Gauges { 0 } else { random.u32(..100) };
    let value = f64::from(random.u32(..100_000_000)) / 1000.0;
    match kind {
        0..70 => write!(metric, r#""gauge":{{"value":{value}}}}}"#),
        70..90 => write!(metric, r#""counter":{{"value":{}}}}}"#, random.u32(..)),
        90..98 => write!(metric, "{}", histogram(random)),
        _ => write!(
            metric,
            r#""summary":{{"count":{},"sum":{value},"quantiles":[{{"quantile":0.5,"value":0.25}},{{"quantile":0.9,"value":1.5}},{{"quantile":0.99,"value":{value}}}]}}}}"#,
            random.u32(..9999)
        ),
    }
    .expect("a String takes every text");
    metric
}

fn histogram(random: &mut fastrand::Rng) -> String {
    let mut buckets = String::new();
    let mut count = 0;
    for limit in ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"] {
        let here = random.u32(..5000);
        count += here;
        write!(buckets, r#"{{"upper_limit":{limit},"count":{here}}},"#).expect("as above");
    }
    let buckets = buckets.trim_end_matches(',');
    format!(r#""histogram":{{"count":{count},"sum":{}.5,"buckets":[{buckets}]}}}}"#, count / 7)
}
