//! Places, sums and rates by tables, and quantiles against samples written down one by one.

use super::*;

fn pair<'a>(value: Number<'a>, rate: Number<'a>) -> RawPair<'a> {
    RawPair { bound: Some(Scalar::Number(rate)), value: Some(Scalar::Number(value)) }
}

fn tally(samples: &[(f64, u32)]) -> Tally {
    let mut tally = Tally::default();
    for &(value, rate) in samples {
        take(&pair(Number::Double(value), Number::Unsigned(rate.into())), &mut tally);
    }
    tally
}

/// Count, sum and quantiles.
fn judged(tally: Tally) -> Result<(u64, f64, Vec<f64>), Code> {
    let mut raw = RawDistribution { presence: Presence::Here, list: Presence::Here, tally };
    let (mut pairs, mut warnings) = (Vec::new(), Warnings::default());
    let totals = distribution(&mut raw, &mut pairs, &mut warnings).map_err(|fault| fault.code)?;
    let (Value::Unsigned(count), Some(Value::Double(sum))) = (totals.count, totals.sum) else {
        panic!("{totals:?}");
    };
    let names: Vec<_> = pairs.iter().map(|pair| pair.bound.to_string()).collect();
    assert!(pairs.is_empty() || names == ["0.5", "0.75", "0.9", "0.95", "0.99"], "{names:?}");
    let value = |pair: &Pair<'_>| match pair.value {
        Value::Double(double) => double,
        other => panic!("{other:?}"),
    };
    Ok((count, sum, pairs.iter().map(value).collect()))
}

/// Samples (value and rate), and the count, sum and quantiles they come to.
type Row<'r> = (&'r [(f64, u32)], u64, f64, &'r [f64]);

#[test]
fn a_quantile_is_the_sample_at_the_nearest_place() {
    let table: &[Row<'_>] = &[
        (&[], 0, 0.0, &[]),
        (&[(7.0, 0)], 0, 0.0, &[]),
        (&[(0.9, 100)], 100, 90.0, &[0.9; 5]),
        (&[(5.0, 1), (5.0, 2)], 3, 15.0, &[5.0; 5]),
        // Places 1 (of 0.5 and 1.5, rounded up to 2), 2, 2, 2, 2.
        (&[(2.0, 1), (1.0, 1)], 2, 3.0, &[1.0, 2.0, 2.0, 2.0, 2.0]),
        // Places 2.5 -> 3, 3.75 -> 4, 4.5 -> 5, 5, 5.
        (&[(4.0, 1), (1.0, 1), (5.0, 1), (3.0, 1), (2.0, 1)], 5, 15.0, &[3.0, 4.0, 5.0, 5.0, 5.0]),
        // 1 1 2 3 3 3 3 4 4 4: places 5, 7.5 -> 8, 9, 9.5 -> 10, 9.9 -> 10.
        (&[(1.0, 2), (2.0, 1), (3.0, 4), (4.0, 3)], 10, 28.0, &[3.0, 4.0, 4.0, 4.0, 4.0]),
        // A rate of nothing has no say, wherever its value lies.
        (&[(-1.0, 0), (2.0, 1), (9.0, 0)], 1, 2.0, &[2.0; 5]),
        (&[(-3.0, 1), (f64::MAX, 1)], 2, f64::MAX, &[-3.0, f64::MAX, f64::MAX, f64::MAX, f64::MAX]),
    ];
    for &(samples, count, sum, quantiles) in table {
        let expected = Ok((count, sum, quantiles.to_vec()));
        assert_eq!(judged(tally(samples)), expected, "{samples:?}");
    }
}

#[test]
fn counts_of_the_largest_rates_are_exact() {
    let samples = vec![(1.0, u32::MAX); SAMPLES_MAX as usize];
    let (count, _, quantiles) = judged(tally(&samples)).expect("within the limit");
    assert_eq!(count, u64::from(u32::MAX) * u64::from(SAMPLES_MAX));
    assert_eq!(quantiles, [1.0; 5]);
}

