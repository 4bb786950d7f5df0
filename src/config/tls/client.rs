//! TLS of what the gateway asks: how the other side's certificate is judged, and which one it is shown.

use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::sign::CertifiedKey;

use super::digest::Contents;
use super::{TlsFault, certificate_and_key, file, pem, provider, warn_of_open_key};
use crate::config::section::Section;

/// TLS of a receiver or of a job of `[[scrape]]`; all of it without meaning for `http:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// Certificates in PEM of those who vouch for the other side (and for a proxy that is spoken to by
    /// TLS), and nobody else does then. Default: the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// The gateway's own certificate and key, from `cert_file` and `key_file`. Default none.
    pub identity: Option<IdentityFiles>,
    /// Whether it is judged at all: `insecure_skip_verify`. Default false: it is.
    pub verify: Verify,
}

/// What the gateway shows of itself, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, then those of authorities between it and what the other side trusts.
    pub certificate: PathBuf,
    /// Its private key, without a passphrase.
    pub key: PathBuf,
}

/// Whether the certificate of the other side is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// It has to be valid, for this host.
    #[default]
    Full,
    /// Any will do: whoever stands between reads along and makes up what they like.
    Nothing,
}

/// Who the other side is, for people.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Peer {
    /// Of a scrape.
    Target,
    /// Of deliveries.
    Receiver,
}

/// The keys of a section, for commands that have no use for them.
pub(in crate::config) const KEYS: [&str; 4] =
    ["ca_file", "cert_file", "key_file", "insecure_skip_verify"];

/// What the files come to.
pub(crate) struct Credentials {
    roots: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    verify: Verify,
    digest: [u8; 32],
}

impl ClientTls {
    pub(in crate::config) fn read(section: &mut Section<'_>, peer: Peer) -> Self {
        let ca_file = file(section, "ca_file");
        let pair = certificate_and_key(section);
        let identity = pair.map(|(certificate, key)| IdentityFiles { certificate, key });
        let is_off = section.switch("insecure_skip_verify", false);
        if is_off {
            section.warn(warning(&section.name("insecure_skip_verify"), peer));
        }
        let verify = if is_off { Verify::Nothing } else { Verify::Full };
        // Each file for itself: one that is at fault hides no fault of the other.
        let of_roots = Self { ca_file, ..Self::default() };
        let own = Self { identity, ..Self::default() };
        for part in [&of_roots, &own] {
            if let Err(fault) = part.load() {
                fault.note(section);
            }
        }
        if let Some(files) = &own.identity {
            warn_of_open_key(section, &files.key);
        }
        Self { verify, ca_file: of_roots.ca_file, identity: own.identity }
    }

    /// What the files say now. Blocks.
    pub(crate) fn load(&self) -> Result<Credentials, TlsFault> {
        let (of_roots, of_own) = (TlsFault::of("ca_file"), TlsFault::of("cert_file"));
        let of_key = TlsFault::of("key_file");
        let mut contents = Contents::default();
        let mut roots = None;
        if let Some(path) = &self.ca_file {
            let text = pem::read(path).map_err(&of_roots)?;
            contents.add(Some(&text));
            // It has the place in its texts.
            pem::certificates(&text, path).map_err(&of_roots)?;
            let list = Certificate::from_pem_bundle(&text);
            let list = list.map_err(|_| of_roots(format!("{} is not PEM", path.display())))?;
            roots = Some(list);
        } else {
            contents.add(None);
        }
        let mut identity = None;
        if let Some(IdentityFiles { certificate: cert_file, key: key_file }) = &self.identity {
            let mut text = pem::read(cert_file).map_err(&of_own)?;
            let key = pem::read(key_file).map_err(&of_key)?;
            contents.add(Some(&text));
            contents.add(Some(&key));
            let chain = pem::certificates(&text, cert_file).map_err(&of_own)?;
            let private = pem::private_key(&key, key_file).map_err(&of_key)?;
            let fits = CertifiedKey::from_der(chain, private, &provider());
            fits.map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => of_key(format!(
                    "the key in {} is not that of the certificate in {}",
                    key_file.display(),
                    cert_file.display()
                )),
                error => of_own(format!("{}: {error}", cert_file.display())),
            })?;
            text.push(b'\n');
            text.extend_from_slice(&key);
            let made = Identity::from_pem(&text);
            identity = Some(made.map_err(|_| {
                let path = cert_file.display();
                of_own(format!("{path} holds more than a certificate and those who vouch for it"))
            })?);
        }
        Ok(Credentials { roots, identity, verify: self.verify, digest: contents.finish() })
    }
}

impl Credentials {
    /// Of the contents.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// An HTTP client that judges and shows so.
    pub(crate) fn apply(self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(roots) = self.roots {
            builder = builder.tls_certs_only(roots);
        }
        if let Some(identity) = self.identity {
            builder = builder.identity(identity);
        }
        if self.verify == Verify::Nothing {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder
    }
}

fn warning(name: &str, peer: Peer) -> String {
    let what = match peer {
        Peer::Target => "a target can read its headers and make up its metrics",
        Peer::Receiver => "the receiver can read the key and every tuple, and throw tuples away",
    };
    format!(
        "`{name}` is set: whoever stands between this gateway and {what}; name its authority with \
         `ca_file` instead"
    )
}
