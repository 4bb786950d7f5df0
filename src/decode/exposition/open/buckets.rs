//! The buckets, count and sum of one histogram of OpenMetrics, as they come.

use super::super::kind::Part;

/// What has come of one point of a histogram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buckets {
    /// The bound and count of the last bucket.
    last: Option<(f64, f64)>,
    count: Option<f64>,
    has_sum: bool,
    has_negative_bounds: bool,
    /// Of a gauge histogram.
    has_negative_sum: bool,
}

impl Buckets {
    /// Takes a sample; those of other types than histograms too, of which nobody asks later.
    #[inline]
    pub(super) fn take(&mut self, part: Part, bound: f64, value: f64) -> Result<(), &'static str> {
        match part {
            Part::Bucket => {
                if let Some((last_bound, last_count)) = self.last {
                    if bound <= last_bound {
                        return Err("expected the buckets in the order of their `le`");
                    }
                    if value < last_count {
                        return Err("expected a bucket to count what the one before it counts");
                    }
                }
                self.last = Some((bound, value));
                self.has_negative_bounds |= bound < 0.0;
            }
            Part::Count | Part::GaugeCount => self.count = Some(value),
            Part::Sum => self.has_sum = true,
            Part::GaugeSum => {
                self.has_sum = true;
                self.has_negative_sum |= value < 0.0;
            }
            _ => {}
        }
        Ok(())
    }

    /// At the end of the point: what the histogram should, if it is not whole. `is_gauge`: of a gauge
    /// histogram.
    pub(super) fn finish(self, is_gauge: bool) -> Result<(), &'static str> {
        let Some((f64::INFINITY, total)) = self.last else {
            return Err("end in a bucket `+Inf`");
        };
        match (self.count, self.has_sum) {
            (Some(count), _) if count - total != 0.0 => {
                return Err("count what its bucket `+Inf` counts");
            }
            (None, true) | (Some(_), false) => {
                return Err("have both a count and a sum, or neither");
            }
            _ => {}
        }
        if self.has_negative_bounds && self.has_sum && !is_gauge {
            return Err("have no sum, because it has negative buckets");
        }
        if self.has_negative_sum && !self.has_negative_bounds {
            return Err("have no negative sum, because it has no negative buckets");
        }
        Ok(())
    }
}