#[test]
fn the_order_sent_makes_no_difference_to_quantiles() {
    let mut random = fastrand::Rng::with_seed(5);
    let spread = [-0.0, 0.0, -1.5, 1e-300, 3.0, 3.0, 7.25, 1e9];
    for _ in 0..500 {
        let length = random.usize(..20);
        let mut samples: Vec<_> =
            (0..length).map(|_| (spread[random.usize(..spread.len())], random.u32(..4))).collect();
        // Written down one by one.
        let mut seen: Vec<f64> = samples
            .iter()
            .flat_map(|&(value, rate)| std::iter::repeat_n(value, rate as usize))
            .collect();
        seen.sort_by(f64::total_cmp);
        let expected: Vec<u64> = [0.5, 0.75, 0.9, 0.95, 0.99]
            .into_iter()
            .filter(|_| !seen.is_empty())
            .map(|q: f64| seen[((q * seen.len() as f64).round() as usize).max(1) - 1].to_bits())
            .collect();
        for _ in 0..3 {
            random.shuffle(&mut samples);
            let (count, _, quantiles) = judged(tally(&samples)).expect("sound");
            assert_eq!(count, seen.len() as u64);
            let bits: Vec<u64> = quantiles.iter().map(|value| value.to_bits()).collect();
            assert_eq!(bits, expected, "{samples:?}");
        }
    }
}

#[test]
fn rates_are_whole_numbers_of_thirty_two_bits_however_written() {
    let table = [
        (Number::Literal("0"), Some(0)),
        (Number::Literal("-0"), Some(0)),
        (Number::Literal("1.0"), Some(1)),
        (Number::Literal("12e2"), Some(1_200)),
        (Number::Literal("4294967295"), Some(u32::MAX)),
        (Number::Literal("4294967296"), None),
        (Number::Literal("1.5"), None),
        (Number::Literal("-1"), None),
        (Number::Literal("1e400"), None),
        (Number::Unsigned(7), Some(7)),
        (Number::Unsigned(1 << 32), None),
        (Number::Signed(-1), None),
        (Number::Single(2.0), Some(2)),
        (Number::Double(4_294_967_295.0), Some(u32::MAX)),
        (Number::Double(f64::NAN), None),
        (Number::Double(f64::INFINITY), None),
    ];
    for (number, weight) in table {
        assert_eq!(super::weight(Some(Scalar::Number(number))), weight, "{number:?}");
    }
    for odd in [Scalar::Null, Scalar::Bool(true), Scalar::Text("1"), Scalar::Array] {
        assert_eq!(super::weight(Some(odd)), None, "{odd:?}");
    }
}

#[test]
fn a_sample_without_a_value_counts_nowhere_and_one_that_is_infinite_is_refused() {
    let one = Number::Unsigned(1);
    let mut tally = tally(&[(2.0, 3)]);
    take(&pair(Number::Double(f64::NAN), one), &mut tally);
    take(&RawPair { value: Some(Scalar::Null), ..pair(one, one) }, &mut tally);
    assert_eq!((tally.sent, tally.skipped), (3, 2));
    assert_eq!(judged(tally.clone()), Ok((3, 6.0, vec![2.0; 5])));
    for value in [Number::Literal("1e400"), Number::Double(f64::NEG_INFINITY)] {
        let mut tally = tally.clone();
        take(&pair(value, one), &mut tally);
        assert_eq!(judged(tally), Err(Code::InvalidSummary), "{value:?}");
    }
}

#[test]
fn a_sum_that_no_double_holds_is_not_finite() {
    assert_eq!(judged(tally(&[(1e308, 2)])), Err(Code::NotFinite));
    // Infinity less infinity is no number either.
    assert_eq!(judged(tally(&[(1e308, 2), (-1e308, 2)])), Err(Code::NotFinite));
}

#[test]
fn more_samples_than_are_kept_are_still_judged() {
    let mut long = tally(&vec![(1.0, 1); SAMPLES_MAX as usize]);
    assert!(!is_too_large(&long) && judged(long.clone()).is_ok());
    take(&pair(Number::Double(1e308), Number::Unsigned(2)), &mut long);
    assert!(is_too_large(&long));
    for _ in 0..SAMPLES_MAX {
        take(&pair(Number::Double(0.0), Number::Unsigned(1)), &mut long);
    }
    assert_eq!(long.samples.len(), SAMPLES_MAX as usize);
    assert!(long.samples.capacity() * size_of::<Sample>() <= 1 << 20, "a MiB at most");
    // The sum is known to its end, and so is the first fault.
    assert_eq!(judged(long.clone()), Err(Code::NotFinite));
    take(&RawPair::default(), &mut long);
    assert_eq!(judged(long), Err(Code::InvalidSummary));
}
