//! TLS on every side: the port of clients, the admin port, and the way to the receiver.
//!
//! `fixtures/tls/make` makes the certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidegate::forward::install_crypto;
use tidegate::tls::{ClientAuth, ServerTls};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

mod admin;
mod delivery;
mod ingest;
mod proxy;
mod renewal;
mod settings;

/// A file of `fixtures/tls`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

/// What a port shows: `NAME.pem` and `NAME.key`.
fn shows(name: &str) -> ServerTls {
    ServerTls {
        cert_file: fixture(&format!("{name}.pem")),
        key_file: fixture(&format!("{name}.key")),
        client_ca_file: None,
        client_auth: ClientAuth::Off,
    }
}

/// The same, of a port that asks for certificates.
fn asks(client_auth: ClientAuth) -> ServerTls {
    ServerTls { client_ca_file: Some(fixture("ca.pem")), client_auth, ..shows("server") }
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// A client that trusts the authority of the tests, and shows `NAME.pem` if there is a name.
fn client(own: Option<&str>) -> reqwest::ClientBuilder {
    install_crypto();
    let root = reqwest::Certificate::from_pem(&pem("ca.pem")).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    match own {
        None => builder,
        Some(name) => {
            let both = [pem(&format!("{name}.pem")), pem(&format!("{name}.key"))].concat();
            builder.identity(reqwest::Identity::from_pem(&both).unwrap())
        }
    }
}

/// A handshake by hand.
pub(crate) async fn connect(address: SocketAddr) -> TlsStream<TcpStream> {
    install_crypto();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// The certificate that a new connection is shown.
pub(crate) async fn shown(address: SocketAddr) -> CertificateDer<'static> {
    let stream = connect(address).await;
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

pub(crate) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap()
}
