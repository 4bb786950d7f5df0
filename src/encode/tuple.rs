//! Tuples into blocks.
//!
//! `["name",seconds,value,{"hostname":"...","tags":["k:v",...],"type":"..."}]`

use std::io::Write as _;

use super::{BLOCK_BYTES_MAX, BLOCK_TUPLES_MAX, Block, number, text};
use crate::expand::{Kind, Label, Sample};
use crate::metric::{Metric, Tag};

/// The tuples of one body pass the limit (contract C1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expanded;

/// How samples become bytes; holds the block being filled and those that are full.
#[derive(Debug)]
pub struct Encoder {
    block: Vec<u8>,
    tuples: u32,
    /// Not yet [`Block`]s: a broken line may want one back.
    full: Vec<(Vec<u8>, u32)>,
    /// Bytes and tuples of all blocks so far.
    bytes_total: u64,
    tuples_total: u64,
    bytes_max: u64,
    always_raw: bool,
    metric: Fragments,
}

/// A place to go back to: the start of an NDJSON line that may turn out broken.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    block_bytes: usize,
    block_tuples: u32,
    bytes_total: u64,
    tuples_total: u64,
}

/// What the tuples of one metric have in common, as text.
#[derive(Debug, Default)]
struct Fragments {
    /// `["name`
    head: Vec<u8>,
    /// `",seconds,`
    at: Vec<u8>,
    at_seconds: Option<i64>,
    /// `,{"hostname":"...","tags":["k:v","k:v"`
    tail: Vec<u8>,
    /// The same less the metric's own tag of the generated key, where it has one.
    tail_less: Vec<u8>,
    less: Option<&'static str>,
}

impl Encoder {
    /// An encoder that stops past `bytes_max`; `size_hint` is a guess at the bytes to come.
    pub fn new(bytes_max: u64, always_raw: bool, size_hint: usize) -> Self {
        Self {
            block: Vec::with_capacity(size_hint.min(BLOCK_BYTES_MAX)),
            tuples: 0,
            full: Vec::new(),
            bytes_total: 0,
            tuples_total: 0,
            bytes_max,
            always_raw,
            metric: Fragments::default(),
        }
    }

    /// Makes ready for the samples of `metric`.
    #[inline]
    pub fn begin(&mut self, metric: &Metric<'_>) {
        self.metric.set(metric);
    }

