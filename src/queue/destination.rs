//! Who a queue is kept for.

use std::sync::Arc;

/// One destination, as it is configured (contract C5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The receiver's name: `[A-Za-z0-9._-]{1,64}`.
    pub name: Arc<str>,
    /// Whose tuples are meant for it; those of others count as filtered.
    pub sources: Sources,
    /// Bytes that may wait for it, over that its oldest tuples expire; `None` for no bound of its own.
    pub max_backlog_bytes: Option<u64>,
}

/// A choice of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// Every source, also those that are configured later.
    #[default]
    All,
    /// These alone, by name.
    Only(Vec<Arc<str>>),
}

impl Destination {
    /// One that gets everything and has no bound of its own.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), sources: Sources::All, max_backlog_bytes: None }
    }
}

impl Sources {
    /// Whether tuples of this source are meant.
    pub fn has(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| **name == *source),
        }
    }
}
