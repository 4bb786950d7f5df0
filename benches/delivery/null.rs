//! A receiver that reads every body, looks at none of it, and answers 200; a process of its own, so
//! that its time is not counted. It ends when its parent does.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::again::{self, Again};

/// Makes this program the receiver.
pub(crate) const ARGUMENT: &str = "--null-receiver";

/// The receiver's process, as its parent sees it.
pub(crate) struct Null(Again);

/// What it had since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) requests: u64,
    /// Bytes of bodies, as sent.
    pub(crate) bytes: u64,
}

impl Null {
    pub(crate) fn start() -> Self {
        Self(Again::start(ARGUMENT))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// What came in since the last call.
    pub(crate) async fn received(&self) -> Received {
        let stream = TcpStream::connect(self.0.address()).await.expect("the receiver is there");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        let connection = tokio::spawn(connection);
        let request = Request::get("/").header("host", "null").body(Full::<Bytes>::default());
        let answer = sender.send_request(request.expect("a sound request")).await.expect("200");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        drop(sender);
        connection.await.expect("no panic").expect("HTTP");
        let text = std::str::from_utf8(&body).expect("numbers");
        let (requests, bytes) = text.split_once(' ').expect("two of them");
        Received {
            requests: requests.parse().expect("a number"),
            bytes: bytes.parse().expect("a number"),
        }
    }
}

/// The receiver itself. One thread: it takes no more of the machine than one core, whoever sends.
pub(crate) fn run() {
    again::end_with_the_parent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(tokio::task::LocalSet::new().run_until(serve()));
}

async fn serve() {
    let listener = again::listen().await;
    let received = Rc::new(Cell::new(Received::default()));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        let received = Rc::clone(&received);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(request, &received));
            let connection = hyper::server::conn::http1::Builder::new();
            // Clients may leave at any time.
            connection.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    received: &Cell<Received>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        let Received { requests, bytes } = received.take();
        return Ok(Response::new(format!("{requests} {bytes}").into()));
    }
    let (mut body, mut bytes) = (request.into_body(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
    }
    let before = received.get();
    received.set(Received { requests: before.requests + 1, bytes: before.bytes + bytes });
    Ok(Response::new(Full::default()))
}
