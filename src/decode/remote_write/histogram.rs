//! Native histograms: buckets by their index, runs of them as spans, their counts beside.
//!
//! The same message in both versions. What it means is checked as Prometheus does: spans and counts must
//! match each other, and the counts of integers add up to their total.

use super::bounds::{self, SCHEMA_MAX, SCHEMA_MIN};
use super::family::Sort;
use super::repeated::{Repeated, bytes, double, varint, walk};
use super::sample::{STALE_BITS, instant};
use crate::decode::labelled::{Flaw, Labelled, Reading};
use crate::decode::protobuf::{Field, Slice, Wire, zigzag};
use crate::decode::pull::Fault;
use crate::decode::raw::PAIRS_KEPT;
use crate::metric::value::{Bound, Value};
use crate::metric::{Flow, Pair, Shape, Totals};

/// Bounds are listed instead of computed.
const SCHEMA_CUSTOM: i64 = -53;
/// This histogram is of the moment; its counts may become less.
const HINT_GAUGE: u64 = 3;

const NEGATIVE: Side = Side { spans: 8, deltas: 9, counts: 10 };
const POSITIVE: Side = Side { spans: 11, deltas: 12, counts: 13 };
const CUSTOM_BOUNDS: u32 = 16;

/// The fields of one side of zero.
#[derive(Clone, Copy)]
struct Side {
    spans: u32,
    deltas: u32,
    counts: u32,
}

/// How many observations: as counted, or as worked out by a query.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    Whole(u64),
    Float(f64),
}

/// What of a histogram does not repeat.
struct Outline {
    count: Count,
    zero_count: Count,
    sum: f64,
    schema: i64,
    zero_threshold: f64,
    hint: u64,
    millis: i64,
}

enum Stop {
    Fault(Fault),
    Flaw(Flaw),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads a `Histogram`.
pub(super) fn read<'a>(
    message: Slice<'a>,
    sort: Sort,
    next: &mut Labelled<'a>,
) -> Result<Reading<'a>, Fault> {
    let outline = Outline::read(message)?;
    next.at = Some(instant(outline.millis));
    if outline.sum.to_bits() == STALE_BITS {
        return Ok(Reading::StaleHistogram);
    }
    // No tuple can hold such a sum, and it is not left out in silence.
    next.skipped_sum = !outline.sum.is_finite();
    let is_level = sort == Sort::Gauge || outline.hint == HINT_GAUGE;
    match outline.expand(message, next) {
        Ok(totals) => {
            let flow = if is_level { Flow::Level } else { Flow::Total };
            Ok(Reading::Shape(Shape::Histogram(totals, flow)))
        }
        Err(Stop::Flaw(flaw)) => Ok(Reading::Unfit(flaw)),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

impl Outline {
    fn read(message: Slice<'_>) -> Result<Self, Fault> {
        let whole = Count::Whole(0);
        let mut outline = Self {
            count: whole,
            zero_count: whole,
            sum: 0.0,
            schema: 0,
            zero_threshold: 0.0,
            hint: 0,
            millis: 0,
        };
        let mut fields = message.message();
        loop {
            let at = fields.offset();
            let Some(field) = fields.field()? else { return Ok(outline) };
            match field.number {
                1 => outline.count = Count::Whole(varint(field, at)?),
                2 => outline.count = Count::Float(double(field, at)?),
                3 => outline.sum = double(field, at)?,
                4 => outline.schema = i64::from(zigzag(varint(field, at)?) as i32),
                5 => outline.zero_threshold = double(field, at)?,
                6 => outline.zero_count = Count::Whole(varint(field, at)?),
                7 => outline.zero_count = Count::Float(double(field, at)?),
                14 => outline.hint = varint(field, at)?,
                15 => outline.millis = varint(field, at)? as i64,
                // Whether they are read further is seen later; that they can be, here.
                8 | 11 => walk(bytes(field, at)?)?,
                9 | 12 => see_varints(field, at)?,
                10 | 13 | CUSTOM_BOUNDS => see_doubles(field, at)?,
                _ => {}
            }
        }
    }

    /// Fills the pairs of `next`: buckets that counted nothing are left out, and the others come in the
    /// order of their bounds.
    fn expand<'a>(&self, message: Slice<'a>, next: &mut Labelled<'a>) -> Result<Totals<'a>, Stop> {
        let mut buckets = Buckets { pairs: &mut next.pairs, whole: 0 };
        if self.schema == SCHEMA_CUSTOM {
            self.custom(message, &mut buckets)?;
        } else if (SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) {
            self.exponential(message, &mut buckets)?;
        } else {
            return flaw("its schema is neither -53 nor -4 to 8");
        }
        let whole = buckets.whole;
        if let Count::Whole(count) = self.count {
            // Observations that are no number are in the count and in no bucket.
            if whole > count || (whole < count && !self.sum.is_nan()) {
                return flaw("its buckets do not add up to its count");
            }
        }
        Ok(Totals { count: self.count.value()?, sum: Value::from_f64(self.sum) })
    }

    fn exponential<'a>(
        &self,
        message: Slice<'a>,
        buckets: &mut Buckets<'_, 'a>,
    ) -> Result<(), Stop> {
        if !self.zero_threshold.is_finite() || self.zero_threshold < 0.0 {
            return flaw("its zero bucket has no sound threshold");
        }
        NEGATIVE.each(message, self.count, |index, count| {
            // A negative bucket ends where the one nearer to zero begins.
            buckets.push(count, || Ok(-bounds::upper(index - 1, self.schema)))
        })?;
        buckets.pairs.reverse();
        let zero_count = match (self.count, self.zero_count) {
            (Count::Float(_), Count::Whole(_)) => Count::Float(0.0),
            (Count::Whole(_), Count::Float(_)) => Count::Whole(0),
            (_, zero_count) => zero_count,
        };
        buckets.push(zero_count, || Ok(self.zero_threshold))?;
        POSITIVE.each(message, self.count, |index, count| {
            buckets.push(count, || Ok(bounds::upper(index, self.schema)))
        })
    }

    fn custom<'a>(&self, message: Slice<'a>, buckets: &mut Buckets<'_, 'a>) -> Result<(), Stop> {
        if !matches!(self.zero_count, Count::Whole(0) | Count::Float(0.0)) {
            return flaw("it has bounds of its own, and a zero bucket beside");
        }
        NEGATIVE.each(message, self.count, |_, _| {
            flaw("it has bounds of its own, and negative buckets beside")
        })?;
        let values = Repeated::of(message, CUSTOM_BOUNDS);
        let mut custom = Custom { values, read: 0, last: f64::NEG_INFINITY };
        POSITIVE.each(message, self.count, |index, count| {
            let bound = custom.bound(index)?;
            buckets.push(count, || Ok(bound))
        })?;
        while custom.step()? {}
        Ok(())
    }
}

