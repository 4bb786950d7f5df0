//! The whole gateway in this process: from a client's socket to a StackState receiver, and its end.

use std::sync::Arc;
use std::time::Duration;

use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Config, Environment};
use tidegate::receiver::{Options, Receiver, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::wire::{Wire, request};

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

/// Two receivers: `all` gets everything, `own` what `billing` sends.
fn two(all: &str, own: &Running, directory: &std::path::Path, more: &str) -> Config {
    let text = format!(
        "listen = \"127.0.0.1:0\"\nhostname = \"gateway-1\"\nadmin.listen = \"127.0.0.1:0\"\n\
         data_dir = \"{}\"\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"a-token\"\n\
         [[sources]]\nname = \"billing\"\ntoken = \"b-token\"\n\
         [[receivers]]\nname = \"all\"\nurl = \"{all}\"\napi_key = \"API_KEY\"\nretry_max = \"1s\"\n{more}\
         [[receivers]]\nname = \"own\"\nurl = \"{}\"\napi_key = \"API_KEY\"\nsources = [\"billing\"]\n\
         [limits]\nexpanded_bytes = \"1MiB\"\nrequests_per_minute = 0\n\
         [queue]\nmin_free_bytes = 0\nmax_bytes = \"8MiB\"\n[shutdown]\ngrace = \"4s\"\n",
        directory.display(),
        own.url()
    );
    config::load("test", &text, &Environment::default()).unwrap().config
}

async fn send_as(gateway: &Gateway, token: &str, body: &str) -> u16 {
    let headers = format!("authorization: Bearer {token}\r\n");
    let mut wire = Wire::connect(gateway.addr()).await;
    wire.send(&request("POST /metrics", &headers, body.as_bytes())).await;
    wire.reply().await.status
}

/// What `/receivers` says of one.
async fn receiver(gateway: &Gateway, name: &str) -> serde_json::Value {
    let mut wire = Wire::connect(gateway.admin_addr().unwrap()).await;
    wire.send(&request("GET /receivers", "", b"")).await;
    let told = wire.reply().await.json();
    let list = told.as_array().unwrap();
    list.iter().find(|receiver| receiver["name"] == name).cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_gets_what_its_sources_send_and_a_dead_one_stops_nobody() {
    // Bound and never accepted from: connections to it hang, and those behind its backlog too.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/intake", dead.local_addr().unwrap());
    let own = Receiver::start(Options::for_tests()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let bound = "max_backlog_bytes = \"1MiB\"\n";
    let gateway = start(two(&url, &own, directory.path(), bound)).await;
    let metric =
        |name: &str| format!(r#"{{"name":"{name}","dt":1795343400,"gauge":{{"value":1}}}}"#);
    // Three times what the queue may hold, all of it for the dead one.
    let padding = "x".repeat(4000);
    let many: Vec<String> = (0..64)
        .map(|nth| {
            let tags = format!(r#""tags":{{"padding":"{padding}"}}"#);
            format!(r#"{{"name":"m{nth}","dt":1795343400,"gauge":{{"value":1}},{tags}}}"#)
        })
        .collect();
    let many = format!("[{}]", many.join(","));
    for round in 0..96 {
        assert_eq!(send_as(&gateway, "a-token", &many).await, 202, "round {round}");
        if round % 16 == 0 {
            assert_eq!(send_as(&gateway, "b-token", &metric("billed")).await, 202);
        }
    }
    let arrived = own.wait_for_tuples(6, PATIENCE).await.unwrap();
    assert!(arrived.tuples.iter().all(|tuple| tuple.text().starts_with("[\"billed\"")));

    let balanced = |books: &serde_json::Value| {
        let of = |name: &str| books[name].as_u64().unwrap();
        let out =
            ["delivered", "filtered", "queued", "dead_lettered", "expired", "damaged", "purged"];
        assert_eq!(of("series") + of("replayed"), out.iter().map(|name| of(name)).sum::<u64>());
    };
    let told = receiver(&gateway, "all").await;
    balanced(&told["books"]);
    assert!(told["books"]["expired"].as_u64().unwrap() > 64, "{told}");
    assert_eq!(told["books"]["filtered"], 0);
    assert_eq!((&told["url"], &told["backlog"]["max_bytes"]), (&url.into(), &(1 << 20).into()));
    assert_eq!(told["last_success"], serde_json::Value::Null);
    let told = receiver(&gateway, "own").await;
    balanced(&told["books"]);
    assert_eq!((&told["state"], &told["books"]["delivered"]), (&"flowing".into(), &6.into()));

    let ended = gateway.stop().await;
    assert_eq!((ended.delivered, ended.lost), (6, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_hang_share_the_grace() {
    let own = Receiver::start(Options::for_tests()).await.unwrap();
    own.faults().stand("hang".parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let config = two(&own.url(), &own, directory.path(), "");
    let grace = config.shutdown.grace;
    let gateway = start(config).await;
    let body = r#"{"name":"a","gauge":{"value":1}}"#;
    assert_eq!(send_as(&gateway, "b-token", body).await, 202);
    own.wait_for(PATIENCE, |received| received.totals.requests >= 2).await.unwrap();
    let began = tokio::time::Instant::now();
    let ended = gateway.stop().await;
    assert_eq!((ended.delivered, ended.queued), (0, 2), "one tuple, for two receivers");
    assert!(began.elapsed() < grace * 3 / 2, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_cannot_start_leaves_those_before_it_without_a_request() {
    let first = Receiver::start(Options::for_tests()).await.unwrap();
    first.faults().stand("503".parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut config = two(&first.url(), &first, directory.path(), "");
    let gateway = start(config.clone()).await;
    assert_eq!(send_as(&gateway, "a-token", r#"{"name":"a","gauge":{"value":1}}"#).await, 202);
    assert_eq!(gateway.stop().await.queued, 1);

    // Each takes a while to set up, in which the first could have delivered.
    for nth in 0..6 {
        let mut more = config.receivers[1].clone();
        more.name = format!("more-{nth}").into();
        more.url = "https://127.0.0.1:9/intake".to_owned();
        config.receivers.push(more);
    }
    let mut broken = config.receivers[1].clone();
    (broken.name, broken.url) = ("broken".into(), "ftp://127.0.0.1/".to_owned());
    config.receivers.push(broken);
    first.faults().heal();
    let seen = first.received().totals.requests;
    let error = Gateway::start(config.clone(), Arc::new(SystemClock::new())).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "receiver broken: `url` begins with ftp:, expected http: or https:"
    );
    assert_eq!(first.received().totals.requests, seen, "nothing runs then");

    // Nor does anything hold on to what the next start needs.
    config.receivers.pop();
    let gateway = start(config).await;
    first.wait_for_tuples(1, PATIENCE).await.unwrap();
    assert_eq!(gateway.stop().await.queued, 0);
}
