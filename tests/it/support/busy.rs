//! The page of a gateway on which everything has happened that metrics tell of: each protocol, rejects and
//! refusals, a scrape, limits of a source, TLS, one receiver that takes everything and one that is not there.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Environment};
use tidegate::receiver::{Options, Receiver, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::edge::PATIENCE;
use super::openmetrics::{self, Samples};
use super::wire::{Reply, Wire, request};
use crate::tls::{connect, fixture};

const TOKEN: &str = "t0ken-of-a-client";

/// Keeps everything running that the pages tell of.
pub(crate) struct Busy {
    gateway: Gateway,
    _receiver: Running,
    exporter: JoinHandle<()>,
    _directory: TempDir,
}

impl Busy {
    /// Starts it, sends of everything something, and waits until it shows.
    pub(crate) async fn start() -> Self {
        let receiver = Receiver::start(Options::for_tests()).await.unwrap();
        let (directory, (target, exporter)) = (tempfile::tempdir().unwrap(), exporter().await);
        // Nobody listens there.
        let gone = super::peers::free_address();
        let config = format!(
            "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nhostname = \"gateway-1\"\n\
             data_dir = \"{}\"\n[tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\n\
             [queue]\nmin_free_bytes = 0\n\
             [[sources]]\nname = \"checkout\"\ntoken = \"{TOKEN}\"\nseries = 1000\n\
             requests_per_minute = 1000\n\
             [[scrape]]\njob = \"node\"\ntargets = [\"{target}\"]\n\
             [[receivers]]\nname = \"production\"\nurl = \"{}\"\napi_key = \"API_KEY\"\n\
             [[receivers]]\nname = \"trial\"\nurl = \"http://{gone}/intake\"\napi_key = \"API_KEY\"\n",
            directory.path().display(),
            fixture("server.pem").display(),
            fixture("server.key").display(),
            receiver.url()
        );
        let mut config = config::load("test", &config, &Environment::default()).unwrap().config;
        config.scrapes[0].interval = Duration::from_millis(50);
        let gateway = Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap();
        let busy = Self { gateway, _receiver: receiver, exporter, _directory: directory };
        busy.send_everything().await;
        busy.until_it_shows().await;
        busy
    }

    /// As OpenMetrics.
    pub(crate) async fn open(&self) -> String {
        let reply = self.page("accept: application/openmetrics-text;version=1.0.0\r\n").await;
        let kind = reply.header("content-type").unwrap();
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        reply.text().to_owned()
    }

    /// As text 0.0.4.
    pub(crate) async fn plain(&self) -> String {
        let reply = self.page("accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n").await;
        assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        reply.text().to_owned()
    }

    async fn page(&self, headers: &str) -> Reply {
        let admin = self.gateway.admin_addr().unwrap();
        ask(admin, &request("GET /metrics", headers, b"")).await
    }

    async fn send_everything(&self) {
        let bearer = format!("authorization: Bearer {TOKEN}\r\n");
        let json = br#"[{"name":"a","gauge":{"value":1}},{"name":"b","counter":{"value":1}},{"name":"x"},
            {"name":"h","histogram":{"count":2,"sum":3,"buckets":[{"upper_limit":0.5,"count":2}]}}]"#;
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(json).unwrap();
        let gzip = gzip.finish().unwrap();
        // `timeseries { labels { "__name__" "up" } samples { 1 at 1 ms } }`
        let series =
            b"\x0a\x1d\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x01";
        let series = snap::raw::Encoder::new().compress_vec(series).unwrap();
        let otlp = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"o","gauge":
            {"dataPoints":[{"asDouble":1,"timeUnixNano":"1795343400000000000"}]}}]}]}]}"#;
        let text = "content-type: text/plain; version=0.0.4\r\n";
        let remote = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
        let requests: [(&str, &str, &[u8], u16); 9] = [
            ("POST /metrics", "", json, 202),
            ("POST /metrics", "content-encoding: gzip\r\n", &gzip, 202),
            ("POST /metrics", text, b"t 1\n", 202),
            ("PUT /metrics/job/push", text, b"p 1\n", 200),
            ("POST /api/v1/write", remote, &series, 204),
            ("POST /v1/metrics", "content-type: application/json\r\n", otlp, 200),
            ("POST /metrics", "", b"nonsense", 406),
            ("POST /metrics", "", b"[1]", 422),
            ("GET /nothing", "", b"", 404),
        ];
        for (line, headers, body, status) in requests {
            let answer = self.send(line, &(bearer.clone() + headers), body).await;
            let begin = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&begin), "{line} {headers}: {answer}");
        }
        let answer = self.send("POST /metrics", "", json).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }

    /// By TLS; the answer as it came.
    async fn send(&self, line: &str, headers: &str, body: &[u8]) -> String {
        let request = request(line, &format!("{headers}connection: close\r\n"), body);
        let mut stream = connect(self.gateway.addr()).await;
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        // The port may end without a goodbye of TLS.
        drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer"));
        String::from_utf8(answer).unwrap()
    }

    async fn until_it_shows(&self) {
        let has_all = |page: &Samples| {
            let has = |sample: &str| page.get(sample).is_some_and(|value| value > 0.0);
            has("tidegate_receiver_last_success_timestamp_seconds{receiver=\"production\"}")
                && has("tidegate_receiver_last_error_timestamp_seconds{receiver=\"trial\"}")
                && has("tidegate_source_last_seen_timestamp_seconds{source=\"node\"}")
                && has("tidegate_source_metrics_accepted_total{source=\"node\"}")
        };
        let shown = async {
            while !has_all(&openmetrics::parse(&self.open().await)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, shown).await.expect("everything happens in time");
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.exporter.abort();
    }
}

async fn ask(address: SocketAddr, request: &[u8]) -> Reply {
    let mut wire = Wire::connect(address).await;
    wire.send(request).await;
    wire.reply().await
}

/// Answers everybody with a page of one line.
async fn exporter() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let page = || async { ([("content-type", "text/plain; version=0.0.4")], "hits 1\n") };
    let router = Router::new().route("/metrics", get(page));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, serving)
}
