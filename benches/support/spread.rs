//! Medians with their least and most.

use std::fmt::{self, Display, Formatter};

/// What several rounds measured of one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of what each round says.
    pub(crate) fn of<T>(rounds: &[T], what: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<f64> = rounds.iter().map(what).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (values[0], values[values.len() - 1]);
        Self { median: values[values.len() / 2], least, most }
    }
}

/// `1.5 (1.2 to 1.9)`, with as many decimals as asked for.
impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(2);
        let Self { median, least, most } = self;
        write!(f, "{median:.places$} ({least:.places$} to {most:.places$})")
    }
}
