//! The ceiling: hyper with nothing behind it, which reads every body to its end and answers 202; a
//! process of its own that ends when its parent does. Also a receiver that takes everything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use crate::again::{self, Again};
use crate::child;

/// Makes this program the server.
pub(crate) const ARGUMENT: &str = "--bare-server";

/// The server's process, as its parent sees it.
pub(crate) struct Bare(Again);

impl Bare {
    pub(crate) fn start() -> Self {
        Self(Again::start(ARGUMENT))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Time it ran on a core since it started.
    pub(crate) fn cpu(&self) -> Duration {
        child::cpu(self.0.id()).expect("it is there as long as this is")
    }
}

/// The server itself, on a runtime as the gateway's.
pub(crate) fn run() {
    again::end_with_the_parent();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(serve());
}

async fn serve() {
    let listener = again::listen().await;
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // Clients may leave at any time.
            connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok();
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::ACCEPTED;
    Ok(answer)
}
