//! Messages made to cost: each is bounded by its body, in what is counted and not in time.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tidegate::decode::{Format, RemoteWrite};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Code, Policy, Profile};
use tidegate::pipeline::report::Report;
use tidegate::pipeline::{self, BodyError, Step};

use super::messages::{
    Count, Histogram, MetricMetadata, NOW_MILLIS, Request, Sample2, Span, TimeSeries, TimeSeries2,
    WriteRequest, label,
};

/// A share of the largest body that a test without optimisation reads in a moment.
const BODY_BYTES: usize = 20 << 18;

/// What became of a body, the most it held beside itself, and bytes of tuples.
struct Cost {
    result: Result<Report, BodyError>,
    beside: u64,
    bytes: u64,
}

fn cost(body: &[u8], version: RemoteWrite) -> Cost {
    let policy = Policy { expanded_bytes: 8 << 20, ..Policy::default() };
    let profile = Profile::new(Arc::new(policy), None, &[]);
    let now = Timestamp::from_unix(NOW_MILLIS / 1_000, 0);
    let (mut beside, mut bytes) = (0, 0);
    let format = Format::RemoteWrite(version);
    let result = pipeline::run_steps(body, format, &profile, now, &mut |step| {
        match step {
            Step::Beside(held) => beside = beside.max(held),
            Step::Block(block) => bytes += block.bytes.len() as u64,
            Step::Held(_) => panic!("no block waits for anything"),
        }
        Ok(())
    });
    Cost { result, beside, bytes }
}

#[test]
fn empty_messages_cost_their_bytes_and_no_more() {
    for (version, field) in [
        (RemoteWrite::V1, b"\x0a\0"),
        (RemoteWrite::V1, b"\x1a\0"),
        (RemoteWrite::V1, b"\x4a\0"),
        (RemoteWrite::V2, b"\x2a\0"),
        (RemoteWrite::V2, b"\x22\0"),
        (RemoteWrite::V2, b"\x4a\0"),
    ] {
        let cost = cost(&field.repeat(BODY_BYTES / 2), version);
        let report = cost.result.expect("valid");
        assert_eq!((report.accepted, report.rejected, cost.bytes), (0, 0, 0), "{version:?}");
        // Four bytes for a symbol, of which each takes two.
        assert!(cost.beside <= 2 * BODY_BYTES as u64, "{version:?}: {} bytes", cost.beside);
    }
    // Inside a series, too.
    for (version, field) in [
        (RemoteWrite::V1, b"\x0a\0"),
        (RemoteWrite::V1, b"\x1a\0"),
        (RemoteWrite::V2, b"\x0a\0"),
        (RemoteWrite::V2, b"\x22\0"),
    ] {
        let inner = field.repeat(BODY_BYTES / 4);
        let tag = if version == RemoteWrite::V1 { 0x0a } else { 0x2a };
        let mut body = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut body);
        body.extend(inner);
        let cost = cost(&body, version);
        let report = cost.result.expect("valid");
        assert!((report.accepted, cost.bytes) == (0, 0) && report.rejected <= 1);
    }
    // Samples of nobody: each is told of, a hundred at most.
    let inner = b"\x12\0".repeat(BODY_BYTES / 8);
    let mut body = vec![0x0a];
    prost::encoding::encode_varint(inner.len() as u64, &mut body);
    body.extend(inner);
    let report = cost(&body, RemoteWrite::V1).result.expect("valid");
    assert_eq!((report.rejected as usize, report.errors.len()), (BODY_BYTES / 8, 100));
}

#[test]
fn families_take_no_more_than_their_bytes() {
    let family = |n: u32| MetricMetadata {
        kind: 1,
        family: format!("{n:x}").into_bytes(),
        ..MetricMetadata::default()
    };
    let request = WriteRequest {
        metadata: (0..100_000).map(family).collect(),
        ..WriteRequest::of(&[(&[("__name__", "ff")], 1.0)])
    };
    let body = request.encode_to_vec();
    let cost = cost(&body, RemoteWrite::V1);
    let report = cost.result.expect("valid");
    assert_eq!((report.accepted, report.asides.metadata), (1, 100_000));
    assert!((1..=2 * body.len() as u64).contains(&cost.beside), "{} bytes", cost.beside);
}

