//! The first byte of a connection to a port that speaks TLS: whoever speaks HTTP in clear is told so,
//! instead of being sent an alert that no HTTP client can read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Port;

/// A TLS record that holds a handshake begins like this.
const HANDSHAKE: u8 = 0x16;

/// How long a client in clear may take to read what it is told.
const FAREWELL: Duration = Duration::from_secs(1);

/// Most bytes of its request that are read, so that closing does not reset the connection under the answer.
const DROPPED_BYTES_MAX: u64 = 256 << 10;

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    Tls,
    /// A letter, as every method of HTTP and the preface of HTTP/2 begin.
    Http,
    Other,
    /// It is gone.
    Nothing,
}

/// Looks at the first byte and leaves it where it is.
pub(super) async fn of(stream: &TcpStream) -> Hello {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(0) | Err(_) => Hello::Nothing,
        Ok(_) if first[0] == HANDSHAKE => Hello::Tls,
        Ok(_) if first[0].is_ascii_alphabetic() => Hello::Http,
        Ok(_) => Hello::Other,
    }
}

/// Says what this port speaks, and closes. Nobody is left to tell if that fails.
pub(super) async fn answer(stream: TcpStream, port: Port) {
    drop(timeout(FAREWELL, tell(stream, port)).await);
}

async fn tell(mut stream: TcpStream, port: Port) -> io::Result<()> {
    let text = format!(
        "this port speaks TLS: send to https://, or take `cert_file` out of [{}] to have it in clear\n",
        port.section()
    );
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(DROPPED_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
