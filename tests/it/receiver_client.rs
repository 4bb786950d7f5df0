//! A raw HTTP/1.1 client for the receiver's tests: it shows resets and half answers as they are.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing here takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One connection.
pub(crate) struct Client(pub(crate) TcpStream);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A request to be put on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// An intake request with a good key, declared as JSON.
    pub(crate) fn intake(body: impl Into<Vec<u8>>) -> Self {
        Self::to("POST", "/stsAgent/intake?api_key=API_KEY")
            .with("Content-Type", "application/json")
            .body(body)
    }

    pub(crate) fn to(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn head(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
        let (method, path, length) = (self.method, &self.path, self.body.len());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: receiver\r\n{headers}Content-Length: {length}\r\n\r\n"
        )
    }
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        // Head and body leave in two writes, which would else wait for each other's ACK.
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn call(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, request: &Request) -> io::Result<()> {
        self.0.write_all(request.head().as_bytes()).await?;
        self.0.write_all(&request.body).await
    }

    /// Reads one answer, which must declare its length.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        tokio::time::timeout(PATIENCE, self.read()).await.map_err(io::Error::from)?
    }

    async fn read(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer { status, head, body: String::from_utf8(body).unwrap() })
    }
}

/// The value of a header in an answer's head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// One request on a connection of its own.
pub(crate) async fn call(addr: SocketAddr, request: &Request) -> Answer {
    Client::connect(addr).await.call(request).await.unwrap()
}

/// An envelope with these tuples.
pub(crate) fn envelope(tuples: &[&str]) -> String {
    format!(r#"{{"internalHostname":"h","metrics":[{}]}}"#, tuples.join(","))
}

/// An acceptable tuple.
pub(crate) const TUPLE: &str = r#"["m",1548857152,10.0,{"type":"gauge"}]"#;
