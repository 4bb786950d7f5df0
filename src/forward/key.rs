//! The api key in a file, read again while the gateway runs: a held receiver resumes with a new key and
//! without a restart (contract C6.2).
//!
//! The file is read, not watched: it may be rewritten, renamed over, or reached through a link that is
//! swapped, as orchestrators do it, and only its content tells.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::blocking::blocking;
use crate::config::{Receiver, Secret, load_secret};
use crate::queue::Pending;

/// How often the file is read.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// Longest wait for the file: a share that is gone or a pipe nobody writes to must not end the probes.
const READ_WAIT_MAX: Duration = Duration::from_secs(1);

/// The setting, for messages that name the receiver: in `[receiver]`, or in one of `[[receivers]]`.
const SETTING: &str = "api_key_file";

/// The file of one receiver's key.
pub(super) struct KeyFile {
    receiver: String,
    path: PathBuf,
    seen: Mutex<Seen>,
}

/// What the file last held.
struct Seen {
    key: Secret,
    /// A read that goes on: one at a time, however long it takes, so that no threads pile up behind it.
    reading: Option<Pending<'static, Result<Secret, String>>>,
    /// What was wrong with it, once that was said.
    fault: Option<String>,
}

impl KeyFile {
    /// `None` when the key comes from elsewhere.
    pub(super) fn of(receiver: &Receiver) -> Option<Self> {
        Some(Self {
            receiver: receiver.name.to_string(),
            path: receiver.api_key_file.clone()?,
            seen: Mutex::new(Seen { key: receiver.api_key.clone(), reading: None, fault: None }),
        })
    }

    /// Reads the file, off the reactor, and hands its key to `take` when it is another than before. A
    /// file that cannot be used leaves the old key in use, which is said once per fault.
    ///
    /// One look at a time: whoever comes meanwhile waits, and then finds nothing new. None takes longer
    /// than [`READ_WAIT_MAX`]: what is read after that is found by a later look.
    pub(super) async fn look(&self, take: impl FnOnce(&Secret)) -> Found {
        timeout(READ_WAIT_MAX, self.look_long(take)).await.unwrap_or(Found::Same)
    }

    async fn look_long(&self, take: impl FnOnce(&Secret)) -> Found {
        let mut seen = self.seen.lock().await;
        let path = self.path.clone();
        let reading = seen
            .reading
            .get_or_insert_with(|| Box::pin(blocking(move || load_secret(SETTING, &path))));
        let read = reading.await;
        seen.reading = None;
        match read {
            Ok(key) if key == seen.key => {
                seen.fault = None;
                Found::Same
            }
            Ok(key) => {
                tracing::info!(
                    receiver.name = self.receiver,
                    "receiver {} gets another api key: the content of `{SETTING}` {} changed",
                    self.receiver,
                    self.path.display(),
                );
                take(&key);
                (seen.key, seen.fault) = (key, None);
                Found::Another
            }
            Err(fault) => {
                if seen.fault.as_ref() != Some(&fault) {
                    tracing::warn!(
                        receiver.name = self.receiver,
                        "receiver {} keeps its api key, another cannot be read: {fault}",
                        self.receiver,
                    );
                    seen.fault = Some(fault);
                }
                Found::Same
            }
        }
    }
}

/// What a look at the file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The key that is in use, or none that can be.
    Same,
    /// A new one.
    Another,
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::forward::tests::receiver;

    fn key_file(path: &Path, key: &str) -> KeyFile {
        let receiver =
            Receiver { api_key_file: Some(path.to_owned()), ..receiver("http://h/", key) };
        KeyFile::of(&receiver).unwrap()
    }

    /// The key that a look hands over.
    async fn look(file: &KeyFile) -> Option<String> {
        let mut taken = None;
        let found = file.look(|key| taken = Some(key.reveal().to_owned())).await;
        assert_eq!(found == Found::Another, taken.is_some());
        taken
    }

    #[tokio::test]
    async fn a_key_is_taken_once_and_by_the_rules_of_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let file = key_file(&path, "first");
        let cases: [(&[u8], Option<&str>); 9] = [
            (b"first\n", None),
            (b"second \r\n", Some("second")),
            (b"second", None),
            (b"", None),
            (b"\n", None),
            (b"two words", None),
            (b"\xff\xfe", None),
            (&[b'x'; 5_000], None),
            (b"third", Some("third")),
        ];
        for (content, expected) in cases {
            std::fs::write(&path, content).unwrap();
            assert_eq!(look(&file).await.as_deref(), expected, "{content:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&file).await, None, "a file that is gone");
        std::fs::write(&path, "third").unwrap();
        assert_eq!(look(&file).await, None, "and back");
    }

    #[tokio::test]
    async fn a_file_that_hangs_keeps_nobody_and_is_read_when_it_answers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let file = key_file(&path, "first");
        let started = tokio::time::Instant::now();
        let (one, other) = tokio::join!(look(&file), look(&file));
        assert_eq!((one, other), (None, None));
        assert!(started.elapsed() < READ_WAIT_MAX * 3 / 2, "both at once, {:?}", started.elapsed());
        std::fs::write(&path, "second").unwrap();
        assert_eq!(look(&file).await.as_deref(), Some("second"), "what the first look asked for");
    }

    #[tokio::test]
    async fn a_file_may_be_renamed_over_or_reached_through_a_link_that_is_swapped() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("one"), "first").unwrap();
        std::os::unix::fs::symlink(at("one"), at("key")).unwrap();
        let file = key_file(&at("key"), "first");
        assert_eq!(look(&file).await, None);
        std::fs::write(at("two"), "second").unwrap();
        std::os::unix::fs::symlink(at("two"), at("next")).unwrap();
        std::fs::rename(at("next"), at("key")).unwrap();
        assert_eq!(look(&file).await.as_deref(), Some("second"));
        std::fs::write(at("three"), "third").unwrap();
        std::fs::rename(at("three"), at("key")).unwrap();
        assert_eq!(look(&file).await.as_deref(), Some("third"));
    }
}
