//! Dead letters as somebody sees them who only looks, also beside a gateway that runs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::folder::{DIRECTORY, Folder, Ownership, RealFolder};
use super::index::Index;
use super::{DeadLetters, Letter, OpenError, Selection};

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Letters that are meant.
    pub meant: u64,
    /// All letters.
    pub letters: u64,
    /// Bytes of files.
    pub used_bytes: u64,
    /// Lines that nobody can read.
    pub damaged: u64,
    /// Bytes at the ends of files that a crash left unfinished, or that are being written right now.
    pub torn_bytes: u64,
}

/// The receivers that have dead letters below this data directory, configured or not, by name.
pub fn receivers(data_dir: &Path) -> io::Result<Vec<String>> {
    let directories = match data_dir.join(DIRECTORY).read_dir() {
        Ok(directories) => directories,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in directories {
        let entry = entry?;
        if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string()) {
            found.push(name);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Looks through one receiver's letters; `see` gets those that are meant, in the order they came.
/// Changes nothing and takes no lock.
pub fn look(
    data_dir: &Path,
    receiver: &str,
    selection: &Selection,
    see: &mut dyn FnMut(Letter) -> io::Result<()>,
) -> Result<Seen, OpenError> {
    let path = data_dir.join(DIRECTORY).join(receiver);
    let directory = path.display().to_string();
    let folder = RealFolder { path, ownership: Ownership::Held };
    look_into(&folder, selection, see).map_err(|cause| OpenError {
        receiver: receiver.to_owned(),
        directory,
        cause,
    })
}

fn look_into(
    folder: &dyn Folder,
    selection: &Selection,
    see: &mut dyn FnMut(Letter) -> io::Result<()>,
) -> io::Result<Seen> {
    let Some(disk) = folder.look()? else { return Ok(Seen::default()) };
    let mut meant = 0;
    let index = Index::read(&*disk, &mut |_, placed| {
        if !selection.has(&placed.letter) {
            return Ok(());
        }
        meant += 1;
        see(placed.letter.clone())
    })?;
    Ok(Seen {
        meant,
        letters: index.letters(),
        used_bytes: index.bytes(),
        damaged: index.files.values().map(|file| file.damaged + file.damaged_steps).sum(),
        torn_bytes: index.files.values().map(|file| file.torn_bytes).sum(),
    })
}

impl DeadLetters {
    /// How many letters are meant; changes nothing. Reads files.
    pub async fn count(self: &Arc<Self>, selection: &Selection) -> io::Result<u64> {
        let (letters, selection) = (Arc::clone(self), selection.clone());
        let count = move || {
            let folder = Arc::clone(&letters.lock().folder);
            Ok(look_into(&*folder, &selection, &mut |_| Ok(()))?.meant)
        };
        let counted = tokio::task::spawn_blocking(count).await;
        counted.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
