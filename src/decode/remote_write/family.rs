//! What a series is, by what is said of its family and by its name.
//!
//! | the family is a | counter | gauge |
//! | --- | --- | --- |
//! | counter | its series | `_created` (1.0, where a series is found by its name) |
//! | histogram | `_bucket`, `_sum`, `_count` | what else there is |
//! | summary | `_sum`, `_count` | its quantiles |
//! | gauge, gauge histogram, info, state set | | all |
//! | not known | `_total`, `_bucket`, `_sum`, `_count` | all others |
//!
//! The parts of a gauge histogram may become less at any time: a counter that does is taken to have
//! started anew, and would invent what never was.

/// The type of a metric family, as both versions number it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    #[default]
    Unknown,
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    /// Information and sets of states, whose values are of the moment.
    Other,
}

/// How the values of a series are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// They only ever grow.
    Counter,
    /// They come and go.
    Gauge,
}

/// The ends of names that make a series part of a family.
const SUFFIXES: [(&str, Suffix); 5] = [
    ("_total", Suffix::Total),
    ("_bucket", Suffix::Bucket),
    ("_sum", Suffix::Sum),
    ("_count", Suffix::Count),
    ("_created", Suffix::Created),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suffix {
    Total,
    Bucket,
    Sum,
    Count,
    Created,
}

impl Family {
    pub(super) fn of(number: u64) -> Self {
        match number {
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            4 => Self::GaugeHistogram,
            5 => Self::Summary,
            6 | 7 => Self::Other,
            _ => Self::Unknown,
        }
    }

    /// What a series of this family is whose name is `name`.
    pub(super) fn sort(self, name: &str) -> Sort {
        let suffix = split(name).map(|(_, suffix)| suffix);
        let is_counter = match self {
            Self::Counter => true,
            Self::Histogram => {
                matches!(suffix, Some(Suffix::Bucket | Suffix::Sum | Suffix::Count))
            }
            Self::Summary => matches!(suffix, Some(Suffix::Sum | Suffix::Count)),
            Self::Gauge | Self::GaugeHistogram | Self::Other => false,
            Self::Unknown => {
                matches!(suffix, Some(Suffix::Total | Suffix::Bucket | Suffix::Sum | Suffix::Count))
            }
        };
        if is_counter { Sort::Counter } else { Sort::Gauge }
    }

    /// What the counts of a native histogram of this family are.
    pub(super) fn histogram_sort(self) -> Sort {
        match self {
            Self::Gauge | Self::GaugeHistogram => Sort::Gauge,
            _ => Sort::Counter,
        }
    }

    /// [`Self::sort`] where families are found by their names: `name` may be a family's own, or of one of its
    /// parts.
    pub(super) fn sort_among(name: &str, find: impl Fn(&str) -> Self) -> Sort {
        match find(name) {
            // A histogram has no series of its own name, unless it is of another family as well.
            Self::Unknown | Self::Histogram => {}
            family => return family.sort(name),
        }
        let Some((stem, suffix)) = split(name) else { return Sort::Gauge };
        match (find(stem), suffix) {
            (Self::Counter, Suffix::Created) => Sort::Gauge,
            (family @ Self::Counter, Suffix::Total)
            | (family @ (Self::Histogram | Self::GaugeHistogram), Suffix::Bucket)
            | (
                family @ (Self::Histogram | Self::GaugeHistogram | Self::Summary),
                Suffix::Sum | Suffix::Count,
            ) => family.sort(name),
            // A family of that name that has no such part is another one.
            _ => Self::Unknown.sort(name),
        }
    }
}

fn split(name: &str) -> Option<(&str, Suffix)> {
    SUFFIXES.iter().find_map(|&(suffix, is)| Some((name.strip_suffix(suffix)?, is)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_says_what_its_end_says() {
        for (name, sort) in [
            ("x_total", Sort::Counter),
            ("x_bucket", Sort::Counter),
            ("x_sum", Sort::Counter),
            ("x_count", Sort::Counter),
            ("x", Sort::Gauge),
            ("x_created", Sort::Gauge),
            ("x_total_y", Sort::Gauge),
            ("", Sort::Gauge),
        ] {
            assert_eq!(Family::Unknown.sort(name), sort, "{name}");
            assert_eq!(Family::sort_among(name, |_| Family::Unknown), sort, "{name}");
        }
    }

    #[test]
    fn a_family_overrules_the_end_of_the_name() {
        for (family, name, sort) in [
            (Family::Counter, "orders", Sort::Counter),
            (Family::Counter, "orders_created", Sort::Counter),
            (Family::Gauge, "queue_count", Sort::Gauge),
            (Family::GaugeHistogram, "x_bucket", Sort::Gauge),
            (Family::Histogram, "x_bucket", Sort::Counter),
            (Family::Histogram, "x", Sort::Gauge),
            (Family::Histogram, "x_total", Sort::Gauge),
            (Family::Summary, "x", Sort::Gauge),
            (Family::Summary, "x_sum", Sort::Counter),
            (Family::Other, "x_total", Sort::Gauge),
        ] {
            assert_eq!(family.sort(name), sort, "{family:?} {name}");
        }
    }

    #[test]
    fn a_series_is_looked_for_under_its_own_name_and_then_as_a_part() {
        let find = |name: &str| match name {
            "orders" => Family::Counter,
            "lag" => Family::Histogram,
            "size" => Family::Summary,
            "now" => Family::GaugeHistogram,
            "up" | "queue_count" => Family::Gauge,
            _ => Family::Unknown,
        };
        for (name, sort) in [
            ("orders", Sort::Counter),
            ("orders_total", Sort::Counter),
            ("orders_created", Sort::Gauge),
            ("lag_bucket", Sort::Counter),
            ("lag", Sort::Gauge),
            ("size", Sort::Gauge),
            ("size_count", Sort::Counter),
            ("queue_count", Sort::Gauge),
            ("now_bucket", Sort::Gauge),
            ("now_sum", Sort::Gauge),
            // `up` has no sum: this is somebody else's.
            ("up_sum", Sort::Counter),
            ("other_total", Sort::Counter),
        ] {
            assert_eq!(Family::sort_among(name, find), sort, "{name}");
        }
    }
}
