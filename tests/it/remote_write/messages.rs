//! The messages of both versions as another reader of protocol buffers has them: the oracle, and the
//! writer of test bodies. Texts are bytes here, for what is no UTF-8 costs one series and not the body.

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) family: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) help: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) unit: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

/// The same in both versions.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub(super) count: Option<Count>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    pub(super) zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(super) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(super) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(super) enum Count {
    #[prost(uint64, tag = "1")]
    Whole(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(super) enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Whole(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Span {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

/// `io.prometheus.write.v2.Request`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(super) symbols: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "5")]
    pub(super) timeseries: Vec<TimeSeries2>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample2>,
    #[prost(message, repeated, tag = "3")]
    pub(super) histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub(super) exemplars: Vec<Exemplar2>,
    #[prost(message, optional, tag = "5")]
    pub(super) metadata: Option<Metadata2>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Sample2 {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
    /// When the series began; nobody here asks.
    #[prost(int64, tag = "3")]
    pub(super) start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Metadata2 {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(uint32, tag = "3")]
    pub(super) help: u32,
    #[prost(uint32, tag = "4")]
    pub(super) unit: u32,
}

impl WriteRequest {
    /// One sample of each series, given as `name=value` pairs.
    pub(super) fn of(series: &[(&[(&str, &str)], f64)]) -> Self {
        let timeseries = series.iter().map(|&(labels, value)| TimeSeries {
            labels: labels.iter().map(|&(name, value)| label(name, value)).collect(),
            samples: vec![Sample { value, timestamp: NOW_MILLIS }],
            ..TimeSeries::default()
        });
        Self { timeseries: timeseries.collect(), ..Self::default() }
    }
}

impl Request {
    /// The same request in version 2.0.
    pub(super) fn like(first: &WriteRequest) -> Self {
        let mut request = Self { symbols: vec![Vec::new()], ..Self::default() };
        for series in &first.timeseries {
            let refs = |symbols: &mut Vec<Vec<u8>>, labels: &[Label]| {
                let texts = labels.iter().flat_map(|label| [&label.name, &label.value]);
                texts.map(|text| symbol(symbols, text)).collect::<Vec<_>>()
            };
            let labels = refs(&mut request.symbols, &series.labels);
            let exemplars = series.exemplars.iter().map(|exemplar| Exemplar2 {
                labels: refs(&mut request.symbols, &exemplar.labels),
                value: exemplar.value,
                timestamp: exemplar.timestamp,
            });
            let exemplars = exemplars.collect();
            let samples = series.samples.iter().map(|sample| Sample2 {
                value: sample.value,
                timestamp: sample.timestamp,
                start_timestamp: 1,
            });
            request.timeseries.push(TimeSeries2 {
                labels,
                samples: samples.collect(),
                histograms: series.histograms.clone(),
                exemplars,
                metadata: None,
            });
        }
        request
    }
}

fn symbol(symbols: &mut Vec<Vec<u8>>, text: &[u8]) -> u32 {
    let known = symbols.iter().position(|symbol| symbol == text);
    known.unwrap_or_else(|| {
        symbols.push(text.to_vec());
        symbols.len() - 1
    }) as u32
}

pub(super) fn label(name: &str, value: &str) -> Label {
    Label { name: name.as_bytes().to_vec(), value: value.as_bytes().to_vec() }
}

/// Where the clock of these tests stands.
pub(super) const NOW_MILLIS: i64 = 1_700_000_000_000;
