//! What a request must become, worked out from messages that another reader read.

use std::collections::{BTreeMap, HashMap};

use super::client::Tuple;
use super::messages::{Count, Histogram, Label, Request, Span, WriteRequest, ZeroCount};

pub(super) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) tuples: Vec<Tuple>,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
    pub(super) stale_samples: u64,
}

const TOKEN_LABEL: &str = "better_stack_source_token";

/// The types of families, as both versions number them.
const COUNTER: i32 = 1;
const GAUGE: i32 = 2;
const HISTOGRAM: i32 = 3;
const GAUGE_HISTOGRAM: i32 = 4;
const SUMMARY: i32 = 5;

pub(super) fn of_first(request: &WriteRequest) -> Outcome {
    let mut families: HashMap<&[u8], i32> = HashMap::new();
    for metadata in request.metadata.iter().filter(|metadata| (1..=7).contains(&metadata.kind)) {
        families.insert(&metadata.family, metadata.kind);
    }
    let mut outcome = Outcome::default();
    for series in &request.timeseries {
        let samples = series.samples.iter().map(|sample| (sample.value, sample.timestamp));
        let labels = read(series.labels.iter().map(pair));
        let kinds = labels.as_ref().map(|(name, _)| {
            let own = families.get(name.as_bytes()).copied().unwrap_or(0);
            (among(name, &families), own)
        });
        outcome.series(labels, kinds, samples, &series.histograms, series.exemplars.len());
    }
    outcome
}

pub(super) fn of_second(request: &Request) -> Outcome {
    let mut outcome = Outcome::default();
    for series in &request.timeseries {
        let samples = series.samples.iter().map(|sample| (sample.value, sample.timestamp));
        let text = |reference: &u32| request.symbols.get(*reference as usize).map(Vec::as_slice);
        let pairs: Option<Vec<_>> = series
            .labels
            .chunks(2)
            .map(|pair| Some((text(pair.first()?)?, text(pair.get(1)?)?)))
            .collect();
        let labels = pairs.and_then(|pairs| read(pairs.into_iter()));
        let family = series.metadata.map_or(0, |metadata| metadata.kind);
        let kinds = labels.as_ref().map(|(name, _)| (of_family(name, family), family));
        outcome.series(labels, kinds, samples, &series.histograms, series.exemplars.len());
    }
    outcome
}

type Labels = (String, BTreeMap<String, String>);

fn pair(label: &Label) -> (&[u8], &[u8]) {
    (&label.name, &label.value)
}

/// The name and the tags of a series, if they are sound.
fn read<'m>(pairs: impl Iterator<Item = (&'m [u8], &'m [u8])>) -> Option<Labels> {
    let mut all = BTreeMap::new();
    for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
        let name = String::from_utf8(name.to_vec()).ok()?;
        // Whatever stands in it, it is taken out; but once.
        let value = if name == TOKEN_LABEL { b"taken out" } else { value };
        let value = String::from_utf8(value.to_vec()).ok()?;
        let fits = !name.is_empty() && name.len() <= 255 && value.len() <= 4_096;
        if !fits || all.insert(name, value).is_some() {
            return None;
        }
    }
    let name = all.remove("__name__")?;
    all.remove(TOKEN_LABEL);
    Some((name, all))
}

/// Counter or gauge: by what is said of the family, else by the name.
fn of_family(name: &str, family: i32) -> &'static str {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let is_counter = match family {
        COUNTER => true,
        HISTOGRAM => ends(&["_bucket", "_sum", "_count"]),
        SUMMARY => ends(&["_sum", "_count"]),
        0 | i32::MIN..0 | 8.. => ends(&["_total", "_bucket", "_sum", "_count"]),
        _ => false,
    };
    if is_counter { "counter" } else { "gauge" }
}

