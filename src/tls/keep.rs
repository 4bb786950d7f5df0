//! What goes on beside a port: its files are read again, its failures told, and its certificate's end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Acceptor, Current, Prepared, is_same, read};
use crate::clock::Clock;

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// From here on before its end a certificate is warned of, at the start and then daily.
const WARNED_BEFORE_S: i64 = 14 * DAY_S;

const DAY_S: i64 = 86_400;
const DAY: Duration = Duration::from_hours(24);

/// Keeps a port's certificate fresh until it is dropped.
#[derive(Debug)]
pub struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Acceptor {
    /// Says in the log how many handshakes failed since it was last said, once a minute at most; `now` is a
    /// monotonic reading. For whoever keeps none.
    pub fn tell_failures(&self, now: Duration) {
        let port = self.port().as_str();
        if let Some((count, last)) = self.0.failures.take(now) {
            tracing::warn!(
                tls.port = port,
                "{count} TLS handshakes failed on the {port} port, the last: {last}"
            );
        }
    }

    /// Reads the files every two seconds, on the runtime it is called in, and says in the log what there
    /// is to say.
    pub fn keep(&self, clock: Arc<dyn Clock>) -> Keeper {
        let acceptor = self.clone();
        Keeper(tokio::spawn(async move {
            let mut rounds = Rounds { acceptor, clock, fault: None, warned: None };
            loop {
                rounds.tell();
                sleep(LOOK_EVERY).await;
                rounds.look().await;
            }
        }))
    }
}

struct Rounds {
    acceptor: Acceptor,
    clock: Arc<dyn Clock>,
    /// What was wrong with the files, once that was said.
    fault: Option<String>,
    /// Of which end of a certificate was warned, and when.
    warned: Option<(i64, Duration)>,
}

impl Rounds {
    /// Reads the files, off the reactor; one read at a time, however long it takes.
    async fn look(&mut self) {
        let (port, seen) = (self.acceptor.port(), self.acceptor.0.current.load_full());
        let files = seen.files.clone();
        // A panic in there is a bug of the reading, and the next round is another try.
        let Ok(found) = tokio::task::spawn_blocking(move || read(port, &files)).await else {
            return;
        };
        match found {
            Ok(Prepared(next)) => {
                self.fault = None;
                if !is_same(&seen, &next) {
                    self.take(&seen, next);
                }
            }
            Err(fault) => {
                let section = port.section();
                let fault = format!("`{section}.{}`: {}", fault.key, fault.cause);
                if self.fault.as_ref() != Some(&fault) {
                    tracing::warn!(
                        tls.port = port.as_str(),
                        "the {} port keeps its certificate, another cannot be used: {fault}",
                        port.as_str(),
                    );
                    self.fault = Some(fault);
                }
            }
        }
    }

    /// Unless somebody else changed it meanwhile, who knew better.
    fn take(&mut self, seen: &Arc<Current>, next: Arc<Current>) {
        let port = self.acceptor.port().as_str();
        let ends = next.not_after.and_then(date);
        let before = self.acceptor.0.current.compare_and_swap(seen, next);
        if Arc::ptr_eq(&before, seen) {
            tracing::info!(
                tls.port = port,
                tls.not_after = ends,
                "the {port} port shows what its certificate files say now, which changed; connections that \
                 are open go on"
            );
        }
    }

    fn tell(&mut self) {
        let (port, now) = (self.acceptor.port().as_str(), self.clock.monotonic());
        self.acceptor.tell_failures(now);
        let Some(not_after) = self.acceptor.not_after() else { return };
        let left_s = not_after - self.clock.now().seconds();
        let was_said = |(of, at): (i64, Duration)| of == not_after && now < at + DAY;
        if left_s > WARNED_BEFORE_S || self.warned.is_some_and(was_said) {
            return;
        }
        self.warned = Some((not_after, now));
        let ends = date(not_after).unwrap_or_default();
        let setting = format!("`{}.cert_file`", self.acceptor.port().section());
        if left_s <= 0 {
            tracing::error!(
                tls.port = port,
                tls.not_after = ends,
                "the certificate of the {port} port has expired, on {ends}: clients refuse it; put a new one \
                 where {setting} points, it is read without a restart"
            );
        } else {
            tracing::warn!(
                tls.port = port,
                tls.not_after = ends,
                "the certificate of the {port} port ends in {} days, on {ends}: put a new one where \
                 {setting} points, it is read without a restart",
                left_s / DAY_S
            );
        }
    }
}

/// `2126-10-29T17:09:41Z`
fn date(unix_s: i64) -> Option<String> {
    Some(chrono::DateTime::from_timestamp(unix_s, 0)?.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
