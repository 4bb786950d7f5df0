//! The memory all requests and scrapes together may hold in bodies and tuples (contract C1.5, C1.12).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes are reserved in grains of this size, so that a body of many small chunks costs few atomics.
pub const GRAIN_BYTES: u64 = 64 << 10;

/// A count of bytes with a limit; what it counts is allocated elsewhere.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    limit: AtomicU64,
    /// What this is a part of: bytes count there as well.
    whole: Option<Arc<Budget>>,
}

/// The budget is spent (503).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// All of it.
    #[error("bodies and pages in work hold {limit} bytes (`limits.memory_bytes`)")]
    Whole {
        /// The limit, bytes.
        limit: u64,
    },
    /// The part that scrapes have of it.
    #[error("pages in work hold {limit} bytes, their part of `limits.memory_bytes`")]
    Part {
        /// The limit, bytes.
        limit: u64,
    },
}

/// The share that one request or one scrape has of a [`Budget`]; given back when dropped, on whatever path
/// that happens.
#[derive(Debug)]
pub struct Grant {
    budget: Arc<Budget>,
    held: u64,
}

impl Budget {
    /// A budget of `limit` bytes, nothing of it used.
    pub fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit: AtomicU64::new(limit), whole: None }
    }

    /// A part of it, of `limit` bytes: nothing is set aside, but whoever has this part holds no more than
    /// that of the whole.
    pub fn part(self: &Arc<Self>, limit: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
            whole: Some(Arc::clone(self)),
        }
    }

    /// Most bytes it may hold.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Another limit from now on. What is held beyond it stays until it is given back, and nothing is added.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes reserved now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A share of one grain: a request begins with it, so that a spent budget is noticed before the
    /// body is read.
    pub fn grant(self: &Arc<Self>) -> Result<Grant, Spent> {
        let mut grant = Grant { budget: Arc::clone(self), held: 0 };
        grant.resize(1)?;
        Ok(grant)
    }

    fn reserve(&self, bytes: u64) -> Result<(), Spent> {
        let limit = self.limit();
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit);
        let added = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let Some(whole) = &self.whole else {
            return added.map(drop).map_err(|_| Spent::Whole { limit });
        };
        added.map_err(|_| Spent::Part { limit })?;
        whole.reserve(bytes).inspect_err(|_| self.release_here(bytes))
    }

    fn release(&self, bytes: u64) {
        self.release_here(bytes);
        if let Some(whole) = &self.whole {
            whole.release(bytes);
        }
    }

    fn release_here(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "more released than was reserved");
    }
}

impl Grant {
    /// Makes the share hold `bytes`, rounded up to whole grains; unchanged when that does not fit.
    pub fn resize(&mut self, bytes: u64) -> Result<(), Spent> {
        let want = bytes.div_ceil(GRAIN_BYTES).saturating_mul(GRAIN_BYTES);
        if want > self.held {
            self.budget.reserve(want - self.held)?;
        } else {
            self.budget.release(self.held - want);
        }
        self.held = want;
        Ok(())
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget.release(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_never_pass_the_limit_and_give_everything_back() {
        let budget = Arc::new(Budget::new(3 * GRAIN_BYTES));
        let mut first = budget.grant().unwrap();
        let mut second = budget.grant().unwrap();
        first.resize(2 * GRAIN_BYTES).unwrap();
        assert_eq!(second.resize(GRAIN_BYTES + 1), Err(Spent::Whole { limit: 3 * GRAIN_BYTES }));
        assert_eq!(budget.used(), 3 * GRAIN_BYTES);
        assert!(budget.grant().is_err());

        first.resize(0).unwrap();
        second.resize(GRAIN_BYTES + 1).unwrap();
        assert_eq!(budget.used(), 2 * GRAIN_BYTES);
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_part_holds_no_more_than_its_limit_and_counts_in_the_whole() {
        let whole = Arc::new(Budget::new(4 * GRAIN_BYTES));
        let part = Arc::new(whole.part(2 * GRAIN_BYTES));
        let mut of_part = part.grant().unwrap();
        of_part.resize(2 * GRAIN_BYTES).unwrap();
        assert_eq!(of_part.resize(3 * GRAIN_BYTES), Err(Spent::Part { limit: 2 * GRAIN_BYTES }));
        assert_eq!((part.used(), whole.used()), (2 * GRAIN_BYTES, 2 * GRAIN_BYTES));

        // What the part may hold is nobody's as long as nobody holds it.
        of_part.resize(0).unwrap();
        let mut others = whole.grant().unwrap();
        others.resize(4 * GRAIN_BYTES).unwrap();
        assert_eq!(of_part.resize(1), Err(Spent::Whole { limit: 4 * GRAIN_BYTES }));
        assert_eq!((part.used(), whole.used()), (0, 4 * GRAIN_BYTES));
        drop((of_part, others));
        assert_eq!((part.used(), whole.used()), (0, 0));
    }

    #[test]
    fn a_share_larger_than_any_number_is_refused_and_not_wrapped() {
        let budget = Arc::new(Budget::new(u64::MAX - 1));
        let mut grant = budget.grant().unwrap();
        assert!(grant.resize(u64::MAX).is_err());
        assert_eq!(budget.used(), GRAIN_BYTES);
    }
}
