//! Clients that send one large body each and say what became of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Barrier, Semaphore};
use tokio::time::{Instant, timeout_at};

const PIECE_BYTES: usize = 64 << 10;

/// One request, ready to be sent.
pub(crate) struct Request {
    head: String,
    body: Vec<u8>,
}

/// How a client fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Answered with this status.
    Status(u16),
    /// A 503 that did not say when to come back, which no 503 may be.
    NoRetryAfter,
    /// The connection ended without an answer.
    Lost,
    /// No answer in time.
    Late,
}

impl Request {
    /// A POST of `body`, whose `Content-Encoding` this is.
    pub(crate) fn new(token: &str, coding: &str, body: Vec<u8>) -> Self {
        let head = format!(
            "POST /metrics HTTP/1.1\r\nhost: flood\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-encoding: {coding}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self { head, body }
    }

    /// Bytes of the body, as sent.
    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }
}

/// Connects, waits at `start` for the others, and sends. The last byte of the body takes a
/// permit of `last`, if there is one.
pub(crate) async fn send(
    address: SocketAddr,
    request: Arc<Request>,
    start: Arc<Barrier>,
    last: Option<Arc<Semaphore>>,
    deadline: Instant,
) -> Outcome {
    let connected = timeout_at(deadline, TcpStream::connect(address)).await;
    // Others wait for this one, whatever became of it.
    start.wait().await;
    let Ok(Ok(stream)) = connected else { return Outcome::Lost };
    let (reading, writing) = stream.into_split();
    let sending = upload(writing, &request, last);
    let exchange = async {
        // An answer may come early, and a connection may close under the upload: either way what
        // was received counts.
        let answer = receive(reading);
        tokio::pin!(answer, sending);
        tokio::select! {
            outcome = &mut answer => outcome,
            half = &mut sending => {
                let outcome = answer.await;
                drop(half);
                outcome
            }
        }
    };
    timeout_at(deadline, exchange).await.unwrap_or(Outcome::Late)
}

async fn upload(
    mut stream: OwnedWriteHalf,
    request: &Request,
    last: Option<Arc<Semaphore>>,
) -> io::Result<OwnedWriteHalf> {
    stream.write_all(request.head.as_bytes()).await?;
    let Some((end, body)) = request.body.split_last() else { return Ok(stream) };
    for piece in body.chunks(PIECE_BYTES) {
        stream.write_all(piece).await?;
    }
    if let Some(last) = last {
        last.acquire().await.expect("it is never closed").forget();
    }
    stream.write_all(&[*end]).await?;
    Ok(stream)
}

async fn receive(mut stream: OwnedReadHalf) -> Outcome {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return Outcome::Lost,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
        }
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            return judge(head);
        }
    }
}

fn judge(head: &str) -> Outcome {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    match status {
        Some(503) if !head.to_ascii_lowercase().contains("\r\nretry-after: ") => {
            Outcome::NoRetryAfter
        }
        Some(status) => Outcome::Status(status),
        None => Outcome::Lost,
    }
}

/// When everybody must be done.
pub(crate) fn deadline(limit: Duration) -> Instant {
    Instant::now() + limit
}
