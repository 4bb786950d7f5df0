//! Clients of the gateway: one keep-alive connection each, request after request, each with ids that
//! nobody sent before.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::gateway::Addresses;
use super::tally::{Fate, REQUEST_METRICS_MAX, Tally};

pub(crate) const TOKEN: &str = "endure";

/// Metrics that may be acknowledged and not have arrived before clients pause: what a test kills is a
/// gateway at work, not the memory of its machine.
const WAITING_IDS_MAX: u64 = 100_000;

/// Pause after a 503, as its Retry-After is in whole seconds.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// Text of the tags that make a request large: with three of them on each of 500 metrics it takes two
/// of the log's records.
const PADDING: &str = match std::str::from_utf8(&[b'p'; 3_000]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};

/// What one request is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) metrics: u16,
    /// Padding tags of 3,000 bytes by metric.
    pub(crate) paddings: u8,
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Array,
    Lines,
}

impl Shape {
    /// Half of them single metrics, the rest batches of all sizes, a few of them heavy.
    fn random(random: &mut Rng) -> Self {
        let (metrics, paddings) = match random.u32(..1000) {
            0..500 => (1, 0),
            500..800 => (random.u16(2..20), 0),
            800..970 => (random.u16(20..=REQUEST_METRICS_MAX), 0),
            970..998 => (random.u16(1..100), 1),
            _ => (REQUEST_METRICS_MAX, 3),
        };
        let format = if random.bool() { Format::Array } else { Format::Lines };
        Self { metrics, paddings, format }
    }

    /// Its bytes, as request `number`.
    pub(crate) fn request(self, number: u64) -> Vec<u8> {
        let mut body = String::new();
        for place in 0..self.metrics {
            let (name, value) = Tally::id(number, place);
            let separator = match self.format {
                Format::Array if place == 0 => "[",
                Format::Array => ",",
                Format::Lines => "\n",
            };
            body.push_str(separator);
            write!(body, r#"{{"name":"{name}","gauge":{{"value":{value}}},"tags":{{"host":"h""#)
                .expect("a String takes every text");
            for nth in 0..self.paddings {
                write!(body, r#","p{nth}":"{PADDING}""#).expect("as above");
            }
            body.push_str("}}");
        }
        let kind = match self.format {
            Format::Array => {
                body.push(']');
                "application/json"
            }
            Format::Lines => "application/x-ndjson",
        };
        let head = format!(
            "POST /metrics HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {TOKEN}\r\n\
             x-request-id: k-{number}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    }
}

/// One client, until `stop`.
pub(crate) async fn run(
    tally: Arc<Tally>,
    mut gateway: watch::Receiver<Option<Addresses>>,
    mut stop: watch::Receiver<bool>,
    mut random: Rng,
) {
    while !*stop.borrow() {
        let found = tokio::select! {
            found = gateway.wait_for(Option::is_some) => found.map(|found| *found),
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok(Some(addresses)) = found else { return };
        // Killed between its start-up line and here: the next one has another address.
        let Ok(mut connection) = Connection::open(addresses.ingest).await else {
            tokio::task::yield_now().await;
            continue;
        };
        while !*stop.borrow() {
            let may_send = tally.within(REFUSED_PAUSE, |now| now.waiting_ids < WAITING_IDS_MAX);
            if !may_send.await {
                continue;
            }
            match connection.exchange(&tally, Shape::random(&mut random)).await {
                Fate::Acknowledged => {}
                Fate::Refused => sleep(REFUSED_PAUSE).await,
                Fate::Unknown => break,
            }
            if connection.is_closing {
                break;
            }
        }
    }
}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    pub(crate) is_closing: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new(), is_closing: false })
    }

    /// One request with ids of its own, and what became of it, which the tally learns as well.
    pub(crate) async fn exchange(&mut self, tally: &Tally, shape: Shape) -> Fate {
        self.exchange_numbered(tally, shape).await.1
    }

    /// The same, with the request's number.
    pub(crate) async fn exchange_numbered(&mut self, tally: &Tally, shape: Shape) -> (u64, Fate) {
        let number = tally.open(shape.metrics);
        let request = shape.request(number);
        let answer = timeout(super::PATIENCE, self.answer(&request)).await;
        let Ok(answer) = answer else { panic!("request {number} gets no answer") };
        let fate = match answer {
            Ok(202) => Fate::Acknowledged,
            Ok(503) => Fate::Refused,
            Ok(status) => panic!("request {number} was answered {status}"),
            Err(_) => Fate::Unknown,
        };
        tally.answered(number, fate);
        (number, fate)
    }

    /// Sends a request and reads the status of its answer.
    async fn answer(&mut self, request: &[u8]) -> io::Result<u16> {
        // An early 503 may come while the body is on its way, and the rest be refused.
        let sent = self.stream.write_all(request).await;
        let head = loop {
            if let Some(at) = memchr::memmem::find(&self.unread, b"\r\n\r\n") {
                let rest = self.unread.split_off(at + 4);
                break std::mem::replace(&mut self.unread, rest);
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                sent?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        self.is_closing = head.contains("\r\nconnection: close\r\n");
        let length =
            head.split_once("\r\ncontent-length: ").and_then(|(_, rest)| rest.split_once('\r'));
        let length: usize = length.map_or(Ok(0), |(text, _)| text.parse()).expect("a length");
        while self.unread.len() < length {
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                break;
            }
        }
        self.unread.drain(..length.min(self.unread.len()));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}
