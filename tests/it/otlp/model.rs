//! A second reading of what a request means, from the structs of the schema, in the plainest way.

use super::proto::{
    Any, AnyValue, Buckets, Data, ExponentialPoint, HistogramPoint, KeyValue, Number, NumberPoint,
    Request, SummaryPoint,
};

/// Seconds at which the request was received.
const NOW_S: i64 = 1_795_307_280;

/// One tuple: what it has beside its host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tuple {
    pub(crate) name: String,
    pub(crate) at: i64,
    pub(crate) value: f64,
    pub(crate) kind: String,
    /// In order of their text.
    pub(crate) tags: Vec<String>,
    /// `upper_limit` or `quantile`, and where it stands.
    pub(crate) bound: Option<(&'static str, f64)>,
}

/// What a request comes to.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) stale: u64,
    pub(crate) exemplars: u64,
    pub(crate) metadata: u64,
    pub(crate) tuples: Vec<Tuple>,
}

type Tags = Vec<(String, Vec<String>)>;

/// Suffix, number, type and bound.
type Numbered = (&'static str, f64, &'static str, Option<(&'static str, f64)>);

/// What a point is; or nothing, and why.
enum Point {
    Rejected,
    Stale,
    Numbers(Vec<Numbered>),
}

pub(crate) fn of(request: &Request) -> Meaning {
    let mut meaning = Meaning::default();
    for resource in &request.resource_metrics {
        let of_resource = resource.resource.as_ref().map_or(&[][..], |r| &r.attributes);
        for scope in &resource.scope_metrics {
            let mut around = Tags::new();
            add(&mut around, of_resource);
            if let Some(scope) = &scope.scope {
                add(&mut around, &scope.attributes);
                for (key, value) in
                    [("otel.scope.name", &scope.name), ("otel.scope.version", &scope.version)]
                {
                    if !value.is_empty() {
                        set(&mut around, key, vec![format!("{key}:{value}")]);
                    }
                }
            }
            for metric in &scope.metrics {
                let described = !metric.description.is_empty() || !metric.unit.is_empty();
                meaning.metadata += u64::from(described);
                for (attributes, time, exemplars, point) in points(metric.data.as_ref()) {
                    meaning.exemplars += exemplars as u64;
                    let mut tags = around.clone();
                    add(&mut tags, attributes);
                    meaning.take(&metric.name, time, &tags, point);
                }
            }
        }
    }
    meaning
}

impl Meaning {
    fn take(&mut self, name: &str, time: u64, tags: &Tags, point: Point) {
        let numbers = match point {
            _ if name.is_empty() => None,
            Point::Rejected => None,
            Point::Stale => {
                self.stale += 1;
                Some(Vec::new())
            }
            Point::Numbers(numbers) => Some(numbers),
        };
        let Some(numbers) = numbers else {
            self.rejected += 1;
            return;
        };
        self.accepted += 1;
        let at = if time == 0 { NOW_S } else { (time / 1_000_000_000) as i64 };
        let mut texts: Vec<String> = tags.iter().flat_map(|(_, texts)| texts.clone()).collect();
        texts.sort();
        for (suffix, value, kind, bound) in numbers {
            let name = format!("{}{suffix}", name.replace('\t', "_"));
            let (kind, tags) = (kind.to_owned(), texts.clone());
            self.tuples.push(Tuple { name, at, value, kind, tags, bound });
        }
    }
}

fn add(tags: &mut Tags, attributes: &[KeyValue]) {
    for KeyValue { key, value } in attributes {
        let value = value.as_ref().and_then(|AnyValue { value }| value.as_ref());
        let texts = match value {
            None => vec![key.clone()],
            Some(Any::Array(array)) => {
                let elements = array.values.iter().filter_map(|element| element.value.as_ref());
                elements.filter_map(text).map(|text| format!("{key}:{text}")).collect()
            }
            Some(any) => text(any).map(|text| format!("{key}:{text}")).into_iter().collect(),
        };
        // One without any text is the last word on its key all the same.
        set(tags, key, texts);
    }
}

fn set(tags: &mut Tags, key: &str, texts: Vec<String>) {
    tags.retain(|(other, _)| other != key);
    tags.push((key.to_owned(), texts));
}

fn text(any: &Any) -> Option<String> {
    match any {
        Any::String(text) => Some(text.replace('\n', "_")),
        Any::Bool(bool) => Some(bool.to_string()),
        Any::Int(integer) => Some(integer.to_string()),
        Any::Double(double) => Some(double.to_string()),
        Any::Array(_) | Any::Kvlist(_) | Any::Bytes(_) => None,
    }
}

type Read<'r> = (&'r [KeyValue], u64, usize, Point);

fn points(data: Option<&Data>) -> Vec<Read<'_>> {
    let flow = |temporality: i32| match temporality {
        1 => Some("count"),
        2 => Some("counter"),
        _ => None,
    };
    match data {
        None => Vec::new(),
        Some(Data::Gauge(gauge)) => {
            gauge.data_points.iter().map(|point| number(point, Some("gauge"))).collect()
        }
        Some(Data::Sum(sum)) => {
            let mut kind = flow(sum.aggregation_temporality);
            if kind == Some("counter") && !sum.is_monotonic {
                kind = Some("gauge");
            }
            sum.data_points.iter().map(|point| number(point, kind)).collect()
        }
        Some(Data::Histogram(all)) => {
            let flow = flow(all.aggregation_temporality);
            all.data_points.iter().map(|point| histogram(point, flow)).collect()
        }
        Some(Data::ExponentialHistogram(all)) => {
            let flow = flow(all.aggregation_temporality);
            all.data_points.iter().map(|point| exponential(point, flow)).collect()
        }
        Some(Data::Summary(all)) => all.data_points.iter().map(summary).collect(),
    }
}

