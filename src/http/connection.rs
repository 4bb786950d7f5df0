//! One socket: what it is doing right now, and how long it may go on doing that (contract C1.5, C1.9).
//!
//! hyper has one time-out for heads, and counts the idle time between requests into it; a slow head
//! deserves seconds and an idle keep-alive connection minutes. Nor is there one before the first byte,
//! or for an HTTP/2 connection without streams. So the connection is watched from outside: bytes read,
//! requests begun and ended move its phase, and the phase has a deadline.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::seats::Call;

/// What is known of a connection. Its requests and its socket share it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: IpAddr,
    accepted: Instant,
    /// Milliseconds after `accepted` at which the phase began.
    since_ms: AtomicU64,
    /// Milliseconds after `accepted` at which bytes left last.
    wrote_ms: AtomicU64,
    /// A phase began, or bytes left, since somebody last asked for the deadline. The clock is read then,
    /// once for all that happened in one turn of the connection.
    entered: AtomicBool,
    wrote: AtomicBool,
    /// A request's head is on its way, or the very first byte is awaited; else it is idle.
    in_head: AtomicBool,
    greeted: AtomicBool,
    is_http2: AtomicBool,
    /// Requests being worked on, and bodies being drained.
    running: AtomicUsize,
    close_after_answer: AtomicBool,
    /// Its first bytes were TLS, where nobody speaks it.
    spoke_tls: AtomicBool,
    /// A request was let in by its token, once at least.
    was_let_in: AtomicBool,
    /// Whether somebody wants its seat.
    pub(super) call: Call,
}

/// How long a connection may do nothing. Copied out of the settings: these must not live as long as it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// `http.header_timeout`
    pub(super) head: Duration,
    /// `http.idle_timeout`
    pub(super) idle: Duration,
}

/// How long nothing has been worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// A request is being worked on, or its body drained.
    Busy,
    /// Since it was accepted: none of its requests, if there were any, was let in.
    BeforeRequest(Duration),
    /// Since the last request ended, the last piece of its answer was taken, or the next head began.
    BetweenRequests(Duration),
}

/// Something goes on in the connection for as long as this lives.
pub(super) struct Running(Arc<Connection>);

