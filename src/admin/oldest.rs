//! Since when something waits: the only thing that is read from a disk, which may hang.
//!
//! A read that hangs holds a thread for as long. So there is at most one for each destination, however
//! many ask meanwhile; they share its answer.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::reading::READ_TIMEOUT;
use crate::metric::timestamp::Timestamp;
use crate::queue::{Outlet, ReadError};

type Read = Result<Option<Timestamp>, ReadError>;

/// The oldest block of one destination, for all who ask.
pub(super) struct Oldest {
    outlet: Arc<dyn Outlet>,
    /// The last read; it goes on until it has an answer, or its sender died of a bug.
    last: Mutex<Option<watch::Receiver<Option<Read>>>>,
}

/// A read that goes on by itself.
pub(super) struct Asked(watch::Receiver<Option<Read>>);

impl Oldest {
    pub(super) fn of(outlet: Arc<dyn Outlet>) -> Self {
        Self { outlet, last: Mutex::default() }
    }

    /// Begins a read, or joins the one that has not ended.
    pub(super) fn ask(&self) -> Asked {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = |read: &&watch::Receiver<Option<Read>>| {
            read.borrow().is_none() && read.has_changed().is_ok()
        };
        let running = last.as_ref().filter(runs);
        let read = running.cloned().unwrap_or_else(|| {
            let (answer, read) = watch::channel(None);
            let outlet = Arc::clone(&self.outlet);
            tokio::spawn(async move {
                let oldest = outlet.oldest().await;
                answer.send_replace(Some(oldest));
            });
            read
        });
        *last = Some(read.clone());
        Asked(read)
    }
}

impl Asked {
    /// What was read; an error when it is not by then.
    pub(super) async fn answer(mut self, by: Instant) -> Read {
        let failed = |why: &str| Err(ReadError { why: why.into() });
        let read = match timeout_at(by, self.0.wait_for(Option::is_some)).await {
            Ok(Ok(read)) => read.clone(),
            Ok(Err(_)) => return failed("the read panicked: this is a bug, please report it"),
            Err(_) => return failed(&format!("no answer within {} s", READ_TIMEOUT.as_secs())),
        };
        read.expect("it was waited for")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::queue::{Books, Depth, Fate, Lease, Pending, Want};

    /// Reads as often as it has permits, and hangs otherwise.
    struct Slow {
        reads: AtomicUsize,
        permits: Semaphore,
    }

    impl Outlet for Slow {
        fn oldest(&self) -> Pending<'_, Read> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {
                self.permits.acquire().await.unwrap().forget();
                Ok(None)
            })
        }

        fn lease(&self, _: Want) -> Pending<'_, Option<Lease>> {
            unreachable!()
        }

        fn ack(&self, _: Lease, _: Fate) -> Pending<'_, ()> {
            unreachable!()
        }

        fn ready(&self) -> Pending<'_, bool> {
            unreachable!()
        }

        fn release(&self, _: Lease) {}

        fn depth(&self) -> Depth {
            Depth::default()
        }

        fn books(&self) -> Books {
            Books::default()
        }
    }

    fn slow(permits: usize) -> (Arc<Slow>, Oldest) {
        let outlet = Slow { reads: AtomicUsize::new(0), permits: Semaphore::new(permits) };
        let outlet = Arc::new(outlet);
        (Arc::clone(&outlet), Oldest::of(outlet))
    }

    fn in_time() -> Instant {
        Instant::now() + READ_TIMEOUT
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_the_only_one_and_its_answer_is_for_all() {
        let (outlet, oldest) = slow(0);
        for _ in 0..100 {
            let error = oldest.ask().answer(in_time()).await.unwrap_err();
            assert!(error.why.contains("no answer within 2 s"), "{error}");
        }
        assert_eq!(outlet.reads.load(Ordering::SeqCst), 1);
        let (one, other) = (oldest.ask(), oldest.ask());
        outlet.permits.add_permits(1);
        assert_eq!(one.answer(in_time()).await, Ok(None));
        assert_eq!(other.answer(in_time()).await, Ok(None));
        // Whoever asks now gets a look of their own.
        outlet.permits.add_permits(1);
        assert_eq!(oldest.ask().answer(in_time()).await, Ok(None));
        assert_eq!(outlet.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_does_not_make_another_late() {
        let ((_slow, hanging), (_fast, working)) = (slow(0), slow(1));
        let by = in_time();
        let (hanging, working) = (hanging.ask(), working.ask());
        hanging.answer(by).await.unwrap_err();
        assert_eq!(working.answer(by).await, Ok(None));
    }
}
