//! Files of certificates, read beside deliveries: one reading at a time, and nobody waits for a disk that
//! hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::forward::blocking::blocking;

/// Longest wait for one.
pub(super) const READ_WAIT_MAX: Duration = Duration::from_secs(2);

/// Where readings are made.
#[derive(Debug, Default)]
pub(super) struct Reader(Arc<AtomicBool>);

/// What came of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading<T> {
    Done(T),
    /// It takes too long, and goes on; what it brings is nobody's.
    Late,
    /// Another one goes on, perhaps a late one.
    Busy,
}

/// Until the reading ends, also when it never began.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Reader {
    /// Reads off the reactor.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Reading<T> {
        if self.0.swap(true, Ordering::AcqRel) {
            return Reading::Busy;
        }
        let busy = Busy(Arc::clone(&self.0));
        let work = move || {
            let done = work();
            drop(busy);
            done
        };
        timeout(READ_WAIT_MAX, blocking(work)).await.map_or(Reading::Late, Reading::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_takes_one_thread_and_nobody_waits_for_it() {
        let (reader, (end, ended)) = (Reader::default(), mpsc::sync_channel::<()>(1));
        let hang = move || {
            ended.recv().ok();
        };
        assert_eq!(reader.read(hang).await, Reading::Late);
        assert_eq!(reader.read(|| 1).await, Reading::Busy);
        drop(end);
        let again = async {
            loop {
                if let Reading::Done(done) = reader.read(|| 2).await {
                    return done;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(again.await, 2);
    }
}
