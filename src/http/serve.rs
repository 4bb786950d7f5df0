//! The accept loop: which sockets are taken, how each is driven, and the way out (contract C6.5).
//!
//! hyper-util's `auto` builder speaks HTTP/1.1 and HTTP/2, which it tells apart by the first bytes, in
//! clear as above TLS; everything about time is watched
//! from outside, see [`super::connection`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::alarm::{Alarm, Left};
use super::connection::{Connection, Watched};
use super::door::Door;
use super::exchange::Edge;
use super::problem::retry_after_s;
use super::seats::{Seats, may_go};
use super::state::State;
use super::strays::Strays;
use crate::tls::{Acceptor, Stream};

/// How often idle addresses are forgotten by the limiter.
const TIDY_INTERVAL: Duration = Duration::from_secs(10);

/// Connections over the cap that are waited for until they have read that they are, each for so long at
/// most, whatever they send meanwhile. The others are closed as soon as they were told.
const TURNED_AWAY_MAX: usize = 256;
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes that are read, in such pieces, of a connection that is closed as soon as it was told:
/// accepting waits meanwhile. One that had sent more, or is still sending, may see a reset, and some
/// systems throw away with that what was not read yet.
const DROPPED_BYTES_MAX: usize = 64 << 10;
const DROPPED_PIECE_BYTES: usize = 8 << 10;

/// An idle HTTP/2 connection is told to go, and gets this long to do so.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// The same while somebody waits for its seat.
const MAKE_WAY_TIMEOUT: Duration = Duration::from_millis(200);

/// During a shutdown, how long a connection may stay on which no request is being worked on: time for
/// the rest of a head, for an answer to be taken, and for an HTTP/2 client to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// HTTP/1 heads are smaller than this, and bodies are read in pieces of at most this.
const HTTP1_BUFFER_BYTES: usize = 64 << 10;

const HTTP2_STREAMS_MAX: u32 = 64;
const HTTP2_STREAM_WINDOW_BYTES: u32 = 256 << 10;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
const HTTP2_HEADER_BYTES_MAX: u32 = 16 << 10;
/// Peers that vanished without a word are noticed this way.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Running requests may finish.
    Draining,
    /// Time is up.
    Over,
}

/// Serves until `shutdown` resolves, then stops accepting, lets running requests finish within
/// `grace`, and returns once every connection is gone.
pub async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) {
    let mut door = Door::new(listener);
    let (progress, course) = watch::channel(Stage::Open);
    let server = Arc::new(Server {
        builder: builder(),
        stage: course,
        seats: Seats::new(state.connections_limit()),
        door: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
        strays: Strays::default(),
        state,
    });

    tokio::select! {
        biased;
        () = shutdown => {}
        () = server.accept_all(&mut door) => {}
    }

    drop(door);
    server.state.close();
    progress.send_replace(Stage::Draining);
    if timeout(grace, server.seats.all_free()).await.is_err() {
        progress.send_replace(Stage::Over);
        server.seats.all_free().await;
    }
}

struct Server {
    builder: auto::Builder<TokioExecutor>,
    stage: watch::Receiver<Stage>,
    /// One for each connection that may be open.
    seats: Arc<Seats>,
    door: Arc<Semaphore>,
    strays: Strays,
    state: Arc<State>,
}

