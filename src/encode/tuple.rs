//! Tuples into blocks.
//!
//! `["name",seconds,value,{"hostname":"...","tags":["k:v",...],"type":"..."}]`

use std::io::Write as _;
use std::ops::Range;

use super::text::Source;
use super::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX, Block, number, text};
use crate::expand::{Kind, Label, Sample, Suffix};
use crate::metric::value::Bound;
use crate::metric::{Metric, Tag};

/// How often the limit on a body's tuples may be spent on lines that turn out broken.
const SPENT_FACTOR: u64 = 2;

/// The tuples of one body pass the limit (contract C1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expanded;

/// What is known beforehand of the tuples of one body.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// How long it is.
    pub body_bytes: usize,
    /// Most bytes they may become (C1.5).
    pub bytes_max: u64,
    /// `stackstate.type = "raw"` (C4.2).
    pub always_raw: bool,
}

/// How samples become bytes; holds the block being filled and those that are full.
#[derive(Debug)]
pub struct Encoder {
    block: Vec<u8>,
    tuples: u32,
    /// Not yet [`Block`]s: a broken line may want one back.
    full: Vec<(Vec<u8>, u32)>,
    /// Bytes and tuples of all blocks so far.
    bytes_total: u64,
    /// The same, with what was taken back: it was work all the same.
    bytes_spent: u64,
    spent_max: u64,
    tuples_total: u64,
    bytes_max: u64,
    /// Bytes still expected, a guess.
    bytes_expected: usize,
    always_raw: bool,
    at: Seconds,
    /// The last tuple, if it is of the metric at hand: its siblings are mostly a copy of it.
    last: Option<Last>,
}

/// A place to go back to: the start of an NDJSON line that may turn out broken.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    block_bytes: usize,
    block_tuples: u32,
    bytes_total: u64,
    tuples_total: u64,
}

/// Where in the block the parts stand that tuples of one metric share.
#[derive(Debug)]
struct Last {
    /// `["name`
    head: Range<usize>,
    /// `,{"hostname":"...","tags":["k:v","k:v"`
    tail: Range<usize>,
    /// The generated key that `tail` is without (C4.7).
    without: Option<&'static str>,
}

/// Seconds as text; most metrics of a body are of the same few.
#[derive(Debug, Default)]
struct Seconds {
    of: Option<i64>,
    /// `",seconds,`, padded.
    text: [u8; 24],
    length: usize,
}

impl Encoder {
    /// An encoder for one body.
    #[inline]
    pub fn new(outlook: Outlook) -> Self {
        // Tuples are about as long as what they came from; blocks grow where that guess is short.
        let expected = outlook.body_bytes + outlook.body_bytes / 4 + 256;
        Self {
            block: Vec::with_capacity(expected.min(BLOCK_CAPACITY)),
            tuples: 0,
            full: Vec::new(),
            bytes_total: 0,
            bytes_spent: 0,
            spent_max: outlook.bytes_max.saturating_mul(SPENT_FACTOR),
            tuples_total: 0,
            bytes_max: outlook.bytes_max,
            bytes_expected: expected,
            always_raw: outlook.always_raw,
            at: Seconds::default(),
            last: None,
        }
    }

    /// Makes ready for the samples of another metric.
    #[inline]
    pub fn begin(&mut self) {
        self.last = None;
    }

    /// Appends the tuple of a sample of `metric`, whose texts are from `source`; [`Self::begin`] stands
    /// before each metric's first.
    #[inline]
    pub fn push(
        &mut self,
        metric: &Metric<'_>,
        sample: &Sample<'_>,
        source: Source<'_>,
    ) -> Result<(), Expanded> {
        let start = self.block.len();
        if self.tuples > 0 {
            self.block.extend_from_slice(b",\n");
        }
        let tuple_start = self.block.len();
        self.push_tuple(metric, sample, source);
        let added = (self.block.len() - tuple_start) as u64;
        self.bytes_spent += added;
        if self.bytes_total + added > self.bytes_max || self.bytes_spent > self.spent_max {
            return Err(Expanded);
        }
        self.bytes_total += added;
        self.tuples_total += 1;
        if self.tuples == BLOCK_TUPLES_MAX || self.block.len() > BLOCK_BYTES_MAX {
            self.seal_before(start, tuple_start);
        }
        self.tuples += 1;
        Ok(())
    }

