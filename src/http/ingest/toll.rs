//! The bytes of a body, charged to its source whatever becomes of it: also where it is refused, breaks off or
//! is given up with its connection.

use std::sync::Arc;

use super::super::body::Came;
use super::super::state::State;
use crate::clock::Clock;
use crate::quota::{Quota, Rate};

/// Charges what came when it is dropped.
pub(super) struct Toll<'s> {
    /// Of the source, once that is known.
    pub(super) quota: Option<Arc<Quota>>,
    pub(super) came: Came,
    clock: &'s dyn Clock,
}

impl<'s> Toll<'s> {
    pub(super) fn new(quota: Option<Arc<Quota>>, state: &'s State) -> Self {
        Self { quota, came: Came::default(), clock: &*state.clock }
    }
}

impl Drop for Toll<'_> {
    fn drop(&mut self) {
        if let Some(quota) = &self.quota {
            quota.charge(Rate::Bytes, self.came.bytes() as u64, self.clock.monotonic());
        }
    }
}
