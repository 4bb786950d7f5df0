//! What the ingest port tells whoever has no token: nothing of this installation, and nothing that differs
//! between tokens that are unknown, disabled or of a source that may not send (contract C1.1, C1.2, C1.9).
//! And what the admin port tells a web page: nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Environment};

use super::support::wire::{Reply, Wire, request};

const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "QUERY",
];

/// Of this installation; none of it is a stranger's business.
const PLANTED: [&str; 11] = [
    "planted-",
    env!("CARGO_PKG_VERSION"),
    "tidegate",
    "1234567",
    "7654321",
    "/tmp",
    "data_dir",
    "127.0.0.1",
    "rustc",
    "panicked",
    "hyper",
];

/// Everything that an answer without a token may say; the paths and methods are the published ones.
const TEXTS: [&str; 6] = [
    "",
    "Unauthorized",
    "there is nothing here: metrics go to POST /metrics, remote write to POST /api/v1/write, OTLP to \
     POST /v1/metrics, pushes of Prometheus' clients to /metrics/job/<job>",
    "this method does nothing here: metrics are sent with POST; allowed: POST",
    "this method does nothing here: metrics are sent with POST; allowed: GET,HEAD,POST",
    "this method does nothing here: metrics are sent with POST; allowed: PUT,POST,DELETE",
];

const HEADERS: [&str; 8] = [
    "allow",
    "connection",
    "content-length",
    "content-type",
    "date",
    "grpc-status",
    "www-authenticate",
    "x-request-id",
];

async fn start(status: u16) -> (Gateway, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nhostname = \"planted-host\"\n\
         data_dir = \"{}\"\nqueue.durability = \"memory\"\nauth.unauthorized_status = {status}\n\
         limits.requests_per_minute = 0\nlimits.body_bytes = 1234567\nlimits.expanded_bytes = 7654321\n\
         [[sources]]\nname = \"planted-open\"\ntoken = \"open\"\n\
         [[sources]]\nname = \"planted-off\"\ntoken = \"off\"\nenabled = false\n\
         [[sources]]\nname = \"planted-logs\"\ntoken = \"logs\"\nallow_metrics = false\n\
         [[sources]]\nname = \"planted-old\"\ntoken = \"old\"\ntoken_expires = \"2020-01-01T00:00:00Z\"\n\
         [[sources]]\nname = \"planted-labels\"\ntoken = \"labels\"\nlabel_token = true\n\
         [receiver]\nurl = \"http://planted-receiver.invalid/intake\"\n\
         api_key = \"planted-key\"\n",
        directory.path().join("planted-directory").display()
    );
    let config = config::load("test", &text, &Environment::default()).unwrap().config;
    (Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap(), directory)
}

/// What is sent instead of a token; what each is answered must not differ.
fn credentials() -> Vec<String> {
    let of = |value: &str| format!("authorization: {value}\r\n");
    let mut all = vec![String::new(), of(""), of("Bearer "), of("Basic eDpvZmY="), of("open")];
    all.extend(
        ["wrong", "off", "logs", "old", "ope", "openn"].map(|token| of(&format!("Bearer {token}"))),
    );
    all
}

/// Paths of both ports, of the neighbours' products, and of those who look for a way in.
fn paths() -> Vec<String> {
    let bases = [
        "/",
        "/metrics",
        "/api/v1/write",
        "/prometheus/api/v1/write",
        "/v1/metrics",
        "/v1/traces",
        "/v1/logs",
        "/metrics/job/a",
        "/metrics/job/a/instance/b",
        "/metrics/job@base64/YQ==",
        "/metrics/job@base64/!!",
        "/metrics/job",
        "/metrics/job/",
        "/metrics/job/a/b",
        "/status",
        "/events",
        "/livez",
        "/readyz",
        "/healthz",
        "/receivers",
        "/logs",
        "/tap",
        "/codes",
        "/openapi.json",
        "/openapi.yaml",
        "/docs",
        "/-/reload",
        "/-/ready",
        "/-/quit",
        "/dead-letters",
        "/dead-letters/replay",
        "/debug/pprof/",
        "/debug/vars",
        "/config",
        "/admin",
        "/.env",
        "/.git/config",
        "/server-status",
        "/actuator/env",
        "/api/v1/query",
        "/api/v1/status/config",
        "/api/v1/import",
        "/stsAgent/intake",
        "/etc/passwd",
    ];
    let mut all = Vec::new();
    for base in bases {
        let bare = base.trim_start_matches('/');
        all.extend([
            base.to_owned(),
            format!("{base}/"),
            format!("/{base}"),
            format!("{base}?dry_run=1&token=open"),
            format!("/./{bare}"),
            format!("/x/..{base}"),
            format!("/%2e%2e{base}"),
            format!("/%2F{bare}"),
            base.to_uppercase(),
            format!("{base};a=b"),
            format!("{base}%00"),
            format!("http://planted.example{base}"),
        ]);
    }
    all.extend(["*".to_owned(), "/".repeat(3000), "/metrics/job/".to_owned() + &"a/".repeat(2000)]);
    all
}

