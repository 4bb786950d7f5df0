//! The accept loop and one connection: HTTP/1.1 over a [`Wire`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Shared;
use super::answer::{Answer, AnswerBody};
use super::control;
use super::intake::{self, Severed};
use super::judge;
use super::route::{self, Miss, Route};
use super::rules::BadKey;
use super::wire::{Valve, Wire};

/// Most connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;

/// From accepting, or from the end of the last answer, to the end of a request head.
const HEAD_WITHIN: Duration = Duration::from_mins(1);

/// Running requests get this long when the receiver stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Pause after a failed accept: the process is out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop. Dropping this future closes every connection at once.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let (slots, since) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Instant::now());
    let mut connections = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            () = told(&mut stopping) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let serving = connection(stream, Arc::clone(&shared), stop.clone(), since);
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Err(cause) => {
                tracing::warn!(error = %cause, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_GRACE, drained).await.is_err() {
        tracing::info!("requests that still ran were cut off");
    }
}

/// Resolves once the receiver is told to stop, or is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    // A drip must leave byte by byte, and answers are small: never wait to fill a segment.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

/// `since` is when the receiver began.
async fn connection(
    stream: TcpStream,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    since: Instant,
) {
    let valve = Valve::default();
    let number = shared.book.connected();
    let wire = Wire::new(stream, valve.clone());
    let Some(tls) = shared.tls.clone() else {
        return converse(wire, valve, number, shared, stop).await;
    };
    match tokio::time::timeout(HEAD_WITHIN, tls.handshake(wire)).await {
        Ok(Some(wire)) => return converse(wire, valve, number, shared, stop).await,
        Ok(None) => {}
        Err(_) => tls.late(),
    }
    tls.tell_failures(since.elapsed());
}

async fn converse<S>(
    wire: S,
    valve: Valve,
    number: u64,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wire = TokioIo::new(wire);
    let service = service_fn(move |request| {
        let (shared, valve) = (Arc::clone(&shared), valve.clone());
        async move { respond(&shared, request, number, &valve).await }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(wire, service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(error = %cause, "connection ended early");
    }
}

async fn respond(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    connection: u64,
    valve: &Valve,
) -> Result<Response<AnswerBody>, Severed> {
    // The answer before may have dripped.
    valve.open();
    let answer = match route::find(request.method(), request.uri().path()) {
        Err(Miss::Path) => Answer::no_route(),
        Err(Miss::Method(allowed)) => Answer::wrong_method(allowed),
        Ok(Route::Intake) => intake::answer(shared, request, connection, valve).await?,
        Ok(Route::Validate) => {
            keyed(shared, &request, BadKey::Forbidden, || Answer::json(r#"{"valid":true}"#))
        }
        Ok(Route::Features) => {
            let bad_key = shared.faults.current().bad_key;
            keyed(shared, &request, bad_key, || Answer::json("{}"))
        }
        Ok(Route::Health) => Answer::accepted(),
        Ok(Route::Control) if request.method() == Method::PUT => {
            control::put(shared, request).await
        }
        Ok(Route::Control) => control::delete(shared),
        Ok(Route::Received) => control::received(shared, request.uri()),
    };
    Ok(answer.into_response())
}

fn keyed(
    shared: &Shared,
    request: &Request<Incoming>,
    bad_key: BadKey,
    good: impl FnOnce() -> Answer,
) -> Answer {
    if judge::has_key(&shared.faults.current(), request.uri(), request.headers()) {
        good()
    } else {
        Answer::bad_key(bad_key)
    }
}