impl Server {
    /// Accepts for ever.
    async fn accept_all(self: &Arc<Self>, door: &mut Door) {
        let mut tidy = interval(TIDY_INTERVAL);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                stream = door.next() => self.admit(stream),
                _ = tidy.tick() => {
                    self.state.tidy();
                    self.strays.tell(self.state.clock.monotonic());
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream) {
        if let Some(seat) = self.seats.free_one() {
            self.seat(stream, seat);
            return;
        }
        let Some(place) = self.seats.ask() else { return self.refuse(stream) };
        let server = Arc::clone(self);
        tokio::spawn(async move {
            match server.seats.wait(place).await {
                // One that was given after accepting ended is nobody's to use.
                Some(seat) if *server.stage.borrow() == Stage::Open => {
                    server.seat(stream, seat);
                }
                _ => server.refuse(stream),
            }
        });
    }

    /// Two tasks, so that one in clear holds no room for what TLS needs.
    fn seat(self: &Arc<Self>, stream: TcpStream, seat: OwnedSemaphorePermit) {
        match self.state.tls() {
            None => tokio::spawn(Arc::clone(self).drive(stream, seat)),
            Some(tls) => tokio::spawn(Arc::clone(self).drive_secret(stream, seat, tls.clone())),
        };
    }

    /// For want of a seat.
    fn refuse(&self, stream: TcpStream) {
        self.state.counts.turned_away.fetch_add(1, Ordering::Relaxed);
        if self.state.tls().is_none() {
            // Nobody is left to tell if this fails. By TLS it would take a handshake to tell it.
            drop(turn_away(&stream));
        }
        let Ok(place) = Arc::clone(&self.door).try_acquire_owned() else {
            drop(drop_what_came(&stream));
            return;
        };
        tokio::spawn(async move {
            drop(timeout(TURN_AWAY_TIMEOUT, see_off(stream)).await);
            drop(place);
        });
    }

    /// One connection from its first byte to its end.
    async fn drive(self: Arc<Self>, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // An unconnected peer address or a socket without options is a connection already gone.
        let Ok(peer) = stream.peer_addr() else { return };
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let connection = Connection::new(peer.ip());
        let seat = self.seats.take(permit, &connection);
        let counted = Counted::new(&self.state);
        self.converse(stream, Arc::clone(&connection)).await;
        if connection.spoke_tls() {
            self.strays.count();
        }
        drop((counted, seat));
    }

    /// The same by TLS. The handshake has the time of a head, and the first byte of the first head what is
    /// left of it.
    async fn drive_secret(
        self: Arc<Self>,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        tls: Acceptor,
    ) {
        let Ok(peer) = stream.peer_addr() else { return };
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let connection = Connection::new(peer.ip());
        let seat = self.seats.take(permit, &connection);
        let counted = Counted::new(&self.state);
        if let Some(stream) = self.make_secret(stream, &connection, &tls).await {
            self.converse(stream, connection).await;
        }
        drop((counted, seat));
    }

    async fn make_secret(
        &self,
        stream: TcpStream,
        connection: &Connection,
        tls: &Acceptor,
    ) -> Option<Stream<TcpStream>> {
        let within = self.state.patience().head;
        let mut stage = self.stage.clone();
        // One that was not silent for long enough is asked again, by whoever wants a seat then.
        let called = poll_fn(|cx| match connection.call.heard(cx) {
            Poll::Ready(()) if may_go(connection, Instant::now()).is_some() => Poll::Ready(()),
            Poll::Ready(()) => connection.call.heard(cx),
            Poll::Pending => Poll::Pending,
        });
        tokio::select! {
            secret = timeout(within, tls.accept(stream)) => secret.unwrap_or_else(|_| {
                tls.late();
                None
            }),
            () = called => {
                self.state.counts.made_way.fetch_add(1, Ordering::Relaxed);
                None
            }
            // Nobody waits for an answer yet.
            _ = stage.wait_for(|stage| *stage != Stage::Open) => None,
        }
    }

    async fn converse<S>(&self, stream: S, connection: Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let edge = Edge { state: Arc::clone(&self.state), connection: Arc::clone(&connection) };
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&connection)));
        let mut wire =
            pin!(self.builder.serve_connection(io, service_fn(move |request| edge.call(request))));
        let (mut stage, mut look) = (self.stage.clone(), self.stage.clone());
        let mut timer = Alarm::new(self.state.patience().head);
        let mut draining = None;
        let mut called_with = Left::default();

        loop {
            let mut changed = pin!(stage.changed());
            let mut left_with = Left::default();
            let turn = poll_fn(|cx| {
                if wire.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Turn::Closed);
                }
                let deadline = match draining {
                    None => connection.deadline(self.state.patience()),
                    Some(began) => connection.last_deadline(self.state.patience(), began, FAREWELL),
                };
                if deadline.is_some_and(|deadline| timer.rings(deadline, cx)) {
                    return Poll::Ready(Turn::Expired);
                }
                if (connection.call.is_made() || !called_with.is_with(cx))
                    && called_with.poll(poll_fn(|cx| connection.call.heard(cx)), cx).is_ready()
                    && may_go(&connection, Instant::now()).is_some()
                {
                    return Poll::Ready(Turn::MakesWay);
                }
                // It takes a lock that all connections share: not for every request.
                if left_with.is_with(cx) && !look.has_changed().unwrap_or(true) {
                    return Poll::Pending;
                }
                left_with.poll(changed.as_mut(), cx).map(|changed| Turn::Stage(changed.is_ok()))
            });
            let turn = turn.await;
            match turn {
                Turn::Closed => return,
                Turn::Expired | Turn::MakesWay => {
                    let is_wanted = matches!(turn, Turn::MakesWay);
                    if is_wanted {
                        self.state.counts.made_way.fetch_add(1, Ordering::Relaxed);
                    }
                    if connection.is_http2() && draining.is_none() {
                        wire.as_mut().graceful_shutdown();
                        let patience = if is_wanted { MAKE_WAY_TIMEOUT } else { GOAWAY_TIMEOUT };
                        // Whoever does not go is dropped.
                        drop(timeout(patience, wire).await);
                    }
                    return;
                }
                Turn::Stage(is_known) => match *look.borrow_and_update() {
                    Stage::Draining if is_known => {
                        wire.as_mut().graceful_shutdown();
                        draining.get_or_insert_with(Instant::now);
                    }
                    // Or nobody is left who would say when time is up.
                    Stage::Open | Stage::Draining | Stage::Over => return,
                },
            }
        }
    }
}

