//! `[tls]`, and the same keys elsewhere: which certificates and keys are shown, and whose are believed.
//!
//! What stands here are paths, as files change while the gateway runs: they are read whenever they are
//! needed, and once while the configuration is, so that `check-config` finds what is wrong with them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

mod client;
mod digest;
mod pem;
mod server;
mod validity;

pub(crate) use client::Credentials;
pub use client::{ClientTls, IdentityFiles, Verify};
pub(super) use client::{KEYS as CLIENT_KEYS, Peer};
pub(super) use server::KEYS as SERVER_KEYS;
pub use server::{ClientAuth, ServerTls};
pub(crate) use validity::not_after;

use super::section::Section;

/// Keys of files whose users read them again by themselves. Certificate and key are often written one after
/// the other, and in between they make no configuration.
pub(super) const FILES: [&str; 4] = ["ca_file", "cert_file", "key_file", "client_ca_file"];

/// A file of certificates or a key that cannot be used; no text holds anything of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TlsFault {
    /// The setting that names the file, like `key_file`.
    pub key: &'static str,
    /// What is wrong with it.
    pub cause: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.cause)
    }
}

impl TlsFault {
    fn of(key: &'static str) -> impl Fn(String) -> Self {
        move |cause| Self { key, cause }
    }

    /// As a fault of the configuration, at the line of its key.
    fn note(&self, section: &Section<'_>) {
        section.fault(self.key, format!("`{}`: {}", section.name(self.key), self.cause));
    }
}

/// The one there is, for our ports as for deliveries.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The path of a file.
fn file(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let path = section.optional(key, String::clone, |text| {
        if text.is_empty() { Err("the path of a file".to_owned()) } else { Ok(text.to_owned()) }
    })?;
    Some(path.into())
}

/// A certificate and its key: both, or neither; one alone is a fault.
fn certificate_and_key(section: &mut Section<'_>) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = (file(section, "cert_file"), file(section, "key_file"));
    let lacks = |one: &str, other: &str| {
        let (one, other) = (section.name(one), section.name(other));
        format!("`{one}` is missing: a certificate and its key go together, and there is `{other}`")
    };
    match (section.is_written("cert_file"), section.is_written("key_file")) {
        (true, false) => section.fault("cert_file", lacks("key_file", "cert_file")),
        (false, true) => section.fault("key_file", lacks("cert_file", "key_file")),
        _ => {}
    }
    certificate.zip(key)
}

/// A key that everybody on this machine may read is nobody's fault, and seldom meant.
fn warn_of_open_key(section: &Section<'_>, path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o004 != 0) {
        section.warn(format!(
            "`{}`: everybody on this machine may read {}: take that right away with `chmod o-r`",
            section.name("key_file"),
            path.display()
        ));
    }
}
