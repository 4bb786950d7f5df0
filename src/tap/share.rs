//! How many of the tuples somebody wants to see.

use std::fmt;
use std::str::FromStr;

/// A share of all, above nothing and up to all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

/// A text that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no share: expected more than nothing and at most all, like 1%, 0.01 or 1/100")]
pub struct BadShare(String);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(1.0);

    /// The next one is among them.
    pub(super) fn draw(self) -> bool {
        self == Self::ALL || fastrand::f64() < self.0
    }

    /// About how many of so many.
    pub(super) fn of(self, count: u64) -> u64 {
        if self == Self::ALL { count } else { (count as f64 * self.0).round() as u64 }
    }
}

impl FromStr for Share {
    type Err = BadShare;

    fn from_str(text: &str) -> Result<Self, BadShare> {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let share = match (text.strip_suffix('%'), text.split_once('/')) {
            (Some(percent), _) => number(percent).map(|percent| percent / 100.0),
            (None, Some((part, whole))) => {
                number(part).zip(number(whole)).map(|(part, whole)| part / whole)
            }
            (None, None) => number(text),
        };
        // Not a number is not above nothing.
        let share = share.filter(|share| *share > 0.0 && *share <= 1.0);
        share.map(Self).ok_or_else(|| BadShare(text.chars().take(32).collect()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_a_number_or_a_fraction() {
        for (text, wanted) in [
            ("1%", 0.01),
            ("0.01", 0.01),
            ("1/100", 0.01),
            ("100%", 1.0),
            ("1", 1.0),
            ("3/4", 0.75),
        ] {
            assert_eq!(text.parse(), Ok(Share(wanted)), "{text}");
        }
        for text in ["", "0", "0%", "101%", "2", "-1", "1/0", "NaN", "inf", "a", "%", "/", "1/2/3"]
        {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_it_prints_is_read_back() {
        for text in ["1%", "1/3", "100%"] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.to_string().parse(), Ok(share), "{text}");
        }
    }

    #[test]
    fn a_draw_is_as_likely_as_the_share() {
        assert!((0..1000).all(|_| Share::ALL.draw()));
        let drawn = (0..10_000).filter(|_| Share(0.1).draw()).count();
        assert!((500..2000).contains(&drawn), "{drawn}");
        assert_eq!((Share(0.1).of(1000), Share::ALL.of(7)), (100, 7));
    }
}
