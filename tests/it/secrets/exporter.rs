//! A target that hands the headers and the query it was asked with back, as pages that cannot be read and as errors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{SCRAPED_AT, SCRAPED_AT_TOO, SCRAPED_WITH, SCRAPED_WITH_TOO, quoted};
use crate::forward_receiver::answer;

/// Stops when it is dropped.
pub(super) struct Exporter {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Exporter {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Whatever it was asked, in whatever pieces.
                drop(stream.read(&mut [0; 16 << 10]).await);
                let turn = count.fetch_add(1, Ordering::Relaxed);
                drop(stream.write_all(told(turn).as_bytes()).await);
            }
        });
        Self { address, asked, serving }
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn told(turn: usize) -> String {
    let text = [SCRAPED_WITH, SCRAPED_WITH_TOO, SCRAPED_AT, SCRAPED_AT_TOO].map(quoted).join(" ");
    match turn % 4 {
        0 => answer(200, "content-type: text/plain; version=0.0.4\r\n", &text),
        1 => answer(500, &format!("x-key: {SCRAPED_WITH_TOO}\r\n"), &text),
        2 => answer(200, &format!("content-type: text/{SCRAPED_WITH}\r\n"), &text),
        _ => format!("HTTP/1.1 200 {SCRAPED_WITH}\r\nbroken {SCRAPED_WITH}"),
    }
}