    #[inline]
    fn push_tuple(&mut self, metric: &Metric<'_>, sample: &Sample<'_>, source: Source<'_>) {
        let out = &mut self.block;
        let without = sample.label.map(|label| label.key);
        let last = self.last.take();
        let head_start = out.len();
        if let Some(last) = &last {
            out.extend_from_within(last.head.clone());
        } else {
            out.extend_from_slice(b"[\"");
            text::push(out, metric.name, source);
        }
        let head = head_start..out.len();
        if sample.suffix != Suffix::None {
            out.extend_from_slice(sample.suffix.as_str().as_bytes());
        }
        self.at.push(out, metric.at.seconds());
        number::push(out, sample.value, source);
        let tail_start = out.len();
        match last {
            Some(last) if last.without == without => out.extend_from_within(last.tail),
            _ => push_tail(out, metric, without, source),
        }
        self.last = Some(Last { head, tail: tail_start..out.len(), without });
        if let Some(label) = sample.label {
            push_label(out, label, source);
        }
        // Each arm appends a constant, which takes no call.
        match (self.always_raw, sample.kind) {
            (true, _) => out.extend_from_slice(br#"],"type":"raw"}]"#),
            (false, Kind::Gauge) => out.extend_from_slice(br#"],"type":"gauge"}]"#),
            (false, Kind::Counter) => out.extend_from_slice(br#"],"type":"counter"}]"#),
            (false, Kind::Count) => out.extend_from_slice(br#"],"type":"count"}]"#),
        }
    }

    /// Ends the block at `end`; the tuple from `next` on begins another.
    #[cold]
    fn seal_before(&mut self, end: usize, next: usize) {
        // The next block is about as long as this one, unless the body ends before.
        self.bytes_expected = self.bytes_expected.saturating_sub(end);
        let like_this = end + end / 8;
        let capacity = like_this.min(self.bytes_expected + 256).min(BLOCK_CAPACITY);
        let mut block = Vec::with_capacity(capacity);
        block.extend_from_slice(&self.block[next..]);
        self.block.truncate(end);
        self.full.push((std::mem::replace(&mut self.block, block), self.tuples));
        self.tuples = 0;
        if let Some(last) = &mut self.last {
            last.head = last.head.start - next..last.head.end - next;
            last.tail = last.tail.start - next..last.tail.end - next;
        }
    }

    /// The blocks that are full.
    pub fn full(&mut self) -> impl Iterator<Item = Block> + '_ {
        self.full.drain(..).map(|(bytes, tuples)| block(bytes, tuples))
    }

    /// Bytes of the blocks that [`Self::full`] would give.
    pub fn full_bytes(&self) -> u64 {
        self.full.iter().map(|(bytes, _)| bytes.len() as u64).sum()
    }

    /// Whether [`Self::full`] has any.
    #[inline]
    pub fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Takes the last block, if there is anything in it.
    #[inline]
    pub fn last(&mut self) -> Option<Block> {
        let bytes = std::mem::take(&mut self.block);
        (self.tuples > 0).then(|| block(bytes, self.tuples))
    }

    /// Tuples in all blocks.
    pub fn tuples(&self) -> u64 {
        self.tuples_total
    }

    /// A place to go back to. No block may be taken from [`Self::full`] in between.
    pub fn mark(&self) -> Mark {
        debug_assert!(self.full.is_empty(), "full blocks are taken before a mark");
        Mark {
            block_bytes: self.block.len(),
            block_tuples: self.tuples,
            bytes_total: self.bytes_total,
            tuples_total: self.tuples_total,
        }
    }

    /// Forgets every tuple since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        // The block of the mark was sealed since: what it held before lies at its start. It is taken
        // back, not copied: each short line of a hostile body may seal a nearly full block and break.
        if let Some((first, _)) = self.full.drain(..).next() {
            self.block = first;
        }
        self.block.truncate(mark.block_bytes);
        self.tuples = mark.block_tuples;
        self.bytes_total = mark.bytes_total;
        self.tuples_total = mark.tuples_total;
    }
}

/// A block that takes about what it counts: who queues it goes by its length, and it may wait there long. Room
/// stays unused where members nobody reads took most of a body, or a broken line much of a block.
fn block(mut bytes: Vec<u8>, tuples: u32) -> Block {
    if bytes.capacity() - bytes.len() > bytes.len() / 2 + UNUSED_BYTES_MAX {
        bytes.shrink_to_fit();
    }
    Block { bytes: bytes.into(), tuples }
}

/// Room that a block may keep unused however short it is: to give it back costs more.
const UNUSED_BYTES_MAX: usize = 512;

/// Room for a full block and for a usual tuple that turns out to be the first of the next.
const BLOCK_CAPACITY: usize = BLOCK_BYTES_MAX + (4 << 10);

impl Seconds {
    #[inline]
    fn push(&mut self, out: &mut Vec<u8>, seconds: i64) {
        if self.of != Some(seconds) {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(seconds).as_bytes();
            self.text[..2].copy_from_slice(b"\",");
            self.text[2..2 + digits.len()].copy_from_slice(digits);
            self.text[2 + digits.len()] = b',';
            self.length = digits.len() + 3;
            self.of = Some(seconds);
        }
        let end = out.len() + self.length;
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }
}

/// The host and the tags less a generated one of key `without`, which wins over them (C4.7).
#[inline]
fn push_tail(out: &mut Vec<u8>, metric: &Metric<'_>, without: Option<&str>, source: Source<'_>) {
    out.extend_from_slice(br#",{"hostname":""#);
    text::push(out, metric.hostname, source);
    out.extend_from_slice(br#"","tags":["#);
    let mut separate = false;
    for tag in &metric.tags {
        if without.is_some_and(|key| tag.key == key) {
            continue;
        }
        if separate {
            out.push(b',');
        }
        separate = true;
        push_tag(out, tag, source);
    }
}

#[inline]
fn push_tag(out: &mut Vec<u8>, tag: &Tag<'_>, source: Source<'_>) {
    out.push(b'"');
    text::push(out, tag.key, source);
    if let Some(value) = tag.value {
        out.push(b':');
        text::push(out, value, source);
    }
    out.push(b'"');
}

#[inline]
fn push_label(out: &mut Vec<u8>, label: Label<'_>, source: Source<'_>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(label.key.as_bytes());
    out.push(b':');
    match label.value {
        Bound::Shortest(digits) => text::copy(out, digits.as_bytes(), source.body),
        bound => write!(out, "{bound}").expect("a Vec takes every byte"),
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Escapes;
    use crate::expand::Suffix;
    use crate::metric::value::Value;

    #[test]
    fn a_block_sealed_since_the_mark_comes_back_without_a_copy() {
        let metric = Metric { name: "x", ..Metric::blank() };
        let value = Value::Unsigned(1);
        let sample = Sample { suffix: Suffix::None, label: None, value, kind: Kind::Gauge };
        let mut encoder =
            Encoder::new(Outlook { body_bytes: 0, bytes_max: u64::MAX, always_raw: false });
        encoder.begin();
        let source = Source { body: b"", escapes: Escapes::Perhaps };
        let push =
            |encoder: &mut Encoder| encoder.push(&metric, &sample, source).expect("no limit");
        (0..BLOCK_TUPLES_MAX).for_each(|_| push(&mut encoder));
        let (before, mark) = (encoder.block.clone(), encoder.mark());
        let place = encoder.block.as_ptr();
        push(&mut encoder);
        assert_eq!(encoder.tuples, 1, "a new block was begun");
        encoder.rewind(mark);
        assert!(encoder.full.is_empty());
        assert_eq!((encoder.block.as_ptr(), &encoder.block), (place, &before));
        assert_eq!(encoder.tuples(), u64::from(BLOCK_TUPLES_MAX));
    }

    #[test]
    fn a_block_takes_about_the_memory_it_counts() {
        let metric = Metric { name: "x", ..Metric::blank() };
        let value = Value::Unsigned(1);
        let sample = Sample { suffix: Suffix::None, label: None, value, kind: Kind::Gauge };
        let source = Source { body: b"", escapes: Escapes::Perhaps };
        for body_bytes in [0, 100, 10 << 10, 20 << 20] {
            let mut encoder =
                Encoder::new(Outlook { body_bytes, bytes_max: u64::MAX, always_raw: false });
            // What a broken line leaves behind is given back as well.
            let mark = encoder.mark();
            for _ in 0..5_000 {
                encoder.begin();
                encoder.push(&metric, &sample, source).expect("no limit");
            }
            encoder.rewind(mark);
            encoder.begin();
            encoder.push(&metric, &sample, source).expect("no limit");
            let bytes = encoder.last().expect("a tuple").bytes;
            let length = bytes.len();
            let capacity = bytes.try_into_mut().expect("nobody shares it").capacity();
            assert!(capacity <= 2 * length + 512, "{length} in {capacity}, of {body_bytes}");
        }
    }
}
