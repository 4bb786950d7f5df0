//! A closed loop of clients that keep their connections: each writes a prepared request and reads the
//! answer, again and again. Every answer has to be an empty 202.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::processes::TOKEN;

/// One kind of request.
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Of all connections together.
    pub(crate) requests: usize,
    pub(crate) metrics: usize,
    pub(crate) body_bytes: usize,
    request: Rc<[u8]>,
}

impl Load {
    pub(crate) fn new(connections: usize, requests: usize, metrics: usize, body: &[u8]) -> Self {
        let mut request = format!(
            "POST /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        Self { connections, requests, metrics, body_bytes: body.len(), request: request.into() }
    }

    /// Sends everything once; the time it took, connecting aside.
    pub(crate) async fn send(&self, address: SocketAddr) -> Duration {
        let mut streams = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let stream = TcpStream::connect(address).await.expect("the server is there");
            stream.set_nodelay(true).expect("a socket option");
            streams.push(stream);
        }
        let left = Rc::new(Cell::new(self.requests));
        let clients = LocalSet::new();
        for stream in streams {
            clients.spawn_local(client(stream, Rc::clone(&self.request), Rc::clone(&left)));
        }
        let began = Instant::now();
        clients.await;
        assert_eq!(left.get(), 0, "a client panicked");
        began.elapsed()
    }
}

async fn client(mut stream: TcpStream, request: Rc<[u8]>, left: Rc<Cell<usize>>) {
    let mut answer = [0; 4096];
    while let Some(rest) = left.get().checked_sub(1) {
        left.set(rest);
        stream.write_all(&request).await.expect("the server reads");
        let mut filled = 0;
        while !answer[..filled].ends_with(b"\r\n\r\n") {
            let more = stream.read(&mut answer[filled..]).await.expect("the server answers");
            let so_far = String::from_utf8_lossy(&answer[..filled]);
            assert!(more > 0, "an answer was expected, not {so_far:?}");
            filled += more;
        }
        let answer = &answer[..filled];
        let is_empty_202 = answer.starts_with(b"HTTP/1.1 202 ");
        assert!(is_empty_202, "{}", String::from_utf8_lossy(answer));
    }
}
