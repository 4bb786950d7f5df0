//! Deliveries through an HTTP proxy, which sees the name of an https receiver and nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate::config::{self, Proxy, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::forward_receiver::{Side, until, until_delivered};
use super::delivery::{enqueue, receiver, to, trusts};
use super::shows;

/// Everything that clients said to a proxy.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A proxy that leads every name to this machine; with credentials it asks for them.
async fn proxy(wanted: Option<&'static str>) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Heard::default());
    let shared = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(lead(stream, wanted, Arc::clone(&shared)));
        }
    });
    (address, heard)
}

async fn lead(mut client: TcpStream, wanted: Option<&str>, notes: Heard) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    notes.lock().unwrap().extend_from_slice(&head);
    let head = String::from_utf8(head).unwrap();
    let wanted = wanted.map(|pair| format!("basic {}", STANDARD.encode(pair)).to_lowercase());
    if wanted.is_some_and(|wanted| !head.to_lowercase().contains(&wanted)) {
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        client.write_all(answer).await.ok()?;
        return None;
    }
    let port: u16 = head.strip_prefix("CONNECT receiver.test:")?.split(' ').next()?.parse().ok()?;
    let server = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    let ((mut from, mut back), (mut answers, mut onward)) =
        (client.into_split(), server.into_split());
    let returning = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
    let mut bytes = [0; 4096];
    loop {
        let read = from.read(&mut bytes).await.ok()?;
        if read == 0 {
            break;
        }
        notes.lock().unwrap().extend_from_slice(&bytes[..read]);
        onward.write_all(&bytes[..read]).await.ok()?;
    }
    returning.abort();
    Some(())
}

/// Settings that lead through it to a receiver that has no such name elsewhere.
fn through(
    address: SocketAddr,
    credentials: Option<(&str, &str)>,
    settings: config::Receiver,
) -> config::Receiver {
    let credentials =
        credentials.map(|(user, word)| (user.to_owned(), Secret::new(word.to_owned())));
    config::Receiver {
        url: settings.url.replace("127.0.0.1", "receiver.test"),
        proxy: Proxy::Through { url: format!("http://{address}/"), credentials },
        ..settings
    }
}

#[tokio::test]
async fn an_https_receiver_is_reached_and_its_key_is_not_seen_on_the_way() {
    for (wanted, credentials) in [(None, None), (Some("me:s3cret"), Some(("me", "s3cret")))] {
        let (receiver, side) = (receiver(shows("server")).await, Side::new());
        let (address, heard) = proxy(wanted).await;
        enqueue(&side, "m").await;
        let forwarder = side.start(&through(address, credentials, to(&receiver, trusts("ca.pem"))));
        until_delivered(&side, &forwarder, 1).await;
        let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
        assert!(heard.starts_with("CONNECT receiver.test:"), "{heard}");
        assert!(heard.len() > 500, "the handshake and the request went through it");
        assert!(!heard.contains("API_KEY") && !heard.contains("api_key"), "{heard}");
    }
}

#[tokio::test]
async fn a_proxy_that_asks_for_other_credentials_is_told_of_without_them() {
    let (receiver, side) = (receiver(shows("server")).await, Side::new());
    let (address, _) = proxy(Some("me:s3cret")).await;
    enqueue(&side, "m").await;
    let wrong = Some(("me", "hunter2"));
    let forwarder = side.start(&through(address, wrong, to(&receiver, trusts("ca.pem"))));
    let told = until(&forwarder, |status| status.last_error.is_some()).await;
    let (_, text) = told.last_error.unwrap();
    assert!(text.contains("see `proxy` of receiver default"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_receiver_on_this_machine_is_reached_without_one() {
    let (receiver, side) = (receiver(shows("server")).await, Side::new());
    enqueue(&side, "m").await;
    let nowhere = Proxy::Through { url: "http://proxy.invalid:1/".to_owned(), credentials: None };
    let settings = config::Receiver { proxy: nowhere, ..to(&receiver, trusts("ca.pem")) };
    let forwarder = side.start(&settings);
    until_delivered(&side, &forwarder, 1).await;
}

/// A proxy that refuses everything, and sends back what it was asked.
async fn echo(called: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 16 << 10];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]);
            let head = head.split("\r\n\r\n").next().unwrap_or_default();
            let body = format!("{called} {head}");
            let answer = format!(
                "HTTP/1.1 502 Bad Gateway\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    address
}

#[tokio::test]
async fn a_proxy_that_echoes_what_it_was_sent_does_not_show_what_opens_it() {
    let (address, side) = (echo("one").await, Side::new());
    enqueue(&side, "m").await;
    let base = config::Receiver {
        url: "http://receiver.test/intake".to_owned(),
        ..to(&receiver(shows("server")).await, trusts("ca.pem"))
    };
    let settings = through(address, Some(("me", "hunter2")), base.clone());
    let forwarder = side.start(&settings);
    let told = async |called: &str, pair: &str| {
        let mut text = String::new();
        until(&forwarder, |status| {
            text = status.last_error.as_ref().map(|(_, text)| text.to_string()).unwrap_or_default();
            text.contains(called)
        })
        .await;
        assert!(text.contains("proxy-authorization: Basic ***"), "{text}");
        let (_, password) = pair.split_once(':').unwrap();
        assert!(!text.contains(password) && !text.contains(&STANDARD.encode(pair)), "{text}");
    };
    told("Gateway: one POST", "me:hunter2").await;
    let other = through(echo("two").await, Some(("you", "hunter3")), base);
    let changes = forwarder.changes();
    changes.take_connections(changes.judge_connections(&other).await.unwrap());
    told("Gateway: two POST", "you:hunter3").await;
}
