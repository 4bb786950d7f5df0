//! What a sample of OpenMetrics may have for a value, and the label that sets it apart in its metric.

use super::super::kind::{Kind, Part};
use super::super::number::float;

/// Judges a value.
#[inline]
pub(super) fn check(kind: Kind, part: Part, value: f64) -> Result<(), &'static str> {
    let is_whole = || value.is_finite() && value.fract() == 0.0;
    match (kind, part) {
        (Kind::StateSet, _) if ![0.0, 1.0].contains(&value) => Err("expected 0 or 1 for a state"),
        (Kind::Info, _) if value - 1.0 != 0.0 => Err("expected 1 for an info"),
        (Kind::Summary, Part::Plain) if value < 0.0 => {
            Err("expected a quantile that is not negative")
        }
        (_, Part::Total | Part::Sum | Part::GaugeSum) if value.is_nan() => {
            Err("expected a number other than NaN for a total or sum")
        }
        (_, Part::Total | Part::Sum) if value < 0.0 => {
            Err("expected a total or sum that is not negative")
        }
        (_, Part::Bucket | Part::Count | Part::GaugeCount) if !is_whole() || value < 0.0 => {
            Err("expected a whole number that is not negative for a count")
        }
        _ => Ok(()),
    }
}

/// The label in which the samples of one metric differ.
#[inline]
pub(super) fn own_label(kind: Kind, part: Part, family: &str) -> Option<&str> {
    match (kind, part) {
        (_, Part::Bucket) => Some("le"),
        (Kind::Summary, Part::Plain) => Some("quantile"),
        (Kind::StateSet, _) => Some(family),
        _ => None,
    }
}

/// Judges that label; for a bucket, its bound.
#[inline]
pub(super) fn bound(kind: Kind, part: Part, value: Option<&str>) -> Result<f64, &'static str> {
    match (kind, part) {
        (_, Part::Bucket) => bucket(value.unwrap_or_default()),
        (Kind::Summary, Part::Plain) => {
            let quantile = float(value.unwrap_or_default()).unwrap_or(f64::NAN);
            if (0.0..=1.0).contains(&quantile) {
                Ok(quantile)
            } else {
                Err("expected a label `quantile` from 0 to 1")
            }
        }
        (Kind::StateSet, _) if value.is_none() => {
            Err("expected a label of the same name as the state set")
        }
        _ => Ok(0.0),
    }
}

fn bucket(le: &str) -> Result<f64, &'static str> {
    let bound = float(le).unwrap_or(f64::NAN);
    if bound.is_nan() {
        return Err("expected a label `le` that is a number");
    }
    // Other numbers may be written as one likes.
    if bound == f64::INFINITY && le != "+Inf" {
        return Err("expected the label `le` of the last bucket to be written `+Inf`");
    }
    Ok(bound)
}