fn flagged(flags: u32, point: Option<Vec<Numbered>>) -> Point {
    if flags & 1 == 1 {
        return Point::Stale;
    }
    point.map_or(Point::Rejected, |numbers| {
        Point::Numbers(numbers.into_iter().filter(|(_, value, ..)| value.is_finite()).collect())
    })
}

fn number<'r>(point: &'r NumberPoint, kind: Option<&'static str>) -> Read<'r> {
    let value = point.value.map(|value| match value {
        Number::AsDouble(double) => double,
        Number::AsInt(integer) => integer as f64,
    });
    let numbers = kind.zip(value).map(|(kind, value)| vec![("", value, kind, None)]);
    let read = flagged(point.flags, numbers);
    (&point.attributes, point.time_unix_nano, point.exemplars.len(), read)
}

fn histogram<'r>(point: &'r HistogramPoint, flow: Option<&'static str>) -> Read<'r> {
    let bounds = &point.explicit_bounds;
    let fits = if point.bucket_counts.is_empty() {
        bounds.is_empty()
    } else {
        point.bucket_counts.len() == bounds.len() + 1
    };
    let sound = fits && bounds.is_sorted_by(|a, b| a < b);
    let mut buckets: Vec<(f64, Option<u64>)> = Vec::new();
    for (nth, count) in point.bucket_counts.iter().enumerate() {
        let bound = bounds.get(nth).copied().unwrap_or(f64::INFINITY);
        match buckets.last_mut() {
            Some((last, sum)) if *last == bound => *sum = sum.and_then(|n| n.checked_add(*count)),
            _ => buckets.push((bound, Some(*count))),
        }
    }
    let sound = sound && buckets.iter().all(|(_, count)| count.is_some());
    let numbers = flow.filter(|_| sound).map(|flow| {
        let mut numbers = Vec::new();
        for (bound, count) in buckets {
            let count = count.unwrap_or_default() as f64;
            numbers.push(("", count, flow, Some(("upper_limit", bound))));
        }
        numbers.push(("_sum", point.sum.unwrap_or(f64::NAN), flow, None));
        numbers.push(("_count", point.count as f64, flow, None));
        numbers
    });
    let read = flagged(point.flags, numbers);
    (&point.attributes, point.time_unix_nano, point.exemplars.len(), read)
}

fn exponential<'r>(point: &'r ExponentialPoint, flow: Option<&'static str>) -> Read<'r> {
    let bound = |index: i64| (index as f64 / f64::from(point.scale).exp2()).exp2();
    let row = |buckets: &Option<Buckets>| {
        let Buckets { offset, bucket_counts } = buckets.clone().unwrap_or_default();
        let counts = bucket_counts.into_iter().enumerate();
        let indexed = counts.map(move |(nth, count)| (i64::from(offset) + nth as i64, count));
        indexed.filter(|(_, count)| *count > 0).collect::<Vec<_>>()
    };
    let sound = point.scale <= 20 && point.zero_threshold >= 0.0;
    let numbers = flow.filter(|_| sound).map(|flow| {
        let mut numbers = Vec::new();
        let mut bucket = |bound, count: u64| {
            numbers.push(("", count as f64, flow, Some(("upper_limit", bound))));
        };
        for (index, count) in row(&point.negative).into_iter().rev() {
            bucket(-bound(index), count);
        }
        if point.zero_count > 0 {
            bucket(point.zero_threshold, point.zero_count);
        }
        for (index, count) in row(&point.positive) {
            bucket(bound(index + 1), count);
        }
        numbers.push(("_sum", point.sum.unwrap_or(f64::NAN), flow, None));
        numbers.push(("_count", point.count as f64, flow, None));
        numbers
    });
    let read = flagged(point.flags, numbers);
    (&point.attributes, point.time_unix_nano, point.exemplars.len(), read)
}

fn summary(point: &SummaryPoint) -> Read<'_> {
    let sound = point.quantile_values.iter().all(|pair| pair.quantile <= 1.0);
    let numbers = sound.then(|| {
        let quantiles = point.quantile_values.iter();
        let mut numbers: Vec<_> = quantiles
            .map(|pair| ("", pair.value, "gauge", Some(("quantile", pair.quantile))))
            .collect();
        numbers.push(("_sum", point.sum, "counter", None));
        numbers.push(("_count", point.count as f64, "counter", None));
        numbers
    });
    (&point.attributes, point.time_unix_nano, 0, flagged(point.flags, numbers))
}
