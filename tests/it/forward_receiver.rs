//! A receiver for the delivery tests that does exactly what a test says, down to half an answer; and a
//! gateway's delivery side to point at it.
#![expect(
    clippy::unwrap_used,
    reason = "part of tests: a failure here fails the test that runs it"
)]

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tidegate::clock::ManualClock;
use tidegate::config::{self, Compression, ReceiverAuth, Secret};
use tidegate::dead_letter::{DeadLetters, Ownership};
use tidegate::encode::Block;
use tidegate::forward::{Forwarder, Status};
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::memory::MemoryQueue;
use tidegate::queue::{Books, Destination, Entry, Outlet, Queue, Sources};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// 1994-11-06T08:49:37Z
pub(crate) const NOW: Timestamp = Timestamp::from_unix(784_111_777, 0);

/// Longest wait for anything in these tests: they fail by it, and never pass by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the receiver does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads it and answers with this text, to the byte.
    Answer(String),
    /// Answers after the headers and reads on.
    AnswerEarly(String),
    /// Answers after the headers and closes without reading on.
    AnswerEarlyAndClose(String),
    /// Reads it, sends this much, and resets the connection.
    Reset(String),
    /// Reads it, sends this much, and nothing more.
    Hang(String),
    /// Reads it, sends this much, and goes on sending a byte now and then.
    Drip(String),
}

impl Act {
    /// An ordinary answer.
    pub(crate) fn status(status: u16) -> Self {
        Self::answer(status, "", "")
    }

    /// An answer with headers, each ended by CRLF, and a body.
    pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Self {
        Self::Answer(answer(status, headers, body))
    }
}

/// The text of an ordinary answer.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// When its headers were complete.
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body without its encoding.
    pub(crate) fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        match self.header("content-encoding") {
            Some("deflate") => {
                flate2::read::ZlibDecoder::new(&*self.body).read_to_end(&mut plain).unwrap();
            }
            Some("gzip") => {
                flate2::read::MultiGzDecoder::new(&*self.body).read_to_end(&mut plain).unwrap();
            }
            Some(other) => panic!("content-encoding {other}"),
            None => plain.clone_from(&self.body),
        }
        plain
    }

    /// The names of the tuples.
    pub(crate) fn names(&self) -> Vec<String> {
        let envelope: Value = serde_json::from_slice(&self.plain()).unwrap();
        let tuples = envelope["metrics"].as_array().unwrap();
        tuples.iter().map(|tuple| tuple[0].as_str().unwrap().to_owned()).collect()
    }
}

type Rule = Box<dyn FnMut(&Seen) -> Act + Send>;

struct State {
    rule: Mutex<Rule>,
    /// Asked after the body was read, where it is set.
    by_body: Mutex<Option<Rule>>,
    seen: Mutex<Vec<Seen>>,
    accepted: Mutex<Vec<String>>,
    connections: watch::Sender<usize>,
}

/// The receiver; stops listening when dropped.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

/// These acts, one for each request, then 200 for ever.
pub(crate) fn script(acts: impl IntoIterator<Item = Act>) -> Rule {
    let mut acts: VecDeque<Act> = acts.into_iter().collect();
    Box::new(move |_| acts.pop_front().unwrap_or_else(|| Act::status(200)))
}

impl Scripted {
    pub(crate) async fn start(rule: Rule) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), rule)
    }

    pub(crate) fn listen(listener: TcpListener, rule: Rule) -> Self {
        let state = Arc::new(State {
            rule: Mutex::new(rule),
            by_body: Mutex::default(),
            seen: Mutex::default(),
            accepted: Mutex::default(),
            connections: watch::Sender::new(0),
        });
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.send_modify(|count| *count += 1);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Self { address, state, accepting }
    }

    pub(crate) fn rule(&self, rule: Rule) {
        *self.state.rule.lock().unwrap() = rule;
    }

    /// A rule that looks at the body, and so cannot answer early.
    pub(crate) fn rule_by_body(&self, rule: Rule) {
        *self.state.by_body.lock().unwrap() = Some(rule);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// The tuples of all requests that got a whole 2xx answer head, in order of their names.
    pub(crate) fn accepted(&self) -> Vec<String> {
        let mut names = self.state.accepted.lock().unwrap().clone();
        names.sort_unstable();
        names
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, request after request.
async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read_head(&mut stream).await? {
        let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut act = (state.rule.lock().unwrap())(&request);
        if let Act::AnswerEarly(text) | Act::AnswerEarlyAndClose(text) = &act {
            state.seen.lock().unwrap().push(request);
            stream.write_all(text.as_bytes()).await?;
            if matches!(act, Act::AnswerEarly(_)) {
                tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
                continue;
            }
            return Ok(());
        }
        request.body = vec![0; length as usize];
        stream.read_exact(&mut request.body).await?;
        if let Some(rule) = state.by_body.lock().unwrap().as_mut() {
            act = rule(&request);
        }
        let (Act::Answer(text) | Act::Reset(text) | Act::Hang(text) | Act::Drip(text)) = &act
        else {
            unreachable!("handled above")
        };
        if text.starts_with("HTTP/1.1 2") && text.contains("\r\n\r\n") {
            state.accepted.lock().unwrap().extend(request.names());
        }
        state.seen.lock().unwrap().push(request);
        stream.write_all(text.as_bytes()).await?;
        match act {
            Act::Answer(_) | Act::AnswerEarly(_) | Act::AnswerEarlyAndClose(_) => {}
            // With unread answer bytes in flight a zero linger makes the close a reset.
            Act::Reset(_) => return stream.into_inner().set_zero_linger(),
            Act::Hang(_) => std::future::pending().await,
            Act::Drip(_) => loop {
                stream.write_all(b"z").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            },
        }
    }
    Ok(())
}

/// The request line and headers; `None` when the connection ends before a request.
async fn read_head(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    assert_eq!(words.next(), Some("POST"));
    let target = words.next().unwrap().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some(Seen { target, headers, body: Vec::new(), at: Instant::now() }))
}

