//! Whoever looks while metrics come in: on the admin port, and with the commands that ask it.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::process::Running;
use super::{IN_CLEAR, PATIENCE, Secrets, traffic};
use crate::support::wire::{Wire, request};

/// What `/tap` shows of traffic: the tuples of clients, and nothing that is the operator's.
pub(super) async fn tap_port(gateway: &Running, secrets: &Secrets) {
    let mut wire = Wire::connect(gateway.admin).await;
    wire.send(&request("GET /tap?form=sourced", "", b"")).await;
    assert_eq!(wire.reply_head().await.status, 200);
    let mut told = Vec::new();
    let seen = async {
        while !String::from_utf8_lossy(&told).contains("\"tuple\":[\"good\"") {
            traffic(gateway, secrets).await;
            let read = wire.stream.read_buf(&mut told);
            drop(timeout(Duration::from_millis(200), read).await);
        }
    };
    timeout(PATIENCE, seen).await.expect("tuples are shown");
    secrets.operators.check("/tap", &String::from_utf8_lossy(&told));
}

/// The commands that ask the running gateway.
pub(super) async fn commands(gateway: &Running, secrets: &Secrets) {
    let top = gateway.run(&["top", "--once"]);
    assert!(top.contains("clear") && top.contains("query"), "{top}");
    secrets.operators.check("top", &top);

    let tapping = gateway.begin(&["tap", "--limit", "20", "--format", "sourced"]);
    let ended = async {
        while !tapping.is_finished() {
            traffic(gateway, secrets).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("it sees its tuples");
    let tapped = tapping.join().unwrap();
    assert!(tapped.contains("\"tuple\":[\"good\""), "{tapped}");
    secrets.operators.check("tap", &tapped);

    let printed = gateway.run(&["bundle", "--output", "bundle.tar.gz"]);
    secrets.operators.check("bundle", &printed);
    let file = File::open(gateway.directory.join("bundle.tar.gz"));
    let mut archive = tar::Archive::new(MultiGzDecoder::new(file.expect(&printed)));
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let is_had = !text.starts_with("not to be had");
        assert!(is_had && !text.contains(IN_CLEAR), "{name}: {text}");
        secrets.operators.check(&name, &text);
        if !name.ends_with("/README.txt") {
            names.push(name);
        }
    }
    assert!(names.len() >= 12, "{names:?}");
}
