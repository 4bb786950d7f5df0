//! A TCP stream whose answers can be slowed to a drip or cut off by a reset.
//!
//! The HTTP library above knows nothing of it: a handler turns the [`Valve`] of its connection, and
//! the bytes that library writes go through it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How bytes leave.
#[derive(Clone, Copy, Debug, Default)]
enum Flow {
    #[default]
    Free,
    /// One byte, then a pause.
    Drip(Duration),
    /// This many more bytes, then a reset.
    CutAfter(usize),
    /// Nothing more in either direction; closing resets the connection.
    Cut,
}

/// The control of one connection's [`Wire`].
#[derive(Clone, Debug, Default)]
pub(super) struct Valve(Arc<Mutex<Flow>>);

impl Valve {
    pub(super) fn open(&self) {
        *self.lock() = Flow::Free;
    }

    /// Leaves `pause` between any two bytes written from now on.
    pub(super) fn drip(&self, pause: Duration) {
        *self.lock() = Flow::Drip(pause);
    }

    /// Resets the connection once so many more bytes are written.
    pub(super) fn cut_after(&self, bytes: usize) {
        *self.lock() = Flow::CutAfter(bytes);
    }

    /// Resets the connection as soon as it is dropped.
    pub(super) fn cut(&self) {
        *self.lock() = Flow::Cut;
    }

    fn flow(&self) -> Flow {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream behind its valve.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    valve: Valve,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, valve: Valve) -> Self {
        Self { stream, valve, pause: None }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.stream)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if matches!(self.valve.flow(), Flow::Cut) {
            // Closing with no linger sends RST instead of FIN; a peer already gone needs neither.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.valve.flow() {
            Flow::Cut => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ => self.stream().poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.valve.flow() {
            Flow::Free => self.stream().poll_write(cx, bytes),
            Flow::Drip(span) => {
                if let Some(pause) = &mut self.pause {
                    ready!(pause.as_mut().poll(cx));
                    self.pause = None;
                }
                let one = bytes.get(..1).unwrap_or_default();
                let written = ready!(self.stream().poll_write(cx, one))?;
                self.pause = Some(Box::pin(tokio::time::sleep(span)));
                Poll::Ready(Ok(written))
            }
            Flow::CutAfter(left) if left > 0 => {
                let some = bytes.get(..left.min(bytes.len())).unwrap_or_default();
                let written = ready!(self.stream().poll_write(cx, some))?;
                self.valve.cut_after(left - written);
                Poll::Ready(Ok(written))
            }
            Flow::CutAfter(_) | Flow::Cut => {
                self.valve.cut();
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
