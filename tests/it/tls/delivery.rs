//! Deliveries over TLS: whose certificate is believed, which one is shown, and what is said when not.

#![expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]

use std::time::Duration;

use tidegate::config::{self, ClientTls, IdentityFiles, Secret, Verify};
use tidegate::forward::{Forwarder, Trust};
use tidegate::receiver::{Options, Receiver, Running};
use tidegate::tls::{ClientAuth, ServerTls};

use super::super::forward_receiver::{Side, append_text, settings, until, until_delivered};
use super::super::support::edge::PATIENCE;
use super::super::support::log::Log;
use super::{asks, fixture, shows};

/// A receiver that speaks TLS so.
pub(super) async fn receiver(tls: ServerTls) -> Running {
    Receiver::start(Options { tls: Some(tls), ..Options::for_tests() }).await.unwrap()
}

pub(super) fn trusts(ca: &str) -> ClientTls {
    ClientTls { ca_file: Some(fixture(ca)), ..ClientTls::default() }
}

fn shows_itself(tls: ClientTls, name: &str) -> ClientTls {
    let [cert_file, key_file] = ["pem", "key"].map(|ending| fixture(&format!("{name}.{ending}")));
    ClientTls { identity: Some(IdentityFiles { certificate: cert_file, key: key_file }), ..tls }
}

pub(super) fn to(receiver: &Running, tls: ClientTls) -> config::Receiver {
    config::Receiver {
        url: receiver.url(),
        api_key: Secret::new("API_KEY".to_owned()),
        tls,
        ..settings(receiver.addr())
    }
}

/// A tuple that a strict receiver takes.
pub(super) async fn enqueue(side: &Side, name: &str) {
    let tuple = format!(
        "[\"{name}\",1700000000,1.0,{{\"hostname\":\"h\",\"tags\":[],\"type\":\"gauge\"}}]"
    );
    append_text(&side.queue, tuple, 1).await;
}

/// Waits for a failure whose text has this, and checks that it is retried.
async fn until_told(forwarder: &Forwarder, wanted: &str) {
    let mut seen = String::new();
    let said = until(forwarder, |status| {
        seen = status.last_error.as_ref().map(|(_, text)| text.to_string()).unwrap_or_default();
        seen.contains(wanted)
    });
    let said = tokio::time::timeout(PATIENCE, said).await.expect(wanted);
    assert_eq!(said.state, tidegate::forward::State::Retrying, "{said:?}");
}

#[tokio::test]
async fn a_private_authority_and_a_certificate_of_our_own_are_believed() {
    for (server, own) in [(shows("server"), None), (asks(ClientAuth::Required), Some("client"))] {
        let (receiver, side) = (receiver(server).await, Side::new());
        let tls = trusts("ca.pem");
        let tls = own.map_or(tls.clone(), |own| shows_itself(tls, own));
        enqueue(&side, "m").await;
        let forwarder = side.start(&to(&receiver, tls));
        until_delivered(&side, &forwarder, 1).await;
        assert_eq!(receiver.received().totals.tuples, 1);
        assert_eq!(forwarder.status().borrow().trust, Trust::Verified);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_and_retried() {
    let unknown = "of an unknown issuer: name its authority with `ca_file` of receiver default";
    for (server, tls, said) in [
        (shows("server"), trusts("other-ca.pem"), unknown),
        (shows("expired"), trusts("ca.pem"), "its certificate has expired"),
        (shows("elsewhere"), trusts("ca.pem"), "its certificate is of another host: `url`"),
        (shows("self-signed"), trusts("self-signed.pem"), "names itself an authority"),
        (
            asks(ClientAuth::Required),
            trusts("ca.pem"),
            "`cert_file` and `key_file` of receiver default",
        ),
        (
            asks(ClientAuth::Required),
            shows_itself(trusts("ca.pem"), "other-client"),
            "it does not take the certificate we show: see `cert_file` of receiver default",
        ),
    ] {
        let (receiver, side) = (receiver(server).await, Side::new());
        enqueue(&side, "m").await;
        let forwarder = side.start(&to(&receiver, tls));
        until_told(&forwarder, said).await;
        assert_eq!(side.books().queued, 1, "nothing is lost");
    }
}

#[tokio::test]
async fn a_receiver_in_clear_behind_an_https_address_is_told_of() {
    let (receiver, side) = (Receiver::start(Options::for_tests()).await.unwrap(), Side::new());
    enqueue(&side, "m").await;
    let url = receiver.url().replace("http:", "https:");
    let forwarder = side.start(&config::Receiver { url, ..to(&receiver, trusts("ca.pem")) });
    until_told(&forwarder, "speaks no TLS: is `url` of receiver default meant to be http:?").await;
}

#[tokio::test]
async fn any_certificate_will_do_for_whoever_says_so() {
    let tls = ClientTls { verify: Verify::Nothing, ..ClientTls::default() };
    for name in ["server", "expired", "elsewhere", "self-signed"] {
        let (receiver, side) = (receiver(shows(name)).await, Side::new());
        enqueue(&side, "m").await;
        let forwarder = side.start(&to(&receiver, tls.clone()));
        until_delivered(&side, &forwarder, 1).await;
        assert_eq!(forwarder.status().borrow().trust, Trust::Unverified);
    }
}

#[tokio::test]
async fn files_that_change_are_taken_up_while_it_runs() {
    let log = Log::default();
    let _collecting = log.collect();
    let (receiver, side) = (receiver(shows("server")).await, Side::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::copy(fixture("other-ca.pem"), &path).unwrap();
    enqueue(&side, "m").await;
    let tls = ClientTls { ca_file: Some(path.clone()), ..ClientTls::default() };
    let forwarder = side.start(&to(&receiver, tls));
    until_told(&forwarder, "unknown issuer").await;
    std::fs::write(&path, "no certificate").unwrap();
    let told =
        |log: &Log| log.lines("WARN").iter().filter(|line| line.contains("no certificate")).count();
    tokio::time::timeout(PATIENCE, async {
        while told(&log) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the fault is told");
    std::fs::copy(fixture("ca.pem"), &path).unwrap();
    until_delivered(&side, &forwarder, 1).await;
    assert_eq!(told(&log), 1, "{}", log.text());
}

#[tokio::test]
async fn other_settings_are_taken_up_while_it_runs_and_bad_ones_are_not() {
    let (receiver, side) = (receiver(shows("server")).await, Side::new());
    enqueue(&side, "m").await;
    let forwarder = side.start(&to(&receiver, trusts("other-ca.pem")));
    until_told(&forwarder, "unknown issuer").await;
    let changes = forwarder.changes();
    let refused = changes.judge_connections(&to(&receiver, trusts("server.key"))).await;
    let refused = refused.err().unwrap();
    assert!(refused.to_string().contains("`ca_file`: "), "{refused}");
    let made = changes.judge_connections(&to(&receiver, trusts("ca.pem"))).await.unwrap();
    changes.take_connections(made);
    until_delivered(&side, &forwarder, 1).await;
}
