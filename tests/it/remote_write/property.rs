//! Requests made at random, written by another writer and read by both readers; in any order of their
//! fields, with fields that nobody knows, cut and damaged.

use std::sync::Arc;

use fastrand::Rng;
use prost::Message;
use tidegate::decode::{Format, RemoteWrite};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Policy, Profile};
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, BodyError};

use super::client::{Tuple, tuples};
use super::messages::{
    Count, Exemplar, Histogram, Label, Metadata2, MetricMetadata, NOW_MILLIS, Request, Sample,
    Span, TimeSeries, WriteRequest, ZeroCount,
};
use super::oracle::{self, Outcome, STALE, close};
use crate::differential::reading::generate::Generator;

fn run(body: &[u8], version: RemoteWrite) -> Result<(Report, Vec<Tuple>), BodyError> {
    let profile = Profile::new(Arc::new(Policy::default()), Some("gateway"), &[]);
    let now = Timestamp::from_unix(NOW_MILLIS / 1_000, 0);
    let mut all = Vec::new();
    let report = pipeline::run(body, Format::RemoteWrite(version), &profile, now, &mut |block| {
        all.extend(tuples(&block.bytes));
        Ok(())
    })?;
    Ok((report, all))
}

/// Both readings of a body, where the other reader takes it at all.
fn compare(body: &[u8], version: RemoteWrite, context: &str) {
    let ours = run(body, version);
    let theirs = match version {
        RemoteWrite::V1 => WriteRequest::decode(body).map(|request| oracle::of_first(&request)),
        RemoteWrite::V2 => Request::decode(body).map(|request| oracle::of_second(&request)),
    };
    let Ok(theirs) = theirs else { return };
    // A request of the other version has no series in either reading, and ours says why.
    if let Err(BodyError::Malformed { fault, .. }) = &ours
        && fault.contains("of this version")
        && theirs.accepted + theirs.rejected + theirs.exemplars == 0
    {
        return;
    }
    let (report, tuples) = ours.unwrap_or_else(|error| panic!("{context}: {error}"));
    let Outcome { tuples: expected, accepted, rejected, histograms, exemplars, stale_samples } =
        theirs;
    close(&tuples, &expected, context);
    let asides = report.asides;
    assert_eq!((report.accepted, report.rejected), (accepted, rejected), "{context}");
    assert_eq!((asides.histograms, asides.exemplars), (histograms, exemplars), "{context}");
    assert!(asides.stale_markers >= stale_samples, "{context}");
}

#[test]
fn both_readers_read_the_same() {
    for seed in 0..600 {
        let mut random = Rng::with_seed(seed);
        let first = request(&mut random);
        let second = second(&mut random, &first);
        let context = format!("seed {seed}: {first:?}");
        let (first, second) = (first.encode_to_vec(), second.encode_to_vec());
        compare(&first, RemoteWrite::V1, &context);
        compare(&second, RemoteWrite::V2, &context);
        let shuffled = shuffle(&mut random, &first, &[&[1], &[1, 2, 3, 4], &[]]);
        compare(&shuffled, RemoteWrite::V1, &context);
        let shuffled = shuffle(&mut random, &second, &[&[5], &[2, 3, 4, 5], &[]]);
        compare(&shuffled, RemoteWrite::V2, &context);
    }
}

#[test]
fn damaged_messages_are_read_alike_or_refused() {
    let mut generator = Generator::new(31);
    for seed in 0..600 {
        let mut random = Rng::with_seed(seed);
        let first = request(&mut random);
        let second = second(&mut random, &first).encode_to_vec();
        for (body, version) in [(first.encode_to_vec(), RemoteWrite::V1), (second, RemoteWrite::V2)]
        {
            let mut damaged = body.clone();
            generator.damage(&mut damaged);
            compare(&damaged, version, &format!("seed {seed}, damaged: {damaged:x?}"));
            let cut = &body[..random.usize(..=body.len())];
            compare(cut, version, &format!("seed {seed}, cut: {cut:x?}"));
            // And as what it is not.
            drop((run(&body, RemoteWrite::V1), run(&body, RemoteWrite::V2)));
        }
    }
}

/// Messages of both versions, for whoever damages them.
pub(crate) fn bodies(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(seed);
    let body = |nth| {
        let first = request(&mut random);
        if nth % 2 == 0 {
            first.encode_to_vec()
        } else {
            second(&mut random, &first).encode_to_vec()
        }
    };
    (0..count).map(body).collect()
}

