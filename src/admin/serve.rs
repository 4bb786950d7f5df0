//! The accept loop of the admin port, and the bounds of a connection.
//!
//! A connection carries one request and lives for seconds, and few are enough for everybody. A probe
//! that has to wait would end a process that works, so no connection waits for a place: when all are
//! taken, the oldest one that has not asked yet makes way, and if all have asked, the oldest. Whoever
//! asks at once is kept out only by a flood of as many connections in the same moment.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::content::Content;
use super::forecast::SAMPLE_INTERVAL;
use super::route::{Answer, answer};
use super::{State, guard, reload, replay, whose};
use crate::http::Door;
use crate::tls::Acceptor;

/// Open connections; a further one takes the place of another.
const CONNECTIONS_MAX: usize = 64;

/// From accepting to the end of the head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// From accepting to the end of the answer; of a live one, from the end of its telling, which it has also when
/// nothing of it is taken any more.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// A head must fit.
const BUFFER_BYTES: usize = 16 << 10;

/// Nothing here takes a body. This much is read and dropped, for this long, so that whoever sends one
/// sees the answer.
const BODY_BYTES_MAX: usize = 64 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until dropped, which ends every connection too.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut door = Door::new(listener);
    let mut guests = Guests::default();
    let mut sampling = interval(SAMPLE_INTERVAL);
    sampling.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            stream = door.next() => {
                if guests.make_room() {
                    // Those that came just before may have sent a request that nobody has read yet.
                    yield_now().await;
                }
                guests.admit(stream, &state);
            }
            Some(ended) = guests.running.join_next() => match ended {
                Err(error) if error.is_panic() => {
                    tracing::error!(%error, "an answer of the admin port ended by a bug in tidegate");
                }
                _ => {}
            },
            _ = sampling.tick() => state.sample(),
        }
    }
}

/// The open connections.
#[derive(Default)]
struct Guests {
    running: JoinSet<()>,
    /// The same, oldest first.
    by_age: VecDeque<Guest>,
}

struct Guest {
    /// Its request has come, body and all.
    has_asked: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Guests {
    /// Whether somebody had to go.
    fn make_room(&mut self) -> bool {
        self.by_age.retain(|guest| !guest.task.is_finished());
        if self.by_age.len() < CONNECTIONS_MAX {
            return false;
        }
        let is_silent = |guest: &Guest| !guest.has_asked.load(Ordering::Relaxed);
        let nth = self.by_age.iter().position(is_silent).unwrap_or(0);
        if let Some(guest) = self.by_age.remove(nth) {
            guest.task.abort();
        }
        true
    }

    fn admit(&mut self, stream: TcpStream, state: &Arc<State>) {
        let has_asked = Arc::new(AtomicBool::new(false));
        let (state, asked) = (Arc::clone(state), Arc::clone(&has_asked));
        let task = match state.tls.clone() {
            None => self.running.spawn(converse(stream, state, asked)),
            Some(tls) => self.running.spawn(converse_secretly(stream, tls, state, asked)),
        };
        self.by_age.push_back(Guest { has_asked, task });
    }
}

/// The handshake has the time of a head.
async fn converse_secretly(
    stream: TcpStream,
    tls: Acceptor,
    state: Arc<State>,
    has_asked: Arc<AtomicBool>,
) {
    match timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Some(stream)) => converse(stream, state, has_asked).await,
        Ok(None) => {}
        Err(_) => tls.late(),
    }
}

async fn converse<S>(stream: S, state: Arc<State>, has_asked: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ended = OnceLock::new();
    let service = service_fn(|request| {
        let (state, has_asked, ended) = (Arc::clone(&state), Arc::clone(&has_asked), &ended);
        async move {
            let mut answer = exchange(&state, request, &has_asked).await;
            guard::mark(&mut answer);
            note_live(&answer, ended);
            Ok::<_, Infallible>(answer)
        }
    });
    carry(protocol().serve_connection(TokioIo::new(stream), service), &ended).await;
}

/// One request, in so much memory.
fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .half_close(true)
        .max_buf_size(BUFFER_BYTES);
    protocol
}

/// Told when a live answer ends; empty where there is none.
type Ended = OnceLock<Arc<Notify>>;

fn note_live(answer: &Answer, ended: &Ended) {
    if let Content::Live(heard) = answer.body() {
        ended.get_or_init(|| heard.ended());
    }
}

/// Whatever goes wrong, the other side knows better than anybody here.
async fn carry(wire: impl Future, ended: &Ended) {
    let mut wire = pin!(wire);
    if timeout(CONNECTION_TIMEOUT, wire.as_mut()).await.is_ok() {
        return;
    }
    let Some(ended) = ended.get() else { return };
    // Whoever listens may do so until somebody needs the place.
    tokio::select! {
        _ = wire.as_mut() => return,
        () = ended.notified() => {}
    }
    drop(timeout(CONNECTION_TIMEOUT, wire).await);
}

async fn exchange(
    state: &Arc<State>,
    request: Request<Incoming>,
    has_asked: &AtomicBool,
) -> Answer {
    let (head, body) = request.into_parts();
    let refusal = match state.guard.refusal(&head) {
        None => state.directory.refusal(head.headers.get(whose::HEADER)).await,
        refusal => refusal,
    };
    if let Some(refusal) = refusal {
        drop(timeout(BODY_TIMEOUT, drop_body(body)).await);
        return refusal;
    }
    if head.method == Method::POST && head.uri.path() == replay::PATH {
        let body = timeout(BODY_TIMEOUT, replay::read(body)).await;
        has_asked.store(true, Ordering::Relaxed);
        return replay::answer(state, &head.headers, body.ok().flatten()).await;
    }
    // Late or long, it is not waited for.
    drop(timeout(BODY_TIMEOUT, drop_body(body)).await);
    has_asked.store(true, Ordering::Relaxed);
    if head.method == Method::POST && head.uri.path() == reload::PATH {
        return reload::answer(&state.reload, &head.headers).await;
    }
    answer(state, &head).await
}

async fn drop_body(mut body: Incoming) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > BODY_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::Response;
    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::super::content::{PATIENCE, Teller};
    use super::*;

    async fn tell_for_ever(told: Teller) {
        while let Ok(place) = told.room().await {
            place.send(Bytes::from_static(&[b'x'; 4096]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_answer_that_nobody_takes_ends_its_connection() {
        let (mut client, stream) = tokio::io::duplex(1 << 10);
        client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let ended = Ended::new();
        let service = service_fn(|_| {
            let (told, content) = Content::live();
            tokio::spawn(tell_for_ever(told));
            let answer = Response::new(content);
            note_live(&answer, &ended);
            async move { Ok::<_, Infallible>(answer) }
        });
        let begun = Instant::now();
        let wire = protocol().serve_connection(TokioIo::new(stream), service);
        let bound = 2 * CONNECTION_TIMEOUT + PATIENCE;
        timeout(2 * bound, carry(wire, &ended)).await.expect("it ends");
        assert!(ended.get().is_some() && begun.elapsed() >= PATIENCE, "{:?}", begun.elapsed());
        drop(client);
    }
}
