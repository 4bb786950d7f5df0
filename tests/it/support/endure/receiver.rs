//! A StackState receiver that remembers every id it accepted and does otherwise what its script says.
//! It outlives the gateways.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::script::{Act, Read, Script};
use super::tally::Tally;

/// Stops listening when dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Arc<Script>,
    tally: Arc<Tally>,
    acts: Mutex<BTreeMap<Act, u64>>,
}

/// Only what is looked at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    metrics: Vec<(&'a str, IgnoredAny, f64, IgnoredAny)>,
}

struct Head {
    length: usize,
    is_deflated: bool,
}

impl Receiver {
    /// Listens on a free port.
    pub(crate) async fn start(script: Arc<Script>, tally: Arc<Tally>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared { script, tally, acts: Mutex::default() });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("descriptors are left");
                let shared = Arc::clone(&serving);
                // A gateway that was killed leaves broken connections.
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Self { address, shared, accepting }
    }

    /// What it did so far, how often.
    pub(crate) fn acts(&self) -> BTreeMap<Act, u64> {
        self.shared.acts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream).await? {
        let act = shared.script.next();
        *shared.acts.lock().unwrap_or_else(PoisonError::into_inner).entry(act).or_default() += 1;
        if act == Act::Reset(Read::Head) {
            return stream.into_inner().set_zero_linger();
        }
        let mut body = vec![0; head.length];
        stream.read_exact(&mut body).await?;
        let status = match act {
            Act::Reset(_) => return stream.into_inner().set_zero_linger(),
            Act::HalfAnswer => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await,
            Act::Hang => {
                // Until the gateway gives up or is gone.
                return stream.read_u8().await.map(drop);
            }
            Act::Take(status) => match take(&head, &body, &shared.tally) {
                Ok(()) => status,
                Err(Poisoned) => 400,
            },
            Act::Refuse(status) => status,
        };
        let length = if status == 204 { "" } else { "content-length: 0\r\n" };
        let answer = format!("HTTP/1.1 {status} Scripted\r\n{length}\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// There is a tuple in it that is never taken.
struct Poisoned;

/// Counts it before it is answered: who waits for an arrival must not need an answer for it.
fn take(head: &Head, body: &[u8], tally: &Tally) -> Result<(), Poisoned> {
    let mut plain = Vec::new();
    if head.is_deflated {
        flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain).expect("a zlib stream");
    } else {
        plain.extend_from_slice(body);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(&plain).expect("an envelope");
    if envelope.metrics.iter().any(|(name, ..)| tally.is_poison(name)) {
        return Err(Poisoned);
    }
    tally.arrived(envelope.metrics.iter().map(|(name, _, value, _)| (*name, *value)));
    Ok(())
}

/// `None` at the end of the connection.
async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Head>> {
    let mut head = Head { length: 0, is_deflated: false };
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Ok(Some(head)) };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("content-length", length) => head.length = length.parse().expect("a length"),
            ("content-encoding", "deflate") => head.is_deflated = true,
            _ => {}
        }
    }
}
