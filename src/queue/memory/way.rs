//! Which destinations an entry is for.

use super::super::Destination;

/// What an entry is to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    /// Meant for all, and its filter leaves it out.
    Filtered,
    /// Meant for another one alone.
    Past,
}

impl Way {
    pub(super) fn of(destination: &Destination, target: Option<&str>, source: &str) -> Self {
        match target {
            Some(target) if *target != *destination.name => Self::Past,
            // One for it alone was chosen by an operator: no filter keeps it back.
            None if !destination.sources.has(source) => Self::Filtered,
            _ => Self::In,
        }
    }
}
