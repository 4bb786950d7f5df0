//! HTTP/2 without TLS, by prior knowledge (contract C1.9).

use std::io::Write;
use std::sync::Once;

use bytes::Bytes;
use reqwest::{Body, Client, StatusCode, Version};

use crate::support::edge::{Edge, METRIC, TOKEN};

fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().http2_prior_knowledge().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_metric_is_taken_over_http_2() {
    let edge = Edge::start().await;
    let client = client();
    let url = format!("http://{}/metrics", edge.address);
    let sent = client.post(&url).bearer_auth(TOKEN).body(METRIC).send().await.unwrap();
    assert_eq!((sent.status(), sent.version()), (StatusCode::ACCEPTED, Version::HTTP_2));
    assert!(sent.headers().contains_key("x-request-id"));
    assert_eq!(sent.bytes().await.unwrap(), Bytes::new());
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(edge.queue.tuples(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_ends_its_stream_and_leaves_the_others_alone() {
    let edge = Edge::start().await;
    let client = client();
    let url = format!("http://{}/metrics", edge.address);

    // One stream waits inside the queue ...
    edge.queue.hold();
    let slow = client.post(&url).bearer_auth(TOKEN).body(METRIC).send();
    let slow = tokio::spawn(slow);
    edge.queue.append_begun().await;

    // ... while others are refused in the middle of uploads larger than any window.
    for _ in 0..3 {
        let large = Bytes::from(vec![b' '; 8 << 20]);
        let refused = client.post(&url).bearer_auth("no").body(large).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert_eq!(refused.text().await.unwrap(), "Unauthorized");
    }
    edge.queue.let_one_through();
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(edge.connections(), 1, "all of it went over one connection");
}

/// Uploads a file with curl, as its users do; the status it saw, `000` for none.
async fn curl(url: String) -> Option<String> {
    let mut body = tempfile::NamedTempFile::new().unwrap();
    body.write_all(&vec![b' '; 8 << 20]).unwrap();
    let data = format!("@{}", body.path().display());
    let mut command = std::process::Command::new("curl");
    command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--http2-prior-knowledge"]);
    command.args(["-H", "Authorization: Bearer no", "--data-binary", &data, &url]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().ok()?;
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_still_uploading_receives_the_answer() {
    let edge = Edge::start().await;
    match curl(format!("http://{}/metrics", edge.address)).await {
        Some(status) => assert_eq!(status, "403"),
        None => assert!(std::env::var_os("CI").is_none(), "no curl, and CI must not skip this"),
    }
}

#[tokio::test]
async fn a_stream_reset_inside_its_body_leaves_nothing_behind() {
    let edge = Edge::start().await;
    let client = client();
    let url = format!("http://{}/metrics", edge.address);
    let body = Body::wrap(Halting { first: Some(Bytes::from(vec![b' '; 200_000])) });
    let upload = tokio::spawn(client.post(&url).bearer_auth(TOKEN).body(body).send());
    edge.until(|edge| edge.state.memory_used() >= 200_000).await;
    upload.abort();
    edge.until(|edge| edge.state.memory_used() == 0).await;
    let sent = client.post(&url).bearer_auth(TOKEN).body(METRIC).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    assert_eq!((edge.queue.tuples(), edge.connections()), (1, 1));
}

/// A body that gives its first piece and never another.
struct Halting {
    first: Option<Bytes>,
}

impl hyper::body::Body for Halting {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        match self.first.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_an_active_one_is_not() {
    let edge = Edge::with(|settings| {
        settings.http.idle_timeout = std::time::Duration::from_secs(1);
        settings.http.header_timeout = std::time::Duration::from_millis(700);
    })
    .await;
    let client = client();
    let url = format!("http://{}/metrics", edge.address);
    edge.queue.hold();
    let slow = tokio::spawn(client.post(&url).bearer_auth(TOKEN).body(METRIC).send());
    edge.queue.append_begun().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    edge.queue.let_one_through();
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::ACCEPTED);
    edge.until(|edge| edge.connections() == 0).await;
}
