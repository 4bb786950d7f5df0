//! Measurements of Prometheus-style senders to metrics as meant, or a rejection with its code (contract
//! C2 to C4). Series and measurement are judged apart, because a series may bring many.

use super::{
    Code, PAIRS_MAX, Rejection, Rules, TAGS_BYTES_MAX, Warnings, clock, name, pairs_too_large,
    tags, tags_too_large,
};
use crate::decode::labelled::{Flaw, Labelled, Reading};
use crate::decode::raw::Scalar;
use crate::metric::Metric;

/// What a series' name and labels come to; the same for each of its measurements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    warnings: Warnings,
    name: Option<Rejection>,
    tags: Option<Rejection>,
}

/// A measurement that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) warnings: Warnings,
    /// Whether there is anything a tuple can hold.
    pub(crate) is_empty: bool,
}

impl<'a> Rules<'a> {
    /// Fills `metric` from the name and the labels of a series.
    pub(crate) fn series(&mut self, raw: &mut Labelled<'a>, metric: &mut Metric<'a>) -> Verdict {
        let mut verdict = Verdict::default();
        if raw.name.is_empty() {
            verdict.name = Some(Rejection::new(Code::MissingName, "the series has no name"));
            return verdict;
        }
        let named = Some(Scalar::Text(raw.name));
        match name::normalize(named, self.profile, self.texts, &mut verdict.warnings) {
            Ok(name) => metric.name = name,
            Err(rejection) => verdict.name = Some(rejection),
        }
        verdict.tags = match tags::normalize(&mut raw.tags, self.profile, self.texts, metric) {
            Ok(bytes) if bytes > TAGS_BYTES_MAX => Some(tags_too_large()),
            Ok(_) => None,
            Err(rejection) => Some(rejection),
        };
        verdict
    }

    /// Completes `metric` with one measurement of the series that `verdict` is about. Faults come in the
    /// order of C2.4, wherever they lie.
    pub(crate) fn measurement(
        &mut self,
        raw: &mut Labelled<'a>,
        verdict: &Verdict,
        metric: &mut Metric<'a>,
    ) -> Result<Accepted, Rejection> {
        if let Some(rejection) = &verdict.name {
            return Err(rejection.clone());
        }
        if let Reading::Unfit(flaw) = raw.reading {
            return Err(unfit(flaw));
        }
        if let Some(rejection) = &verdict.tags {
            return Err(rejection.clone());
        }
        if raw.pairs.len() > PAIRS_MAX {
            return Err(pairs_too_large());
        }
        let mut warnings = verdict.warnings;
        metric.at = self.now;
        if let Some(at) = raw.at {
            metric.at = at;
            clock::judge(at, self.now, self.profile, &mut warnings)?;
        }
        warnings.skipped_quantiles = raw.skipped_quantiles;
        warnings.skipped_sum = raw.skipped_sum;
        std::mem::swap(&mut metric.pairs, &mut raw.pairs);
        let is_empty = match raw.reading {
            Reading::Shape(shape) => {
                metric.shape = shape;
                false
            }
            Reading::NotFinite => {
                warnings.skipped_value = true;
                true
            }
            Reading::Stale | Reading::StaleHistogram | Reading::Unfit(_) => true,
        };
        Ok(Accepted { warnings, is_empty })
    }
}

#[cold]
fn unfit(flaw: Flaw) -> Rejection {
    let (code, message) = match flaw {
        Flaw::NoName => (Code::MissingName, "the series has no name"),
        Flaw::Name(message) => (Code::InvalidName, message),
        Flaw::NoValue(message) => (Code::MissingValue, message),
        Flaw::Value(message) => (Code::InvalidValue, message),
        Flaw::Histogram(message) => (Code::InvalidHistogram, message),
        Flaw::Summary(message) => (Code::InvalidSummary, message),
        Flaw::Tags(message) => (Code::InvalidTags, message),
        Flaw::TooLarge(message) => (Code::TooLarge, message),
    };
    Rejection::new(code, message)
}
