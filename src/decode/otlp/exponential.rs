//! Exponential histograms: buckets whose bounds are powers of `2^(2^-scale)`, sent as a row of counts
//! from some index on.

use std::f64::consts::SQRT_2;

use crate::decode::raw::PAIRS_KEPT;
use crate::metric::Pair;
use crate::metric::value::{Bound, Value};

/// The scales that OpenTelemetry's libraries use.
const SCALE_MIN: i32 = -10;
const SCALE_MAX: i32 = 20;

/// The exponents of doubles: the smallest is `2^-1074`, and all are below `2^1024`.
const EXPONENT_MIN: i64 = -1074;
const EXPONENT_END: i64 = 1024;

/// One row of buckets; those without a count are passed over.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// The index of the first bucket.
    pub(super) offset: i32,
    /// Place in the row, and count.
    populated: Vec<(u32, u64)>,
    /// The last one with a count, kept or not.
    last: Option<u32>,
    length: u32,
}

/// The buckets of a point, and how fine they are.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    /// The upper limit of the bucket of zeros.
    pub(super) zero_threshold: f64,
    pub(super) positive: Row,
    pub(super) negative: Row,
}

impl Row {
    /// The count of the next bucket.
    #[inline]
    pub(super) fn push(&mut self, count: u64) {
        if count > 0 {
            self.last = Some(self.length);
            if self.populated.len() < PAIRS_KEPT {
                self.populated.push((self.length, count));
            }
        }
        // A body has fewer bytes than this counts.
        self.length += 1;
    }

    fn clear(&mut self) {
        self.offset = 0;
        self.populated.clear();
        self.last = None;
        self.length = 0;
    }

    fn index(&self, place: u32) -> i64 {
        i64::from(self.offset) + i64::from(place)
    }

    /// Whether every double of every populated bucket is one: hostile offsets lie far beyond.
    fn is_within(&self, scale: i32) -> bool {
        let ends = self.populated.first().map(|&(place, _)| place).zip(self.last);
        ends.is_none_or(|(first, last)| {
            power(self.index(last), scale).is_finite() && power(self.index(first) + 1, scale) > 0.0
        })
    }
}

impl Buckets {
    /// Makes ready for another point.
    pub(super) fn clear(&mut self) {
        (self.scale, self.zero_count, self.zero_threshold) = (0, 0, 0.0);
        self.positive.clear();
        self.negative.clear();
    }

