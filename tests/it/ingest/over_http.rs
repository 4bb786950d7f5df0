//! A case over a socket, against an edge of its own whose clock stands at the case's `now`.

use tidegate::normalize::Policy;

use super::case::Case;
use crate::support::edge::Edge;
use crate::support::wire::{Reply, Wire, chunk};

/// What the client and the queue got.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) queued: Vec<String>,
}

pub(super) async fn run(case: &Case) -> Answer {
    let edge = Edge::with(|settings| {
        let config = &case.config;
        settings.sources.clone_from(&config.sources);
        settings.auth = config.auth;
        settings.http = config.http.clone();
        settings.limits = config.limits.clone();
        settings.policy = Policy::clone(&config.policy);
        settings.now = case.now;
    })
    .await;
    let mut wire = Wire::connect(edge.address).await;
    wire.send(&request(case)).await;
    let reply = loop {
        let reply = match case.request.method.as_str() {
            "HEAD" => wire.reply_head().await,
            _ => wire.reply().await,
        };
        // The body was sent without waiting for it.
        if reply.status != 100 {
            break reply;
        }
    };
    let blocks = edge.queue.entries().into_iter().flat_map(|entry| entry.blocks);
    let queued = blocks.flat_map(|block| {
        let text = std::str::from_utf8(&block.bytes).unwrap().to_owned();
        text.split(",\n").map(str::to_owned).collect::<Vec<_>>()
    });
    Answer { reply, queued: queued.collect() }
}

fn request(case: &Case) -> Vec<u8> {
    let request = &case.request;
    let mut head = format!("{} {} HTTP/1.1\r\nHost: gateway\r\n", request.method, request.path);
    for header in &request.headers {
        head += header;
        head += "\r\n";
    }
    let body = case.body.as_deref();
    let (framing, body) = match (request.chunked, body) {
        (true, body) => {
            let (first, second) =
                body.unwrap_or_default().split_at(body.map_or(0, <[u8]>::len) / 2);
            let chunks = [first, second].into_iter().filter(|piece| !piece.is_empty()).map(chunk);
            let chunks = chunks.chain([b"0\r\n\r\n".to_vec()]).collect::<Vec<_>>().concat();
            ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), chunks)
        }
        (false, Some(body)) => (format!("Content-Length: {}\r\n\r\n", body.len()), body.to_vec()),
        (false, None) => ("\r\n".to_owned(), Vec::new()),
    };
    [head.as_bytes(), framing.as_bytes(), &body].concat()
}