/// Settings for a receiver at this address: short waits, so that tests need not be long.
pub(crate) fn settings(address: SocketAddr) -> config::Receiver {
    config::Receiver {
        name: "default".into(),
        sources: Sources::All,
        max_backlog_bytes: None,
        url: format!("http://{address}/stsAgent/intake"),
        api_key: Secret::new("k3y".to_owned()),
        api_key_file: None,
        auth: ReceiverAuth::Query,
        compression: Compression::Deflate,
        connect_timeout: Duration::from_secs(10),
        timeout: PATIENCE,
        concurrency: 4,
        retry_min: Duration::from_millis(2),
        retry_max: Duration::from_millis(20),
        hold_probe: Duration::from_millis(50),
        tls: config::ClientTls::default(),
        proxy: config::Proxy::Environment,
    }
}

/// A gateway's delivery side: a queue with the destination `default`.
pub(crate) struct Side {
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) outlet: Arc<dyn Outlet>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: tempfile::TempDir,
}

impl Side {
    pub(crate) fn new() -> Self {
        let queue = Arc::new(MemoryQueue::new(1 << 30, vec![Destination::named("default")]));
        let outlet = queue.outlet("default").unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        Self { queue, outlet, clock, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn start(&self, settings: &config::Receiver) -> Forwarder {
        let (outlet, clock) = (Arc::clone(&self.outlet), Arc::clone(&self.clock));
        let dead_letters = self.dead_letters();
        Forwarder::start(settings, "gateway.test", outlet, dead_letters, clock).unwrap()
    }

    pub(crate) fn dead_letters(&self) -> Arc<DeadLetters> {
        dead_letters(self.directory.path(), "default")
    }

    pub(crate) fn books(&self) -> Books {
        self.outlet.books()
    }

    /// The names of the tuples that are dead letters, in order.
    pub(crate) fn letters(&self) -> Vec<String> {
        let directory = self.directory.path().join("dead-letters").join("default");
        let mut names = Vec::new();
        for file in std::fs::read_dir(directory).into_iter().flatten() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            // `<crc> <json>`, and what is no letter has no tuple.
            let values = text.lines().filter_map(|line| line.split_once(' '));
            let values = values.filter_map(|(_, json)| serde_json::from_str::<Value>(json).ok());
            names.extend(values.filter_map(|value| Some(value["tuple"][0].as_str()?.to_owned())));
        }
        names.sort_unstable();
        names
    }
}

/// Those of a receiver, with room for plenty.
pub(crate) fn dead_letters(directory: &Path, receiver: &str) -> Arc<DeadLetters> {
    Arc::new(DeadLetters::open(directory, receiver, 64 << 20, Ownership::Held).unwrap())
}

/// Appends one block with a tuple of each name.
pub(crate) async fn append(queue: &MemoryQueue, names: &[impl AsRef<str>]) {
    let tuple = |name: &str| format!("[\"{name}\",1,1.0,{{}}]");
    let tuples: Vec<String> = names.iter().map(|name| tuple(name.as_ref())).collect();
    append_text(queue, tuples.join(",\n"), names.len() as u32).await;
}

/// Appends one block of finished text.
pub(crate) async fn append_text(queue: &MemoryQueue, text: String, tuples: u32) {
    let block = Block { bytes: Bytes::from(text), tuples };
    let entry = Entry {
        source: Arc::from("test"),
        received: NOW,
        blocks: vec![block],
        target: None,
        accepted: u64::from(tuples),
        rejected: 0,
    };
    queue.append(entry).await.unwrap();
}

/// Names that sort as they count.
pub(crate) fn names(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("m{number:06}")).collect()
}

/// Waits until the status is as wished.
pub(crate) async fn until(forwarder: &Forwarder, wished: impl FnMut(&Status) -> bool) -> Status {
    let mut status = forwarder.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(wished)).await;
    let Ok(found) = found else { panic!("still {:?}", forwarder.status().borrow()) };
    found.unwrap().clone()
}

/// Waits until nothing is queued, which leaves the books balanced.
pub(crate) async fn until_settled(side: &Side, forwarder: &Forwarder) -> Books {
    let settled = async {
        while side.books().queued > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, settled).await;
    settled.unwrap_or_else(|_| panic!("still {:?}", forwarder.status().borrow()));
    let books = side.books();
    assert!(books.is_balanced(), "{books:?}");
    books
}

/// Waits until so many tuples are delivered, and checks that the queue agrees.
pub(crate) async fn until_delivered(side: &Side, forwarder: &Forwarder, tuples: u64) {
    until(forwarder, |status| status.delivered_tuples == tuples).await;
    // The acknowledgement follows the count.
    let acknowledged = async {
        while side.books().delivered < tuples {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, acknowledged).await.expect("an acknowledgement");
    assert!(side.books().is_balanced());
}
