//! The file of a bundle.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::parts::Part;
use crate::metric::timestamp::Timestamp;

/// The folder that it unpacks to.
const FOLDER: &str = "tidegate-bundle";

/// All parts in a .tar.gz.
pub(super) fn pack(parts: &[Part], now: Timestamp) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for part in parts {
        let mut header = Header::new_gnu();
        header.set_size(part.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now.seconds()).unwrap_or_default());
        archive.append_data(
            &mut header,
            format!("{FOLDER}/{}", part.name),
            part.text.as_bytes(),
        )?;
    }
    archive.into_inner()?.finish()
}

/// Puts it in its place whole, or not at all; nobody else can read it.
pub(super) fn write(output: &Path, bytes: &[u8], is_to_replace: bool) -> io::Result<()> {
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    // A temporary file has mode 0600 from the moment it exists.
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    let placed = if is_to_replace { file.persist(output) } else { file.persist_noclobber(output) };
    placed.map(drop).map_err(|error| error.error)
}