/// The buckets of one histogram.
struct Buckets<'p, 'a> {
    pairs: &'p mut Vec<Pair<'a>>,
    /// Observations in them, where they are whole.
    whole: u64,
}

impl Buckets<'_, '_> {
    fn push(&mut self, count: Count, bound: impl Fn() -> Result<f64, Stop>) -> Result<(), Stop> {
        let value = count.value()?;
        if let Count::Whole(count) = count {
            match self.whole.checked_add(count) {
                Some(whole) => self.whole = whole,
                None => return flaw("its buckets count more than 64 bits hold"),
            }
        }
        // One more than is allowed is enough to be refused for.
        if matches!(count, Count::Whole(0) | Count::Float(0.0)) || self.pairs.len() >= PAIRS_KEPT {
            return Ok(());
        }
        let bound = Bound::Double(bound()?);
        // Indexes beyond what a double holds end at infinity, or at zero, one like the other.
        match self.pairs.last_mut().filter(|last| last.bound == bound) {
            Some(last) => *last = Pair { bound, value: both(last.value, value)? },
            None => self.pairs.push(Pair { bound, value }),
        }
        Ok(())
    }
}

/// What two buckets counted that end at the same bound.
#[cold]
fn both<'a>(one: Value<'a>, other: Value<'a>) -> Result<Value<'a>, Stop> {
    match (one, other) {
        // All of them together fit 64 bits.
        (Value::Unsigned(one), Value::Unsigned(other)) => {
            Count::Whole(one.saturating_add(other)).value()
        }
        (Value::Double(one), Value::Double(other)) => Count::Float(one + other).value(),
        _ => flaw("its counts are partly whole"),
    }
}

impl Count {
    fn value<'a>(self) -> Result<Value<'a>, Stop> {
        match self {
            Self::Whole(count) => Ok(Value::Unsigned(count)),
            Self::Float(count) if count >= 0.0 => {
                Value::from_f64(count).map_or_else(|| flaw("one of its counts is infinite"), Ok)
            }
            Self::Float(_) => flaw("one of its counts is negative or no number"),
        }
    }
}

