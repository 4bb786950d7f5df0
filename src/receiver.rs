//! A StackState receiver to test against: a strict intake that keeps what it takes and fails when told.
//!
//! Used three ways: alone (`tidegate receiver`), behind the gateway (`serve --dev`), and as a library
//! by every test that needs the other end of the wire. It shares nothing with the gateway, so a
//! mistake in our encoder cannot hide behind the same mistake in our reader.
//!
//! It refuses what a StackState receiver refuses, with its texts, **and** what that one would answer
//! with 200 and then lose: reserved names, types it does not know, numbers no double can hold. See
//! `receiver/tuple.rs` for each decision, and `receiver/control.rs` for the two routes that are ours.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use tidegate::receiver::{Fault, Options, Receiver};
//!
//! let receiver = Receiver::start(Options::for_tests()).await?;
//! receiver.faults().script([Fault::status(503), Fault::Pass]);
//! // ... something posts to receiver.url() with the key API_KEY, twice ...
//! let received = receiver.wait_for_tuples(1, Duration::from_secs(10)).await?;
//! assert_eq!(received.totals.statuses[&503], 1);
//! receiver.stop().await;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod answer;
mod coding;
mod control;
mod endless;
mod envelope;
mod fault;
mod faults;
mod intake;
mod json;
mod judge;
mod options;
mod poison;
mod route;
mod rules;
mod serve;
mod store;
mod tuple;
mod wire;

pub use coding::Encoding;
pub use fault::{BadFault, Fault, Hits, ResetAt, Standing, Status, When};
pub use faults::Faults;
pub use options::{Keep, Options, Printer};
pub use poison::Poison;
pub use rules::{ApiKeys, BadEncoding, BadKey, BodyLimit, LimitOf, Rules};
pub use store::{KeyPlace, Outcome, Received, Seen, TimedOut, Totals};
pub use tuple::{Kind, Parts, Tuple};

use crate::tls::{Acceptor, Port, TlsFault};
use store::Book;

/// Connections that may wait to be accepted after an outage.
const BACKLOG: u32 = 1024;

/// Starts receivers.
#[derive(Debug)]
pub struct Receiver;

/// Why a receiver did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its address.
    #[error("the receiver cannot listen on {listen}: {cause}")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// Its certificate, its key, or who vouches for clients.
    #[error("the receiver cannot speak TLS: {0}")]
    Tls(#[from] TlsFault),
}

/// What the tasks of one receiver have in common.
#[derive(Debug)]
struct Shared {
    options: Options,
    faults: Faults,
    book: Book,
    tls: Option<Acceptor>,
}

impl Receiver {
    /// Binds and serves, on the runtime it is called in.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let listen = options.listen;
        let refuse = |cause| StartError::Listen { listen, cause };
        let listener = TcpListener::bind(listen).await.map_err(refuse)?;
        let addr = listener.local_addr().map_err(refuse)?;
        let tls = options.tls.as_ref().map(|tls| Acceptor::new(Port::Receiver, tls)).transpose()?;
        let shared = Arc::new(Shared {
            tls,
            faults: Faults::new(options.fault.clone(), options.rules.clone(), options.seed),
            book: Book::new(options.keep),
            options,
        });
        let stop = watch::Sender::new(false);
        let serving = tokio::spawn(serve::run(listener, Arc::clone(&shared), stop.subscribe()));
        Ok(Running { addr, shared, stop, serving, outage: None })
    }
}

/// A receiver that serves. Dropping it closes the port and every connection at once.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    /// Holds the port while nobody listens on it.
    outage: Option<TcpSocket>,
}

impl Running {
    /// Where it listens, with the port it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What makes its connections secret, to be changed while it runs.
    pub fn tls(&self) -> Option<&Acceptor> {
        self.shared.tls.as_ref()
    }

    /// The intake URL, without a key.
    pub fn url(&self) -> String {
        let ip = match self.addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/stsAgent/intake", SocketAddr::new(ip, self.addr.port()))
    }

    /// What has been received so far, as a copy.
    pub fn received(&self) -> Received {
        self.shared.book.read(Received::clone)
    }

    /// Waits until `until` holds, looked at now and after each intake request.
    pub async fn wait_for(
        &self,
        within: Duration,
        until: impl FnMut(&Received) -> bool,
    ) -> Result<Received, TimedOut> {
        self.shared.book.wait_for(within, until).await
    }

    /// Waits until at least `tuples` have been accepted since the start.
    pub async fn wait_for_tuples(
        &self,
        tuples: u64,
        within: Duration,
    ) -> Result<Received, TimedOut> {
        self.wait_for(within, |received| received.totals.tuples >= tuples).await
    }

    /// The faults and the rules, to be changed while it runs.
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// An outage: closes the port and every connection at once. Connections are refused, and nobody
    /// else gets the port, until [`Self::come_up`]; what was received stays.
    pub async fn go_down(&mut self) -> io::Result<()> {
        self.serving.abort();
        // Cancelled on purpose; once it has ended, the port is free.
        drop((&mut self.serving).await);
        if self.outage.is_none() {
            let socket = match self.addr {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            socket.set_reuseaddr(true)?;
            socket.bind(self.addr)?;
            self.outage = Some(socket);
        }
        Ok(())
    }

    /// Ends an outage.
    pub fn come_up(&mut self) -> io::Result<()> {
        let Some(socket) = self.outage.take() else { return Ok(()) };
        let listener = socket.listen(BACKLOG)?;
        let shared = Arc::clone(&self.shared);
        self.serving = tokio::spawn(serve::run(listener, shared, self.stop.subscribe()));
        Ok(())
    }

    /// Closes the port, lets running requests end for up to 2 s, then cuts them off. What was
    /// received until then is returned.
    pub async fn stop(mut self) -> Received {
        self.stop.send_replace(true);
        if self.outage.is_none()
            && let Err(cause) = (&mut self.serving).await
        {
            tracing::error!(error = %cause, "the receiver ended abnormally");
        }
        self.received()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
