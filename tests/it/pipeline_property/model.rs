//! Sound metrics at random, as clients' libraries write them, and the tuples they stand for.

use proptest::prelude::*;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tidegate::metric::timestamp::Timestamp;

/// How a metric is written; a float 32 has other digits in each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Json,
    MessagePack,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Single(f32),
    Double(f64),
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum TagValue {
    Text(String),
    Number(i64),
    Bool(bool),
    Bare(Option<()>),
    Texts(Vec<String>),
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Bucket {
    upper_limit: f64,
    count: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Quantile {
    quantile: f64,
    value: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    value: f64,
    rate: u32,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Value {
    Gauge { value: Number },
    Counter { value: Number },
    Histogram { count: u64, sum: f64, buckets: Vec<Bucket> },
    AggregatedHistogram { buckets: Vec<Bucket>, sum: f64, count: u64 },
    Summary { count: u64, sum: f64, quantiles: Vec<Quantile> },
    AggregatedSummary { quantiles: Vec<Quantile>, count: u64, sum: f64 },
    Set { values: Vec<String> },
    Distribution { samples: Vec<Sample>, statistic: &'static str },
}

/// A metric as a client holds it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    dt: Option<i64>,
    kind: &'static str,
    #[serde(flatten)]
    value: Value,
    #[serde(serialize_with = "map")]
    tags: Vec<(String, TagValue)>,
    name: String,
}

fn map<S: Serializer>(tags: &[(String, TagValue)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(tags.len()))?;
    for (key, value) in tags {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<u64>().prop_map(Number::Unsigned),
        any::<i64>().prop_map(Number::Signed),
        any::<f32>().prop_filter("finite", |n| n.is_finite()).prop_map(Number::Single),
        finite().prop_map(Number::Double),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |n| n.is_finite()),
        (-1_000_000_i64..1_000_000).prop_map(|n| n as f64 / 64.0),
    ]
}

fn buckets() -> impl Strategy<Value = Vec<Bucket>> {
    // JSON has no infinity: its client writes null there (C2.2).
    let limit = prop_oneof![4 => finite(), 1 => Just(f64::INFINITY)];
    let bucket =
        (limit, any::<u64>()).prop_map(|(upper_limit, count)| Bucket { upper_limit, count });
    prop::collection::vec(bucket, 0..8)
}

fn quantiles() -> impl Strategy<Value = Vec<Quantile>> {
    // Nor has it NaN, which is null there too.
    let value = prop_oneof![4 => finite(), 1 => Just(f64::NAN)];
    let pair = (0.0..=1.0, value).prop_map(|(quantile, value)| Quantile { quantile, value });
    prop::collection::vec(pair, 0..8)
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    // The sum of them is no concern here, as long as it is a double.
    let value =
        prop_oneof![4 => -1e200..1e200, 4 => (-9_i8..9).prop_map(f64::from), 1 => Just(f64::NAN)];
    let sample = (value, 0_u32..12).prop_map(|(value, rate)| Sample { value, rate });
    prop::collection::vec(sample, 0..8)
}

fn value() -> impl Strategy<Value = Value> {
    let total = || (any::<u64>(), finite());
    prop_oneof![
        number().prop_map(|value| Value::Gauge { value }),
        number().prop_map(|value| Value::Counter { value }),
        (total(), buckets()).prop_map(|((count, sum), buckets)| Value::Histogram {
            count,
            sum,
            buckets
        }),
        (total(), buckets()).prop_map(|((count, sum), buckets)| Value::AggregatedHistogram {
            buckets,
            sum,
            count
        }),
        (total(), quantiles()).prop_map(|((count, sum), quantiles)| Value::Summary {
            count,
            sum,
            quantiles
        }),
        (total(), quantiles()).prop_map(|((count, sum), quantiles)| {
            Value::AggregatedSummary { quantiles, count, sum }
        }),
        prop::collection::vec("\\PC{0,6}", 0..6).prop_map(|values| Value::Set { values }),
        samples().prop_map(|samples| Value::Distribution { samples, statistic: "histogram" }),
    ]
}

fn tag_value() -> impl Strategy<Value = TagValue> {
    prop_oneof![
        any::<String>().prop_map(TagValue::Text),
        any::<i64>().prop_map(TagValue::Number),
        any::<bool>().prop_map(TagValue::Bool),
        Just(TagValue::Bare(None)),
        prop::collection::vec("\\PC{0,6}", 0..4).prop_map(TagValue::Texts),
    ]
}

/// Any sound metric; names and keys begin so that none is reserved, and no two keys are alike.
pub(super) fn sent() -> impl Strategy<Value = Sent> {
    let tags = prop::collection::vec((any::<String>(), tag_value()), 0..6).prop_map(|tags| {
        let numbered = tags.into_iter().enumerate();
        let cut = |key: String| key.chars().take(50).collect::<String>();
        numbered.map(|(at, (key, value))| (format!("k{at}{}", cut(key)), value)).collect()
    });
    let dt = prop::option::of(-900_i64..=900);
    let kind = prop_oneof![Just("absolute"), Just("incremental")];
    ("\\PC{0,20}", any::<String>(), value(), tags, dt, kind).prop_map(
        |(plain, odd, value, tags, dt, kind)| Sent {
            dt: dt.map(|dt| 1_795_343_400 + dt),
            kind,
            value,
            tags,
            name: format!("m{plain}{}", odd.chars().take(40).collect::<String>()),
        },
    )
}

fn quoted(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    serde_json::to_string(&clean).expect("a text is JSON")
}

impl Number {
    fn text(self, wire: Wire) -> String {
        match (self, wire) {
            (Self::Unsigned(integer), _) => format!("{integer}.0"),
            (Self::Signed(integer), _) => format!("{integer}.0"),
            (Self::Single(single), Wire::MessagePack) => double(f64::from(single)),
            (Self::Single(single), Wire::Json) => {
                serde_json::to_string(&single).expect("a finite number is JSON")
            }
            (Self::Double(number), _) => double(number),
        }
    }
}

/// The shortest digits that name the double.
fn double(number: f64) -> String {
    serde_json::to_string(&number).expect("a finite number is JSON")
}

fn bound(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        _ => number.to_string(),
    }
}

impl Sent {
    /// The tuples the contract names for it, in order (C4).
    pub(super) fn tuples(&self, wire: Wire, hostname: &str, now: Timestamp) -> Vec<String> {
        let flow = if self.kind == "incremental" { "count" } else { "counter" };
        let seconds = self.dt.unwrap_or(now.seconds());
        let tuple = |suffix: &str, value: String, label: Option<String>, kind: &str| {
            let mut tags = self.tags();
            tags.extend(label.map(|label| quoted(&label)));
            format!(
                r#"[{},{seconds},{value},{{"hostname":"{hostname}","tags":[{}],"type":"{kind}"}}]"#,
                quoted(&format!("{}{suffix}", self.name)),
                tags.join(",")
            )
        };
        let mut tuples = Vec::new();
        let mut of_samples = (0, 0.0);
        let (count, sum) = match &self.value {
            Value::Gauge { value } => return vec![tuple("", value.text(wire), None, "gauge")],
            Value::Counter { value } => return vec![tuple("", value.text(wire), None, flow)],
            Value::Histogram { count, sum, buckets }
            | Value::AggregatedHistogram { buckets, sum, count } => {
                for Bucket { upper_limit, count } in buckets {
                    let label = format!("upper_limit:{}", bound(*upper_limit));
                    tuples.push(tuple("", format!("{count}.0"), Some(label), flow));
                }
                (count, sum)
            }
            Value::Summary { count, sum, quantiles }
            | Value::AggregatedSummary { quantiles, count, sum } => {
                for Quantile { quantile, value } in quantiles.iter().filter(|q| !q.value.is_nan()) {
                    let label = format!("quantile:{}", bound(*quantile));
                    tuples.push(tuple("", double(*value), Some(label), "gauge"));
                }
                (count, sum)
            }
            Value::Set { values } => {
                return vec![tuple("", format!("{}.0", values.len()), None, "gauge")];
            }
            Value::Distribution { samples, .. } => {
                let mut seen: Vec<f64> = Vec::new();
                for Sample { value, rate } in samples.iter().filter(|s| !s.value.is_nan()) {
                    of_samples.1 += value * f64::from(*rate);
                    seen.extend(std::iter::repeat_n(*value, *rate as usize));
                }
                seen.sort_by(f64::total_cmp);
                of_samples.0 = seen.len() as u64;
                for q in [0.5, 0.75, 0.9, 0.95, 0.99].iter().filter(|_| !seen.is_empty()) {
                    let place = (q * seen.len() as f64).round().max(1.0) as usize;
                    let label = format!("quantile:{q}");
                    tuples.push(tuple("", double(seen[place - 1]), Some(label), "gauge"));
                }
                (&of_samples.0, &of_samples.1)
            }
        };
        tuples.push(tuple("_sum", double(*sum), None, flow));
        tuples.push(tuple("_count", format!("{count}.0"), None, flow));
        tuples
    }

    fn tags(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (key, value) in &self.tags {
            let key = key.replace(':', "_");
            let mut tag = |value: &str| texts.push(quoted(&format!("{key}:{value}")));
            match value {
                TagValue::Text(text) => tag(text),
                TagValue::Number(number) => tag(&number.to_string()),
                TagValue::Bool(bool) => tag(&bool.to_string()),
                TagValue::Bare(_) => texts.push(quoted(&key)),
                TagValue::Texts(values) => values.iter().for_each(|value| tag(value)),
            }
        }
        texts
    }
}
