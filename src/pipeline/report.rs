//! What became of a body's items (contract C1.6).

use serde::Serialize;

use crate::decode::labelled::Asides;
use crate::metric::{Flow, Metric, Shape, Totals};
use crate::normalize::{Code, Rejection};

mod codes;
mod told;

pub use codes::Codes;
pub use told::Told;

/// Most entries of each list in a report; the counts go on.
pub const ENTRIES_MAX: usize = 100;

/// Counts metrics as sent, not derived series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Items that became tuples.
    pub accepted: u64,
    /// Items that did not.
    pub rejected: u64,
    /// The first [`ENTRIES_MAX`] rejections.
    pub errors: Vec<Entry>,
    /// The first [`ENTRIES_MAX`] warnings, once per item and code; only from accepted items.
    pub warnings: Vec<Entry>,
    /// Tuples encoded.
    #[serde(skip)]
    pub tuples: u64,
    /// NDJSON: some line was whole.
    #[serde(skip)]
    pub lines_read: bool,
    /// Every rejection and warning of one run by its code, beyond the lists too.
    #[serde(skip)]
    pub tally: Tally,
    /// What came along with the measurements of a Prometheus-style sender.
    #[serde(skip)]
    pub asides: Asides,
    /// Those tuples by what their metric was sent as; together as many.
    #[serde(skip)]
    pub kinds: Kinds,
}

/// Tuples by what their metric was sent as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds([u64; Kinds::NAMES.len()]);

impl Kinds {
    /// What a metric can be sent as; `count` is a counter of what was added since the last one (C4.2).
    pub const NAMES: [&str; 5] = ["gauge", "counter", "count", "histogram", "summary"];

    /// Tuples of each, in the order of the names.
    pub fn tuples(self) -> [u64; Self::NAMES.len()] {
        self.0
    }

    /// Counts the tuples that a metric becomes (C4.3, C4.4).
    #[inline]
    pub(super) fn count(&mut self, metric: &Metric<'_>) {
        let of_series =
            |totals: &Totals<'_>| metric.pairs.len() as u64 + 1 + u64::from(totals.sum.is_some());
        let (kind, tuples) = match &metric.shape {
            Shape::Gauge(_) => (0, 1),
            Shape::Counter(_, Flow::Delta) => (2, 1),
            Shape::Counter(..) => (1, 1),
            Shape::Histogram(totals, _) => (3, of_series(totals)),
            Shape::Summary(totals, _) => (4, of_series(totals)),
        };
        self.0[kind] += tuples;
    }
}

/// Rejections and warnings by code; takes no room while there are none, which is the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(Option<Box<ByCode>>);

/// A body has fewer of each than it has bytes, which fit 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ByCode {
    rejections: [u32; Code::COUNT],
    warnings: [u32; Code::COUNT],
}

impl Tally {
    /// Items rejected for this.
    pub fn rejections(&self, code: Code) -> u64 {
        self.0.as_ref().map_or(0, |by_code| u64::from(by_code.rejections[code as usize]))
    }

    /// Accepted items warned of for this.
    pub fn warnings(&self, code: Code) -> u64 {
        self.0.as_ref().map_or(0, |by_code| u64::from(by_code.warnings[code as usize]))
    }

    fn by_code(&mut self) -> &mut ByCode {
        self.0.get_or_insert_default()
    }
}

/// One fault or warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The item, from 0 over the whole body, arrays flattened one level.
    pub index: u64,
    /// NDJSON: the physical line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What kind of fault, from the closed list of C2.4.
    pub code: Code,
    /// What was wrong, which limit or setting, what to do.
    pub message: String,
}

/// A place to go back to: the start of an NDJSON line that may turn out broken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    accepted: u64,
    rejected: u64,
    errors: usize,
    warnings: usize,
    lines_read: bool,
    tally: Option<ByCode>,
    kinds: Kinds,
}

impl Report {
    /// Every metric was taken as sent: the answer needs no body (C1.6).
    pub fn is_clean(&self) -> bool {
        self.rejected == 0 && self.warnings.is_empty()
    }

    /// Items, but none acceptable (C1.8).
    pub fn is_nothing_accepted(&self) -> bool {
        self.accepted == 0 && self.rejected > 0
    }

    /// Whether the text of a rejection is kept.
    pub(super) fn takes_errors(&self) -> bool {
        self.errors.len() < ENTRIES_MAX
    }

    pub(super) fn reject(&mut self, index: u64, line: Option<u64>, rejection: Rejection) {
        self.rejected += 1;
        self.tally.by_code().rejections[rejection.code as usize] += 1;
        if self.takes_errors() {
            let message = rejection.message.into_owned();
            self.errors.push(Entry { index, line, code: rejection.code, message });
        }
    }

    pub(super) fn reject_line(&mut self, index: u64, line: Option<u64>, message: String) {
        let message = message.into();
        self.reject(index, line, Rejection { code: Code::InvalidJson, message });
    }

    /// `text` is asked only while there is room.
    pub(super) fn warn(
        &mut self,
        index: u64,
        line: Option<u64>,
        code: Code,
        text: &dyn Fn() -> String,
    ) {
        self.tally.by_code().warnings[code as usize] += 1;
        if self.warnings.len() < ENTRIES_MAX {
            self.warnings.push(Entry { index, line, code, message: text() });
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            accepted: self.accepted,
            rejected: self.rejected,
            errors: self.errors.len(),
            warnings: self.warnings.len(),
            lines_read: self.lines_read,
            tally: self.tally.0.as_deref().copied(),
            kinds: self.kinds,
        }
    }

    pub(super) fn rewind(&mut self, mark: Mark) {
        self.accepted = mark.accepted;
        self.rejected = mark.rejected;
        self.errors.truncate(mark.errors);
        self.warnings.truncate(mark.warnings);
        self.lines_read = mark.lines_read;
        self.tally.0 = mark.tally.map(Box::new);
        self.kinds = mark.kinds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_beyond_the_lists_and_a_broken_line_takes_its_own_back() {
        let mut report = Report::default();
        for index in 0..250 {
            report.reject(index, None, Rejection::new(Code::InvalidTags, "no"));
            report.warn(index, None, Code::TooOld, &String::new);
        }
        let gauge = Metric::blank();
        report.kinds.count(&gauge);
        let mark = report.mark();
        report.kinds.count(&gauge);
        report.reject(250, Some(1), Rejection::new(Code::InvalidTags, "no"));
        report.warn(251, Some(1), Code::Renamed, &String::new);
        report.rewind(mark);
        report.reject_line(250, Some(1), "broken".to_owned());

        let of_rejections = Code::ALL.map(|code| report.tally.rejections(code));
        assert_eq!(of_rejections.iter().sum::<u64>(), report.rejected);
        assert_eq!(report.tally.rejections(Code::InvalidTags), 250);
        assert_eq!(report.tally.rejections(Code::InvalidJson), 1);
        assert_eq!(report.tally.warnings(Code::TooOld), 250);
        assert_eq!(report.tally.warnings(Code::Renamed), 0);
        assert_eq!((report.errors.len(), report.warnings.len()), (ENTRIES_MAX, ENTRIES_MAX));
        assert_eq!(report.kinds.tuples(), [1, 0, 0, 0, 0]);
    }
}