impl Connection {
    pub(super) fn new(peer: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            peer,
            accepted: Instant::now(),
            since_ms: AtomicU64::new(0),
            wrote_ms: AtomicU64::new(0),
            entered: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
            in_head: AtomicBool::new(true),
            greeted: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            close_after_answer: AtomicBool::new(false),
            spoke_tls: AtomicBool::new(false),
            was_let_in: AtomicBool::new(false),
            call: Call::default(),
        })
    }

    /// A request has begun, or the draining of its body.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.in_head.store(false, Ordering::Release);
        Running(Arc::clone(self))
    }

    /// The request being worked on came with a token that opens a source: others cost a client nothing, and
    /// keep no seat for it.
    pub(super) fn let_in(&self) {
        self.was_let_in.store(true, Ordering::Release);
    }

    /// The version of a request, which is more than its first bytes may have told.
    pub(super) fn hears(&self, version: Version) {
        if version == Version::HTTP_2 {
            self.is_http2.store(true, Ordering::Release);
        }
    }

    /// The answer on its way is the last one.
    pub(super) fn close_after_answer(&self) {
        self.close_after_answer.store(true, Ordering::Release);
    }

    pub(super) fn is_to_close(&self) -> bool {
        self.close_after_answer.load(Ordering::Acquire)
    }

    /// The client began with a TLS handshake.
    pub(super) fn spoke_tls(&self) -> bool {
        self.spoke_tls.load(Ordering::Relaxed)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Acquire)
    }

    /// When the present phase has lasted too long; none while requests are being worked on, which
    /// have bounds of their own. To be asked after every turn.
    pub(super) fn deadline(&self, allowed: Patience) -> Option<Instant> {
        self.stamp();
        if self.running.load(Ordering::Acquire) > 0 {
            return None;
        }
        let in_head = self.in_head.load(Ordering::Acquire);
        let allowed = if in_head { allowed.head } else { allowed.idle };
        let since = Duration::from_millis(self.since_ms.load(Ordering::Acquire));
        Some(self.accepted + since + allowed)
    }

    /// The same during a shutdown that began at `began`: whoever neither is being served nor takes
    /// an answer gets `farewell` and no more, or half a head would use up the grace of all others.
    pub(super) fn last_deadline(
        &self,
        allowed: Patience,
        began: Instant,
        farewell: Duration,
    ) -> Option<Instant> {
        let deadline = self.deadline(allowed);
        let wrote = Duration::from_millis(self.wrote_ms.load(Ordering::Acquire));
        let last = began.max(self.accepted + wrote) + farewell;
        deadline.map(|deadline| deadline.min(last))
    }

    /// Whether it only sits there; also to be asked from outside.
    pub(super) fn silence(&self, now: Instant) -> Silence {
        if self.running.load(Ordering::Acquire) > 0 {
            return Silence::Busy;
        }
        let age = now.saturating_duration_since(self.accepted);
        if !self.was_let_in.load(Ordering::Acquire) {
            return Silence::BeforeRequest(age);
        }
        if self.entered.load(Ordering::Acquire) {
            // A moment ago, and the clock has not been read since.
            return Silence::BetweenRequests(Duration::ZERO);
        }
        let since = Duration::from_millis(self.since_ms.load(Ordering::Acquire));
        Silence::BetweenRequests(age.saturating_sub(since))
    }

    fn age_ms(&self) -> u64 {
        self.accepted.elapsed().as_millis() as u64
    }

    /// Reads the clock for what happened since it was last read.
    pub(super) fn stamp(&self) {
        let is_set =
            |flag: &AtomicBool| flag.load(Ordering::Acquire) && flag.swap(false, Ordering::AcqRel);
        let (entered, wrote) = (is_set(&self.entered), is_set(&self.wrote));
        if entered || wrote {
            let age_ms = self.age_ms();
            if entered {
                self.since_ms.store(age_ms, Ordering::Release);
            }
            if wrote {
                self.wrote_ms.store(age_ms, Ordering::Release);
            }
        }
    }

    fn enter(&self, in_head: bool) {
        self.entered.store(true, Ordering::Release);
        self.in_head.store(in_head, Ordering::Release);
    }

    /// A client that takes long over a long answer is not idle while it takes some of it. The frames
    /// of an idle HTTP/2 connection are not an answer.
    fn wrote(&self) {
        self.wrote.store(true, Ordering::Release);
        let busy = self.running.load(Ordering::Acquire) > 0;
        if !busy && !self.is_http2() && !self.in_head.load(Ordering::Acquire) {
            self.enter(false);
        }
    }

    fn saw(&self, bytes: &[u8]) {
        if bytes.is_empty() || self.running.load(Ordering::Acquire) > 0 {
            return;
        }
        if !self.greeted.swap(true, Ordering::AcqRel) {
            // The HTTP/2 preface; no HTTP/1 method begins like this. Frames come and go on such a
            // connection whether or not there are requests, so only idleness is timed on it.
            let is_http2 = bytes.starts_with(b"PRI");
            self.is_http2.store(is_http2, Ordering::Release);
            self.enter(!is_http2);
            // A record with a handshake in it, of any version there is.
            if bytes.starts_with(&[0x16, 3]) {
                self.spoke_tls.store(true, Ordering::Relaxed);
            }
        } else if !self.is_http2() && !self.in_head.load(Ordering::Acquire) {
            self.enter(true);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The phase is entered first: nobody may see the connection at rest with an old time.
        self.0.enter(false);
        if self.0.is_http2() {
            // A stream ends in a task of its own, and the connection's turn may come late.
            self.0.stamp();
        }
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream whose reads are noticed: a socket, or what is above TLS on it.
pub(super) struct Watched<S> {
    stream: S,
    connection: Arc<Connection>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.connection.saw(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.connection.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.connection.wrote();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_connection_that_begins_with_tls_is_known_by_its_first_bytes() {
        for (first, then, expected) in [
            (&b"\x16\x03\x01\x02\x00"[..], &b""[..], true),
            (b"POST /metrics", b"\x16\x03\x01", false),
            (b"PRI * HTTP/2.0", b"", false),
            (b"\x16", b"\x03", false),
        ] {
            let connection = Connection::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
            connection.saw(first);
            connection.saw(then);
            assert_eq!(connection.spoke_tls(), expected, "{first:?}");
        }
    }
}
