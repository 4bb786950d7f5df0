//! Medians with their least and most.

use std::fmt::{self, Display, Formatter};

/// What several rounds measured of one thing.
#[derive(Clone, Debug)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of<T>(rounds: &[T], what: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<f64> = rounds.iter().map(what).collect();
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

/// `1.5 (1.2 to 1.9)`, with as many decimals as asked for.
impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(2);
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        write!(f, "{:.places$} ({least:.places$} to {most:.places$})", self.median())
    }
}
