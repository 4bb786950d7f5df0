//! The files of a configuration, looked at now and then: whether one holds something else than before.
//!
//! They are read, not watched: they may be rewritten, renamed over, or reached through a link that is
//! swapped, as orchestrators do it, and only their contents tell.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

/// Longest wait for a look: on a share that is gone it may never end. What it finds is found by the next.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(1);

/// A file that is being written has to be the same for so long before it is taken.
const SETTLED: Duration = Duration::from_millis(250);

/// Most bytes that are looked at; no file of a configuration is larger.
const BYTES_MAX: u64 = 16 << 20;

/// What files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prints(BTreeMap<PathBuf, Print>);

/// What one holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Print {
    Held([u8; 32]),
    /// A pipe, say: who reads one takes from it.
    NoFile,
    Unreadable(ErrorKind),
}

impl Prints {
    /// Of these files. Blocks.
    pub(super) fn of<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), Print::of(path))).collect())
    }

    /// Of the same files, now. Blocks.
    fn again(&self) -> Self {
        Self::of(self.0.keys())
    }

    /// Those of `paths` as they are here, or now where they are not. Blocks.
    pub(super) fn only(&self, paths: &[PathBuf]) -> Self {
        let print = |path: &PathBuf| {
            let known = self.0.get(path).cloned();
            (path.clone(), known.unwrap_or_else(|| Print::of(path)))
        };
        Self(paths.iter().map(print).collect())
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.0.keys().cloned().collect()
    }
}

impl Print {
    fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(facts) if !facts.is_file() => return Self::NoFile,
            Ok(_) => {}
            Err(error) => return Self::Unreadable(error.kind()),
        }
        let mut held = Vec::new();
        let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut held));
        let print = match read {
            Ok(_) => Self::Held(Sha256::digest(&held).into()),
            Err(error) => Self::Unreadable(error.kind()),
        };
        // Some are secrets.
        zeroize::Zeroize::zeroize(&mut held);
        print
    }
}

/// Looks at them.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Prints,
    /// A look that goes on: one at a time, so that no threads pile up behind it.
    looking: Option<JoinHandle<Prints>>,
}

impl Watch {
    pub(super) fn new(seen: Prints) -> Self {
        Self { seen, looking: None }
    }

    /// From now on these, as they were when the configuration was read.
    pub(super) fn follow(&mut self, seen: Prints) {
        self.seen = seen;
        // It looks at others.
        self.looking = None;
    }

    pub(super) fn seen(&self) -> &Prints {
        &self.seen
    }

    /// Waits until one holds something else, and all of them have settled. Looks in this interval; a call
    /// that is dropped costs nothing but time.
    pub(super) async fn changed(&mut self, interval: Duration) {
        loop {
            sleep(interval).await;
            let Some(mut found) = self.look().await else { continue };
            if found == self.seen {
                continue;
            }
            loop {
                sleep(SETTLED).await;
                match self.look().await {
                    Some(again) if again == found => break,
                    Some(again) => found = again,
                    None => {}
                }
            }
            // Until [`Self::follow`] says that it was read: a reading that takes too long is tried again.
            if found != self.seen {
                return;
            }
        }
    }

    /// `None` where it takes too long, and goes on.
    async fn look(&mut self) -> Option<Prints> {
        let seen = &self.seen;
        let looking = self.looking.get_or_insert_with(|| {
            let seen = seen.clone();
            spawn_blocking(move || seen.again())
        });
        let found = timeout(LOOK_WAIT_MAX, looking).await.ok()?;
        self.looking = None;
        found.ok()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_found_until_it_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let mut watch = Watch::new(Prints::of([&path]));
        std::fs::write(&path, "two").unwrap();
        let every = Duration::from_millis(1);
        for _ in 0..2 {
            let found = timeout(Duration::from_mins(1), watch.changed(every)).await;
            found.expect("nobody has read it");
        }
        watch.follow(Prints::of([&path]));
        assert_eq!(watch.look().await.as_ref(), Some(watch.seen()));
    }
}
