//! The ceiling: hyper with nothing behind it, which reads every body to its end and answers 202; a
//! process of its own that ends when its parent does. Also a receiver that takes everything.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::child;

/// Makes this program the server.
pub(crate) const ARGUMENT: &str = "--bare-server";

/// The server's process, as its parent sees it.
pub(crate) struct Bare {
    address: SocketAddr,
    child: Child,
}

impl Bare {
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut line = String::new();
        let said = child.stdout.as_mut().expect("it is piped");
        BufReader::new(said).read_line(&mut line).expect("the server says where it is");
        Self { address: line.trim().parse().expect("an address"), child }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Time it ran on a core since it started.
    pub(crate) fn cpu(&self) -> Duration {
        child::cpu(self.child.id()).expect("it is there as long as this is")
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// The server itself, on a runtime as the gateway's.
pub(crate) fn run() {
    std::thread::spawn(|| {
        // The parent never writes: this returns when it is gone.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    tokio::runtime::Runtime::new().expect("a runtime").block_on(serve());
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    std::io::stdout().flush().expect("the parent listens");
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
