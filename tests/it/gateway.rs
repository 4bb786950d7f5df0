//! The whole gateway in this process: from a client's socket to a StackState receiver, and its end.

use std::sync::Arc;
use std::time::Duration;

use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Config, Environment};
use tidegate::receiver::{Options, Receiver, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for the slowest machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(receiver: &Running, more: &str) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n\
         hostname = \"gateway-1\"\n\
         admin.listen = \"127.0.0.1:0\"\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"a-token\"\n\
         [receiver]\nurl = \"{}\"\napi_key = \"API_KEY\"\n{more}[queue]\ndurability = \"memory\"\n",
        receiver.url()
    );
    config::load("test", &text, &Environment::default()).unwrap().config
}

async fn start(config: Config) -> Gateway {
    Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap()
}

fn head(length: usize) -> String {
    format!(
        "POST /metrics HTTP/1.1\r\nhost: t\r\nauthorization: Bearer a-token\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Sends one metric and returns the status line.
async fn send(gateway: &Gateway, body: &str) -> String {
    let mut stream = TcpStream::connect(gateway.addr()).await.unwrap();
    stream.write_all((head(body.len()) + body).as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_sends_reaches_the_receiver_and_the_books_balance() {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let gateway = start(config(&receiver, "")).await;
    let body = r#"[{"name":"a.b","dt":1795343400,"gauge":{"value":1.50}},{"name":"x"},{"name":"h","dt":1795343400,"histogram":{"count":2,"sum":3,"buckets":[{"upper_limit":0.5,"count":2}]}}]"#;
    assert_eq!(send(&gateway, body).await, "HTTP/1.1 202 Accepted");
    let arrived = receiver.wait_for_tuples(4, PATIENCE).await.unwrap();
    let texts: Vec<_> = arrived.tuples.iter().map(|tuple| tuple.text().to_owned()).collect();
    assert_eq!(
        texts,
        [
            r#"["a.b",1795343400,1.50,{"hostname":"gateway-1","tags":[],"type":"gauge"}]"#,
            r#"["h",1795343400,2.0,{"hostname":"gateway-1","tags":["upper_limit:0.5"],"type":"counter"}]"#,
            r#"["h_sum",1795343400,3.0,{"hostname":"gateway-1","tags":[],"type":"counter"}]"#,
            r#"["h_count",1795343400,2.0,{"hostname":"gateway-1","tags":[],"type":"counter"}]"#,
        ]
    );
    let counts = |gateway: &Gateway| {
        let counts = gateway.edge().counts();
        let read = std::sync::atomic::Ordering::Relaxed;
        (counts.accepted.load(read), counts.rejected.load(read))
    };
    assert_eq!(counts(&gateway), (2, 1), "three metrics came in");
    let ended = gateway.stop().await;
    assert_eq!((ended.delivered, ended.lost), (4, 0), "four series went out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_upload_does_not_use_up_the_time_in_which_deliveries_could_succeed() {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    receiver.faults().stand("503".parse().unwrap());
    // Left alone, the next attempt would be an hour away.
    let settings = "retry_min = \"1h\"\nretry_max = \"1h\"\n[shutdown]\ngrace = \"60s\"\n";
    let gateway = start(config(&receiver, settings)).await;
    assert_eq!(
        send(&gateway, r#"{"name":"a","gauge":{"value":1}}"#).await,
        "HTTP/1.1 202 Accepted"
    );
    receiver.wait_for(PATIENCE, |received| received.totals.requests >= 1).await.unwrap();

    // An upload that is running when the shutdown begins, and goes on.
    let mut upload = TcpStream::connect(gateway.addr()).await.unwrap();
    upload.write_all((head(33) + "{").as_bytes()).await.unwrap();
    while gateway.edge().memory_used() == 0 {
        tokio::task::yield_now().await;
    }
    receiver.faults().heal();
    let stopping = tokio::spawn(gateway.stop());
    receiver.wait_for_tuples(1, PATIENCE).await.unwrap();

    // It still gets its answer, and what it brought is delivered too.
    upload.write_all(br#""name":"bb","gauge":{"value":2}}"#).await.unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let ended = stopping.await.unwrap();
    assert_eq!((ended.delivered, ended.lost), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_comes_back_while_the_grace_lasts_gets_what_waits() {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    receiver.faults().stand("503".parse().unwrap());
    let settings = "retry_min = \"1h\"\nretry_max = \"1h\"\n[shutdown]\ngrace = \"60s\"\n";
    let gateway = start(config(&receiver, settings)).await;
    send(&gateway, r#"{"name":"a","gauge":{"value":1}}"#).await;
    let tried =
        |times| move |received: &tidegate::receiver::Received| received.totals.requests >= times;
    receiver.wait_for(PATIENCE, tried(1)).await.unwrap();
    let stopping = tokio::spawn(gateway.stop());
    // Not only the one attempt that a shutdown allows at once.
    receiver.wait_for(PATIENCE, tried(4)).await.unwrap();
    receiver.faults().heal();
    let ended = stopping.await.unwrap();
    assert_eq!((ended.delivered, ended.lost), (1, 0));
}