    /// Fills `pairs` with the populated buckets from the lowest bound to the highest.
    pub(super) fn pairs(&self, pairs: &mut Vec<Pair<'_>>) -> Result<(), &'static str> {
        let scale = self.scale;
        if !(SCALE_MIN..=SCALE_MAX).contains(&scale) {
            return Err("expected a scale from -10 to 20");
        }
        if !self.zero_threshold.is_finite() || self.zero_threshold < 0.0 {
            return Err("expected a zero threshold that is finite and not negative");
        }
        if !self.positive.is_within(scale) || !self.negative.is_within(scale) {
            return Err("a bucket lies beyond what a double can hold");
        }
        for &(place, count) in self.negative.populated.iter().rev() {
            // [-base^(index+1), -base^index)
            add(pairs, -power(self.negative.index(place), scale), count)?;
        }
        if self.zero_count > 0 {
            add(pairs, self.zero_threshold, self.zero_count)?;
        }
        for &(place, count) in &self.positive.populated {
            // (base^index, base^(index+1)]; the highest may end past the largest double.
            add(pairs, power(self.positive.index(place) + 1, scale), count)?;
        }
        Ok(())
    }
}

/// Adds a bucket, whose bound is not below the last. Among the smallest doubles two bounds can be the same
/// one; a series must not have two values.
fn add(pairs: &mut Vec<Pair<'_>>, bound: f64, count: u64) -> Result<(), &'static str> {
    if let Some(Pair { bound: Bound::Double(last), value: Value::Unsigned(sum) }) = pairs.last_mut()
        && *last >= bound
    {
        *sum = sum.checked_add(count).ok_or("the counts of the buckets pass 64 bits")?;
    } else if pairs.len() < PAIRS_KEPT {
        pairs.push(Pair { bound: Bound::Double(bound), value: Value::Unsigned(count) });
    }
    Ok(())
}

/// `2^(index * 2^-scale)`: powers of two and of their root to the last bit, others as near as the
/// platform's `exp2` is; infinite or zero beyond what a double can hold.
fn power(index: i64, scale: i32) -> f64 {
    if scale <= 0 {
        return power_of_two(index.saturating_mul(1 << -scale));
    }
    let steps = 1_i64 << scale;
    let (whole, part) = (index.div_euclid(steps), index.rem_euclid(steps));
    let mantissa = match part {
        0 => 1.0,
        _ if part * 2 == steps => SQRT_2,
        // Exact, for a double holds 20 bits.
        _ => (part as f64 / steps as f64).exp2(),
    };
    // In two steps where one would leave the normal doubles too early.
    if whole < -1000 {
        mantissa * power_of_two(-1000) * power_of_two(whole + 1000)
    } else {
        mantissa * power_of_two(whole)
    }
}

fn power_of_two(exponent: i64) -> f64 {
    match exponent {
        ..EXPONENT_MIN => 0.0,
        EXPONENT_MIN..-1022 => f64::from_bits(1 << (exponent - EXPONENT_MIN)),
        -1022..EXPONENT_END => f64::from_bits(((exponent + 1023) as u64) << 52),
        EXPONENT_END.. => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(offset: i32, counts: &[u64]) -> Row {
        let mut row = Row { offset, ..Row::default() };
        for count in counts {
            row.push(*count);
        }
        row
    }

    fn check(buckets: &Buckets, expected: Result<&[(&str, u64)], &str>) {
        let mut pairs = Vec::new();
        let read = buckets.pairs(&mut pairs).map(|()| {
            let text = |pair: &Pair<'_>| match pair.value {
                Value::Unsigned(count) => (pair.bound.to_string(), count),
                other => panic!("{other:?}"),
            };
            pairs.iter().map(text).collect::<Vec<_>>()
        });
        let owned = |list: &[(&str, u64)]| {
            list.iter().map(|(bound, count)| ((*bound).to_owned(), *count)).collect::<Vec<_>>()
        };
        assert_eq!(read, expected.map(owned), "{buckets:?}");
    }

    #[test]
    fn populated_buckets_come_from_the_lowest_bound_to_the_highest() {
        let buckets = Buckets {
            scale: 0,
            zero_count: 4,
            zero_threshold: 0.25,
            positive: row(-1, &[1, 0, 3]),
            negative: row(0, &[5, 6]),
        };
        check(&buckets, Ok(&[("-2", 6), ("-1", 5), ("0.25", 4), ("1", 1), ("4", 3)]));
        check(&Buckets::default(), Ok(&[]));
        let empty = Buckets { positive: row(i32::MAX, &[0; 9]), ..Buckets::default() };
        check(&empty, Ok(&[]));
    }

    #[test]
    fn bounds_are_exact_where_they_can_be() {
        let at = |scale, offset| {
            let mut pairs = Vec::new();
            let buckets = Buckets { scale, positive: row(offset, &[1]), ..Buckets::default() };
            buckets.pairs(&mut pairs).unwrap();
            pairs[0].bound.to_string()
        };
        for (scale, offset, bound) in [
            (0, 0, "2"),
            (0, -2, "0.5"),
            (0, 1022, &2_f64.powi(1023).to_string()),
            (0, 1023, "+Inf"),
            (-1, 0, "4"),
            (-10, 0, "+Inf"),
            (-10, -1, "1"),
            (1, 0, &SQRT_2.to_string()),
            (3, 7, "2"),
            (3, 3, &SQRT_2.to_string()),
            (20, (1 << 20) - 1, "2"),
            (20, (1 << 19) - 1, &SQRT_2.to_string()),
            (2, 0, "1.189207115002721"),
            (2, -4, "0.5946035575013605"),
            (20, (1024 << 20) - 1, "+Inf"),
            (0, -1075, &f64::from_bits(1).to_string()),
        ] {
            assert_eq!(at(scale, offset), bound, "scale {scale}, offset {offset}");
        }
    }

    #[test]
    fn bounds_rise_at_every_scale() {
        for scale in SCALE_MIN..=SCALE_MAX {
            let around = if scale > 0 { 1 << scale } else { 1 };
            let mut last = 0.0;
            for index in -around.min(3000)..=around.min(3000) {
                let bound = power(index, scale);
                assert!(bound > last, "scale {scale}, index {index}: {bound} after {last}");
                last = bound;
            }
        }
    }

    #[test]
    fn hostile_offsets_and_scales_are_refused() {
        let far = Err("a bucket lies beyond what a double can hold");
        for (scale, offset) in
            [(0, 1024), (0, -1077), (20, i32::MAX), (-10, 1), (-10, -3), (5, i32::MIN)]
        {
            let positive = row(offset, &[1]);
            check(&Buckets { scale, positive, ..Buckets::default() }, far);
            let negative = row(offset, &[1]);
            check(&Buckets { scale, negative, ..Buckets::default() }, far);
        }
        for scale in [-11, 21, i32::MIN, i32::MAX] {
            let buckets = Buckets { scale, ..Buckets::default() };
            check(&buckets, Err("expected a scale from -10 to 20"));
        }
        for zero_threshold in [-1.0, f64::NAN, f64::INFINITY] {
            let expected = Err("expected a zero threshold that is finite and not negative");
            check(&Buckets { zero_threshold, ..Buckets::default() }, expected);
        }
    }

    #[test]
    fn bounds_that_are_the_same_double_are_one_bucket() {
        // At this scale many buckets end at the smallest double.
        let positive = row(-(1074 << 4) - 4, &[1, 2, 3]);
        let buckets = Buckets { scale: 4, positive, ..Buckets::default() };
        check(&buckets, Ok(&[(&f64::from_bits(1).to_string(), 6)]));
        let positive = row(-(1074 << 4) - 4, &[u64::MAX, 1]);
        let buckets = Buckets { scale: 4, positive, ..Buckets::default() };
        check(&buckets, Err("the counts of the buckets pass 64 bits"));
    }

    #[test]
    fn of_too_many_buckets_one_more_than_allowed_is_kept() {
        let positive = row(0, &vec![1; 5_000]);
        let buckets = Buckets { scale: 20, positive, ..Buckets::default() };
        let mut pairs = Vec::new();
        buckets.pairs(&mut pairs).unwrap();
        assert_eq!(pairs.len(), PAIRS_KEPT);
    }
}
