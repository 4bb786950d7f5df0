//! A request's body, and what becomes of it when nobody reads it to the end (contract C1.9).
//!
//! A client that is still sending does not listen: if the connection closed under it, it would see a
//! reset and never the answer. So the rest is read and dropped for a while, in a task of its own, while
//! the answer goes out; hyper keeps the connection, or the HTTP/2 stream, for as long as somebody holds
//! the body. Then it closes the connection, because the answer said so, or resets the stream. This happens in [`Drop`], so that every early
//! answer gets it: a 404 of the router and a panic as well as a 413.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header;
use hyper::http::request::Parts;
use hyper::{Request, Version};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::Connection;

/// Most bytes read and dropped behind an early answer.
const DRAINED_BYTES_MAX: usize = 20 << 20;

/// Most frames looked at to see whether the rest of the body is here already.
const FRAMES_AT_HAND_MAX: usize = 4;

/// The body of one request.
pub(super) struct Upload {
    incoming: Option<Incoming>,
    manners: Manners,
    connection: Arc<Connection>,
    drain_timeout: Duration,
}

/// What the client may expect when the body is not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    /// HTTP/1: the rest is drained and the connection closed.
    Drain,
    /// `Expect: 100-continue`, and no 100 was sent yet: it holds the body back, so there is nothing
    /// to drain.
    Awaiting,
    /// HTTP/2: the rest is drained too, then hyper resets this stream without an error and the others
    /// go on. A reset at once is allowed, but curl before 8 reports it and not the answer before it.
    Stream,
    /// It broke on the way; nothing more will come.
    Broken,
}

impl Upload {
    /// A request's head and its body.
    pub(super) fn split(
        request: Request<Incoming>,
        connection: &Arc<Connection>,
        drain_timeout: Duration,
    ) -> (Parts, Self) {
        let (head, body) = request.into_parts();
        let (manners, connection) = (Manners::of(&head), Arc::clone(connection));
        (head, Self { incoming: Some(body), manners, connection, drain_timeout })
    }
}

impl Manners {
    fn of(head: &Parts) -> Self {
        // hyper honours the header under the same conditions.
        let expects = || {
            let value = head.headers.get_all(header::EXPECT).iter().next_back();
            value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        };
        match head.version {
            Version::HTTP_2 => Self::Stream,
            Version::HTTP_11 if expects() => Self::Awaiting,
            _ => Self::Drain,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.manners == Manners::Awaiting {
            self.manners = Manners::Drain;
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(incoming).poll_frame(cx));
        match &frame {
            None => self.incoming = None,
            Some(Err(_)) if self.manners != Manners::Stream => self.manners = Manners::Broken,
            Some(_) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut incoming) = self.incoming.take() else { return };
        let is_drained = matches!(self.manners, Manners::Drain | Manners::Stream);
        if incoming.is_end_stream() || is_drained && is_all_here(&mut incoming) {
            return;
        }
        if self.manners != Manners::Stream {
            self.connection.close_after_answer();
        }
        if !is_drained {
            return;
        }
        // There is no runtime while the process is being torn down, and then nobody to wait for.
        if let Ok(runtime) = Handle::try_current() {
            let running = self.connection.begin();
            let rest = timeout(self.drain_timeout, discard(incoming));
            runtime.spawn(async move {
                // Whether the client stopped in time does not matter any more.
                drop(rest.await);
                drop(running);
            });
        }
    }
}

/// A small body has come along with its head: reading it now saves the connection.
fn is_all_here(incoming: &mut Incoming) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..FRAMES_AT_HAND_MAX {
        match Pin::new(&mut *incoming).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(_))) if incoming.is_end_stream() => return true,
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None) => return true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
        }
    }
    false
}

async fn discard(mut incoming: Incoming) {
    let mut left = DRAINED_BYTES_MAX;
    while let Some(Ok(frame)) = incoming.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(bytes) else { return };
        left = rest;
    }
}
