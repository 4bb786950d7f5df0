//! The stages one by one, each on an ordinary gauge with five tags, so that it shows where time goes:
//! the grammar alone, an instant read, an item judged, a tuple written.
//!
//! They do not add up to the whole: an ordinary JSON item is read and judged in one pass.

use std::hint::black_box;
use std::time::Duration;

use bumpalo::Bump;
use criterion::{Criterion, Throughput};
use tidegate::decode::json::JsonReader;
use tidegate::decode::raw::{Number, Presence, RawMetric, RawPoint, RawTag, RawTags, Scalar};
use tidegate::encode::{Encoder, Escapes, Outlook, Source};
use tidegate::expand;
use tidegate::metric::Metric;
use tidegate::metric::text::Texts;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Profile, Rules};

const NAME: &str = "checkout.requests.latency_7";
const DT: &str = "2026-11-22T10:23:45.123456Z";
const TAGS: [(&str, &str); 5] = [
    ("host", "web-12"),
    ("env", "production"),
    ("region", "eu-central-1"),
    ("pod", "checkout-0abcd"),
    ("status", "200"),
];

fn raw() -> RawMetric<'static> {
    let tag = |(key, value)| RawTag {
        key,
        sent_key: key,
        value: Scalar::Text(value),
        member: 0,
        in_array: false,
    };
    let mut raw = RawMetric::default();
    raw.is_object = true;
    raw.named = true;
    raw.name = Some(Scalar::Text(NAME));
    raw.dt = Some(Scalar::Text(DT));
    let value = Some(Scalar::Number(Number::Literal("12345.678")));
    raw.gauge = RawPoint { presence: Presence::Here, value };
    let tags = TAGS.map(tag).to_vec();
    raw.tags = RawTags { presence: Presence::Here, tags, ..RawTags::default() };
    raw
}

/// Times each stage.
pub(crate) fn figures(criterion: &mut Criterion, profile: &Profile, now: Timestamp) {
    const TUPLES: u64 = 1_000;
    let mut group = criterion.benchmark_group("stages");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));

    let tags: Vec<_> = TAGS.iter().map(|(key, value)| format!(r#""{key}":"{value}""#)).collect();
    let tags = tags.join(",");
    let json = format!(
        r#"{{"name":"{NAME}","dt":"{DT}","tags":{{{tags}}},"gauge":{{"value":12345.678}}}}"#
    );
    let arena = Bump::new();
    group.throughput(Throughput::Elements(1));
    group.bench_function("grammar", |bencher| {
        bencher.iter(|| JsonReader::new(black_box(&json), &arena).check());
    });
    group.bench_function("instant", |bencher| bencher.iter(|| Timestamp::parse(black_box(DT))));

    let (mut raw, mut metric) = (raw(), Metric::blank());
    let mut rules = Rules::new(now, profile, Texts::new(&arena));
    group.bench_function("normalize", |bencher| {
        bencher.iter(|| rules.normalize(black_box(&mut raw), &mut metric).is_ok());
    });

    group.throughput(Throughput::Elements(TUPLES));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            let outlook = Outlook { body_bytes: 0, bytes_max: u64::MAX, always_raw: false };
            let source = Source { body: b"", escapes: Escapes::Never };
            let mut encoder = Encoder::new(outlook);
            for _ in 0..TUPLES {
                encoder.begin();
                let metric = black_box(&metric);
                expand::expand(metric, |sample| encoder.push(metric, &sample, source))
                    .expect("no limit");
            }
            encoder.last()
        });
    });
    group.finish();
}
