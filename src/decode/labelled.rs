//! A measurement as Prometheus-style senders put it: a name, labels, an instant and what was read; not yet
//! judged.
//!
//! Each of their formats has one reader, a [`Readout`], that fills one [`Labelled`] again and again, so an
//! ordinary sample costs no heap allocation.

use super::pull::Fault;
use super::raw::{RawTag, RawTags, Scalar};
use crate::metric::timestamp::Timestamp;
use crate::metric::{Pair, Shape};

mod origin;

pub use origin::{Clash, Ending, LabelToken, Origin, Timestamps};

/// One measurement of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled<'a> {
    /// The name of the series, as sent; empty where none was sent, which is [`Flaw::NoName`].
    pub name: &'a str,
    /// Its labels or attributes, as sent, less those that mean the same as none.
    pub tags: RawTags<'a>,
    /// Names of labels that were sent without a value, where the format can say that: `honor_labels` keeps
    /// them from being filled in. At most `raw::TAGS_KEPT`.
    pub empty: Vec<&'a str>,
    /// When it was measured; `None` where the sender does not say: reception time (contract C3.1).
    pub at: Option<Timestamp>,
    /// What was measured.
    pub reading: Reading<'a>,
    /// The buckets or quantiles of a histogram or summary; at most `raw::PAIRS_KEPT`.
    pub pairs: Vec<Pair<'a>>,
    /// Quantiles left out, because they had no value (contract C2.2).
    pub skipped_quantiles: u32,
    /// The sum of a histogram or summary was left out, because it is NaN or infinite.
    pub skipped_sum: bool,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<'a> {
    /// Something a tuple can hold.
    Shape(Shape<'a>),
    /// NaN or infinite: sound in these formats, and nothing a tuple can hold.
    NotFinite,
    /// Prometheus' stale marker: the series has ended. It is no value.
    Stale,
    /// The same of a histogram.
    StaleHistogram,
    /// The measurement is at fault; the rest of the body is not.
    Unfit(Flaw),
}

/// What is wrong with one measurement; the text says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is no name.
    NoName,
    /// The name.
    Name(&'static str),
    /// The value is missing.
    NoValue(&'static str),
    /// The value is of the wrong kind.
    Value(&'static str),
    /// Any part of a histogram.
    Histogram(&'static str),
    /// Any part of a summary.
    Summary(&'static str),
    /// Any label.
    Tags(&'static str),
    /// There is too much of it.
    TooLarge(&'static str),
}

/// Whether a measurement is of the series the last one was of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Its name and labels were read.
    Another,
    /// Name and labels are as they were left.
    Same,
    /// There is no measurement yet, and much was read: time to account for memory, and to ask again.
    NotYet,
}

/// What came along with the measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    /// Exemplars: read, and not delivered, for StackState has no place for them; those of measurements
    /// that were rejected are among them.
    pub exemplars: u64,
    /// Types, units and help texts, counted by metric family.
    pub metadata: u64,
    /// Stale markers among the measurements that were taken.
    pub stale_markers: u64,
    /// Histograms among the measurements that were taken.
    pub histograms: u64,
}

/// A reader of one body, which hands out one measurement after the other.
pub(crate) trait Readout<'a> {
    /// Reads the next measurement into `next`; `None` at the end of the body, which was sound.
    fn next(&mut self, next: &mut Labelled<'a>) -> Result<Option<Series>, Fault>;

    /// Exemplars and metadata so far.
    fn asides(&self) -> Asides;

    /// Bytes of memory it holds beside the body and beside the arena, or will with the next call, for
    /// whoever accounts for them.
    fn memory(&self) -> u64 {
        0
    }
}

impl<'a> Labelled<'a> {
    /// One to be filled.
    pub fn blank() -> Self {
        Self {
            name: "",
            tags: RawTags::default(),
            empty: Vec::new(),
            at: None,
            reading: Reading::NotFinite,
            pairs: Vec::new(),
            skipped_quantiles: 0,
            skipped_sum: false,
        }
    }

    /// Makes ready for another series.
    pub fn begin(&mut self) {
        self.name = "";
        self.tags.clear();
        self.empty.clear();
        self.again();
    }

    /// Makes ready for another measurement of the same series.
    pub fn again(&mut self) {
        self.at = None;
        self.pairs.clear();
        self.skipped_quantiles = 0;
        self.skipped_sum = false;
    }

    /// Adds a label; of equal ones the last counts.
    #[inline]
    pub fn label(&mut self, name: &'a str, value: &'a str) {
        self.attribute(name, Scalar::Text(value));
    }

    /// Adds an attribute, whose value need not be a text.
    #[inline]
    pub fn attribute(&mut self, key: &'a str, value: Scalar<'a>) {
        let member = self.tags.tags.last().map_or(0, |last| last.member + 1);
        self.tags.push(RawTag::new(key, value, member, false));
    }
}
