//! The api key in a file, read again while the gateway runs: a held receiver resumes with a new key and
//! without a restart (contract C6.2).
//!
//! The file is read, not watched: it may be rewritten, renamed over, or reached through a link that is
//! swapped, as orchestrators do it, and only its content tells.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Mutex;

use super::blocking::blocking;
use crate::config::{Receiver, Secret, load_secret};

/// How often the file is read.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// The setting, for messages that name the receiver: in `[receiver]`, or in one of `[[receivers]]`.
const SETTING: &str = "api_key_file";

/// The file of one receiver's key.
#[derive(Debug)]
pub(super) struct KeyFile {
    receiver: String,
    path: PathBuf,
    seen: Mutex<Seen>,
}

/// What the file last held.
#[derive(Debug)]
struct Seen {
    key: Secret,
    /// What was wrong with it, once that was said.
    fault: Option<String>,
}

impl KeyFile {
    /// `None` when the key comes from elsewhere.
    pub(super) fn of(receiver: &Receiver) -> Option<Self> {
        Some(Self {
            receiver: receiver.name.to_string(),
            path: receiver.api_key_file.clone()?,
            seen: Mutex::new(Seen { key: receiver.api_key.clone(), fault: None }),
        })
    }

    /// Reads the file, off the reactor, and hands its key to `take` when it is another than before. A
    /// file that cannot be used leaves the old key in use, which is said once per fault.
    ///
    /// One look at a time: whoever comes meanwhile waits, and then finds nothing new.
    pub(super) async fn look(&self, take: impl FnOnce(&Secret)) -> Found {
        let mut seen = self.seen.lock().await;
        let path = self.path.clone();
        match blocking(move || load_secret(SETTING, &path)).await {
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
                *seen = Seen { key, fault: None };
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
