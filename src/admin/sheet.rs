//! Families of metrics written one after the other, each value as its type wants it.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;

use super::names::Family;
use super::reading::{Destination, Health};
use crate::spread::Seen;

/// A number of one sample. Never infinite or NaN: the encoder has no valid text for them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl Value {
    fn encode(self, kind: MetricType, mut sample: MetricEncoder<'_>) -> fmt::Result {
        match (kind, self) {
            (MetricType::Counter, Self::Whole(number)) => {
                sample.encode_counter::<NoLabelSet, _, u64>(&number, None)
            }
            (MetricType::Counter, Self::Real(number)) => {
                sample.encode_counter::<NoLabelSet, _, u64>(&number, None)
            }
            (_, Self::Whole(number)) => sample.encode_gauge(&number),
            (_, Self::Real(number)) => sample.encode_gauge(&number),
        }
    }
}

/// Writes families one after the other.
pub(super) struct Sheet<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl<'e> Sheet<'e> {
    pub(super) fn of(encoder: DescriptorEncoder<'e>) -> Self {
        Self { encoder }
    }

    fn family(&mut self, name: &'static Family) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.encoder.encode_descriptor(name.name, name.help, name.unit, name.kind)
    }

    pub(super) fn one(&mut self, name: &'static Family, value: impl Into<Value>) -> fmt::Result {
        let value = value.into();
        value.encode(name.kind, self.family(name)?)
    }

    pub(super) fn maybe(
        &mut self,
        name: &'static Family,
        value: Option<impl Into<Value>>,
    ) -> fmt::Result {
        let family = self.family(name)?;
        value.map_or(Ok(()), |value| value.into().encode(name.kind, family))
    }

    pub(super) fn each<L: EncodeLabelSet, V: Into<Value>>(
        &mut self,
        name: &'static Family,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.family(name)?;
        for (labels, value) in samples {
            value.into().encode(name.kind, family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(super) fn by_receiver<V: Into<Value>>(
        &mut self,
        name: &'static Family,
        health: &Health,
        value: impl Fn(&Destination) -> Option<V>,
    ) -> fmt::Result {
        let samples = health.destinations.iter().filter_map(|destination| {
            Some(([("receiver", &*destination.name)], value(destination)?))
        });
        self.each(name, samples)
    }

    pub(super) fn info(&mut self, name: &'static Family, labels: &[(&str, &str)]) -> fmt::Result {
        self.family(name)?.encode_info(&labels)
    }

    /// What was measured, in units of which `per_unit` make one of the family's.
    pub(super) fn spreads<L: EncodeLabelSet>(
        &mut self,
        name: &'static Family,
        per_unit: f64,
        samples: impl IntoIterator<Item = (L, Seen)>,
    ) -> fmt::Result {
        let mut family = self.family(name)?;
        for (labels, seen) in samples {
            let within =
                seen.within.iter().map(|(limit, count)| (*limit as f64 / per_unit, *count));
            let buckets: Vec<_> = within.chain([(f64::INFINITY, seen.over)]).collect();
            // What was added while it was read may be in one and not in the other; it is on the next page.
            let count = buckets.iter().map(|(_, count)| count).sum();
            let sum = seen.sum as f64 / per_unit;
            let mut sample = family.encode_family(&labels)?;
            sample.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    pub(super) fn histogram(
        &mut self,
        name: &'static Family,
        histogram: &Histogram,
    ) -> fmt::Result {
        histogram.encode(self.family(name)?)
    }
}