/// An open connection, counted for as long as it is.
struct Counted<'s>(&'s State);

impl<'s> Counted<'s> {
    fn new(state: &'s State) -> Self {
        state.counts.connections.fetch_add(1, Ordering::Relaxed);
        state.counts.connections_accepted.fetch_add(1, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.counts.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a connection waited for.
enum Turn {
    Closed,
    Expired,
    /// It does nothing, and somebody waits for its seat.
    MakesWay,
    /// The next stage; `false` when there will be none, as whoever tells of them is gone.
    Stage(bool),
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Watched from outside instead.
        .header_read_timeout(None)
        // A client may close its side once it has sent everything and still wants its answer.
        .half_close(true)
        .max_buf_size(HTTP1_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HTTP2_HEADER_BYTES_MAX)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT);
    builder
}

/// Tells a client over the cap to come back (contract C1.12), without waiting for its request. Every one
/// is told: a fresh socket takes so little at once.
fn turn_away(stream: &TcpStream) -> io::Result<()> {
    let text = "too many connections (`limits.connections`), try again later";
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {}\r\nconnection: close\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\r\n{text}",
        retry_after_s(),
        text.len()
    );
    // Not through the runtime, which has not heard yet that the socket can be written.
    rustix::io::write(stream, answer.as_bytes())?;
    Ok(())
}

/// Reads what has come by now, or the beginning of it: a socket closed with bytes unread resets its
/// connection, and the answer may go with it.
fn drop_what_came(stream: &TcpStream) -> io::Result<()> {
    let mut dropped = [0; DROPPED_PIECE_BYTES];
    for _ in 0..DROPPED_BYTES_MAX / DROPPED_PIECE_BYTES {
        // Ends with an error once nothing more has come.
        if rustix::io::read(stream, &mut dropped)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads until the client has closed, so that the answer is not lost to a reset.
async fn see_off(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut dropped = [0; 4096];
    while stream.read(&mut dropped).await? > 0 {}
    Ok(())
}
