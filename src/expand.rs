//! A metric to the samples it stands for (contract C4.2 to C4.4).

use crate::metric::value::{Bound, Value};
use crate::metric::{Flow, Metric, Pair, Shape, Totals};

/// One number of one series; its instant, host and tags are the metric's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'m> {
    /// What follows the metric's name in the series' name.
    pub suffix: Suffix,
    /// The tag that tells this series from its siblings; it wins over a tag of the metric (C4.7).
    pub label: Option<Label<'m>>,
    /// The number.
    pub value: Value<'m>,
    /// How StackState is to read it.
    pub kind: Kind,
}

/// The series of a histogram or summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// The metric's own name.
    None,
    /// `_sum`
    Sum,
    /// `_count`
    Count,
}

impl Suffix {
    /// As it is appended.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Sum => "_sum",
            Self::Count => "_count",
        }
    }
}

/// A generated tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label<'m> {
    /// `upper_limit` or `quantile`.
    pub key: &'static str,
    /// What it stands at.
    pub value: Bound<'m>,
}

/// The `type` of a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value of the moment.
    Gauge,
    /// A running total.
    Counter,
    /// What was added since the last one.
    Count,
}

impl From<Flow> for Kind {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Total => Self::Counter,
            Flow::Delta => Self::Count,
            Flow::Level => Self::Gauge,
        }
    }
}

/// Hands each sample of `metric` to `emit`, in the order of the contract, until it fails.
#[inline]
pub fn expand<'m, E>(
    metric: &'m Metric<'_>,
    mut emit: impl FnMut(Sample<'m>) -> Result<(), E>,
) -> Result<(), E> {
    let plain = |value, kind| Sample { suffix: Suffix::None, label: None, value, kind };
    match metric.shape {
        Shape::Gauge(value) => emit(plain(value, Kind::Gauge)),
        Shape::Counter(value, flow) => emit(plain(value, flow.into())),
        Shape::Histogram(totals, flow) => {
            pairs(&metric.pairs, "upper_limit", flow.into(), &mut emit)?;
            sum_and_count(totals, flow.into(), &mut emit)
        }
        Shape::Summary(totals, flow) => {
            pairs(&metric.pairs, "quantile", Kind::Gauge, &mut emit)?;
            sum_and_count(totals, flow.into(), &mut emit)
        }
    }
}

fn pairs<'m, E>(
    pairs: &'m [Pair<'_>],
    key: &'static str,
    kind: Kind,
    emit: &mut impl FnMut(Sample<'m>) -> Result<(), E>,
) -> Result<(), E> {
    for pair in pairs {
        let label = Some(Label { key, value: pair.bound });
        emit(Sample { suffix: Suffix::None, label, value: pair.value, kind })?;
    }
    Ok(())
}

fn sum_and_count<'m, E>(
    totals: Totals<'m>,
    kind: Kind,
    emit: &mut impl FnMut(Sample<'m>) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(sum) = totals.sum {
        emit(Sample { suffix: Suffix::Sum, label: None, value: sum, kind })?;
    }
    emit(Sample { suffix: Suffix::Count, label: None, value: totals.count, kind })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn series(metric: &Metric<'_>) -> Vec<String> {
        let mut series = Vec::new();
        let done: Result<(), Infallible> = expand(metric, |sample| {
            let label = sample.label.map_or(String::new(), |l| format!(" {}:{}", l.key, l.value));
            let Sample { suffix, value, kind, .. } = sample;
            series.push(format!("x{}{label} {value:?} {kind:?}", suffix.as_str()));
            Ok(())
        });
        done.expect("infallible");
        series
    }

    #[test]
    fn each_shape_gives_the_series_the_contract_names() {
        let totals = Totals { count: Value::Unsigned(3), sum: Some(Value::Unsigned(9)) };
        let bucket = Pair { bound: Bound::Shortest("0.5"), value: Value::Unsigned(2) };
        let metric = |shape| Metric { shape, pairs: vec![bucket], ..Metric::blank() };
        assert_eq!(series(&metric(Shape::Gauge(Value::Unsigned(1)))), ["x Unsigned(1) Gauge"]);
        assert_eq!(
            series(&metric(Shape::Counter(Value::Unsigned(1), Flow::Delta))),
            ["x Unsigned(1) Count"]
        );
        assert_eq!(
            series(&metric(Shape::Histogram(totals, Flow::Total))),
            [
                "x upper_limit:0.5 Unsigned(2) Counter",
                "x_sum Unsigned(9) Counter",
                "x_count Unsigned(3) Counter"
            ]
        );
        assert_eq!(
            series(&metric(Shape::Summary(totals, Flow::Delta))),
            [
                "x quantile:0.5 Unsigned(2) Gauge",
                "x_sum Unsigned(9) Count",
                "x_count Unsigned(3) Count"
            ]
        );
    }
}
