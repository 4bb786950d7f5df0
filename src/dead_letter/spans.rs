//! Stretches of a file's bytes, whole lines each.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of bytes, as stretches that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans {
    /// First byte to the one behind the last.
    stretches: BTreeMap<u64, u64>,
}

impl Spans {
    /// Puts one in; what is empty is nothing.
    pub(super) fn add(&mut self, span: Range<u64>) {
        let Range { mut start, mut end } = span;
        if start >= end {
            return;
        }
        let touching = |stretches: &BTreeMap<u64, u64>, start, end| {
            let (from, to) = stretches.range(..=end).next_back()?;
            (*to >= start).then_some((*from, *to))
        };
        while let Some((from, to)) = touching(&self.stretches, start, end) {
            self.stretches.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.stretches.insert(start, end);
    }

    /// All of them.
    pub(super) fn add_all(&mut self, spans: &[(u64, u64)]) {
        for (start, end) in spans {
            self.add(*start..*end);
        }
    }

    /// Whether this byte is in it.
    pub(super) fn has(&self, at: u64) -> bool {
        self.stretches.range(..=at).next_back().is_some_and(|(_, end)| at < *end)
    }

    /// How many bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.stretches.iter().map(|(start, end)| end - start).sum()
    }

    /// As a file has them.
    pub(super) fn to_pairs(&self) -> Vec<(u64, u64)> {
        self.stretches.iter().map(|(start, end)| (*start, *end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_of_adding_gives_the_same_set_as_single_bytes_do() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut spans, mut model) = (Spans::default(), [false; 64]);
            for _ in 0..rng.usize(0..12) {
                let start = rng.usize(0..60);
                let end = (start + rng.usize(0..8)).min(64);
                spans.add(start as u64..end as u64);
                model[start..end].fill(true);
            }
            for (at, wanted) in model.iter().enumerate() {
                assert_eq!(spans.has(at as u64), *wanted, "{spans:?} at {at}");
            }
            assert_eq!(spans.bytes(), model.iter().filter(|is_in| **is_in).count() as u64);
            let mut again = Spans::default();
            again.add_all(&spans.to_pairs());
            assert_eq!(again, spans);
            let pairs = spans.to_pairs();
            assert!(pairs.windows(2).all(|two| two[0].1 < two[1].0), "{pairs:?}");
        }
    }
}
