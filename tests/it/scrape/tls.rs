//! Targets behind TLS, with certificates of an authority that only these tests know.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tidegate::scrape::Outcome;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::exporter::{Answer, serve, text};
use super::{job, start};
use crate::support::log::Log;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/scrape/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

/// Port of an exporter that shows its certificate and asks for one.
async fn exporter() -> (u16, JoinHandle<()>) {
    tidegate::forward::install_crypto();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(clients.unwrap())
        .with_single_cert(
            vec![certificate("server.pem")],
            PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            open.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                // Who shows a certificate is told so.
                let known = stream.get_ref().1.peer_certificates().is_some();
                let page = if known { "known 1\n" } else { "" };
                serve(stream, &Mutex::default(), &|_, _: &str| Answer::Keep(text(page))).await;
            });
        }
    });
    (port, serving)
}

#[tokio::test]
async fn a_certificate_is_judged_by_the_authority_the_job_names() {
    let log = Log::default();
    let _collecting = log.collect();
    let (port, serving) = exporter().await;
    let ca = format!("scheme = \"https\"\nca_file = '{}'\n", fixture("ca.pem").display());
    let own = format!(
        "{ca}cert_file = '{}'\nkey_file = '{}'\n",
        fixture("client.pem").display(),
        fixture("client-key.pem").display()
    );
    for (host, more, outcome, says) in [
        ("localhost", ca.as_str(), Outcome::Ok, 0.0),
        ("127.0.0.1", &ca, Outcome::Ok, 0.0),
        ("localhost", &own, Outcome::Ok, 1.0),
        // Not in the certificate.
        ("127.0.0.2", &ca, Outcome::Down, 0.0),
        // Nobody the system knows.
        ("localhost", "scheme = \"https\"", Outcome::Down, 0.0),
        ("localhost", "scheme = \"https\"\ninsecure_skip_verify = true", Outcome::Ok, 0.0),
        // A page over TLS where none is spoken to.
        ("localhost", "", Outcome::Down, 0.0),
    ] {
        let at = format!("{host}:{port}");
        let world = start(job("node", &[&at], more)).await;
        world.until(|world| world.scrapes(outcome) > 0).await;
        let samples = world.entry_of(&at).await;
        let of = |name: &str| {
            let sample = samples.iter().find(|sample| sample[0] == name);
            sample.and_then(|sample| sample[2].as_f64())
        };
        let up = if outcome == Outcome::Ok { 1.0 } else { 0.0 };
        assert_eq!((of("up"), of("scrape_samples_scraped")), (Some(up), Some(says)), "{at} {more}");
    }
    let warnings = log.lines("WARN").join("\n");
    assert_eq!(warnings.matches("invalid peer certificate").count(), 2, "{warnings}");
    serving.abort();
}
