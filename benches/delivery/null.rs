//! A receiver that reads every body, looks at none of it, and answers 200; a process of its own, so
//! that its time is not counted. It ends when its parent does.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Makes this program the receiver.
pub(crate) const ARGUMENT: &str = "--null-receiver";

/// The receiver's process, as its parent sees it.
pub(crate) struct Null {
    address: SocketAddr,
    child: Child,
}

/// What it had since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) requests: u64,
    /// Bytes of bodies, as sent.
    pub(crate) bytes: u64,
}

impl Null {
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
        BufReader::new(said).read_line(&mut line).expect("the receiver says where it is");
        Self { address: line.trim().parse().expect("an address"), child }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came in since the last call.
    pub(crate) async fn received(&self) -> Received {
        let stream = TcpStream::connect(self.address).await.expect("the receiver is there");
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

impl Drop for Null {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// The receiver itself. One thread: it takes no more of the machine than one core, whoever sends.
pub(crate) fn run() {
    std::thread::spawn(|| {
        // The parent never writes: this returns when it is gone.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(tokio::task::LocalSet::new().run_until(serve()));
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    std::io::stdout().flush().expect("the parent listens");
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
