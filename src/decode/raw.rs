//! The wire shape of one item: members as sent, borrowed from the body, not yet judged.
//!
//! One [`RawMetric`] is filled again for each item of a body, so an ordinary gauge costs no heap
//! allocation. What can repeat is bounded here, before `normalize` sees it.

use bumpalo::Bump;

mod vector;

pub use vector::{Fold, RawDistribution, RawSet, SAMPLES_MAX, Sample, Tally};

/// Most buckets or quantiles kept; one more than is allowed, so that "too many" shows (C2.4).
pub const PAIRS_KEPT: usize = 1_025;

/// Most tags kept; one more than is allowed (C2.3).
pub const TAGS_KEPT: usize = 129;

/// Tags that are room for from the start: a body of one metric should not spend its time on growing.
pub(crate) const TAGS_USUAL: usize = 12;

/// Most bytes of a tag's key (C2.3).
pub const TAG_KEY_BYTES_MAX: usize = 255;

/// A value that has no members, or the mere fact that one has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`, nil.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as sent.
    Number(Number<'a>),
    /// A string, unescaped.
    Text(&'a str),
    /// MessagePack binary, or a string, that is not UTF-8.
    Bytes(&'a [u8]),
    /// A MessagePack extension.
    Extension {
        /// Its type; -1 is a timestamp.
        kind: i8,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// An array, skipped.
    Array,
    /// An object or map, skipped.
    Map,
}

/// A number as it stood on the wire: JSON keeps its digits, MessagePack its width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number<'a> {
    /// JSON: the literal, valid by RFC 8259.
    Literal(&'a str),
    /// MessagePack: an unsigned or positive integer.
    Unsigned(u64),
    /// MessagePack: a negative integer.
    Signed(i64),
    /// MessagePack: float 32.
    Single(f32),
    /// MessagePack: float 64.
    Double(f64),
}

impl<'a> Number<'a> {
    /// As a tag's value: JSON digits as sent; others the shortest, integers without `.0` (C2.3).
    pub(crate) fn text(self, arena: &'a Bump) -> &'a str {
        match self {
            Self::Literal(literal) => literal,
            other => other.written(|text| &*arena.alloc_str(text)),
        }
    }

    /// How long [`text`](Self::text) is, without keeping it.
    pub(crate) fn text_bytes(self) -> usize {
        self.written(str::len)
    }

    fn written<T>(self, take: impl FnOnce(&str) -> T) -> T {
        let mut buffer = zmij::Buffer::new();
        match self {
            Self::Literal(literal) => take(literal),
            Self::Unsigned(integer) => take(&integer.to_string()),
            Self::Signed(integer) => take(&integer.to_string()),
            Self::Single(single) => take(without_fraction(buffer.format(single))),
            Self::Double(double) => take(without_fraction(buffer.format(double))),
        }
    }
}

/// A whole number as integers are written.
fn without_fraction(text: &str) -> &str {
    text.strip_suffix(".0").unwrap_or(text)
}

/// Whether a member that should be an object was there, and was one. Null counts as absent (C2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Not there, or null.
    #[default]
    Absent,
    /// There, but of another type.
    WrongType,
    /// There and of the right type.
    Here,
}

impl Presence {
    /// There, of whatever type.
    pub fn is_there(self) -> bool {
        self != Self::Absent
    }
}

/// `{"value": n}`: a gauge or counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawPoint<'a> {
    /// The member itself.
    pub presence: Presence,
    /// Its `value`.
    pub value: Option<Scalar<'a>>,
}

/// `{count, sum, buckets | quantiles}`: a histogram or summary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawSeries<'a> {
    /// The member itself.
    pub presence: Presence,
    /// `count`.
    pub count: Option<Scalar<'a>>,
    /// `sum`.
    pub sum: Option<Scalar<'a>>,
    /// The list of pairs.
    pub list: Presence,
    /// The first [`PAIRS_KEPT`] pairs.
    pub pairs: Vec<RawPair<'a>>,
    /// The first fault of a pair past those kept: which faults there are must not depend on how
    /// many pairs there are (C2.4).
    pub fault_beyond: Option<&'static str>,
}

/// One bucket (`upper_limit`, `count`) or quantile (`quantile`, `value`). An element that is no
/// object has neither part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawPair<'a> {
    /// `upper_limit` or `quantile`.
    pub bound: Option<Scalar<'a>>,
    /// `count` or `value`.
    pub value: Option<Scalar<'a>>,
}

/// The member `tags`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawTags<'a> {
    /// The member itself.
    pub presence: Presence,
    /// The first [`TAGS_KEPT`] tags, in the order sent.
    pub tags: Vec<RawTag<'a>>,
    /// Tags not kept: past those that are, or overruled by an array without elements.
    pub beyond: usize,
    /// The key of an array without elements was empty or too long.
    pub odd_key: bool,
}

/// One tag as sent; an array gives one for each non-null element, all of the same `member`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawTag<'a> {
    /// Its key.
    pub key: &'a str,
    /// The key as sent; `key` may be sanitised later.
    pub sent_key: &'a str,
    /// Its value.
    pub value: Scalar<'a>,
    /// Which member of `tags` it came from: the last of equal keys wins as a whole.
    pub member: u32,
    /// It was an element of an array.
    pub in_array: bool,
}