    /// Appends the tuple of a sample of the metric last given to [`Self::begin`].
    pub fn push(&mut self, metric: &Metric<'_>, sample: &Sample<'_>) -> Result<(), Expanded> {
        let start = self.block.len();
        if self.tuples > 0 {
            self.block.extend_from_slice(b",\n");
        }
        let tuple_start = self.block.len();
        self.push_tuple(metric, sample);
        let added = (self.block.len() - tuple_start) as u64;
        if self.bytes_total + added > self.bytes_max {
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

    fn push_tuple(&mut self, metric: &Metric<'_>, sample: &Sample<'_>) {
        let out = &mut self.block;
        out.extend_from_slice(&self.metric.head);
        out.extend_from_slice(sample.suffix.as_str().as_bytes());
        out.extend_from_slice(&self.metric.at);
        number::push(out, sample.value);
        let before = out.len();
        if let Some(label) = sample.label {
            out.extend_from_slice(self.metric.tail_for(metric, label.key));
            push_label(out, label);
        } else {
            out.extend_from_slice(&self.metric.tail);
        }
        debug_assert!(out.len() > before);
        out.extend_from_slice(match (self.always_raw, sample.kind) {
            (true, _) => br#"],"type":"raw"}]"#.as_slice(),
            (false, Kind::Gauge) => br#"],"type":"gauge"}]"#.as_slice(),
            (false, Kind::Counter) => br#"],"type":"counter"}]"#.as_slice(),
            (false, Kind::Count) => br#"],"type":"count"}]"#.as_slice(),
        });
    }

    /// Ends the block at `end`; the tuple from `next` on begins another.
    #[cold]
    fn seal_before(&mut self, end: usize, next: usize) {
        let mut block = Vec::with_capacity(BLOCK_BYTES_MAX / 4);
        block.extend_from_slice(&self.block[next..]);
        self.block.truncate(end);
        self.full.push((std::mem::replace(&mut self.block, block), self.tuples));
        self.tuples = 0;
    }

    /// The blocks that are full.
    pub fn full(&mut self) -> impl Iterator<Item = Block> + '_ {
        self.full.drain(..).map(|(bytes, tuples)| Block { bytes: bytes.into(), tuples })
    }

    /// The last block, if there is anything in it.
    pub fn finish(mut self) -> (Option<Block>, u64) {
        let block = std::mem::take(&mut self.block);
        let last = (self.tuples > 0).then(|| Block { bytes: block.into(), tuples: self.tuples });
        (last, self.tuples_total)
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

fn push_label(out: &mut Vec<u8>, label: Label<'_>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(label.key.as_bytes());
    out.push(b':');
    write!(out, "{}\"", label.value).expect("a Vec takes every byte");
}

impl Fragments {
    #[inline]
    fn set(&mut self, metric: &Metric<'_>) {
        self.head.clear();
        self.head.extend_from_slice(b"[\"");
        text::push(&mut self.head, metric.name);
        let seconds = metric.at.seconds();
        if self.at_seconds != Some(seconds) {
            self.at.clear();
            write!(self.at, "\",{seconds},").expect("a Vec takes every byte");
            self.at_seconds = Some(seconds);
        }
        self.less = None;
        set_tail(&mut self.tail, metric, None);
    }

    /// The host and tags beside a generated tag of `key`, which wins over one of the metric's (C4.7).
    fn tail_for(&mut self, metric: &Metric<'_>, key: &'static str) -> &[u8] {
        if self.less != Some(key) {
            self.less = Some(key);
            set_tail(&mut self.tail_less, metric, Some(key));
        }
        &self.tail_less
    }
}

fn set_tail(out: &mut Vec<u8>, metric: &Metric<'_>, less: Option<&str>) {
    out.clear();
    out.extend_from_slice(br#",{"hostname":""#);
    text::push(out, metric.hostname);
    out.extend_from_slice(br#"","tags":["#);
    let mut separate = false;
    for tag in metric.tags.iter().filter(|tag| less.is_none_or(|key| tag.key != key)) {
        if separate {
            out.push(b',');
        }
        separate = true;
        push_tag(out, tag);
    }
}

#[inline]
fn push_tag(out: &mut Vec<u8>, tag: &Tag<'_>) {
    out.push(b'"');
    text::push(out, tag.key);
    if let Some(value) = tag.value {
        out.push(b':');
        text::push(out, value);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::Suffix;
    use crate::metric::value::Value;

    #[test]
    fn a_block_sealed_since_the_mark_comes_back_without_a_copy() {
        let metric = Metric { name: "x", ..Metric::blank() };
        let value = Value::Unsigned(1);
        let sample = Sample { suffix: Suffix::None, label: None, value, kind: Kind::Gauge };
        let mut encoder = Encoder::new(u64::MAX, false, BLOCK_BYTES_MAX);
        encoder.begin(&metric);
        let push = |encoder: &mut Encoder| encoder.push(&metric, &sample).expect("no limit");
        (0..BLOCK_TUPLES_MAX).for_each(|_| push(&mut encoder));
        let (before, mark) = (encoder.block.clone(), encoder.mark());
        let place = encoder.block.as_ptr();
        push(&mut encoder);
        assert_eq!(encoder.tuples, 1, "a new block was begun");
        encoder.rewind(mark);
        assert!(encoder.full.is_empty());
        assert_eq!((encoder.block.as_ptr(), &encoder.block), (place, &before));
        assert_eq!(encoder.finish().1, u64::from(BLOCK_TUPLES_MAX));
    }
}
