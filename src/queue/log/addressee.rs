//! Which records a destination is to get.

use std::sync::Arc;

use super::super::{Destination, Sources};
use super::record::Head;

/// A destination, as far as it matters to a record.
#[derive(Clone, Debug)]
pub(super) struct Addressee {
    pub(super) name: Arc<str>,
    sources: Arc<Sources>,
}

/// What a record is to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// It is to get it.
    Own,
    /// Its filter leaves it out: its tuples are in its books, as filtered.
    Filtered,
    /// It is for another destination alone, and in no class of these books.
    Elsewhere,
}

/// Tuples of some records, by what they are to a destination; those in no class left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// Tuples in records for this destination alone.
    pub(super) addressed: u64,
    /// Tuples that its filter leaves out.
    pub(super) filtered: u64,
}

impl Addressee {
    /// One without a filter.
    pub(super) fn of_everything(name: &str) -> Self {
        Self { name: name.into(), sources: Arc::default() }
    }

    /// What this record is to it. One that is for it alone was chosen by an operator: no filter keeps
    /// it back.
    pub(super) fn of(&self, head: &Head) -> Belongs {
        match &head.target {
            Some(target) if *target == self.name => Belongs::Own,
            Some(_) => Belongs::Elsewhere,
            None if self.sources.has(&head.source) => Belongs::Own,
            None => Belongs::Filtered,
        }
    }

    /// Whether every record without a target is its own.
    pub(super) fn takes_all(&self) -> bool {
        *self.sources == Sources::All
    }
}

impl From<&Destination> for Addressee {
    fn from(destination: &Destination) -> Self {
        let sources = Arc::new(destination.sources.clone());
        Self { name: Arc::clone(&destination.name), sources }
    }
}

impl Sorted {
    pub(super) fn add(&mut self, belongs: Belongs, head: &Head) {
        match belongs {
            Belongs::Own if head.target.is_some() => self.addressed += u64::from(head.tuples),
            Belongs::Filtered => self.filtered += u64::from(head.tuples),
            Belongs::Own | Belongs::Elsewhere => {}
        }
    }
}
