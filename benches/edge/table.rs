//! Medians over the rounds, with the least and the most, as lines; and whether a ratio keeps its floor.

use crate::spread::Spread;

/// What a ratio should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// It is only looked at.
    None,
    /// The floor is not to be passed downwards; the aim is hoped for.
    Least { floor: f64, aim: f64 },
    /// The same for a ratio that should be small.
    Most { floor: f64, aim: f64 },
}

impl Bound {
    pub(crate) fn least(floor: f64, aim: f64) -> Self {
        Self::Least { floor, aim }
    }

    pub(crate) fn most(floor: f64, aim: f64) -> Self {
        Self::Most { floor, aim }
    }
}

/// A line with a figure; its median.
pub(crate) fn figure<T>(name: &str, rounds: &[T], digits: usize, of: impl Fn(&T) -> f64) -> f64 {
    let spread = Spread::of(rounds, of);
    println!("  {name:<64} {spread:.digits$}");
    spread.median
}

/// A line with a ratio; whether it keeps its floor.
pub(crate) fn ratio<T>(name: &str, rounds: &[T], bound: Bound, of: impl Fn(&T) -> f64) -> bool {
    let median = figure(name, rounds, 3, of);
    let (keeps, reaches, floor, aim) = match bound {
        Bound::None => return true,
        Bound::Least { floor, aim } => (median >= floor, median >= aim, floor, aim),
        Bound::Most { floor, aim } => (median <= floor, median <= aim, floor, aim),
    };
    let verdict = match (keeps, reaches) {
        (false, _) => "FAIL",
        (true, false) => "floor kept",
        (true, true) => "aim reached",
    };
    println!("  {:<64} {verdict}: floor {floor}, aim {aim}", "");
    keeps
}