/// A series that unfolds to `labels`, each given by its references, with a value that no tuple can hold.
fn series(labels: Vec<u32>) -> TimeSeries2 {
    TimeSeries2 {
        labels,
        samples: vec![Sample2 { value: f64::NAN, ..Sample2::default() }],
        ..TimeSeries2::default()
    }
}

#[test]
fn labels_that_unfold_without_end_are_cut_off() {
    let mut symbols = ["", "__name__", "x", "a", "b", "c"].map(Vec::<u8>::from).to_vec();
    symbols.push(vec![b'v'; 4_096]);
    let one = series(vec![1, 2, 3, 6, 4, 6, 5, 6]);
    let request = Request { symbols, timeseries: vec![one; 10_000] };
    let body = request.encode_to_vec();
    assert!(body.len() < 1 << 20);
    let unfolded = cost(&body, RemoteWrite::V2);
    assert_eq!(unfolded.result, Err(BodyError::Expanded { limit: 8 << 20 }));

    // One that is too long for any label is not even looked at.
    let symbols = vec![b"".to_vec(), b"__name__".to_vec(), vec![b'x'; 1 << 20]];
    let request = Request { symbols, timeseries: vec![series(vec![1, 2]); 50_000] };
    let report = cost(&request.encode_to_vec(), RemoteWrite::V2).result.expect("valid");
    assert_eq!(report.tally.rejections(Code::InvalidName), 50_000);
}

/// `count` series of so many labels, all of whose values are one symbol that has to be cleaned.
fn unclean(labels: u32, count: usize) -> Cost {
    let mut symbols = ["", "__name__", "x"].map(Vec::<u8>::from).to_vec();
    symbols.push(vec![1; UNCLEAN_BYTES]);
    symbols.extend((0..labels).map(|n| format!("l{n:03}").into_bytes()));
    let labels = [1, 2].into_iter().chain((4..4 + labels).flat_map(|label| [label, 3])).collect();
    let request = Request { symbols, timeseries: vec![series(labels); count] };
    cost(&request.encode_to_vec(), RemoteWrite::V2)
}

const UNCLEAN_BYTES: usize = 4_096;

#[test]
fn texts_that_have_to_be_cleaned_for_each_series_are_told_of() {
    let cost = unclean(3, 500);
    assert_eq!(cost.result.expect("valid").accepted, 500);
    // An arena grows in steps, to little more than twice what it holds.
    let made = (3 * 500 * UNCLEAN_BYTES) as u64;
    assert!((made..=3 * made).contains(&cost.beside), "{} bytes", cost.beside);
}

#[test]
fn of_tags_that_are_too_large_together_few_are_cleaned() {
    let cost = unclean(100, 20);
    assert_eq!(cost.result.expect("valid").tally.rejections(Code::TooLarge), 20);
    let all = (100 * 20 * UNCLEAN_BYTES) as u64;
    assert!(cost.beside <= all / 4, "{} of {all} bytes", cost.beside);
}

#[test]
fn what_stands_before_a_symbol_is_passed_over_once() {
    // A group of half a megabyte, which belongs to nobody, before the one symbol that all refer to.
    let filler = b"\x08\x01".repeat(1 << 18);
    let symbol = [&b"\x0b"[..], &filler, b"\x0c\x22\x01x"].concat();
    let labels =
        Request { symbols: vec![], timeseries: vec![series(vec![0, 0, 0, 0, 0, 0, 0, 0]); 20_000] };
    let body = [symbol, labels.encode_to_vec()].concat();
    let report = cost(&body, RemoteWrite::V2).result.expect("valid");
    assert_eq!(report.rejected, 20_000);
}

/// What this thread has worked so far: others on the machine take none of it.
fn worked() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[test]
fn a_text_is_looked_at_once_however_many_labels_refer_to_it() {
    const PAIRS: usize = 200_000;
    // A text of two-byte letters takes longest to look at; one that breaks off at its end as long.
    let text = "\u{e9}".repeat(2_047).into_bytes();
    let broken = [&text[..], b"\xc3"].concat();
    let symbols = |long: &[u8]| [b"", &b"__name__"[..], b"x", b"a", long].map(<[u8]>::to_vec);
    let names = |pair: [u32; 2]| [1, 2].into_iter().chain(pair.repeat(PAIRS)).collect();
    for (pair, long, code) in [
        ([3, 4], &text, Code::InvalidTags),
        ([4, 3], &text, Code::InvalidTags),
        ([4, 4], &broken, Code::InvalidTags),
        ([3, 4], &broken, Code::InvalidTags),
        ([1, 4], &text, Code::InvalidName),
        ([1, 4], &broken, Code::InvalidName),
    ] {
        let timeseries = vec![series(names(pair))];
        let body = Request { symbols: symbols(long).to_vec(), timeseries }.encode_to_vec();
        let before = worked();
        let report = cost(&body, RemoteWrite::V2).result.expect("valid");
        assert_eq!(report.tally.rejections(code), 1, "{pair:?}");
        let Some(worked) = before.zip(worked()).map(|(before, after)| after.saturating_sub(before))
        else {
            continue;
        };
        // Looking at the text again each time takes many times as long.
        assert!(worked < Duration::from_millis(500), "{pair:?}: {worked:?}");
    }
}

