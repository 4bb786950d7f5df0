//! Clients that speak TLS to a port in clear: all they see is a broken handshake, so the log says what is
//! wrong, now and then one line for all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time between two lines.
const PAUSE: Duration = Duration::from_mins(1);

/// Counts since the last line.
#[derive(Debug, Default)]
pub(super) struct Strays {
    count: AtomicU64,
    told: Mutex<Option<Duration>>,
}

impl Strays {
    #[cold]
    pub(super) fn count(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a line if there is something to tell and the last one is long enough ago; `now` is a
    /// monotonic reading.
    pub(super) fn tell(&self, now: Duration) {
        if let Some(count) = self.take(now) {
            tracing::warn!(
                "{count} connections to `listen` spoke TLS, which it does not: send to http://, or name a \
                 certificate with `tls.cert_file` and `tls.key_file`"
            );
        }
    }

    fn take(&self, now: Duration) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        let count = Some(self.count.swap(0, Ordering::Relaxed)).filter(|count| *count > 0)?;
        *told = Some(now);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_of_once_a_minute_and_only_if_there_were_any() {
        let strays = Strays::default();
        let at = |seconds| strays.take(Duration::from_secs(seconds));
        assert_eq!(at(0), None);
        strays.count();
        strays.count();
        assert_eq!(at(5), Some(2));
        strays.count();
        assert_eq!(at(64), None, "not yet");
        assert_eq!(at(65), Some(1));
    }
}
