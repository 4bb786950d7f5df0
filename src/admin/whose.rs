//! Whose gateway this is: whoever asks for the one of a data directory must not be answered by another,
//! as an address can be somebody else's by now.
//!
//! A request may name the directory it means in [`HEADER`]. One that means another is answered 421, and
//! nothing else happens.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::OnceLock;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::route::{Answer, TEXT, respond};

/// The request header; its value is what [`name_of`] says.
pub const HEADER: &str = "tidegate-data-dir";

/// Longest wait for a disk.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// A name of a directory that is the same by whatever path it is reached, also from another container.
/// Blocks.
pub fn name_of(directory: &Path) -> io::Result<String> {
    let found = directory.metadata()?;
    Ok(format!("{:x}:{:x}", found.dev(), found.ino()))
}

/// The data directory of the gateway that runs.
pub(super) struct Directory {
    path: PathBuf,
    /// Not known before there is one: with a queue in memory the first dead letter makes it.
    name: OnceLock<String>,
}

impl Directory {
    pub(super) fn at(path: PathBuf) -> Self {
        let name = name_of(&path).map_or_else(|_| OnceLock::new(), OnceLock::from);
        Self { path, name }
    }

    /// Why a request is not for this gateway; `None` when it is, or does not say for which.
    pub(super) async fn refusal(&self, meant: Option<&HeaderValue>) -> Option<Answer> {
        let meant = meant?;
        if self.name.get().is_none() {
            let path = self.path.clone();
            let found = timeout(LOOK_TIMEOUT, spawn_blocking(move || name_of(&path))).await;
            if let Ok(Ok(Ok(name))) = found {
                self.name.get_or_init(|| name);
            }
        }
        if self.name.get().is_some_and(|name| name.as_bytes() == meant.as_bytes()) {
            return None;
        }
        let path = absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let text = format!("this gateway works on another data directory, {}", path.display());
        Some(respond(StatusCode::MISDIRECTED_REQUEST, TEXT, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(directory: &Directory, meant: Option<&str>) -> Option<u16> {
        let meant = meant.map(|text| HeaderValue::from_str(text).unwrap());
        Some(directory.refusal(meant.as_ref()).await?.status().as_u16())
    }

    #[tokio::test]
    async fn only_whoever_means_another_directory_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let (here, there) = (parent.path().join("here"), parent.path().join("there"));
        std::fs::create_dir(&there).unwrap();
        let elsewhere = name_of(&there).unwrap();
        let directory = Directory::at(here.clone());
        assert_eq!(status(&directory, None).await, None);
        // There is none yet, so nobody can mean it.
        for meant in [elsewhere.as_str(), "", "0:0"] {
            assert_eq!(status(&directory, Some(meant)).await, Some(421), "{meant}");
        }
        std::fs::create_dir(&here).unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&here, &link).unwrap();
        assert_eq!(status(&directory, Some(&name_of(&link).unwrap())).await, None);
        assert_eq!(status(&directory, Some(&elsewhere)).await, Some(421));
    }
}
