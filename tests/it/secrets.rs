//! A gateway with a secret wherever its configuration can hold one, and neighbours that hand those secrets
//! back in every spelling: nothing that it prints, logs or answers on either port holds any of them.
//!
//! Clients may put their own token into a metric or a header that is not for it; such a metric is delivered, and
//! shown to whoever taps, and an answer may quote to its client what that sent. The token [`STRAY`] is for that,
//! and is seen nowhere else.

#![expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use super::forward_receiver::{Act, Scripted};
use super::support::edge::PATIENCE;
use super::support::wire::{Reply, Wire, request};

mod exporter;
mod lookers;
mod process;
mod spellings;

use exporter::Exporter;
use process::Running;
use spellings::{Spelled, base64};

const IN_CLEAR: &str = "tok1-Zk83hQpLw0sDm2x";
const IN_FILE: &str = "tok2-Yv72gRoKe9tCn3w";
const IN_VARIABLE: &str = "tok3-Xu61fSnJd8uBo4v";
const DISABLED: &str = "tok4-Wt50eTmIc7vAp5u";
const EXPIRED: &str = "tok6-Mn94yZgJc1xTw2o";
const NEXT: &str = "tok7-Lm83xAhKb0wSx3n";
const STRAY: &str = "tok5-Vs49dUlHb6wZq6t";
const QUERY_KEY: &str = "key1/Ur38c+VkGa5x=Yr7s";
const HEADER_KEY: &str = "key2-Tq27bWjFz4yXs8r";
const SCRAPED_WITH: &str = "hdr1-Sp16aXiEy3zWt9q";
const SCRAPED_WITH_TOO: &str = "hdr2-Ro05zYhDx2aVu0p";
const SCRAPED_AT: &str = "qry1-Qn94bYgHcW1uZv8t";
const SCRAPED_AT_TOO: &str = "qry2-Pm83aXfGbV0tYu7s";
const PROXIED_KEY: &str = "key3-Ol72zWeFaU9sXt6r";
const PROXY_PASSWORD: &str = "prx1-Nk61yVdEzT8rWs5q";

/// Nobody sends these in a metric.
const OPERATORS: [&str; 14] = [
    IN_CLEAR,
    EXPIRED,
    NEXT,
    IN_FILE,
    IN_VARIABLE,
    DISABLED,
    QUERY_KEY,
    HEADER_KEY,
    SCRAPED_WITH,
    SCRAPED_WITH_TOO,
    SCRAPED_AT,
    SCRAPED_AT_TOO,
    PROXIED_KEY,
    PROXY_PASSWORD,
];

/// Where metrics of clients are shown to whoever looks after the gateway.
const SHOW_METRICS: [&str; 4] = ["/", "/status", "/events", "/tap"];

