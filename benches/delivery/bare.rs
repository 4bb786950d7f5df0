//! The ceiling: hyper's own client posting bodies that lie ready in memory, with the headers of a
//! delivery and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tidegate::config::Compression;
use tidegate::forward::envelope::content_encoding;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Posts every body once, over as many connections as there may be requests in flight.
pub(crate) async fn post(
    receiver: SocketAddr,
    bodies: &Arc<Vec<Bytes>>,
    compression: Compression,
    in_flight: usize,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..in_flight {
        let (bodies, next) = (Arc::clone(bodies), Arc::clone(&next));
        connections.spawn(async move {
            let stream = TcpStream::connect(receiver).await.expect("the receiver is there");
            stream.set_nodelay(true).expect("a socket option");
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
            let connection = tokio::spawn(connection);
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                one(&mut sender, receiver, body.clone(), compression).await;
            }
            drop(sender);
            connection.await.expect("no panic").expect("HTTP");
        });
    }
    connections.join_all().await;
}

async fn one(
    sender: &mut SendRequest<Full<Bytes>>,
    receiver: SocketAddr,
    body: Bytes,
    compression: Compression,
) {
    let mut request = Request::post(format!("{PATH}?api_key={KEY}"))
        .header("host", receiver.to_string())
        .header("user-agent", "bare")
        .header("accept", "*/*")
        .header("content-type", "application/json");
    if let Some(encoding) = content_encoding(compression) {
        request = request.header("content-encoding", encoding);
    }
    let request = request.body(Full::new(body)).expect("a sound request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.into_body().collect().await.expect("an empty body");
}

/// Where both post to.
pub(crate) const PATH: &str = "/stsAgent/intake";
/// The key both send.
pub(crate) const KEY: &str = "API_KEY";