fn pick<'p, T: ?Sized>(random: &mut Rng, from: &[&'p T]) -> &'p T {
    from[random.usize(..from.len())]
}

const NAMES: [&[u8]; 12] = [
    b"up",
    b"a_total",
    b"a",
    b"b_sum",
    b"b_count",
    b"b_bucket",
    b"b",
    b"c_created",
    b"d\nd",
    b"",
    b"\xff",
    "\u{e9}".as_bytes(),
];
const KEYS: [&[u8]; 9] = [
    b"a",
    b"b",
    b"le",
    b"quantile",
    b"z:z",
    b"",
    b"\xff",
    b"__name__",
    b"better_stack_source_token",
];
const VALUES: [&[u8]; 6] = [b"", b"1", b"+Inf", "\u{e9}\n".as_bytes(), b"\xff", b"x:y"];

fn labels(random: &mut Rng) -> Vec<Label> {
    let mut all = Vec::new();
    if random.u8(..20) > 0 {
        let sound = if random.u8(..4) > 0 { 8 } else { NAMES.len() };
        let value = NAMES[random.usize(..sound)].to_vec();
        all.push(Label { name: b"__name__".to_vec(), value });
    }
    for _ in 0..random.u8(..4) {
        let sound = random.u8(..4) > 0;
        let keys = if sound { &KEYS[..5] } else { &KEYS[..] };
        let values = if sound { &VALUES[..4] } else { &VALUES[..] };
        let name = pick(random, keys).to_vec();
        all.push(Label { name, value: pick(random, values).to_vec() });
    }
    if random.bool() {
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    all
}

fn value(random: &mut Rng) -> f64 {
    match random.u8(..10) {
        0 => f64::from_bits(STALE),
        1 => f64::NAN,
        2 => f64::INFINITY,
        3 => -0.0,
        4 => f64::MIN_POSITIVE / 3.0,
        5 => f64::MAX,
        _ => (random.f64() - 0.5) * 10_f64.powi(random.i32(-5..15)),
    }
}

fn millis(random: &mut Rng) -> i64 {
    match random.u8(..10) {
        0 => 0,
        1 => -1,
        2 => i64::MAX,
        3 => i64::MIN,
        _ => NOW_MILLIS - random.i64(0..10_000),
    }
}

fn request(random: &mut Rng) -> WriteRequest {
    let mut request = WriteRequest::default();
    for _ in 0..random.u8(..5) {
        let mut series = TimeSeries { labels: labels(random), ..TimeSeries::default() };
        // Samples or histograms: of both, those of the same kind keep their order, and no more.
        for _ in 0..random.u8(..4) {
            if request.timeseries.len() % 2 == 0 {
                let (value, timestamp) = (value(random), millis(random));
                series.samples.push(Sample { value, timestamp });
            } else {
                series.histograms.push(histogram(random));
            }
        }
        for _ in 0..random.u8(..2) {
            let labels = labels(random);
            series.exemplars.push(Exemplar { labels, value: value(random), timestamp: 1 });
        }
        request.timeseries.push(series);
    }
    for _ in 0..random.u8(..4) {
        let family = pick(random, &NAMES).to_vec();
        let help = b"help".to_vec();
        let kind = random.i32(-1..10);
        request.metadata.push(MetricMetadata { kind, family, help, unit: Vec::new() });
    }
    request
}

fn second(random: &mut Rng, first: &WriteRequest) -> Request {
    let mut request = Request::like(first);
    for series in &mut request.timeseries {
        let kind = random.i32(-1..10);
        series.metadata = random.bool().then_some(Metadata2 { kind, help: 0, unit: 0 });
        if random.u8(..20) == 0 {
            series.labels.push(random.u32(..40));
        }
    }
    request
}

fn histogram(random: &mut Rng) -> Histogram {
    let schema = if random.u8(..4) == 0 { -53 } else { random.i32(-5..10) };
    let mut total = 0;
    let mut side = |random: &mut Rng| {
        let mut spans = Vec::new();
        let mut counts: Vec<i64> = Vec::new();
        for nth in 0..random.u8(..3) {
            let least = if nth == 0 && schema != -53 { -3 } else { 0 };
            let (offset, length) = (random.i32(least..4), random.u32(..4));
            spans.push(Span { offset, length });
            counts.extend((0..length).map(|_| random.i64(0..4)));
        }
        if random.u8(..20) == 0 {
            counts.push(1);
        }
        total += counts.iter().sum::<i64>();
        (spans, counts)
    };
    let (positive_spans, positive) = side(random);
    let (negative_spans, negative) =
        if schema == -53 && random.u8(..8) > 0 { (vec![], vec![]) } else { side(random) };
    let zero = if schema == -53 && random.u8(..8) > 0 { 0 } else { random.u64(..3) };
    let count = total as u64 + zero + u64::from(random.u8(..10) == 0);
    let is_float = random.bool();
    let deltas = |counts: &[i64]| {
        let mut last = 0;
        counts.iter().map(|count| count - std::mem::replace(&mut last, *count)).collect()
    };
    let floats = |counts: &[i64]| counts.iter().map(|count| *count as f64 * 1.5).collect();
    let mut custom: Vec<f64> = (0..random.u8(..12)).map(|n| f64::from(n) * 2.5 - 5.0).collect();
    if random.u8(..10) == 0 {
        custom.push(value(random));
    }
    Histogram {
        count: Some(if is_float { Count::Float(count as f64) } else { Count::Whole(count) }),
        sum: value(random),
        schema,
        zero_threshold: *[0.0, 1e-128, 1e-3, -1.0, f64::NAN]
            .get(random.usize(..20) % 7)
            .unwrap_or(&1e-9),
        zero_count: Some(if is_float {
            ZeroCount::Float(zero as f64)
        } else {
            ZeroCount::Whole(zero)
        }),
        negative_spans,
        negative_deltas: if is_float { vec![] } else { deltas(&negative) },
        negative_counts: if is_float { floats(&negative) } else { vec![] },
        positive_spans,
        positive_deltas: if is_float { vec![] } else { deltas(&positive) },
        positive_counts: if is_float { floats(&positive) } else { vec![] },
        reset_hint: random.i32(0..4),
        timestamp: millis(random),
        custom_values: if schema == -53 { custom } else { vec![] },
    }
}

/// The same message with its fields in another order, those of one number in their own, and unknown
/// ones between. `nested` are the numbers of the messages on each level.
fn shuffle(random: &mut Rng, message: &[u8], nested: &[&[u32]]) -> Vec<u8> {
    let Some((numbers, deeper)) = nested.split_first() else { return message.to_vec() };
    let mut fields: Vec<(u32, Vec<u8>)> = fields(message)
        .into_iter()
        .map(|(number, head, content)| {
            if !numbers.contains(&number) {
                return (number, [head, content].concat());
            }
            let content = shuffle(random, content, deeper);
            let mut field = Vec::new();
            prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut field);
            prost::encoding::encode_varint(content.len() as u64, &mut field);
            (number, [field, content].concat())
        })
        .collect();
    for unknown in [&b"\x98\x06\x07"[..], b"\x9a\x06\x02hi", b"\x9b\x06\x08\x01\x9c\x06"] {
        if random.u8(..4) == 0 {
            fields.push((99, unknown.to_vec()));
        }
    }
    let mut places: Vec<u32> = fields.iter().map(|(number, _)| *number).collect();
    random.shuffle(&mut places);
    let mut out = Vec::new();
    for number in places {
        let at = fields.iter().position(|(other, _)| *other == number).expect("as many places");
        out.extend(fields.remove(at).1);
    }
    out
}

/// Number, what stands before the content, and the content of each field.
fn fields(message: &[u8]) -> Vec<(u32, &[u8], &[u8])> {
    let mut all = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let whole = rest;
        let key = prost::encoding::decode_varint(&mut rest).expect("whole");
        let length = match key & 7 {
            0 => {
                let before = rest.len();
                let mut after = rest;
                prost::encoding::decode_varint(&mut after).expect("whole");
                before - after.len()
            }
            1 => 8,
            2 => prost::encoding::decode_varint(&mut rest).expect("whole") as usize,
            _ => 4,
        };
        let head = &whole[..whole.len() - rest.len()];
        let (content, after) = rest.split_at(length);
        all.push(((key >> 3) as u32, head, content));
        rest = after;
    }
    all
}
