//! What a family of metrics is, and what each of its samples measures.

use super::super::Exposition;

/// The type of a family, as its `# TYPE` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not said, or said to be unknown; 0.0.4 says `untyped`.
    Unknown,
    Counter,
    Gauge,
    Histogram,
    Summary,
    GaugeHistogram,
    Info,
    StateSet,
}

/// Which part of a family a sample is: what its name has beyond the family's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing more.
    Plain,
    Total,
    Created,
    Bucket,
    Count,
    Sum,
    GaugeCount,
    GaugeSum,
    Info,
}

impl Kind {
    /// Each at the place of its number.
    pub(super) const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::Summary,
        Self::GaugeHistogram,
        Self::Info,
        Self::StateSet,
    ];

    /// What any of them adds to the name of a family, in OpenMetrics.
    pub(super) const SUFFIXES: [&str; 8] =
        ["_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"];

    /// Reads the last word of a `# TYPE`.
    pub(super) fn parse(word: &str, syntax: Exposition) -> Option<Self> {
        let open = match word {
            "counter" => return Some(Self::Counter),
            "gauge" => return Some(Self::Gauge),
            "histogram" => return Some(Self::Histogram),
            "summary" => return Some(Self::Summary),
            "untyped" => return (syntax == Exposition::Text).then_some(Self::Unknown),
            "gaugehistogram" => Self::GaugeHistogram,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            "unknown" => Self::Unknown,
            _ => return None,
        };
        (syntax == Exposition::OpenMetrics).then_some(open)
    }

    /// The parts that OpenMetrics knows of a family of this type, with what they add to its name.
    pub(super) fn parts(self) -> &'static [(&'static str, Part)] {
        match self {
            Self::Unknown | Self::Gauge | Self::StateSet => &[("", Part::Plain)],
            Self::Counter => &[("_total", Part::Total), ("_created", Part::Created)],
            Self::Histogram => &[
                ("_bucket", Part::Bucket),
                ("_count", Part::Count),
                ("_sum", Part::Sum),
                ("_created", Part::Created),
            ],
            Self::Summary => &[
                ("", Part::Plain),
                ("_count", Part::Count),
                ("_sum", Part::Sum),
                ("_created", Part::Created),
            ],
            Self::GaugeHistogram => &[
                ("_bucket", Part::Bucket),
                ("_gcount", Part::GaugeCount),
                ("_gsum", Part::GaugeSum),
            ],
            Self::Info => &[("_info", Part::Info)],
        }
    }

    /// Which part adds `suffix` to the name of the family.
    pub(super) fn part(self, suffix: &str) -> Option<Part> {
        self.parts().iter().find(|(added, _)| *added == suffix).map(|&(_, part)| part)
    }

    /// Whether a family of this type has that part in 0.0.4.
    pub(super) fn has_text_part(self, part: Part) -> bool {
        match part {
            Part::Bucket => self == Self::Histogram,
            Part::Count | Part::Sum => matches!(self, Self::Histogram | Self::Summary),
            _ => false,
        }
    }

    /// Whether such a sample is a running total; else it is the value of the moment.
    pub(super) fn is_total(self, part: Part) -> bool {
        match (self, part) {
            // In 0.0.4 the sample of a counter has the name of the family.
            (Self::Counter, part) => part != Part::Created,
            (Self::Histogram, part) => matches!(part, Part::Bucket | Part::Count | Part::Sum),
            (Self::Summary, part) => matches!(part, Part::Count | Part::Sum),
            _ => false,
        }
    }

    /// Whether its samples make up buckets.
    pub(super) fn has_buckets(self) -> bool {
        matches!(self, Self::Histogram | Self::GaugeHistogram)
    }
}

/// The name of the histogram or summary that a sample of 0.0.4 may be a part of, and of what part.
pub(super) fn text_part(name: &str) -> Option<(&str, Part)> {
    let strip = |suffix, part| name.strip_suffix(suffix).map(|family| (family, part));
    strip("_bucket", Part::Bucket)
        .or_else(|| strip("_count", Part::Count))
        .or_else(|| strip("_sum", Part::Sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_at_its_number_and_no_suffix_ends_in_another() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            for (suffix, _) in kind.parts() {
                assert!(suffix.is_empty() || Kind::SUFFIXES.contains(suffix), "{suffix}");
            }
        }
        for suffix in Kind::SUFFIXES {
            let inside = Kind::SUFFIXES.iter().filter(|other| suffix.ends_with(**other)).count();
            assert_eq!(inside, 1, "{suffix}");
        }
    }
}
