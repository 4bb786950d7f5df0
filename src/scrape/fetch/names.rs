//! Names of targets to addresses, by the operating system, a few at a time.
//!
//! The system's lookup cannot be cut off: where the resolver is dead it takes as long as that says, whoever
//! waits, and keeps a thread. Those threads are the ones that large bodies are worked on as well, so only
//! some of them may be looking something up.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Lookups at once, of all jobs.
const LOOKUPS_MAX: usize = 16;

/// Looks one name up, for as long as it takes.
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up for all jobs.
#[derive(Clone)]
pub(in crate::scrape) struct Names {
    turns: Arc<Semaphore>,
    lookup: Arc<Lookup>,
}

/// Looks names up for one job.
pub(super) struct Resolver {
    names: Names,
    timeout: Duration,
}

impl Names {
    /// By the operating system.
    pub(in crate::scrape) fn of_system() -> Self {
        Self::new(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    fn new(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { turns: Arc::new(Semaphore::new(LOOKUPS_MAX)), lookup: Arc::new(lookup) }
    }

    /// For a job with this timeout: nothing waits longer than that for its turn, whatever became of who
    /// asked.
    pub(super) fn resolver(&self, timeout: Duration) -> Resolver {
        Resolver { names: self.clone(), timeout }
    }

    async fn find(self, name: String, patience: Duration) -> io::Result<Vec<SocketAddr>> {
        let turn = timeout(patience, self.turns.acquire_owned()).await;
        let turn = turn.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "too many names are being looked up")
        })?;
        let turn = turn.expect("the semaphore is never closed");
        let found = spawn_blocking(move || {
            // Until it is done, and not until somebody stops to wait for it.
            let _turn = turn;
            (self.lookup)(&name)
        });
        found.await?
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.names.clone().find(name.as_str().to_owned(), self.timeout);
        Box::pin(async move { Ok(Box::new(found.await?.into_iter()) as Addrs) })
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("turns", &self.turns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn names_are_looked_up() {
        let resolver = Names::of_system().resolver(PATIENCE);
        let found = resolver.resolve("localhost".parse().unwrap()).await.unwrap();
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty() && found.iter().all(|at| at.ip().is_loopback()), "{found:?}");
    }

    #[tokio::test]
    async fn a_dead_resolver_keeps_a_few_threads_also_when_nobody_waits_any_more() {
        let (running, dead) = (Arc::new(AtomicUsize::new(0)), Arc::new(Dead::default()));
        let (counter, resolver) = (Arc::clone(&running), Arc::clone(&dead));
        let names = Names::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            resolver.wait();
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
        });
        let find = |patience| names.clone().find("a".to_owned(), patience);
        let mut asked: Vec<_> = (0..100).map(|_| tokio::spawn(find(PATIENCE))).collect();
        while running.load(Ordering::SeqCst) < LOOKUPS_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Those who asked give up; what was begun goes on, and is still counted.
        for asked in asked.drain(..) {
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled());
        }
        let late = find(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert_eq!(running.load(Ordering::SeqCst), LOOKUPS_MAX);

        dead.revive();
        assert_eq!(find(PATIENCE).await.unwrap().len(), 1);
        assert_eq!(running.load(Ordering::SeqCst), LOOKUPS_MAX + 1);
    }

    /// Answers once it is alive again.
    #[derive(Default)]
    struct Dead {
        is_alive: Mutex<bool>,
        revived: Condvar,
    }

    impl Dead {
        fn wait(&self) {
            let alive = self.is_alive.lock().unwrap();
            let waited = self.revived.wait_timeout_while(alive, PATIENCE, |is_alive| !*is_alive);
            drop(waited.unwrap());
        }

        fn revive(&self) {
            *self.is_alive.lock().unwrap() = true;
            self.revived.notify_all();
        }
    }
}