/// The members that hold more than one number.
#[derive(Clone, Debug, Default)]
pub struct RawSeriesSet<'a> {
    /// `histogram`.
    pub histogram: RawSeries<'a>,
    /// `aggregated_histogram`.
    pub aggregated_histogram: RawSeries<'a>,
    /// `summary`.
    pub summary: RawSeries<'a>,
    /// `aggregated_summary`.
    pub aggregated_summary: RawSeries<'a>,
    /// `set`.
    pub set: RawSet,
    /// `distribution`.
    pub distribution: RawDistribution,
}

impl<'a> RawSeriesSet<'a> {
    /// The histograms and summaries.
    pub fn each(&self) -> [&RawSeries<'a>; 4] {
        [&self.histogram, &self.aggregated_histogram, &self.summary, &self.aggregated_summary]
    }

    /// Which of all members are there.
    pub fn presences(&self) -> [Presence; 6] {
        let [a, b, c, d] = self.each().map(|series| series.presence);
        [a, b, c, d, self.set.presence(), self.distribution.presence]
    }

    fn clear(&mut self) {
        self.histogram.clear();
        self.aggregated_histogram.clear();
        self.summary.clear();
        self.aggregated_summary.clear();
        self.set = RawSet::Absent;
        self.distribution.clear();
    }
}

/// What is wrong with a bucket or quantile, if anything.
pub type Judge = fn(&RawPair<'_>) -> Option<&'static str>;

/// How pairs past those kept are judged, and samples taken in, while they are read: nothing of them stays.
#[derive(Clone, Copy, Debug)]
pub struct Judges {
    /// For the buckets of a histogram.
    pub bucket: Judge,
    /// For the quantiles of a summary.
    pub quantile: Judge,
    /// For the samples of a distribution.
    pub sample: Fold,
}

impl Default for Judges {
    /// Takes everything.
    fn default() -> Self {
        Self { bucket: |_| None, quantile: |_| None, sample: |_, _| {} }
    }
}

/// The members of one item.
#[derive(Clone, Debug, Default)]
pub struct RawMetric<'a> {
    /// False: the item was no object, and nothing else is set.
    pub is_object: bool,
    /// There was a `name`, if only a null.
    pub named: bool,
    /// `name`.
    pub name: Option<Scalar<'a>>,
    /// `dt`.
    pub dt: Option<Scalar<'a>>,
    /// `timestamp`, read when `dt` is absent (C3.1).
    pub timestamp: Option<Scalar<'a>>,
    /// `kind`.
    pub kind: Option<Scalar<'a>>,
    /// `gauge`.
    pub gauge: RawPoint<'a>,
    /// `counter`.
    pub counter: RawPoint<'a>,
    /// Everything of more than one number: made when the first of a body comes, for most bodies have none.
    series: Option<Box<RawSeriesSet<'a>>>,
    /// `sketch`, of which nothing more is read.
    pub sketch: Presence,
    /// `tags`.
    pub tags: RawTags<'a>,
    /// Not of the item: who looks at pairs that are not kept.
    pub judges: Judges,
}

impl RawSeries<'_> {
    /// One that is absent has nothing to clear, and most are.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.presence.is_there() {
            self.clear_all();
        }
    }

    fn clear_all(&mut self) {
        self.presence = Presence::Absent;
        self.count = None;
        self.sum = None;
        self.list = Presence::Absent;
        self.pairs.clear();
        self.fault_beyond = None;
    }
}

impl RawTags<'_> {
    pub(crate) fn clear(&mut self) {
        self.presence = Presence::Absent;
        self.tags.clear();
        self.beyond = 0;
        self.odd_key = false;
    }
}

impl<'a> RawMetric<'a> {
    /// An empty one.
    #[inline]
    pub(crate) fn new(judges: Judges) -> Self {
        Self { judges, ..Self::default() }
    }

    /// The members of more than one number, if this body has had any.
    #[inline]
    pub fn series(&self) -> Option<&RawSeriesSet<'a>> {
        self.series.as_deref()
    }

    /// The same, to be filled.
    pub(crate) fn series_mut(&mut self) -> &mut RawSeriesSet<'a> {
        self.series.get_or_insert_default()
    }

    /// Forgets the last item, keeping its buffers.
    pub(crate) fn clear(&mut self) {
        self.is_object = false;
        self.named = false;
        self.name = None;
        self.dt = None;
        self.timestamp = None;
        self.kind = None;
        self.gauge = RawPoint::default();
        self.counter = RawPoint::default();
        if let Some(series) = &mut self.series {
            series.clear();
        }
        self.sketch = Presence::Absent;
        self.tags.clear();
    }
}

impl<'a> RawTag<'a> {
    #[inline]
    pub(super) fn new(key: &'a str, value: Scalar<'a>, member: u32, in_array: bool) -> Self {
        Self { key, sent_key: key, value, member, in_array }
    }
}

impl<'a> RawTags<'a> {
    #[inline]
    pub(super) fn push(&mut self, tag: RawTag<'a>) {
        if self.tags.len() < TAGS_KEPT {
            self.tags.push(tag);
        } else {
            self.beyond += 1;
        }
    }

    /// An array without elements is the last word on its key, and says nothing.
    pub(super) fn forget(&mut self, key: &str) {
        if key.is_empty() || key.len() > TAG_KEY_BYTES_MAX {
            self.odd_key = true;
        }
        let kept = self.tags.len();
        if kept == TAGS_KEPT {
            // Too many were sent already, whatever is taken back.
            return;
        }
        self.tags.retain(|tag| tag.key != key);
        // They were sent all the same: the limit counts them (C2.3).
        self.beyond += kept - self.tags.len();
    }
}
