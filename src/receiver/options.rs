//! How a receiver is set up.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::Standing;
use super::rules::Rules;
use super::tuple::Tuple;
use crate::tls::ServerTls;

/// Everything that can be set; [`Options::default`] behaves like a receiver out of the box, save for
/// its port on loopback and the key `API_KEY`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:7077`.
    pub listen: SocketAddr,
    /// What is taken and what is refused, to begin with; [`super::Faults::change`] changes it.
    pub rules: Rules,
    /// How many of the received tuples and requests are kept. Default: the newest 10,000.
    pub keep: Keep,
    /// Where accepted tuples are written, one NDJSON line each, before their request is answered.
    /// Default: nowhere.
    pub print: Option<Printer>,
    /// A fault to begin with. Default: none.
    pub fault: Option<Standing>,
    /// Decides which requests a fault with a rate below one hits. Default 0.
    pub seed: u64,
    /// TLS, with a certificate and perhaps certificates of clients. Default: none, it speaks HTTP in clear.
    pub tls: Option<ServerTls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7077)),
            rules: Rules::default(),
            keep: Keep::Newest(10_000),
            print: None,
            fault: None,
            seed: 0,
            tls: None,
        }
    }
}

impl Options {
    /// For tests: a free loopback port, and everything received is kept.
    pub fn for_tests() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, keep: Keep::All, ..Self::default() }
    }
}

/// How much a receiver remembers. Totals always count everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The newest N tuples, and as many requests.
    Newest(usize),
    /// Everything; for tests that end.
    All,
}

/// Writes accepted tuples as NDJSON. Clones share the writer.
#[derive(Clone)]
pub struct Printer(Arc<Mutex<Option<Box<dyn Write + Send>>>>);

impl Printer {
    /// Prints to `writer`, which is flushed after each request. When it fails (a closed pipe),
    /// printing ends and the receiver goes on.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(writer)))))
    }

    /// Blocks as long as the writer does.
    pub(super) fn print(&self, tuples: &[Tuple]) {
        let mut lines = String::with_capacity(tuples.iter().map(|t| t.text().len() + 1).sum());
        for tuple in tuples {
            lines.push_str(tuple.text());
            lines.push('\n');
        }
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = writer.as_mut() else { return };
        if let Err(cause) = open.write_all(lines.as_bytes()).and_then(|()| open.flush()) {
            tracing::warn!(error = %cause, "tuples are no longer printed: the output failed");
            *writer = None;
        }
    }
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Printer")
    }
}