/// What may be seen of an answer by whoever compares two of them.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"));
    headers.sort();
    (reply.status, headers, reply.body.clone())
}

fn check(what: &str, reply: &Reply) {
    for (name, value) in &reply.headers {
        // What remote write has in every answer: of nothing, nothing was written.
        let is_of_remote_write = name.starts_with("x-prometheus-remote-write-") && value == "0";
        assert!(is_of_remote_write || HEADERS.contains(&name.as_str()), "{what}: {name}: {value}");
        for planted in PLANTED {
            assert!(!value.contains(planted), "{what}: {name}: {value}");
        }
    }
    let text = message(&reply.body);
    assert!(TEXTS.contains(&&*text), "{what}: {text:?}");
    for planted in PLANTED {
        assert!(!text.contains(planted), "{what}: {text}");
    }
}

/// The text of an answer: OTLP wraps it, in JSON or in protocol buffers, with a number beside it.
fn message(body: &[u8]) -> String {
    let text = match body {
        [8, _, 0x12, length, text @ ..] if usize::from(*length) == text.len() => text,
        body => body,
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    json.and_then(|json| Some(json["message"].as_str()?.to_owned())).unwrap_or(text)
}

/// A connection that is made anew when the gateway has closed it.
struct Client {
    address: SocketAddr,
    wire: Option<Wire>,
}

impl Client {
    async fn ask(&mut self, line: &str, headers: &str) -> Reply {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::connect(self.address).await,
        };
        wire.send(&request(line, headers, b"")).await;
        let is_bodiless = line.starts_with("HEAD ");
        let reply = if is_bodiless { wire.reply_head().await } else { wire.reply().await };
        if !reply.closes() {
            self.wire = Some(wire);
        }
        reply
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_tells_anything_to_whoever_has_no_token() {
    let (gateway, _directory) = start(403).await;
    let mut client = Client { address: gateway.addr(), wire: None };
    let (mut statuses, mut asked) = (BTreeSet::new(), 0);
    for path in paths() {
        for method in METHODS {
            let line = format!("{method} {path}");
            let without = client.ask(&line, "").await;
            check(&line, &without);
            statuses.insert(without.status);
            assert_ne!(without.status, 202, "{line}");
            assert!(without.status != 200 || matches!(method, "GET" | "HEAD"), "{line}");
            asked += 1;
        }
        for method in ["POST", "DELETE", "GET"] {
            let line = format!("{method} {path}");
            let without = client.ask(&line, "").await;
            for sent in credentials() {
                let with = client.ask(&line, &sent).await;
                assert_eq!(seen(&with), seen(&without), "{line} {sent:?}");
            }
        }
    }
    assert!(asked > 5000, "{asked}");
    assert_eq!(statuses, BTreeSet::from([200, 403, 404, 405]));
    assert_eq!(client.ask("POST /", "authorization: Bearer open\r\n").await.status, 406);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_about_a_body_is_told_to_whoever_has_no_token() {
    for status in [403, 401] {
        let (gateway, _directory) = start(status).await;
        let bodies: [(&str, &[u8]); 9] = [
            ("", b"{\"name\": nonsense"),
            ("content-type: application/xml\r\n", b"<x/>"),
            ("content-encoding: br\r\n", b"x"),
            ("content-encoding: gzip\r\n", b"not gzip"),
            ("content-type: text/plain; version=0.0.4\r\n", b"a{ 1"),
            ("content-type: application/x-protobuf\r\n", b"\x07"),
            ("content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n", b"\xff\xff"),
            ("x-a: b\r\n", b"[{\"name\":\"a\",\"gauge\":{\"value\":1}}]"),
            ("expect: 100-continue\r\n", b""),
        ];
        let paths = ["/", "/metrics?dry_run=perhaps", "/api/v1/write", "/v1/metrics"];
        for path in paths.into_iter().chain(["/metrics/job/a", "/metrics/job@base64/!!/b"]) {
            for (headers, body) in bodies {
                let mut first = None;
                for sent in credentials() {
                    let mut wire = Wire::connect(gateway.addr()).await;
                    let line = format!("POST {path}");
                    wire.send(&request(&line, &format!("{sent}{headers}"), body)).await;
                    let reply = wire.reply().await;
                    let what = format!("{line} {headers:?} {sent:?}");
                    check(&what, &reply);
                    assert_eq!(reply.status, status, "{what}");
                    let first = first.get_or_insert_with(|| seen(&reply));
                    assert_eq!(&seen(&reply), first, "{what}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_no_client_makes_are_told_nothing_either() {
    let (gateway, _directory) = start(403).await;
    let long = "a".repeat(100_000);
    for raw in [
        "GET /metrics HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: planted.example\r\nhost: other\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: \"<script>\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\nauthorization: Bearer open\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nhost: a\r\norigin: http://a\r\naccess-control-request-method: POST\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: a\r\nx-secret: planted-header\r\n\r\n",
        "CONNECT planted.example:443 HTTP/1.1\r\nhost: planted.example:443\r\n\r\n",
        "CONNECT 127.0.0.1:8081 HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET / HTTP/3.0\r\n\r\n",
        "GET /\r\n\r\n",
        "planted-method / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nhost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nx: \u{0}\r\n\r\n",
        "\u{0}\u{1}\u{2}planted\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nhost: a\r\nrange: bytes=0-1\r\nif-none-match: *\r\n\r\n",
        &format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\n{}\r\n", "x: a\r\n".repeat(500)),
    ] {
        let mut wire = Wire::connect(gateway.addr()).await;
        // It may have closed before the end of a long one.
        drop(wire.try_send(raw.as_bytes()).await);
        let shut = tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await;
        drop(shut);
        let told = String::from_utf8_lossy(&wire.closed().await).into_owned();
        let what: String = raw.chars().take(60).collect();
        if told.is_empty() {
            continue;
        }
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        for line in head.lines().skip(1) {
            let name = line.split(':').next().unwrap();
            assert!(HEADERS.contains(&name), "{what}: {line}");
        }
        assert!(TEXTS.contains(&body), "{what}: {body:?}");
        for planted in PLANTED {
            assert!(!told.contains(planted), "{what}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_2_it_is_the_same() {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let (gateway, _directory) = start(403).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    for path in paths().into_iter().filter(|path| path.starts_with('/')).step_by(7) {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let mut first = None;
            for token in ["", "wrong", "Bearer off", "Bearer logs", "Bearer old"] {
                let url = format!("http://{}{path}", gateway.addr());
                let method = method.parse().unwrap();
                let sent = client.request(method, url).header("authorization", token);
                let answer = sent.send().await.unwrap();
                let status = answer.status().as_u16();
                let headers = answer.headers().iter();
                let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
                let headers =
                    headers.map(|(name, value)| (name.to_string(), text(value))).collect();
                let body = answer.bytes().await.unwrap().to_vec();
                let reply = Reply { status, headers, body };
                check(&path, &reply);
                let first = first.get_or_insert_with(|| seen(&reply));
                assert_eq!(&seen(&reply), first, "{path} {token}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_port_answers_no_page_that_gave_its_name_this_address() {
    let (gateway, _directory) = start(403).await;
    let admin = gateway.admin_addr().unwrap();
    let port = admin.port();
    for path in ["/", "/metrics", "/readyz", "/livez", "/receivers", "/nothing", "/-/reload"] {
        for (host, is_known) in [
            ("127.0.0.1".to_owned(), true),
            (format!("127.0.0.1:{port}"), true),
            (format!("localhost:{port}"), true),
            (format!("[::1]:{port}"), true),
            (format!("evil.example:{port}"), false),
            ("127.0.0.1.evil.example".to_owned(), false),
        ] {
            let mut wire = Wire::connect(admin).await;
            let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
            wire.send(head.as_bytes()).await;
            let reply = wire.reply().await;
            assert_eq!(reply.status != 421, is_known, "{host} {path}: {reply:?}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(reply.header("access-control-allow-origin"), None);
            if !is_known {
                assert!(reply.text().contains("`admin.allowed_hosts`"), "{reply:?}");
                assert!(reply.text().len() < 300 && !reply.text().contains("planted"));
            }
        }
    }
    for headers in ["origin: http://evil.example\r\n", "sec-fetch-site: cross-site\r\n"] {
        for path in ["/dead-letters/replay", "/-/reload"] {
            let kind = format!("content-type: application/json\r\n{headers}");
            let mut wire = Wire::connect(admin).await;
            wire.send(&request(&format!("POST {path}"), &kind, b"{}")).await;
            assert_eq!(wire.reply().await.status, 403, "{path} {headers}");
        }
    }
}
