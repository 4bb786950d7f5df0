//! One metric family of OpenMetrics while its lines come.

use super::super::kind::{Kind, Part};
use super::super::names::Names;
use super::super::number::Moment;
use super::Sample;
use super::buckets::Buckets;

/// The family at hand.
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    /// Of the name: label sets are remembered together with it.
    pub(super) hash: u64,
    pub(super) kind: Option<Kind>,
    pub(super) unit: Option<&'a str>,
    pub(super) has_help: bool,
    pub(super) has_samples: bool,
    pub(super) buckets: Buckets,
    /// The metric whose samples come, and the point of it.
    group: Option<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    group: u64,
    at: Option<Moment>,
    /// A bit for each part that has come.
    parts: u16,
}

/// Where a fault of a sample lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Found out at this line, of the point before it.
    Before,
    Line,
    Value,
    Timestamp,
}

impl<'a> Family<'a> {
    pub(super) fn new(name: &'a str, hash: u64) -> Self {
        Self {
            name,
            hash,
            kind: None,
            unit: None,
            has_help: false,
            has_samples: false,
            buckets: Buckets::default(),
            group: None,
        }
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Unknown)
    }

    /// Which part of it a sample of that name is.
    #[inline]
    pub(super) fn part(&self, name: &str) -> Option<Part> {
        self.kind().part(name.strip_prefix(self.name)?)
    }

    pub(super) fn check_unit(&self) -> Result<(), &'static str> {
        let Some(unit) = self.unit.filter(|unit| !unit.is_empty()) else { return Ok(()) };
        if matches!(self.kind, Some(Kind::Info | Kind::StateSet)) {
            return Err("expected no unit: infos and state sets have none");
        }
        let stem = self.name.strip_suffix(unit);
        if stem.is_some_and(|stem| stem.ends_with('_')) {
            Ok(())
        } else {
            Err("expected a name that ends in `_` and the unit")
        }
    }

    /// Puts a sample in its place: the samples of a metric together, its points in order, nothing twice.
    /// `own` is the hash of the label that sets it apart in its metric.
    pub(super) fn place(
        &mut self,
        seen: &mut Names,
        part: Part,
        sample: &Sample<'_>,
        own: u64,
    ) -> Result<(), (Place, &'static str)> {
        let kind = self.kind();
        // The labels of an info are its value: all of a family are points of one metric.
        let group = if kind == Kind::Info { 0 } else { sample.labels.wrapping_sub(own) };
        match &mut self.group {
            Some(point) if point.group == group => {
                let Order::Same = order(point.at, sample.at, kind)? else {
                    self.end_point().map_err(|expected| (Place::Before, expected))?;
                    self.group = Some(Point { group, at: sample.at, parts: bit(part) });
                    return Ok(());
                };
                // Instants that are the same may have been cut to be so.
                let is_twice = sample.at.is_none() && point.parts & bit(part) != 0;
                point.parts |= bit(part);
                if is_twice && !repeats(kind, part) {
                    return Err((Place::Line, TWICE));
                }
            }
            point => {
                // A metric is remembered when it is left: most families have one metric.
                let left = point.map(|point| point.group);
                self.end_point().map_err(|expected| (Place::Before, expected))?;
                let salt = self.hash.rotate_left(16);
                if let Some(left) = left {
                    seen.insert(salt.wrapping_add(left));
                }
                if seen.note(salt.wrapping_add(group)).is_some() {
                    return Err((Place::Line, "expected the samples of each metric together"));
                }
                self.group = Some(Point { group, at: sample.at, parts: bit(part) });
            }
        }
        // Buckets are in order, which tells them apart.
        if sample.at.is_none() && repeats(kind, part) && part != Part::Bucket {
            let series = self.hash.rotate_left(32).wrapping_add(sample.labels);
            if !seen.insert(series) {
                return Err((Place::Line, TWICE));
            }
        }
        Ok(())
    }

    /// The point at hand is over: what a histogram should, if it is not whole.
    pub(super) fn end_point(&mut self) -> Result<(), &'static str> {
        let buckets = std::mem::take(&mut self.buckets);
        if self.group.take().is_some() && self.kind().has_buckets() {
            return buckets.finish(self.kind() == Kind::GaugeHistogram);
        }
        Ok(())
    }
}

const TWICE: &str = "expected each series once";

/// Whether a point may have several samples of that part.
fn repeats(kind: Kind, part: Part) -> bool {
    match part {
        Part::Bucket | Part::Info => true,
        Part::Plain => matches!(kind, Kind::Summary | Kind::StateSet),
        _ => false,
    }
}

fn bit(part: Part) -> u16 {
    1 << part as u16
}

enum Order {
    /// Of the point at hand.
    Same,
    /// Of a later one.
    Later,
}

/// Points of a metric come in their order, and either all say when or none.
#[inline]
fn order(
    last: Option<Moment>,
    next: Option<Moment>,
    kind: Kind,
) -> Result<Order, (Place, &'static str)> {
    match (last, next) {
        (None, None) => Ok(Order::Same),
        (Some(last), Some(next)) if last == next => Ok(Order::Same),
        (Some(last), Some(next)) if last.order() <= next.order() || kind == Kind::Info => {
            Ok(Order::Later)
        }
        (Some(_), Some(_)) => {
            Err((Place::Timestamp, "expected the timestamps of a metric in their order"))
        }
        _ => Err((Place::Line, "expected a timestamp on all samples of a metric or on none")),
    }
}
