//! The end of the queue, also on a disk that does not answer any more (contract C6.5).

use std::sync::Arc;
use std::time::Duration;

use super::Ended;
use super::receivers::Last;
use crate::queue::{Books, Queue};

/// A healthy disk that is busy gets this long whatever the grace is: positions that are not saved are
/// duplicates.
const LEAST: Duration = Duration::from_secs(5);

/// Everything there is to say at the end.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) ended: Ended,
    /// Of every destination of the queue.
    pub(super) books: Vec<(Arc<str>, Books)>,
    /// The receivers of the configuration.
    pub(super) last: Vec<Last>,
}

/// Ends the queue; the books of every destination. Where that takes too long, nobody waits for it any more: whoever stops the process
/// would kill it, and clients and receiver have been served.
pub(super) async fn end(queue: &Arc<dyn Queue>, grace: Duration) -> Vec<(Arc<str>, Books)> {
    let limit = grace.max(LEAST);
    if let Ok(books) = tokio::time::timeout(limit, queue.end()).await {
        return books;
    }
    tracing::error!(
        "the disk of the queue does not answer within {}: going on without it. The positions of the \
         receivers are not saved: deliveries since the last save, usually those of the last second, are \
         repeated after the next start; check the disk",
        humantime::format_duration(limit)
    );
    // Dropped, it would wait for its threads, and they for the disk.
    std::mem::forget(Arc::clone(queue));
    let names = queue.destinations().into_iter();
    names.filter_map(|name| queue.outlet(&name).map(|outlet| (name, outlet.books()))).collect()
}

/// Books of others than `receivers` are those of destinations that left the configuration.
pub(super) fn sum(books: &[(Arc<str>, Books)], receivers: &[Last]) -> Ended {
    let mut ended = Ended::default();
    for (name, books) in books {
        if receivers.iter().any(|receiver| receiver.name == *name) {
            ended.delivered += books.delivered;
            ended.queued += books.queued;
            ended.gone += books.damaged + books.expired;
        } else {
            ended.orphaned += books.queued;
        }
        ended.lost += books.lost;
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::State;
    use crate::queue::Destination;
    use crate::queue::memory::MemoryQueue;
    use crate::queue::{
        Account, AppendError, Durability, Entry, Outlet, Pending, Standing, Totals,
    };

    /// A queue whose disk hangs at the end.
    struct Hanging(MemoryQueue);

    impl Queue for Hanging {
        fn append(&self, entry: Entry) -> Pending<'_, Result<(), AppendError>> {
            self.0.append(entry)
        }
        fn room(&self) -> Result<(), AppendError> {
            self.0.room()
        }
        fn would_take(&self) -> Result<(), AppendError> {
            self.0.would_take()
        }
        fn disorder(&self) -> Option<Arc<str>> {
            self.0.disorder()
        }
        fn account(&self, destination: &str) -> Option<Account> {
            self.0.account(destination)
        }
        fn count_decided(&self, accepted: u64, rejected: u64) {
            self.0.count_decided(accepted, rejected);
        }
        fn totals(&self) -> Totals {
            self.0.totals()
        }
        fn standing(&self) -> Standing {
            self.0.standing()
        }
        fn destinations(&self) -> Vec<Arc<str>> {
            self.0.destinations()
        }
        fn outlet(&self, destination: &str) -> Option<Arc<dyn Outlet>> {
            self.0.outlet(destination)
        }
        fn durability(&self) -> Durability {
            self.0.durability()
        }
        fn close(&self) {
            self.0.close();
        }
        fn end(&self) -> Pending<'_, Vec<(Arc<str>, Books)>> {
            Box::pin(std::future::pending())
        }
    }

    impl Drop for Hanging {
        fn drop(&mut self) {
            panic!("its threads would be waited for");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_does_not_hold_up_the_end() {
        for (grace, limit) in [(0, 5), (10, 10)] {
            let queue: Arc<dyn Queue> =
                Arc::new(Hanging(MemoryQueue::new(1 << 20, vec![Destination::named("a")])));
            let began = tokio::time::Instant::now();
            let books = end(&queue, Duration::from_secs(grace)).await;
            assert_eq!(books, [(Arc::from("a"), Books::default())]);
            assert_eq!(began.elapsed().as_secs(), limit);
            drop(queue);
        }
    }

    #[test]
    fn books_of_others_are_not_those_of_the_receivers() {
        let own = Books { delivered: 1, queued: 2, damaged: 4, expired: 8, ..Books::default() };
        let other = Books { delivered: 16, queued: 32, damaged: 64, ..Books::default() };
        let books = [("old", other), ("a", own), ("b", own)];
        let books = books.map(|(name, books)| (Arc::from(name), books));
        let last = ["a", "b"].map(|name| Last { name: name.into(), state: State::Flowing });
        let wanted = Ended { delivered: 2, queued: 4, gone: 24, orphaned: 32, lost: 0 };
        assert_eq!(sum(&books, &last), wanted);
    }
}
