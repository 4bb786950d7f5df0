//! How the certificate of an `https` target is judged, and which one it is shown.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use reqwest::{Certificate, Identity};

use super::Section;

/// Most bytes of a file of certificates.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// TLS of a job; all of it without meaning for `http`. The files are read when the gateway starts.
#[derive(Clone, Default)]
pub struct ScrapeTls {
    /// Certificates in PEM of those who vouch for targets, from `ca_file`. Default: the system's.
    pub roots: Option<Vec<Certificate>>,
    /// The gateway's own certificate and key in PEM, from `cert_file` and `key_file`. Default none.
    pub identity: Option<Identity>,
    /// Whether it is judged at all: `insecure_skip_verify`.
    pub verify: Verify,
    /// A digest of the three files, to tell whether another one was there.
    contents: [u8; 32],
}

/// By what the files hold and how it is judged.
impl PartialEq for ScrapeTls {
    fn eq(&self, other: &Self) -> bool {
        (self.contents, self.verify) == (other.contents, other.verify)
    }
}

impl Eq for ScrapeTls {}

/// Whether the certificate of a target is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// It has to be valid, for this host.
    #[default]
    Full,
    /// Any will do: whoever stands between reads along and makes up what they like.
    Nothing,
}

/// Without the key.
impl fmt::Debug for ScrapeTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeTls")
            .field("roots", &self.roots.as_ref().map(Vec::len))
            .field("identity", &self.identity.as_ref().map(|_| "***"))
            .field("verify", &self.verify)
            .finish()
    }
}

impl ScrapeTls {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut contents = Sha256::new();
        let mut file = |section: &mut Section<'_>, key: &'static str| {
            let pem = file(section, key);
            contents.update(key);
            contents.update(pem.as_ref().map_or(&[][..], |pem| &pem[..]));
            pem
        };
        let roots = file(section, "ca_file").and_then(|pem| {
            let roots = Certificate::from_pem_bundle(&pem).ok().filter(|list| !list.is_empty());
            or_fault(section, "ca_file", roots, "a file of certificates in PEM")
        });
        let certificate = file(section, "cert_file");
        let key = file(section, "key_file");
        let lacks = |one: &str, other: &str| {
            let (one, other) = (section.name(one), section.name(other));
            format!(
                "`{one}` is missing: a certificate and its key go together, and there is `{other}`"
            )
        };
        match (section.is_written("cert_file"), section.is_written("key_file")) {
            (true, false) => section.fault("cert_file", lacks("key_file", "cert_file")),
            (false, true) => section.fault("key_file", lacks("cert_file", "key_file")),
            _ => {}
        }
        let identity = certificate.zip(key).and_then(|(mut pem, key)| {
            pem.push(b'\n');
            pem.extend_from_slice(&key);
            let identity = Identity::from_pem(&pem).ok();
            or_fault(
                section,
                "cert_file",
                identity,
                "a certificate in PEM, with its key in `key_file`",
            )
        });
        let verify = if section.switch("insecure_skip_verify", false) {
            section.warn(format!(
                "`{}` is set: whoever stands between this gateway and a target can read its headers and \
                 make up its metrics; name its authority with `ca_file` instead",
                section.name("insecure_skip_verify")
            ));
            Verify::Nothing
        } else {
            Verify::Full
        };
        Self { roots, identity, verify, contents: contents.finalize().into() }
    }
}

fn file(section: &mut Section<'_>, key: &'static str) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let path = section.optional(key, String::clone, |text| {
        if text.is_empty() { Err("the path of a file".to_owned()) } else { Ok(text.to_owned()) }
    })?;
    let path = PathBuf::from(path);
    let mut pem = zeroize::Zeroizing::new(Vec::new());
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut pem));
    if let Err(error) = read {
        let (name, path) = (section.name(key), path.display());
        section.fault(key, format!("`{name}`: cannot read {path}: {error}"));
        return None;
    }
    if pem.len() as u64 > FILE_BYTES_MAX {
        let (name, path) = (section.name(key), path.display());
        section.fault(key, format!("`{name}`: {path} has more than {FILE_BYTES_MAX} bytes of PEM"));
        return None;
    }
    Some(pem)
}

fn or_fault<T>(
    section: &Section<'_>,
    key: &'static str,
    made: Option<T>,
    expected: &str,
) -> Option<T> {
    if made.is_none() {
        section.fault(key, format!("`{}` must be {expected}", section.name(key)));
    }
    made
}
