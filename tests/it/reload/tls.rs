//! Certificates, changed with the rest of a configuration.

use tokio::runtime::Runtime;

use super::super::tls::{certificate, fixture, shown};
use super::config;
use super::process::{Process, source};

fn port(name: &str) -> String {
    let path = |ending: &str| fixture(&format!("{name}.{ending}")).display().to_string();
    let files = format!("cert_file = '{}'\nkey_file = '{}'\n", path("pem"), path("key"));
    config(&format!("{}[tls]\n{files}", source("one", "token-1")))
}

#[test]
fn another_certificate_is_taken_up_and_no_tls_is_turned_off() {
    let (runtime, gateway) = (Runtime::new().unwrap(), Process::start(&port("server")));
    let ingest = gateway.ingest().parse().unwrap();
    let is_shown = |name| runtime.block_on(shown(ingest)) == certificate(name);
    assert!(is_shown("server"));
    let answer = gateway.reload(&port("renewed").replace("renewed.key", "client.key"));
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.body.contains("`tls.key_file`: the key in "), "{answer:?}");
    assert!(is_shown("server"));
    let answer = gateway.reload(&port("renewed"));
    assert_eq!((answer.status, answer.list("needs_restart").len()), (200, 0), "{answer:?}");
    assert!(is_shown("renewed"));
    let answer = gateway.reload(&config(&source("one", "token-1")));
    let waits = answer.list("needs_restart").concat();
    assert!(waits.contains("`tls.cert_file`") && waits.contains("`tls.key_file`"), "{answer:?}");
    assert!(is_shown("renewed"));
}
