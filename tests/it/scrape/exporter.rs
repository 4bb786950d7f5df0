//! Exporters that do as they are told, and remember what they were asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is done about one request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// These bytes, and the connection stays.
    Keep(Vec<u8>),
    /// These bytes, and the connection is closed.
    Close(Vec<u8>),
    /// The first bytes, and then the second again and again, with pauses, for ever.
    Endless(Vec<u8>, Vec<u8>, Duration),
    /// Nothing, for ever.
    Silence,
}

/// Closed when dropped.
pub(super) struct Exporter {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Exporter {
    /// Answers every request alike.
    pub(super) async fn always(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    /// Answers with what `script` makes of a request's number and head.
    pub(super) async fn start(
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (seen, script) = (Arc::clone(&heads), Arc::new(script));
        let accepted = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            // Ends what it has begun when it ends.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                accepted.fetch_add(1, Ordering::SeqCst);
                open.spawn(async move { serve(stream, &seen, &*script).await });
            }
        });
        Self { address, heads, connections, serving }
    }

    /// `host:port`
    pub(super) fn at(&self) -> String {
        self.address.to_string()
    }

    /// Connections so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One connection.
pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Mutex<Vec<String>>,
    script: &(impl Fn(usize, &str) -> Answer + ?Sized),
) {
    while let Some(head) = head(&mut stream).await {
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.push(head.clone());
            seen.len() - 1
        };
        match script(nth, &head) {
            Answer::Keep(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Answer::Close(bytes) => {
                drop(stream.write_all(&bytes).await);
                drop(stream.shutdown().await);
                return;
            }
            Answer::Endless(first, again, pause) => {
                let mut written = stream.write_all(&first).await;
                while written.is_ok() {
                    tokio::time::sleep(pause).await;
                    written = stream.write_all(&again).await;
                }
                return;
            }
            Answer::Silence => std::future::pending().await,
        }
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// A 200 with these headers besides, each with `\r\n`.
pub(super) fn page(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A 200 with a page of the older text.
pub(super) fn text(body: &str) -> Vec<u8> {
    page("content-type: text/plain; version=0.0.4; charset=utf-8\r\n", body.as_bytes())
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