fn among(name: &str, families: &HashMap<&[u8], i32>) -> &'static str {
    let find = |name: &str| families.get(name.as_bytes()).copied().unwrap_or(0);
    let own = find(name);
    if own != 0 && own != HISTOGRAM {
        return of_family(name, own);
    }
    let parts: [(&str, &[i32]); 5] = [
        ("_total", &[COUNTER]),
        ("_created", &[]),
        ("_bucket", &[HISTOGRAM, GAUGE_HISTOGRAM]),
        ("_sum", &[HISTOGRAM, GAUGE_HISTOGRAM, SUMMARY]),
        ("_count", &[HISTOGRAM, GAUGE_HISTOGRAM, SUMMARY]),
    ];
    for (end, kinds) in parts {
        if let Some(kind) = name.strip_suffix(end).map(find).filter(|kind| kinds.contains(kind)) {
            return of_family(name, kind);
        }
    }
    of_family(name, 0)
}

impl Outcome {
    fn series(
        &mut self,
        labels: Option<Labels>,
        kinds: Option<(&'static str, i32)>,
        samples: impl ExactSizeIterator<Item = (f64, i64)>,
        histograms: &[Histogram],
        exemplars: usize,
    ) {
        let measurements = samples.len() + histograms.len();
        let (Some((name, tags)), Some((kind, family))) = (labels, kinds) else {
            self.rejected += (measurements as u64).max(u64::from(exemplars > 0));
            return;
        };
        self.exemplars += exemplars as u64;
        for (value, millis) in samples {
            self.accepted += 1;
            self.stale_samples += u64::from(value.to_bits() == STALE);
            if value.is_finite() {
                self.tuples.push(tuple(&name, &tags, None, value, millis, kind));
            }
        }
        let level = family == GAUGE || family == GAUGE_HISTOGRAM;
        for histogram in histograms {
            let kind = if level || histogram.reset_hint == 3 { "gauge" } else { "counter" };
            self.histogram(&name, &tags, histogram, kind);
        }
    }

    fn histogram(
        &mut self,
        name: &str,
        tags: &BTreeMap<String, String>,
        histogram: &Histogram,
        kind: &'static str,
    ) {
        if histogram.sum.to_bits() == STALE {
            self.accepted += 1;
            self.histograms += 1;
            return;
        }
        let Some(buckets) = buckets(histogram).filter(|buckets| buckets.len() <= 1_024) else {
            self.rejected += 1;
            return;
        };
        self.accepted += 1;
        self.histograms += 1;
        let at = histogram.timestamp;
        for (bound, count) in buckets {
            self.tuples.push(tuple(name, tags, Some(bound), count, at, kind));
        }
        if histogram.sum.is_finite() {
            self.tuples.push(tuple(&format!("{name}_sum"), tags, None, histogram.sum, at, kind));
        }
        let count = match histogram.count {
            Some(Count::Float(count)) => count,
            Some(Count::Whole(count)) => count as f64,
            None => 0.0,
        };
        self.tuples.push(tuple(&format!("{name}_count"), tags, None, count, at, kind));
    }
}

fn tuple(
    name: &str,
    tags: &BTreeMap<String, String>,
    bound: Option<f64>,
    value: f64,
    millis: i64,
    kind: &str,
) -> Tuple {
    // Control characters have no place in a tuple (contract C4.7).
    let clean = |text: &str| text.replace(char::is_control, "_");
    let mut tags: BTreeMap<String, String> =
        tags.iter().map(|(key, value)| (clean(&key.replace(':', "_")), clean(value))).collect();
    if let Some(bound) = bound {
        let text = if bound == f64::INFINITY { "+Inf".to_owned() } else { bound.to_string() };
        tags.insert("upper_limit".to_owned(), text);
    }
    let seconds = millis.div_euclid(1_000);
    Tuple { name: clean(name), seconds, value, tags, kind: kind.to_owned() }
}

/// The buckets that counted something, from the lowest up; none where the histogram is at fault.
fn buckets(histogram: &Histogram) -> Option<Vec<(f64, f64)>> {
    let is_float = matches!(histogram.count, Some(Count::Float(_)));
    let side = |spans: &[Span], deltas: &[i64], floats: &[f64]| {
        let indexes = indexes(spans)?;
        let counts: Vec<f64> = if is_float { floats.to_vec() } else { sums(deltas)? };
        let sound = counts.iter().all(|count| *count >= 0.0 && count.is_finite());
        let fits = indexes.len() == counts.len() && sound;
        fits.then(|| indexes.into_iter().zip(counts).collect::<Vec<_>>())
    };
    let h = histogram;
    let negative = side(&h.negative_spans, &h.negative_deltas, &h.negative_counts)?;
    let positive = side(&h.positive_spans, &h.positive_deltas, &h.positive_counts)?;
    let zero = match (is_float, histogram.zero_count) {
        (false, Some(ZeroCount::Whole(count))) => count as f64,
        (true, Some(ZeroCount::Float(count))) => count,
        _ => 0.0,
    };
    if zero < 0.0 || !zero.is_finite() {
        return None;
    }
    let mut all = Vec::new();
    match histogram.schema {
        -53 => {
            let bounds = &histogram.custom_values;
            let rises = bounds.is_sorted_by(|a, b| a < b);
            let ends = bounds.last().is_none_or(|last| *last < f64::INFINITY);
            let sound = rises && ends && bounds.iter().all(|bound| !bound.is_nan());
            let other = matches!(histogram.zero_count, Some(ZeroCount::Whole(1..)))
                || matches!(histogram.zero_count, Some(ZeroCount::Float(count)) if count != 0.0);
            if !sound || !negative.is_empty() || other {
                return None;
            }
            for (index, count) in positive {
                let index = usize::try_from(index).ok().filter(|index| *index <= bounds.len())?;
                all.push((bounds.get(index).copied().unwrap_or(f64::INFINITY), count));
            }
        }
        -4..=8 => {
            let threshold = histogram.zero_threshold;
            if !threshold.is_finite() || threshold < 0.0 {
                return None;
            }
            let bound =
                |index: i64| (index as f64 * 2_f64.powi(-histogram.schema)).exp2().min(f64::MAX);
            all.extend(negative.iter().rev().map(|&(index, count)| (-bound(index - 1), count)));
            all.push((threshold, zero));
            all.extend(positive.iter().map(|&(index, count)| (bound(index), count)));
        }
        _ => return None,
    }
    if !is_float {
        let count = match histogram.count {
            Some(Count::Whole(count)) => count as f64,
            _ => 0.0,
        };
        let sum: f64 = all.iter().map(|(_, count)| count).sum();
        if sum > count || (sum < count && !histogram.sum.is_nan()) {
            return None;
        }
    } else if let Some(Count::Float(count)) = histogram.count
        && !(count >= 0.0 && count.is_finite())
    {
        return None;
    }
    all.retain(|(_, count)| *count != 0.0);
    Some(all)
}

fn indexes(spans: &[Span]) -> Option<Vec<i64>> {
    let mut all = Vec::new();
    let mut next = 0;
    for (nth, span) in spans.iter().enumerate() {
        if nth > 0 && span.offset < 0 || span.length > 5_000 {
            return None;
        }
        next += i64::from(span.offset);
        all.extend(next..next + i64::from(span.length));
        next += i64::from(span.length);
    }
    Some(all)
}

fn sums(deltas: &[i64]) -> Option<Vec<f64>> {
    let mut last = 0_i64;
    let add = |delta: &i64| {
        last = last.checked_add(*delta)?;
        Some(last as f64)
    };
    deltas.iter().map(add).collect()
}

/// The same tuples in the same order; bounds may be off by what Prometheus' own are off by.
pub(super) fn close(came: &[Tuple], expected: &[Tuple], context: &str) {
    assert_eq!(came.len(), expected.len(), "{context}: {came:#?}\n{expected:#?}");
    for (came, expected) in came.iter().zip(expected) {
        let bound = |tuple: &Tuple| match tuple.tags.get("upper_limit").map(String::as_str) {
            Some("+Inf") => Some(f64::INFINITY),
            Some(text) => text.parse::<f64>().ok(),
            None => None,
        };
        let near = match (bound(came), bound(expected)) {
            (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a - b).abs() <= b.abs() * 1e-15,
            (a, b) => a == b,
        };
        let rest = |tuple: &Tuple| {
            let mut tuple = tuple.clone();
            tuple.tags.remove("upper_limit");
            tuple
        };
        assert!(near, "{context}: {came:?} {expected:?}");
        assert_eq!(rest(came), rest(expected), "{context}");
    }
}
