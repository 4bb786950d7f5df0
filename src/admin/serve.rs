//! The accept loop of the admin port, and the bounds of a connection.
//!
//! A connection carries one request and lives for seconds, so that few are enough for everybody and
//! none can be kept from others by doing nothing: a probe that finds no place would end a process
//! that works.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::State;
use super::forecast::SAMPLE_INTERVAL;
use super::route::{Answer, answer};
use crate::http::Door;

/// Open connections; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;

/// From accepting to the end of the head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// From accepting to the end of the answer.
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
    let mut connections = JoinSet::new();
    let mut sampling = interval(SAMPLE_INTERVAL);
    sampling.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            stream = door.next(), if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(converse(stream, Arc::clone(&state)));
            }
            Some(ended) = connections.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "an answer of the admin port ended by a bug in tidegate");
            },
            _ = sampling.tick() => state.sample(),
        }
    }
}

async fn converse(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(exchange(&state, request).await) }
    });
    let wire = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .half_close(true)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong, the other side knows better than anybody here.
    drop(timeout(CONNECTION_TIMEOUT, wire).await);
}

async fn exchange(state: &State, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    // Late or long, it is not waited for.
    drop(timeout(BODY_TIMEOUT, drop_body(body)).await);
    answer(state, &head.method, head.uri.path()).await
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
