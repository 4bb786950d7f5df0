//! Where connections come in: accepting goes on whatever becomes of a single one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

/// Pause after a failed accept: when file descriptors have run out, the next try fails at once too.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(20);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted; the kernel caps it at its own `net.core.somaxconn`. With the
/// usual 128 a fleet that comes back all at once waits for seconds, until the kernel tries again.
const WAITING_MAX: u32 = 4096;

/// A listening socket. Closed when dropped.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    pause: Duration,
}

impl Door {
    /// Binds the socket of a door for clients.
    pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As every server does: connections of the one before may still be on their way out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING_MAX)
    }

    /// The door of a bound socket.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, pause: ACCEPT_PAUSE_MIN }
    }

    /// The next connection. May be dropped before it resolves.
    pub async fn next(&mut self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    self.pause = ACCEPT_PAUSE_MIN;
                    return stream;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    let pause = self.pause;
                    self.pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                    tracing::warn!(%error, pause_ms = pause.as_millis() as u64,
                        "cannot accept connections, trying again");
                    sleep(pause).await;
                }
            }
        }
    }
}

/// Errors of a connection that was gone before it was accepted, as opposed to our own trouble.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
