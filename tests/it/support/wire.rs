//! An HTTP/1.1 client that hides nothing: bytes out, bytes in.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::edge::{Edge, PATIENCE, TOKEN};

/// One open connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice: {self:?}");
        first
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// `POST /metrics` with the token and the body's length, and `headers` besides (each with `\r\n`).
pub(crate) fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    request("POST /metrics", &format!("authorization: Bearer {TOKEN}\r\n{headers}"), body)
}

pub(crate) fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The head of a chunked `POST /metrics`, and chunks for it.
pub(crate) fn chunked_head(headers: &str) -> String {
    format!(
        "POST /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n{headers}\
         transfer-encoding: chunked\r\n\r\n"
    )
}

pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// One request on a connection of its own.
pub(crate) async fn once(edge: &Edge, request: &[u8]) -> Reply {
    let mut wire = Wire::connect(edge.address).await;
    wire.send(request).await;
    wire.reply().await
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Sends everything; panics if the other side is gone.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the server takes the bytes");
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the server reads")
    }

    /// The next answer, whole; 100s are answers too.
    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.reply_head().await;
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.fill().await > 0, "closed inside an answer");
        }
        let rest = self.unread.split_off(length);
        reply.body = std::mem::replace(&mut self.unread, rest);
        reply
    }

    /// The next answer to a HEAD request: its length is that of a body that does not follow.
    pub(crate) async fn reply_head(&mut self) -> Reply {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(self.fill().await > 0, "closed instead of an answer: {:?}", self.unread);
        };
        let rest = self.unread.split_off(head_end + 4);
        let head = String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Reply { status, headers, body: Vec::new() }
    }

    /// Waits for the end of the connection, clean or reset; whatever still comes is handed back.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.unread)
    }

    async fn fill(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread));
        read.await.expect("the server answers or closes").unwrap_or(0)
    }
}