impl Side {
    /// Hands out each bucket's index and count; `of` is the histogram's, which says what they are.
    fn each(
        self,
        message: Slice<'_>,
        of: Count,
        mut emit: impl FnMut(i64, Count) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        const TOO_FEW: &str = "its spans are of more buckets than it has";
        let mut counts = match of {
            Count::Whole(_) => Counts::Deltas(Repeated::of(message, self.deltas), 0),
            Count::Float(_) => Counts::Floats(Repeated::of(message, self.counts)),
        };
        let mut spans = Repeated::of(message, self.spans);
        let (mut index, mut is_first) = (0_i64, true);
        while let Some(span) = spans.message()? {
            let (offset, length) = span_of(span)?;
            if offset < 0 && !is_first {
                return flaw("one of its spans begins before the last one ends");
            }
            is_first = false;
            index += i64::from(offset);
            for _ in 0..length {
                let Some(count) = counts.next()? else { return flaw(TOO_FEW) };
                emit(index, count)?;
                index += 1;
            }
        }
        match counts.next()? {
            Some(_) => flaw("it has more buckets than its spans are of"),
            None => Ok(()),
        }
    }
}

/// The counts of the buckets of one side, in their order.
enum Counts<'a> {
    /// Each by its difference from the last, which is kept.
    Deltas(Repeated<'a>, i64),
    Floats(Repeated<'a>),
}

impl Counts<'_> {
    fn next(&mut self) -> Result<Option<Count>, Stop> {
        match self {
            Self::Floats(counts) => Ok(counts.double()?.map(Count::Float)),
            Self::Deltas(deltas, last) => {
                let Some(delta) = deltas.varint()? else { return Ok(None) };
                let count = last.checked_add(zigzag(delta)).filter(|count| *count >= 0);
                let Some(count) = count else {
                    return flaw("one of its counts is negative, or more than 63 bits hold");
                };
                *last = count;
                Ok(Some(Count::Whole(count as u64)))
            }
        }
    }
}

/// Bounds that are listed, read once and in their order.
struct Custom<'a> {
    values: Repeated<'a>,
    read: i64,
    last: f64,
}

impl Custom<'_> {
    /// Where bucket `index` ends.
    fn bound(&mut self, index: i64) -> Result<f64, Stop> {
        if index < 0 {
            return flaw("one of its spans begins before the first of its bounds");
        }
        while self.read <= index {
            if !self.step()? {
                // Behind the last one there is one more bucket.
                let is_next = index == self.read;
                return if is_next {
                    Ok(f64::INFINITY)
                } else {
                    flaw("its spans go beyond its bounds")
                };
            }
        }
        Ok(self.last)
    }

    fn step(&mut self) -> Result<bool, Stop> {
        let Some(bound) = self.values.double()? else { return Ok(false) };
        let is_higher = bound > self.last || (self.read == 0 && bound == f64::NEG_INFINITY);
        if !is_higher || bound == f64::INFINITY {
            return flaw("its bounds do not rise, or are infinite");
        }
        self.read += 1;
        self.last = bound;
        Ok(true)
    }
}

/// Reads a `BucketSpan`: the gap before it, and how many buckets it is of.
fn span_of(span: Slice<'_>) -> Result<(i32, u32), Fault> {
    let (mut offset, mut length) = (0, 0);
    let mut fields = span.message();
    loop {
        let at = fields.offset();
        let Some(field) = fields.field()? else { return Ok((offset, length)) };
        match field.number {
            1 => offset = zigzag(varint(field, at)?) as i32,
            2 => length = varint(field, at)? as u32,
            _ => {}
        }
    }
}

fn see_varints(field: Field<'_>, at: usize) -> Result<(), Fault> {
    if let Wire::Varint(_) = field.wire {
        return Ok(());
    }
    let mut run = bytes(field, at)?.message();
    while !run.is_empty() {
        run.varint()?;
    }
    Ok(())
}

fn see_doubles(field: Field<'_>, at: usize) -> Result<(), Fault> {
    match field.wire {
        Wire::Fixed64(_) => Ok(()),
        _ if bytes(field, at)?.bytes.len() % 8 == 0 => Ok(()),
        _ => Err(Fault::new(at, "expected doubles of eight bytes each")),
    }
}

#[cold]
fn flaw<T>(why: &'static str) -> Result<T, Stop> {
    Err(Stop::Flaw(Flaw::Histogram(why)))
}
