//! What a configuration says of TLS, and what it is warned of.

use std::os::unix::fs::PermissionsExt;

use tidegate::config::{Environment, Loaded, load};
use tidegate::tls::ClientAuth;

use super::fixture;

const SOURCE: &str = "[[sources]]\nname = \"a\"\ntoken = \"t\"\n";

fn loaded(top: &str, url: &str, receiver: &str) -> Loaded {
    let text = format!("{top}\n{SOURCE}[receiver]\nurl = \"{url}\"\napi_key = \"k\"\n{receiver}\n");
    load("test", &text, &Environment::default()).unwrap()
}

fn pair(name: &str) -> String {
    let path = |ending: &str| fixture(&format!("{name}.{ending}")).display().to_string();
    format!("cert_file = '{}'\nkey_file = '{}'\n", path("pem"), path("key"))
}

#[test]
fn who_vouches_for_clients_decides_whether_they_are_asked() {
    let ca = format!("client_ca_file = '{}'\n", fixture("ca.pem").display());
    let auth = |more: &str| {
        let top = format!("[tls]\n{}{more}", pair("server"));
        loaded(&top, "http://h/", "").config.tls.unwrap().client_auth
    };
    assert_eq!(auth(""), ClientAuth::Off);
    assert_eq!(auth(&ca), ClientAuth::Required);
    assert_eq!(auth(&format!("{ca}client_auth = 'optional'")), ClientAuth::Optional);
    assert_eq!(auth(&format!("{ca}client_auth = 'off'")), ClientAuth::Off);
    assert!(loaded("[tls]", "http://h/", "").config.tls.is_none());
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("open.key");
    std::fs::copy(fixture("server.key"), &key).unwrap();
    let open = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let cert = fixture("server.pem");
        let top =
            format!("[tls]\ncert_file = '{}'\nkey_file = '{}'", cert.display(), key.display());
        loaded(&top, "http://h/", "").warnings
    };
    assert_eq!(open(0o640), Vec::<String>::new());
    let said = open(0o644).concat();
    assert!(said.starts_with("`tls.key_file`: everybody on this machine may read "), "{said}");
    for (url, receiver, said) in [
        ("https://h/", "insecure_skip_verify = true", "can read the key and every tuple"),
        ("http://h/", "insecure_skip_verify = true", "has no effect: `receiver.url` is http:"),
        (
            "https://localhost/",
            "proxy = 'http://p:1'",
            "is on this machine, where no proxy is asked",
        ),
        ("https://h/", "proxy = 'off'", ""),
    ] {
        let warnings = loaded("", url, receiver).warnings;
        let is_said = warnings.iter().any(|warning| warning.contains(said));
        assert!(is_said || (said.is_empty() && warnings.is_empty()), "{receiver}: {warnings:?}");
    }
}

#[test]
fn the_credentials_of_a_proxy_are_not_shown() {
    let loaded = loaded("", "https://h/", "proxy = 'http://me:hunter2@proxy:3128'");
    let shown = loaded.settings.to_string();
    assert!(shown.contains("proxy = \"http://***@proxy:3128/\""), "{shown}");
    assert!(!format!("{shown}{:?}", loaded.config).contains("hunter2"));
}