#[test]
fn labels_in_no_order_are_128_at_most_and_each_there_once() {
    for (count, is_twice, accepted) in [
        (2, false, 1),
        (2, true, 0),
        (16, true, 0),
        (17, false, 1),
        (17, true, 0),
        (128, false, 1),
        (128, true, 0),
        (129, false, 0),
        (1_000, false, 0),
    ] {
        let mut labels: Vec<_> =
            (0..count).rev().map(|n| label(&format!("l{n:04}"), "v")).collect();
        if is_twice {
            labels[0] = label("l0000", "w");
        }
        // Wherever it stands, it is the name.
        labels.push(label("__name__", "x"));
        let series = TimeSeries { labels, ..WriteRequest::of(&[(&[], 1.0)]).timeseries.remove(0) };
        let first = WriteRequest { timeseries: vec![series], ..WriteRequest::default() };
        for (version, body) in [
            (RemoteWrite::V1, first.encode_to_vec()),
            (RemoteWrite::V2, Request::like(&first).encode_to_vec()),
        ] {
            let report = cost(&body, version).result.expect("valid");
            assert_eq!(report.accepted, accepted, "{count} {is_twice}: {report:?}");
            assert_eq!(report.tally.rejections(Code::InvalidTags), 1 - accepted);
        }
    }
}

fn histogram(buckets: usize, spans: usize) -> Vec<u8> {
    let length = (buckets / spans) as u32;
    let histogram = Histogram {
        count: Some(Count::Whole(buckets as u64)),
        positive_spans: vec![Span { offset: 0, length }; spans],
        positive_deltas: [1].into_iter().chain(std::iter::repeat_n(0, buckets - 1)).collect(),
        schema: 8,
        timestamp: NOW_MILLIS,
        ..Histogram::default()
    };
    let series = TimeSeries {
        labels: vec![label("__name__", "h")],
        histograms: vec![histogram],
        ..TimeSeries::default()
    };
    WriteRequest { timeseries: vec![series], ..WriteRequest::default() }.encode_to_vec()
}

#[test]
fn a_sum_that_no_tuple_can_hold_is_told() {
    let request = |sum: f64| {
        let histogram = Histogram { sum, timestamp: NOW_MILLIS, ..Histogram::default() };
        let series = TimeSeries {
            labels: vec![label("__name__", "h")],
            histograms: vec![histogram],
            ..TimeSeries::default()
        };
        WriteRequest { timeseries: vec![series], ..WriteRequest::default() }.encode_to_vec()
    };
    for (sum, told) in [(1.0, 0), (f64::NAN, 1), (f64::INFINITY, 1), (f64::NEG_INFINITY, 1)] {
        let report = cost(&request(sum), RemoteWrite::V1).result.expect("valid");
        assert_eq!(report.accepted, 1, "{sum}");
        assert_eq!(report.tally.warnings(Code::SkippedValue), told, "{sum}");
    }
}

#[test]
fn a_histogram_has_1024_buckets_at_most() {
    for (buckets, spans, accepted) in
        [(1_024, 1, 1), (1_024, 1_024, 1), (1_025, 1, 0), (1_000_000, 1, 0), (100_000, 100_000, 0)]
    {
        let cost = cost(&histogram(buckets, spans), RemoteWrite::V1);
        let report = cost.result.expect("valid");
        assert_eq!((report.accepted, report.rejected), (accepted, 1 - accepted), "{buckets}");
        assert_eq!(report.tally.rejections(Code::TooLarge), 1 - accepted, "{buckets}");
        assert!(cost.bytes < 1 << 20);
    }
}
