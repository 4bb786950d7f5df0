//! Vector's sets and distributions by the letter: every sample in a list, sorted, and counted through.

use tidegate::normalize::Code;

use super::item::{Shape, Stop};
use super::tree::{Tree, look};

/// The size of a set, whatever its `kind`.
pub(super) fn set(tree: &Tree<'_>) -> Result<Shape, Stop> {
    let Tree::Object(members) = tree else { return Err(Code::InvalidValue.into()) };
    let values = members.last("values").ok_or(Code::MissingValue)?;
    let Tree::Array(values) = look(values)? else { return Err(Code::InvalidValue.into()) };
    for value in &values {
        if matches!(look(value)?, Tree::Null | Tree::Array(_) | Tree::Object(_)) {
            return Err(Code::InvalidValue.into());
        }
    }
    let size = format!("{}.0", values.len());
    Ok(Shape { tuples: vec![("", size, None, "gauge")], ..Shape::default() })
}

/// The quantiles, the sum and the count of a distribution.
pub(super) fn distribution(tree: &Tree<'_>, count_kind: &'static str) -> Result<Shape, Stop> {
    let Tree::Object(members) = tree else { return Err(Code::InvalidSummary.into()) };
    let samples = members.last("samples").ok_or(Code::InvalidSummary)?;
    let Tree::Array(samples) = look(samples)? else { return Err(Code::InvalidSummary.into()) };
    let mut shape = Shape { pairs_sent: samples.len(), pairs_max: 65_536, ..Shape::default() };
    let mut seen: Vec<(f64, u64)> = Vec::new();
    for sample in samples {
        let Tree::Object(sample) = look(sample)? else { return Err(Code::InvalidSummary.into()) };
        let rate = match look(sample.last("rate").ok_or(Code::InvalidSummary)?)? {
            Tree::Number(literal) => rate(literal).ok_or(Code::InvalidSummary)?,
            _ => return Err(Code::InvalidSummary.into()),
        };
        match look(sample.last("value").ok_or(Code::InvalidSummary)?)? {
            Tree::Null => shape.skipped = true,
            Tree::Number(literal) => {
                let value: f64 = literal.parse().expect("Rust reads every JSON number");
                if !value.is_finite() {
                    return Err(Code::InvalidSummary.into());
                }
                seen.push((value, rate));
            }
            _ => return Err(Code::InvalidSummary.into()),
        }
    }
    let sum = seen.iter().fold(0.0, |sum, &(value, rate)| sum + value * rate as f64);
    if !sum.is_finite() {
        return Err(Code::NotFinite.into());
    }
    let count: u64 = seen.iter().map(|&(_, rate)| rate).sum();
    for (q, quantile) in
        [(0.5, "0.5"), (0.75, "0.75"), (0.9, "0.9"), (0.95, "0.95"), (0.99, "0.99")]
    {
        if let Some(value) = at(&mut seen, (q * count as f64).round().max(1.0) as u64) {
            let label = Some(("quantile", quantile.to_owned()));
            shape.tuples.push(("", double(value), label, "gauge"));
        }
    }
    shape.tuples.push(("_sum", double(sum), None, count_kind));
    shape.tuples.push(("_count", format!("{count}.0"), None, count_kind));
    Ok(shape)
}

/// The value at that place, from 1, with each written down as often as it was seen.
fn at(seen: &mut [(f64, u64)], place: u64) -> Option<f64> {
    seen.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut passed = 0;
    seen.iter().find_map(|&(value, rate)| {
        passed += rate;
        (passed >= place).then_some(value)
    })
}

fn rate(literal: &str) -> Option<u64> {
    let rate: f64 = literal.parse().expect("Rust reads every JSON number");
    (rate >= 0.0 && rate <= f64::from(u32::MAX) && rate.trunc().total_cmp(&rate).is_eq())
        .then_some(rate as u64)
}

fn double(number: f64) -> String {
    serde_json::to_string(&number).expect("a finite double is JSON")
}
