//! The series of a push: each may come once, because what is pushed is the value of one moment.

use super::super::labelled::{Clash, Labelled, Origin};
use super::super::raw::Scalar;
use super::names::Names;

/// The series that a page has had, by their hashes.
pub(super) struct Pushed<'a> {
    seen: Names,
    /// Labels that will take the place of those of the series, which do not tell series apart then.
    replacing: &'a [(String, String)],
}

impl<'a> Pushed<'a> {
    pub(super) fn new(origin: &Origin<'a>) -> Self {
        let replacing = if origin.clash == Clash::Replaced { origin.labels } else { &[] };
        Self { seen: Names::new(), replacing }
    }

    pub(super) fn memory(&self) -> u64 {
        self.seen.memory()
    }

    /// Remembers a series; `Err` with what was expected where it was known. One with too many labels
    /// becomes no tuple, and not all of them are at hand.
    pub(super) fn take(&mut self, series: &Labelled<'_>) -> Result<(), &'static str> {
        if series.tags.beyond > 0 {
            return Ok(());
        }
        let own = series.tags.tags.iter().filter(|tag| {
            let is_replaced = |(name, _): &(String, String)| name == tag.sent_key;
            !self.replacing.iter().any(is_replaced)
        });
        // A sum does not depend on the order of the labels.
        let labels = own.map(|tag| match tag.value {
            Scalar::Text(value) => self.seen.hash((tag.sent_key, value)),
            _ => unreachable!("labels of a page are texts"),
        });
        let series = labels.fold(self.seen.hash(series.name), u64::wrapping_add);
        if self.seen.insert(series) {
            Ok(())
        } else {
            Err("expected each series once: a push has one value of each")
        }
    }
}
