//! TLS of a port of ours: `[tls]`, and the same keys in `[admin]`.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore, ServerConfig};

use super::digest::Contents;
use super::{TlsFault, certificate_and_key, file, not_after, pem, provider, warn_of_open_key};
use crate::config::file::Needs;
use crate::config::section::Section;

/// TLS of a port: `[tls]` for that of clients, the same keys in `[admin]` for the other. A port without
/// them speaks HTTP in clear. TLS 1.2 and 1.3; HTTP/2 where clients send, by ALPN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate in PEM, then those of the authorities between it and what clients trust. No
    /// default; together with `key_file` it turns TLS on. Read again within seconds of a change, as are
    /// the other files: connections that are open go on with what they have. Files that do not fit each
    /// other leave the old ones in use.
    pub cert_file: PathBuf,
    /// Its private key in PEM, without a passphrase. No default. A warning says when everybody on this
    /// machine may read it.
    pub key_file: PathBuf,
    /// Certificates in PEM of those who vouch for clients. Default none.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients show a certificate of theirs. Default `required` where there is a
    /// `client_ca_file`, else `off`. A token is asked for all the same.
    pub client_auth: ClientAuth,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// They are asked, and one that is shown has to be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

impl ClientAuth {
    /// As the setting `client_auth` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// The keys of a section, for commands that have no use for them.
pub(in crate::config) const KEYS: [&str; 4] =
    ["cert_file", "key_file", "client_ca_file", "client_auth"];

/// What the files come to.
pub(crate) struct ServerMade {
    /// Without protocols for ALPN.
    pub(crate) config: ServerConfig,
    /// When the certificate ends, as a Unix time; `None` if it does not say so in a way that is known.
    pub(crate) not_after: Option<i64>,
    /// Of the contents.
    pub(crate) digest: [u8; 32],
}

impl ServerTls {
    /// `None` for a port in clear, or at fault.
    pub(in crate::config) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pair = certificate_and_key(section);
        let client_ca_file = file(section, "client_ca_file");
        let has_ca = section.is_written("client_ca_file");
        let options = [ClientAuth::Off, ClientAuth::Optional, ClientAuth::Required]
            .map(|option| (option.as_str(), option));
        let default = if has_ca { ClientAuth::Required } else { ClientAuth::Off };
        let client_auth = section.choice("client_auth", default, &options);
        match (has_ca, client_auth) {
            (true, ClientAuth::Off) => section.warn(format!(
                "`{}` has no effect while `{}` is \"off\"",
                section.name("client_ca_file"),
                section.name("client_auth")
            )),
            (false, ClientAuth::Optional | ClientAuth::Required) => {
                let (auth, file) = (section.name("client_auth"), section.name("client_ca_file"));
                let text = format!("`{auth}` needs `{file}`: who vouches for clients");
                section.fault("client_auth", text);
            }
            _ => {}
        }
        if has_ca && !section.is_written("cert_file") && !section.is_written("key_file") {
            let (name, missing) = (section.name("client_ca_file"), section.name("cert_file"));
            let text =
                format!("`{missing}` is missing: `{name}` is for a port that has a certificate");
            section.fault("client_ca_file", text);
        }
        let (cert_file, key_file) = pair?;
        let tls = Self { cert_file, key_file, client_ca_file, client_auth };
        // Whoever only looks for the port may not read its key.
        if section.needs() == Needs::Everything {
            tls.check(section);
        }
        Some(tls)
    }

    /// The pair and who vouches for clients, each for itself: one fault hides no other.
    fn check(&self, section: &Section<'_>) {
        let own = Self { client_auth: ClientAuth::Off, ..self.clone() };
        match own.load() {
            Ok(_) => warn_of_open_key(section, &self.key_file),
            Err(fault) => fault.note(section),
        }
        if let Some(path) = &self.client_ca_file
            && let Err(cause) = pem::read(path).and_then(|pem| roots(&pem, path))
        {
            TlsFault { key: "client_ca_file", cause }.note(section);
        }
    }

    /// What the files say now. Blocks.
    pub(crate) fn load(&self) -> Result<ServerMade, TlsFault> {
        let (of_certificate, of_key) = (TlsFault::of("cert_file"), TlsFault::of("key_file"));
        let of_clients = TlsFault::of("client_ca_file");
        let mut contents = Contents::default();
        let chain_pem = pem::read(&self.cert_file).map_err(&of_certificate)?;
        contents.add(Some(&chain_pem));
        let key_pem = pem::read(&self.key_file).map_err(&of_key)?;
        contents.add(Some(&key_pem));
        let chain = pem::certificates(&chain_pem, &self.cert_file).map_err(&of_certificate)?;
        let not_after = not_after(&chain[0]);
        let key = pem::private_key(&key_pem, &self.key_file).map_err(&of_key)?;
        let provider = provider();
        let certified = CertifiedKey::from_der(chain, key, &provider);
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(_) => of_key(format!(
                "the key in {} is not that of the certificate in {}",
                self.key_file.display(),
                self.cert_file.display()
            )),
            Error::InvalidCertificate(error) => {
                of_certificate(format!("{}: {error}", self.cert_file.display()))
            }
            error => of_key(format!("{}: {error}", self.key_file.display())),
        })?;
        let verifier = match (self.client_auth, &self.client_ca_file) {
            (ClientAuth::Off, _) => WebPkiClientVerifier::no_client_auth(),
            (_, None) => return Err(of_clients("is missing".to_owned())),
            (auth, Some(path)) => {
                let pem = pem::read(path).map_err(&of_clients)?;
                contents.add(Some(&pem));
                let roots = roots(&pem, path).map_err(&of_clients)?;
                verifier(auth, roots).map_err(&of_clients)?
            }
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| of_certificate(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        Ok(ServerMade { config, not_after, digest: contents.finish() })
    }
}

fn roots(pem: &[u8], path: &std::path::Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(pem, path)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("{} cannot vouch for anybody: {error}", path.display()))?;
    }
    Ok(roots)
}

fn verifier(auth: ClientAuth, roots: RootCertStore) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Off | ClientAuth::Required => builder,
    };
    builder.build().map_err(|error| error.to_string())
}
