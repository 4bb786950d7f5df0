//! Certificates that change while clients are served.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate::clock::{ManualClock, SystemClock};
use tidegate::metric::timestamp::Timestamp;
use tidegate::tls::{Acceptor, Change, ClientAuth, Port, ServerTls, TlsFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::super::support::edge::{Edge, METRIC, PATIENCE, TOKEN};
use super::super::support::log::Log;
use super::super::support::wire::post;
use super::{asks, certificate, client, connect, fixture, shown, shows};

/// A directory with `tls.pem` and `tls.key`, which lead to what `name` has.
fn linked(directory: &Path, name: &str) -> ServerTls {
    for ending in ["pem", "key"] {
        let (next, link) = (directory.join("next"), directory.join(format!("tls.{ending}")));
        std::os::unix::fs::symlink(fixture(&format!("{name}.{ending}")), &next).unwrap();
        std::fs::rename(next, link).unwrap();
    }
    let (cert_file, key_file) = (directory.join("tls.pem"), directory.join("tls.key"));
    ServerTls { cert_file, key_file, client_ca_file: None, client_auth: ClientAuth::Off }
}

/// As a reload does it. Blocks.
fn change(tls: &Acceptor, files: &ServerTls) -> Result<Change, TlsFault> {
    Ok(tls.adopt(tls.prepare(files)?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_under_load_fails_no_request_and_new_handshakes_see_it() {
    let edge = Edge::with(|settings| settings.tls = Some(shows("server"))).await;
    let tls = edge.state.tls().unwrap().clone();
    let (url, is_over) =
        (format!("https://{}/metrics", edge.address), Arc::new(AtomicBool::new(false)));
    let clients = (0..4).map(|nth| {
        let (url, is_over) = (url.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            // Some keep their connection, the others come anew for each request.
            let idle = usize::from(nth % 2 == 0);
            let client = client(None).pool_max_idle_per_host(idle).build().unwrap();
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) || sent < 20 {
                let answer =
                    client.post(&url).bearer_auth(TOKEN).body(METRIC).send().await.unwrap();
                assert_eq!(answer.status(), 202);
                sent += 1;
            }
            sent
        })
    });
    let clients: Vec<_> = clients.collect();
    for nth in 0..10 {
        let name = if nth % 2 == 0 { "renewed" } else { "server" };
        let other = tls.clone();
        let change =
            tokio::task::spawn_blocking(move || change(&other, &shows(name))).await.unwrap();
        assert_eq!(change, Ok(Change::Another));
        assert_eq!(shown(edge.address).await, certificate(name));
    }
    assert_eq!(change(&tls, &shows("server")), Ok(Change::Same));
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        timeout(PATIENCE, client).await.expect("it ends").expect("no request failed");
    }
    assert_eq!(tls.failed_handshakes(), 0);
}

#[tokio::test]
async fn a_connection_goes_on_and_who_may_come_in_changes_for_new_ones() {
    let edge = Edge::with(|settings| settings.tls = Some(shows("server"))).await;
    let mut before = connect(edge.address).await;
    let tls = edge.state.tls().unwrap();
    assert_eq!(change(tls, &asks(ClientAuth::Required)), Ok(Change::Another));
    before.write_all(&post("", METRIC.as_bytes())).await.unwrap();
    let mut answer = [0; 12];
    before.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    let url = format!("https://{}/metrics", edge.address);
    let try_as = |own| client(own).build().unwrap().get(&url).send();
    assert!(try_as(None).await.is_err());
    assert_eq!(try_as(Some("client")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let tls = &Acceptor::new(Port::Ingest, &shows("server")).unwrap();
    let end = tls.not_after();
    for (bad, key) in [
        (ServerTls { key_file: fixture("client.key"), ..shows("server") }, "key_file"),
        (ServerTls { cert_file: fixture("absent.pem"), ..shows("server") }, "cert_file"),
        (
            ServerTls { client_ca_file: Some(fixture("server.key")), ..asks(ClientAuth::Optional) },
            "client_ca_file",
        ),
    ] {
        let fault = change(tls, &bad).unwrap_err();
        assert_eq!(fault.key, key, "{fault}");
        assert_eq!(tls.not_after(), end);
    }
    // It serves whoever does not look.
    assert_eq!(change(tls, &shows("expired")), Ok(Change::Another));
    assert_eq!(tls.not_after(), Some(1_609_459_200));
}

#[tokio::test]
async fn files_are_read_again_and_a_fault_is_told_once_and_changes_nothing() {
    let log = Log::default();
    let _collecting = log.collect();
    let directory = tempfile::tempdir().unwrap();
    let files = linked(directory.path(), "server");
    let edge = Edge::with(|settings| settings.tls = Some(files.clone())).await;
    let _keeper = edge.state.tls().unwrap().keep(Arc::new(SystemClock::new()));
    // As certbot does it half way: the certificate is another, the key not yet.
    std::fs::remove_file(&files.cert_file).unwrap();
    std::fs::copy(fixture("renewed.pem"), &files.cert_file).unwrap();
    let kept =
        |log: &Log| log.lines("WARN").iter().filter(|line| line.contains("keeps its")).count();
    timeout(PATIENCE, async {
        while kept(&log) == 0 {
            sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the fault is told");
    assert_eq!(shown(edge.address).await, certificate("server"));
    linked(directory.path(), "renewed");
    timeout(PATIENCE, async {
        while shown(edge.address).await != certificate("renewed") {
            sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the new one is taken up");
    assert_eq!(kept(&log), 1, "{}", log.text());
    let said = log.lines("INFO").concat();
    assert!(said.contains("the ingest port shows what its certificate files say now"), "{said}");
}

#[tokio::test]
async fn the_end_of_a_certificate_is_warned_of() {
    const DAY_S: i64 = 86_400;
    // 2021-01-01
    let end = 1_609_459_200;
    for (name, now, said) in [
        ("expired", end + DAY_S, Some("has expired, on 2021-01-01T00:00:00Z")),
        ("expired", end - 14 * DAY_S, Some("ends in 14 days, on 2021-01-01T00:00:00Z")),
        ("expired", end - 15 * DAY_S, None),
        ("server", end, None),
    ] {
        let log = Log::default();
        let _collecting = log.collect();
        let tls = Acceptor::new(Port::Admin, &shows(name)).unwrap();
        let _keeper = tls.keep(Arc::new(ManualClock::new(Timestamp::from_unix(now, 0))));
        tokio::task::yield_now().await;
        let lines = [log.lines("WARN"), log.lines("ERROR")].concat();
        match said {
            Some(said) => assert!(lines.len() == 1 && lines[0].contains(said), "{lines:?}"),
            None => assert_eq!(lines, Vec::<String>::new(), "{name}"),
        }
    }
}
