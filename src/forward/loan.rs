//! A lease in the hands of a worker, and how many workers may keep theirs while they wait.

use std::sync::{Arc, Mutex, PoisonError};

use crate::queue::{Fate, Lease, Outlet};

/// Most deliveries without any progress that keep their lease while they wait for another try. The
/// others give theirs back: a receiver that is down pins little. None at all would let the oldest
/// delivery, leased again and again, keep those behind it from finding out that they would be accepted.
const KEPT_MAX: usize = 3;

/// A lease that goes back to the queue when it is dropped, whatever the reason.
pub(super) struct Loan {
    outlet: Arc<dyn Outlet>,
    /// Taken by [`Self::ack`] and by drop.
    lease: Option<Lease>,
}

impl Loan {
    pub(super) fn new(outlet: Arc<dyn Outlet>, lease: Lease) -> Self {
        Self { outlet, lease: Some(lease) }
    }

    pub(super) fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("a loan has its lease until it ends")
    }

    pub(super) async fn ack(mut self, fate: Fate) {
        if let Some(lease) = self.lease.take() {
            self.outlet.ack(lease, fate).await;
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.outlet.release(lease);
        }
    }
}

/// The workers of one receiver, at least two: so many that one is always left for fresh tuples.
#[derive(Debug)]
pub(super) struct Crew {
    workers: usize,
    bound: Mutex<Bound>,
}

/// Workers that keep a lease which does not get on.
#[derive(Debug, Default)]
struct Bound {
    waiting: usize,
    refused: usize,
}

/// Why a delivery keeps its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It was not answered, or told to wait, before anything else happened.
    Waiting,
    /// Tuples of it were refused, and the receiver accepted nothing since.
    Refused,
}

/// Leave to keep a lease; ends when dropped.
#[derive(Debug)]
pub(super) struct Bond {
    crew: Arc<Crew>,
    why: Why,
}

impl Crew {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers, bound: Mutex::default() }
    }

    /// Leave to keep a lease; `None` when this is the last free worker, or enough keep theirs.
    pub(super) fn bind(self: &Arc<Self>, why: Why) -> Option<Bond> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let others = bound.waiting + bound.refused;
        let is_full = match why {
            // Two free workers: who allows one request at a time wants no delivery to overtake another.
            Why::Waiting => others + 2 >= self.workers || bound.waiting >= KEPT_MAX,
            Why::Refused => others + 1 >= self.workers,
        };
        if is_full {
            return None;
        }
        *bound.of(why) += 1;
        Some(Bond { crew: Arc::clone(self), why })
    }
}

impl Bond {
    /// Whether it was given for this reason.
    pub(super) fn is_for(&self, why: Why) -> bool {
        self.why == why
    }
}

impl Bound {
    fn of(&mut self, why: Why) -> &mut usize {
        match why {
            Why::Waiting => &mut self.waiting,
            Why::Refused => &mut self.refused,
        }
    }
}

impl Drop for Bond {
    fn drop(&mut self) {
        let mut bound = self.crew.bound.lock().unwrap_or_else(PoisonError::into_inner);
        *bound.of(self.why) -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keep_what_waits_and_one_worker_is_always_free() {
        for (workers, why, expected) in [
            (2, Why::Waiting, 0),
            (3, Why::Waiting, 1),
            (2, Why::Refused, 1),
            (5, Why::Waiting, 3),
            (17, Why::Waiting, 3),
            (17, Why::Refused, 16),
        ] {
            let crew = Arc::new(Crew::new(workers));
            let bonds: Vec<Bond> = std::iter::from_fn(|| crew.bind(why)).collect();
            assert_eq!(bonds.len(), expected, "{workers} {why:?}");
            drop(bonds);
            assert!(crew.bind(Why::Refused).is_some());
        }
    }

    #[test]
    fn refused_ones_and_those_that_wait_share_the_workers() {
        let crew = Arc::new(Crew::new(4));
        let bonds = [crew.bind(Why::Waiting), crew.bind(Why::Refused), crew.bind(Why::Refused)];
        assert!(bonds.iter().all(Option::is_some));
        assert!(crew.bind(Why::Waiting).is_none() && crew.bind(Why::Refused).is_none());
    }
}
