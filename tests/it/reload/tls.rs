//! Certificates, changed with the rest of a configuration.

use std::process::Command;

use tokio::runtime::Runtime;

use super::super::tls::{certificate, fixture, shown};
use super::config;
use super::process::{BY_HAND, Process, REST, TOP, source};

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
    let told = answer.list("changed").concat();
    assert!(told.ends_with("certificates of the ingest port"), "{answer:?}");
    let answer = gateway.reload(&config(&source("one", "token-1")));
    let waits = answer.list("needs_restart").concat();
    assert!(waits.contains("`tls.cert_file`") && waits.contains("`tls.key_file`"), "{answer:?}");
    assert!(is_shown("renewed"));
}

#[test]
fn commands_find_an_admin_port_that_shows_the_certificate_of_another_file() {
    let with = |name: &str| {
        let path = |ending: &str| fixture(&format!("{name}.{ending}")).display().to_string();
        let files =
            format!("admin.cert_file = '{}'\nadmin.key_file = '{}'\n", path("pem"), path("key"));
        let top = TOP.replace("queue.durability = \"memory\"\n", "data_dir = 'data'\n");
        format!("{top}{files}{BY_HAND}{}{REST}", source("one", "token-1"))
    };
    let gateway = Process::start(&with("server"));
    let listed = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.args(["queue", "ls", "--data-dir"]).arg(gateway.path("data")).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(listed().contains("flowing"), "it was asked: {}", listed());
    gateway.write(&with("renewed"));
    gateway.hang_up();
    gateway.logged("SIGHUP: the configuration was read again");
    assert!(listed().contains("flowing"), "it was asked: {}", listed());
}

#[test]
fn certificates_and_the_proxy_of_a_receiver_change_at_once() {
    let with = |more: &str| config(&source("one", "token-1")) + more;
    let gateway = Process::start(&with(""));
    let ca = fixture("ca.pem").display().to_string();
    let changed = with(&format!("ca_file = '{ca}'\nproxy = \"http://me:hunter2@proxy.test:1\"\n"));
    let answer = gateway.reload(&changed);
    let told = ["`ca_file` of receiver default", "`proxy` of receiver default"];
    assert_eq!(answer.list("changed"), told, "{answer:?}");
    assert_eq!(answer.list("needs_restart"), Vec::<String>::new(), "{answer:?}");
}

/// Writes these of its files anew.
fn renew(gateway: &Process, name: &str, endings: &[&str]) {
    for ending in endings {
        let to = gateway.path(&format!("c.{ending}"));
        std::fs::copy(fixture(&format!("{name}.{ending}")), to).unwrap();
    }
}

/// A gateway that shows a certificate of its own directory, and reloads so.
fn with_files(reload: &str) -> Process {
    let directory = tempfile::tempdir().unwrap();
    for ending in ["pem", "key"] {
        let to = directory.path().join(format!("c.{ending}"));
        std::fs::copy(fixture(&format!("server.{ending}")), to).unwrap();
    }
    let files = "cert_file = 'c.pem'\nkey_file = 'c.key'\n";
    let text = format!("{TOP}{reload}{}[tls]\n{files}{REST}", source("one", "token-1"));
    super::write(&directory.path().join("tidegate.toml"), &text);
    Process::begin(directory).started()
}

#[test]
fn a_renewal_that_comes_in_two_pieces_is_no_fault_of_the_configuration() {
    let gateway = with_files("reload.interval = \"100ms\"\n");
    renew(&gateway, "renewed", &["pem"]);
    gateway.logged("the ingest port keeps its certificate");
    renew(&gateway, "renewed", &["key"]);
    gateway.logged("the ingest port shows what its certificate files say now");
    assert!(!gateway.log().contains("the configuration cannot be used"), "{}", gateway.log());
}

#[test]
fn files_that_go_with_their_section_are_not_missed() {
    let gateway = with_files(BY_HAND);
    for ending in ["pem", "key"] {
        std::fs::remove_file(gateway.path(&format!("c.{ending}"))).unwrap();
    }
    let two = source("one", "token-1") + &source("two", "token-2");
    let answer = gateway.reload(&config(&two));
    assert_eq!(answer.status, 200, "{answer:?}");
    let waits = answer.list("needs_restart").concat();
    assert!(waits.contains("`tls.cert_file`") && waits.contains("`tls.key_file`"), "{answer:?}");
    assert_eq!(answer.list("changed"), ["source \"two\" is added"]);
}
