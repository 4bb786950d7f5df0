//! The admin port by TLS, and the commands that ask it.

use std::process::Command;
use std::sync::Arc;

use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Environment};
use tidegate::receiver::{Options, Receiver, Running};

use super::{client, fixture};

/// A gateway whose ports speak TLS, with the files of its queue in `data_dir`.
async fn gateway(data_dir: &std::path::Path, more: &str) -> (Gateway, Running) {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let path = |name: &str| fixture(name).display().to_string();
    let pair =
        format!("cert_file = '{}'\nkey_file = '{}'\n", path("server.pem"), path("server.key"));
    let text = format!(
        "listen = '127.0.0.1:0'\ndata_dir = '{}'\n\
         [tls]\n{pair}\
         [admin]\nlisten = '127.0.0.1:0'\n{pair}{}\n\
         [[sources]]\nname = 'checkout'\ntoken = 'a-token'\n\
         [receiver]\nurl = '{}'\napi_key = 'API_KEY'\n",
        data_dir.display(),
        more.replace("CA", &path("ca.pem")),
        receiver.url(),
    );
    let config = config::load("test", &text, &Environment::default()).unwrap().config;
    (Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap(), receiver)
}

/// What a command says, on both streams.
async fn says(arguments: &[&str], data_dir: &std::path::Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).arg("--data-dir").arg(data_dir);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ports_speak_tls_and_commands_find_the_admin_port() {
    let directory = tempfile::tempdir().unwrap();
    let (gateway, _receiver) = gateway(directory.path(), "").await;
    let admin = gateway.admin_addr().unwrap();
    let client = client(None).build().unwrap();
    let metrics = format!("https://{}/metrics", gateway.addr());
    let sent =
        client.post(metrics).bearer_auth("a-token").body(r#"{"name":"a","gauge":{"value":1}}"#);
    assert_eq!(sent.send().await.unwrap().status(), 202);
    let page = client.get(format!("https://{admin}/metrics")).send().await.unwrap();
    assert_eq!(page.version(), reqwest::Version::HTTP_11);
    let page = page.text().await.unwrap();
    for port in ["ingest", "admin"] {
        let name = "tidegate_tls_certificate_expiry_timestamp_seconds";
        assert!(page.contains(&format!("{name}{{port=\"{port}\"}} 49")), "{page}");
        assert!(
            page.contains(&format!("tidegate_tls_handshake_failures_total{{port=\"{port}\"}} 0"))
        );
    }
    let clear = reqwest::Client::builder().no_proxy().build().unwrap();
    let told = clear.get(format!("http://{admin}/livez")).send().await.unwrap();
    assert_eq!(told.status(), 400);
    assert!(told.text().await.unwrap().contains("this port speaks TLS"));

    let listed = says(&["queue", "ls"], directory.path()).await;
    assert!(listed.contains("flowing"), "it was asked: {listed}");
    let replayed = says(&["dead-letters", "replay"], directory.path()).await;
    assert!(!replayed.contains("no gateway answers"), "{replayed}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_without_the_certificate_that_is_asked_for_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (gateway, _receiver) = gateway(directory.path(), "client_ca_file = 'CA'").await;
    let admin = gateway.admin_addr().unwrap();
    let url = format!("https://{admin}/livez");
    let probe = client(Some("client")).build().unwrap().get(url).send().await.unwrap();
    assert_eq!(probe.status(), 200);
    let listed = says(&["queue", "ls"], directory.path()).await;
    assert!(listed.contains("it asks for a client certificate"), "{listed}");
    assert!(listed.contains("`admin.client_auth = \"optional\"`"), "{listed}");
    gateway.stop().await;
}
