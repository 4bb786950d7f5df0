//! 500 events as Vector writes them: all but sketches are taken, and no digit changed. What a distribution
//! comes to is calculated here anew, value by value.

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate::decode::Format;
use tidegate::normalize::Code;

use crate::differential::reading::{Outcome, compare, now, profiles, read};
use crate::support::corpus;

#[derive(Deserialize)]
struct Line<'a> {
    file: String,
    kind: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    metric: Metric<'a>,
}

/// What of an event becomes numbers; as digits.
#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow)]
    gauge: Option<Point<'a>>,
    #[serde(borrow)]
    counter: Option<Point<'a>>,
    #[serde(borrow)]
    aggregated_histogram: Option<Series<'a>>,
    #[serde(borrow)]
    aggregated_summary: Option<Series<'a>>,
    #[serde(borrow)]
    set: Option<Set<'a>>,
    distribution: Option<Distribution>,
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Distribution {
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    value: f64,
    rate: u32,
}

#[derive(Deserialize)]
struct Point<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct Series<'a> {
    #[serde(borrow)]
    count: &'a RawValue,
    #[serde(borrow)]
    sum: &'a RawValue,
    #[serde(borrow, alias = "quantiles")]
    buckets: Vec<Pair<'a>>,
}

#[derive(Deserialize)]
struct Pair<'a> {
    /// A bucket's count or a quantile's value.
    #[serde(borrow, alias = "count")]
    value: &'a RawValue,
}

/// The numbers of the event in the order of its tuples.
fn numbers(metric: &Metric<'_>) -> Vec<String> {
    if let Some(point) = metric.gauge.as_ref().or(metric.counter.as_ref()) {
        return vec![as_double(point.value.get())];
    }
    if let Some(set) = &metric.set {
        return vec![format!("{}.0", set.values.len())];
    }
    if let Some(distribution) = &metric.distribution {
        return distribution.numbers();
    }
    let series = metric.aggregated_histogram.as_ref().or(metric.aggregated_summary.as_ref());
    let series = series.expect("one of six kinds");
    let pairs = series.buckets.iter().map(|pair| pair.value.get());
    pairs.chain([series.sum.get(), series.count.get()]).map(as_double).collect()
}

impl Distribution {
    /// Five quantiles, the sum and the count.
    fn numbers(&self) -> Vec<String> {
        let digits = |double: f64| serde_json::to_string(&double).expect("finite");
        let seen: Vec<(f64, u64)> =
            self.samples.iter().map(|sample| (sample.value, u64::from(sample.rate))).collect();
        let count: u64 = seen.iter().map(|&(_, rate)| rate).sum();
        let sum = seen.iter().fold(0.0, |sum, &(value, rate)| sum + value * rate as f64);
        // The least value that so many are not above.
        let at_place = |place: u64| {
            let not_above = |limit: f64| -> u64 {
                seen.iter().filter(|(value, _)| *value <= limit).map(|&(_, rate)| rate).sum()
            };
            let values = seen.iter().filter(|(_, rate)| *rate > 0).map(|&(value, _)| value);
            values.filter(|&value| not_above(value) >= place).min_by(f64::total_cmp)
        };
        let places = [50, 75, 90, 95, 99].map(|percent| (percent * count + 50) / 100);
        let quantiles = places.into_iter().filter_map(|place| at_place(place.max(1)));
        quantiles.map(digits).chain([digits(sum), format!("{count}.0")]).collect()
    }
}

fn as_double(digits: &str) -> String {
    let whole = !digits.contains(['.', 'e', 'E']);
    format!("{digits}{}", if whole { ".0" } else { "" })
}

/// The values of the tuples, as their digits.
fn values(outcome: &Outcome) -> Vec<String> {
    let list = format!("[{}]", outcome.tuples);
    let tuples: Vec<Vec<&RawValue>> = serde_json::from_str(&list).expect("tuples are JSON");
    tuples.iter().map(|tuple| tuple[2].get().to_owned()).collect()
}

#[test]
fn every_event_is_taken_or_refused_by_its_kind_and_no_number_changes() {
    let Some(folder) = corpus::folder("vector-native-json") else { return };
    let text = std::fs::read_to_string(folder.join("metrics.ndjson")).expect("the events");
    let (mut taken, mut refused) = (0, 0);
    let profile = &profiles()[0];
    for line in text.lines() {
        let Line { file, kind, event } = serde_json::from_str(line).expect("a line of the corpus");
        let body = event.get().as_bytes();
        let outcome = read(body, Format::Json, profile, now()).expect("valid JSON");
        compare(body, Format::Json, profile, now())
            .unwrap_or_else(|difference| panic!("{file}: {difference}"));
        if kind == "sketch" {
            assert_eq!(outcome.errors, [(0, None, Code::UnsupportedKind)], "{file}");
            assert!(outcome.tuples.is_empty());
            refused += 1;
            continue;
        }
        assert_eq!((outcome.accepted, &outcome.errors[..]), (1, &[][..]), "{file}: {kind}");
        let Event { metric } = serde_json::from_str(event.get()).expect("an event");
        assert_eq!(values(&outcome), numbers(&metric), "{file}");
        taken += 1;
    }
    assert_eq!((taken, refused), (424, 76), "events taken and refused");
}

#[test]
fn the_events_as_lines_keep_their_places_in_the_report() {
    let Some(folder) = corpus::folder("vector-native-json") else { return };
    let text = std::fs::read_to_string(folder.join("metrics.ndjson")).expect("the events");
    let events: Vec<&str> = text
        .lines()
        .map(|line| serde_json::from_str::<Line<'_>>(line).expect("a line").event.get())
        .collect();
    let body = events.join("\n");
    let profile = &profiles()[0];
    let outcome = read(body.as_bytes(), Format::Ndjson, profile, now()).expect("lines");
    assert_eq!((outcome.accepted, outcome.rejected, outcome.errors.len()), (424, 76, 76));
    assert!(outcome.errors.iter().all(|&(index, line, _)| line == Some(index + 1)));
    let stream = read(events.concat().as_bytes(), Format::JsonStream, profile, now());
    assert_eq!(stream.expect("values in a row").tuples, outcome.tuples);
}
