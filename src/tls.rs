//! TLS of our own ports: handshakes, and certificates that are renewed while connections go on.
//!
//! ```text
//!   files ──read──► ServerConfig ──┐ swapped for handshakes that begin from then on
//!   reload ─adopt──────────────────┤
//!                                  ▼
//!   TcpStream ──first byte──► handshake ──► Stream    what is above speaks HTTP, as on a port in clear
//!                    │             │
//!                    ▼             ▼
//!        HTTP in clear: told so    failures: counted, and told once a minute
//! ```
//!
//! Certificates are renewed by others, who rewrite files, rename them over, or swap a link, and tell
//! nobody: so the files are read every few seconds, and what cannot be used leaves in use what was there.
//!
//! A connection costs what rustls keeps for it: about 10 KiB while it is idle; at most [`BUFFER_BYTES`] of
//! each of answers that wait to be encrypted and answers encrypted and not yet taken; and of what came in and
//! was not read yet a record or two, or up to 64 KiB during its handshake. None of it is of
//! `limits.memory_bytes`, so `limits.connections` bounds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

mod failures;
mod hello;
mod keep;
mod pin;

pub use crate::config::{ClientAuth, ServerTls, TlsFault};
pub use keep::Keeper;
pub use pin::pinned;

use failures::Failures;
use hello::Hello;

/// Most bytes of answers that rustls holds for a connection, before and after they are encrypted.
pub const BUFFER_BYTES: usize = 32 << 10;

/// A connection after its handshake.
pub type Stream<S> = tokio_rustls::server::TlsStream<S>;

/// Whose port it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Where clients send.
    Ingest,
    /// Where the gateway tells about itself.
    Admin,
    /// The embedded receiver's.
    Receiver,
}

impl Port {
    /// As metrics and logs call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Admin => "admin",
            Self::Receiver => "receiver",
        }
    }

    /// The section of the configuration.
    fn section(self) -> &'static str {
        match self {
            Self::Ingest => "tls",
            Self::Admin => "admin",
            Self::Receiver => "receiver",
        }
    }

    /// What is spoken there, in our order.
    fn protocols(self) -> Vec<Vec<u8>> {
        let protocols: &[&[u8]] = match self {
            Self::Ingest => &[b"h2", b"http/1.1"],
            Self::Admin | Self::Receiver => &[b"http/1.1"],
        };
        protocols.iter().map(|name| name.to_vec()).collect()
    }
}

/// Makes connections of one port secret. Clones are the same one.
#[derive(Clone)]
pub struct Acceptor(Arc<Shared>);

struct Shared {
    port: Port,
    current: ArcSwap<Current>,
    failures: Failures,
}

/// What handshakes that begin now use.
struct Current {
    files: ServerTls,
    config: Arc<ServerConfig>,
    not_after: Option<i64>,
    digest: [u8; 32],
}

/// Files that were read and fit each other, for [`Acceptor::adopt`].
pub struct Prepared(Arc<Current>);

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The files hold what is in use, and clients are treated as before.
    Same,
    /// Handshakes from now on are others.
    Another,
}

impl Acceptor {
    /// With what the files say now, which are read here: blocks.
    pub fn new(port: Port, tls: &ServerTls) -> Result<Self, TlsFault> {
        let Prepared(current) = read(port, tls)?;
        let shared = Shared { port, current: ArcSwap::new(current), failures: Failures::default() };
        Ok(Self(Arc::new(shared)))
    }

    /// Reads the files of other settings and changes nothing; for whoever changes several things or none.
    /// Blocks.
    pub fn prepare(&self, tls: &ServerTls) -> Result<Prepared, TlsFault> {
        read(self.0.port, tls)
    }

    /// Handshakes that begin from now on use these.
    pub fn adopt(&self, Prepared(next): Prepared) -> Change {
        let before = self.0.current.swap(Arc::clone(&next));
        if is_same(&before, &next) { Change::Same } else { Change::Another }
    }

    /// Whose port it is.
    pub fn port(&self) -> Port {
        self.0.port
    }

    /// When the certificate in use ends, as a Unix time.
    pub fn not_after(&self) -> Option<i64> {
        self.0.current.load().not_after
    }

    /// Handshakes that came to nothing since the start, requests in clear among them.
    pub fn failed_handshakes(&self) -> u64 {
        self.0.failures.total.load(Ordering::Relaxed)
    }

    /// The connection, once its handshake is over; `None` if there will be none, which is counted. Whoever
    /// speaks HTTP in clear is told so. Takes as long as the client does: the caller bounds it, and says
    /// so with [`Self::late`].
    pub async fn accept(&self, stream: TcpStream) -> Option<Stream<TcpStream>> {
        match hello::of(&stream).await {
            Hello::Tls => self.handshake(stream).await,
            // A look at whether the port is open is no failure.
            Hello::Nothing => None,
            Hello::Http => {
                self.0.failures.count("the client spoke HTTP in clear".to_owned());
                hello::answer(stream, self.0.port).await;
                None
            }
            Hello::Other => {
                self.0.failures.count("what came was not TLS".to_owned());
                None
            }
        }
    }

    /// The same on a stream of any kind, which is taken to begin with TLS.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Option<Stream<S>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.current.load().config));
        let bounded = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(BUFFER_BYTES));
        };
        match acceptor.accept_with(stream, bounded).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.0.failures.count(failures::words(&error));
                None
            }
        }
    }

    /// A handshake was given up because it took too long.
    pub fn late(&self) {
        self.0.failures.count("it took too long".to_owned());
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("port", &self.0.port).finish_non_exhaustive()
    }
}

fn read(port: Port, tls: &ServerTls) -> Result<Prepared, TlsFault> {
    let mut made = tls.load()?;
    made.config.alpn_protocols = port.protocols();
    Ok(Prepared(Arc::new(Current {
        files: tls.clone(),
        config: Arc::new(made.config),
        not_after: made.not_after,
        digest: made.digest,
    })))
}

fn is_same(one: &Current, other: &Current) -> bool {
    one.digest == other.digest && one.files.client_auth == other.files.client_auth
}