fn fixture(name: &str) -> String {
    format!("{}/fixtures/scrape/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What must not be seen, of everybody or of the operator alone.
struct Secrets {
    operators: Spelled,
    strays: Spelled,
}

impl Secrets {
    fn new() -> Self {
        let mut operators = Spelled::of(&OPERATORS);
        let key = std::fs::read_to_string(fixture("client-key.pem")).unwrap();
        operators.add_lines(key.lines().filter(|line| !line.starts_with("-----")));
        Self { operators, strays: Spelled::of(&[STRAY]) }
    }

    fn check(&self, what: &str, text: &str) {
        self.operators.check(what, text);
        self.strays.check(what, text);
    }
}

fn config(directory: &Path, [query, header, proxy]: [&Scripted; 3], exporter: &Exporter) -> String {
    std::fs::write(directory.join("token"), format!("{IN_FILE}\n")).unwrap();
    std::fs::write(directory.join("header"), SCRAPED_WITH_TOO).unwrap();
    format!(
        "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\n\
         log.level = \"trace\"\nlog.format = \"json\"\nlimits.requests_per_minute = 0\n\
         queue.min_free_bytes = 0\nqueue.segment_bytes = \"1MiB\"\nqueue.max_bytes = \"1GiB\"\n\
         [[sources]]\nname = \"clear\"\ntoken = \"{IN_CLEAR}\"\n\
         [[sources]]\nname = \"file\"\ntoken_file = \"token\"\n\
         [[sources]]\nname = \"variable\"\ntoken_env = \"PLANTED_TOKEN\"\n\
         [[sources]]\nname = \"disabled\"\ntoken = \"{DISABLED}\"\nenabled = false\n\
         [[sources]]\nname = \"turning\"\ntoken = \"{EXPIRED}\"\n\
         token_expires = \"2020-01-01T00:00:00Z\"\nnext_token = \"{NEXT}\"\n\
         [[sources]]\nname = \"stray\"\ntoken = \"{STRAY}\"\nlabel_token = true\n\
         [[receivers]]\nname = \"query\"\nurl = \"http://{}/intake\"\napi_key = \"{QUERY_KEY}\"\n\
         retry_max = \"300ms\"\nhold_probe = \"1s\"\nconcurrency = 1\n\
         [[receivers]]\nname = \"header\"\nurl = \"http://{}/intake\"\napi_key_env = \"PLANTED_KEY\"\n\
         auth = \"header\"\nretry_max = \"300ms\"\nhold_probe = \"1s\"\nconcurrency = 1\n\
         [[receivers]]\nname = \"proxied\"\nurl = \"http://192.0.2.1/intake\"\n\
         api_key = \"{PROXIED_KEY}\"\nproxy = \"http://me:{PROXY_PASSWORD}@{}\"\n\
         retry_max = \"300ms\"\nhold_probe = \"1s\"\nconcurrency = 1\n\
         [[scrape]]\njob = \"whole\"\ntargets = [\"http://{}/m?module=x&key={SCRAPED_AT_TOO}\"]\n\
         interval = \"1s\"\ntimeout = \"1s\"\n\
         [[scrape]]\njob = \"echo\"\ntargets = [\"{}\"]\npath = \"/m?api_token={SCRAPED_AT}\"\ninterval = \"1s\"\ntimeout = \"1s\"\n\
         headers = {{ Authorization = \"Bearer {SCRAPED_WITH}\", X-Key = {{ file = \"header\" }} }}\n\
         ca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
        query.address,
        header.address,
        proxy.address,
        exporter.address,
        exporter.address,
        fixture("ca.pem"),
        fixture("client.pem"),
        fixture("client-key.pem"),
    )
}

/// All that a neighbour can hand back of a secret, in the spellings it might choose.
fn quoted(secret: &str) -> String {
    let mut text = format!("refused {secret}");
    for (_, spelled) in spellings::all(secret) {
        write!(text, " / {spelled}").unwrap();
    }
    text
}

/// Refuses with the key in every part of its answer, in turn, then only what is called poison.
async fn quoting_receiver(key: &'static str) -> Scripted {
    let mut turn = 0;
    let text = quoted(key);
    let receiver = Scripted::start(Box::new(|_| Act::status(200))).await;
    receiver.rule_by_body(Box::new(move |seen| {
        turn += 1;
        let basic = base64(&format!("x:{key}"));
        // In the middle of the key one chunk ends and the next begins.
        let (one, two) = key.split_at(key.len() / 2);
        let (one, two) = (format!("key={one}"), format!("{two} is wrong"));
        let chunked = format!(
            "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len()
        );
        let location = format!("location: http://h{}#{basic}\r\n", seen.target);
        let challenge = format!("www-authenticate: Basic realm=\"{key}\"\r\nx-key: {key}\r\n");
        match turn {
            1 => Act::answer(500, &challenge, &text),
            2 => Act::Answer(chunked),
            3 => Act::Reset(format!("HTTP/1.1 200 {key}\r\n{key}")),
            4 => Act::answer(302, &location, &text),
            5 => Act::answer(401, &challenge, &format!("{text} {basic}")),
            _ if seen.names().iter().any(|name| name.contains("poison")) => {
                Act::answer(400, "", &text)
            }
            _ => Act::status(200),
        }
    }));
    receiver
}

/// What clients send, well and ill; every answer is checked.
#[expect(clippy::too_many_lines, reason = "a list of requests")]
async fn traffic(gateway: &Running, secrets: &Secrets) {
    let good = r#"[{"name":"good","gauge":{"value":1}},{"name":"poison","gauge":{"value":1}}]"#;
    let stray = format!(
        r#"[{{"name":"m.{STRAY}","gauge":{{"value":1}},"tags":{{"{STRAY}":"{STRAY}"}},"dt":"{STRAY}"}},
            {{"name":"{STRAY}","gauge":{{"value":"{STRAY}"}}}},{{"name":"x","tags":"{STRAY}"}},"{STRAY}"]"#
    );
    let broken = format!("{{\"name\": {STRAY}");
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    let prometheus = "content-type: text/plain; version=0.0.4\r\n";
    let cases: Vec<(String, String, &str)> = vec![
        ("POST /metrics".into(), bearer(IN_CLEAR), good),
        ("POST /metrics".into(), bearer(IN_FILE), good),
        ("POST /metrics".into(), bearer(IN_VARIABLE), good),
        ("POST /metrics".into(), bearer(DISABLED), good),
        ("POST /metrics".into(), bearer(EXPIRED), good),
        ("POST /metrics".into(), bearer(NEXT), good),
        ("POST /metrics".into(), bearer(&format!("{IN_CLEAR}x")), good),
        (
            "POST /metrics".into(),
            format!("authorization: Basic {}\r\n", base64(&format!("x:{IN_CLEAR}"))),
            good,
        ),
        (
            "POST /metrics/job/a".into(),
            format!("authorization: Basic {}\r\n", base64(&format!("x:{IN_CLEAR}"))),
            "a 1\n",
        ),
        (format!("POST /metrics?token={IN_CLEAR}&dry_run={IN_CLEAR}"), bearer(IN_CLEAR), good),
        (format!("POST /metrics/job/{STRAY}/x"), bearer(STRAY), "a 1\n"),
        (format!("POST /{IN_CLEAR}"), bearer(IN_CLEAR), good),
        (format!("{IN_CLEAR} /"), bearer(IN_CLEAR), good),
        (
            "POST /metrics".into(),
            format!("x-api-key: {IN_CLEAR}\r\ncookie: a={IN_CLEAR}\r\n"),
            good,
        ),
        ("POST /metrics".into(), format!("{}content-type: x/{STRAY}\r\n", bearer(STRAY)), good),
        ("POST /metrics".into(), format!("{}content-encoding: {STRAY}\r\n", bearer(STRAY)), good),
        ("POST /metrics".into(), format!("{}x-forwarded-for: {STRAY}\r\n", bearer(STRAY)), good),
        ("POST /metrics".into(), bearer(STRAY), &stray),
        ("POST /metrics".into(), bearer(STRAY), &broken),
        ("POST /metrics".into(), format!("{}{prometheus}", bearer(STRAY)), &broken),
        ("POST /api/v1/write".into(), bearer(STRAY), &broken),
        (
            "POST /v1/metrics".into(),
            format!("{}content-type: application/json\r\n", bearer(STRAY)),
            &broken,
        ),
        ("GET /metrics".into(), bearer(IN_CLEAR), ""),
    ];
    for (line, headers, body) in cases {
        let mut wire = Wire::connect(gateway.listen).await;
        wire.send(&request(&line, &headers, body.as_bytes())).await;
        check(secrets, &format!("{line} {headers}"), &wire.reply().await);
    }
    // Its own id comes back to a client, and goes nowhere else.
    let mut wire = Wire::connect(gateway.listen).await;
    let headers = format!("x-request-id: {STRAY}\r\n{}", bearer(STRAY));
    wire.send(&request("POST /metrics", &headers, good.as_bytes())).await;
    assert_eq!(wire.reply().await.status, 202);
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let url = format!("http://{}/metrics?key={IN_FILE}", gateway.listen);
    let sent = client.post(url).bearer_auth(IN_FILE).header("x-a", IN_FILE).body(good).send();
    assert_eq!(sent.await.unwrap().status(), 202);
    for raw in [
        format!("{IN_CLEAR}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nhost: {IN_CLEAR}\r\n{IN_CLEAR}\r\n\r\n"),
        format!("POST http://u:{IN_CLEAR}@h/ HTTP/1.1\r\nhost: h\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(gateway.listen).await;
        drop(wire.try_send(raw.as_bytes()).await);
        let mut told = Vec::new();
        let read = wire.stream.read_buf(&mut told);
        drop(timeout(Duration::from_secs(5), read).await);
        secrets.check(&raw, &String::from_utf8_lossy(&told));
    }
}

fn check(secrets: &Secrets, what: &str, reply: &Reply) {
    let told = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
    secrets.operators.check(what, &told);
}

/// The answer, or as much of one that goes on as comes in a while.
async fn look(gateway: &Running, line: &str, body: &str) -> String {
    let mut wire = Wire::connect(gateway.admin).await;
    let headers = format!("content-type: application/json\r\nauthorization: Bearer {IN_CLEAR}\r\n");
    wire.send(&request(line, &headers, body.as_bytes())).await;
    let (mut told, end) = (Vec::new(), Instant::now() + Duration::from_millis(1500));
    while let Ok(Ok(1..)) = tokio::time::timeout_at(end, wire.stream.read_buf(&mut told)).await {}
    String::from_utf8_lossy(&told).into_owned()
}

/// The paths that the port itself names, so that none is forgotten.
async fn admin_paths(gateway: &Running) -> Vec<String> {
    let told = look(gateway, "GET /nothing-here", "").await;
    let words = told.split_once("there is nothing here").expect("it says what there is").1;
    let words = words.split(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | ';'));
    let mut paths: Vec<String> =
        words.filter(|word| word.starts_with('/')).map(str::to_owned).collect();
    assert!(paths.iter().any(|path| path == "/metrics"), "{told}");
    for known in ["/", "/status", "/events", "/logs", "/tap", "/openapi.json", "/codes", "/config"]
    {
        if !paths.iter().any(|path| path == known) {
            paths.push(known.to_owned());
        }
    }
    paths
}

async fn check_admin(gateway: &Running, secrets: &Secrets) {
    for path in admin_paths(gateway).await {
        for line in
            [format!("GET {path}"), format!("POST {path}"), format!("GET {path}?a={IN_CLEAR}")]
        {
            let told = look(gateway, &line, "{}").await;
            secrets.operators.check(&line, &told);
            if !SHOW_METRICS.contains(&path.as_str()) {
                secrets.strays.check(&line, &told);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_printed_logged_or_answered_holds_a_secret() {
    tidegate::forward::install_crypto();
    let secrets = Secrets::new();
    let (query, header) = (quoting_receiver(QUERY_KEY).await, quoting_receiver(HEADER_KEY).await);
    let exporter = Exporter::start().await;
    let directory = tempfile::tempdir().unwrap();
    let proxy = quoting_receiver(PROXIED_KEY).await;
    let text = config(directory.path(), [&query, &header, &proxy], &exporter);
    std::fs::write(directory.path().join("tidegate.toml"), text).unwrap();

    let gateway = Running::start(directory.path()).await;
    traffic(&gateway, &secrets).await;
    check_admin(&gateway, &secrets).await;
    let letters = async {
        while gateway.run(&["dead-letters", "ls", "--json"]).matches("\"letters\":0").count() > 0
            || query.seen().len() < 12
            || proxy.seen().len() < 12
            || exporter.asked() < 6
        {
            traffic(&gateway, &secrets).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, letters).await.expect("something is refused for good");
    check_admin(&gateway, &secrets).await;
    lookers::tap_port(&gateway, &secrets).await;
    lookers::commands(&gateway, &secrets).await;

    for args in [
        &["check-config"][..],
        &["dead-letters", "ls"],
        &["dead-letters", "ls", "--json"],
        &["dead-letters", "show", "query"],
        &["dead-letters", "show", "header"],
        &["dead-letters", "show", "proxied"],
        &["dead-letters", "replay", "--dry-run"],
        &["queue", "ls"],
        &["queue", "ls", "--json"],
        &["queue", "verify"],
    ] {
        let printed = gateway.run(args);
        secrets.operators.check(&args.join(" "), &printed);
        // The tuples of clients are what letters are about.
        if !args.contains(&"show") {
            secrets.strays.check(&args.join(" "), &printed);
        }
    }
    let log = gateway.end();
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("***"), "the finest level was on");
    let tells = |line: &&str| secrets.operators.tells(line) || secrets.strays.tells(line);
    let telling: Vec<&str> = log.lines().filter(tells).take(20).collect();
    assert!(telling.is_empty(), "{telling:#?}");
}

#[test]
fn faults_in_a_configuration_show_no_value_that_may_be_a_secret() {
    let secrets = Secrets::new();
    let receiver = "[receiver]\nurl = \"http://h/\"\n";
    for text in [
        format!("[[sources]]\nname = \"a\"\ntoken = [\"{IN_CLEAR}\"]\n"),
        format!("[[sources]]\nname = \"a\"\ntoken = \"{IN_CLEAR}\"\ntoken_file = \"x\"\n"),
        format!("[[sources]]\nname = \"a\"\ntoken = \"{IN_CLEAR}\\n\"\n"),
        format!("[[sources]]\nname = \"a\"\ntoken = \"{IN_CLEAR} {IN_CLEAR}\"\n"),
        format!("[[sources]]\nname = \"a\"\ntoken_sha256 = \"{IN_CLEAR}\"\n"),
        format!(
            "[[sources]]\nname = \"a\"\ntoken = \"{IN_CLEAR}\"\n[[sources]]\nname = \"b\"\ntoken = \"{IN_CLEAR}\"\n"
        ),
        format!("[[sources]]\nname = \"a\"\ntoken = \"{IN_CLEAR}\nenabled = true\n"),
        format!("[[sources]]\nname = \"a\"\ntoken = {IN_CLEAR}\n"),
        format!("{receiver}api_key = [\"{HEADER_KEY}\"]\n"),
        format!("{receiver}api_key = \"{HEADER_KEY}\\t\"\nauth = \"header\"\n"),
        format!("{receiver}api_key = \"{HEADER_KEY}\"\napi_key_env = \"X\"\n"),
        format!("[receiver]\nurl = \"http://u:{HEADER_KEY}@h/\"\napi_key = \"k\"\n"),
        format!("[receiver]\nurl = \"http://h/?api_key={HEADER_KEY}\"\napi_key = \"k\"\n"),
        format!("[[scrape]]\njob = \"a\"\ntargets = [\"http://u:{SCRAPED_WITH}@h/\"]\n"),
        format!("[[scrape]]\njob = \"a\"\ntargets = [\"http://h/?a={SCRAPED_WITH}#b\"]\n"),
        format!("[[scrape]]\njob = \"a\"\ntargets = [\"h\"]\npath = \"m?a={SCRAPED_WITH}\"\n"),
        format!("[receiver]\nurl = \"http://h/\"\nproxy = \"socks5://u:{PROXY_PASSWORD}@h\"\n"),
        format!(
            "[[scrape]]\njob = \"a\"\ntargets = [\"h\"]\nheaders = {{ A = [\"{SCRAPED_WITH}\"] }}\n"
        ),
        format!(
            "[[scrape]]\njob = \"a\"\ntargets = [\"h\"]\nheaders = {{ A = \"{SCRAPED_WITH}\\n\" }}\n"
        ),
        format!("[[scrape]]\njob = \"a\"\ntargets = [\"h\"]\nheaders = \"{SCRAPED_WITH}\"\n"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("tidegate.toml"), &text).unwrap();
        for command in ["check-config", "serve"] {
            let printed = process::run(directory.path(), &[command]);
            assert!(printed.contains("tidegate"), "it complains: {printed}");
            secrets.check(&text, &printed);
        }
    }
}
