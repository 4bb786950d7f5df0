//! A token that comes in a label of the body, where a source allows that.

use prost::Message;

use super::client::{V1, V2, bearer, headers, queued, send, snappy, write, written};
use super::messages::{MetricMetadata, Request, WriteRequest};
use crate::support::edge::{Edge, TOKEN, source};
use crate::support::wire::Reply;

const LABEL: &str = "better_stack_source_token";
const OPEN: &str = "open-token";

/// `main` does not allow it, `open` does.
async fn edge() -> Edge {
    Edge::with(|settings| {
        settings.sources.push(source("open", OPEN));
        settings.sources[1].label_token = true;
    })
    .await
}

/// A series for each token; an empty one is none.
fn request(tokens: &[&str]) -> WriteRequest {
    let labels: Vec<_> =
        tokens.iter().map(|token| [("__name__", "up"), (LABEL, token), ("zone", "a")]).collect();
    WriteRequest::of(&labels.iter().map(|labels| (&labels[..], 1.0)).collect::<Vec<_>>())
}

async fn unnamed(edge: &Edge, kind: &str, body: &[u8]) -> Reply {
    send(edge, &headers(kind), &snappy(body)).await
}

#[tokio::test]
async fn the_first_series_names_the_source_and_the_others_must_agree() {
    for (tokens, status, kept) in [
        (&[OPEN][..], 204, 1),
        (&[OPEN, OPEN], 204, 2),
        (&[OPEN, "", OPEN], 400, 2),
        (&[OPEN, TOKEN], 400, 1),
        (&[OPEN, "nobody's"], 400, 1),
        (&[TOKEN], 403, 0),
        (&[TOKEN, OPEN], 403, 0),
        (&["", OPEN], 403, 0),
        (&["nobody's"], 403, 0),
        (&[""], 403, 0),
        (&[], 403, 0),
    ] {
        let first = request(tokens);
        for (kind, body) in
            [(V1, first.encode_to_vec()), (V2, Request::like(&first).encode_to_vec())]
        {
            let edge = edge().await;
            let reply = unnamed(&edge, kind, &body).await;
            assert_eq!(reply.status, status, "{tokens:?} {reply:?}");
            let tuples = queued(&edge);
            assert_eq!(tuples.len(), kept, "{tokens:?}");
            match status {
                403 => assert_eq!(reply.text(), "Unauthorized"),
                _ => assert_eq!(written(&reply), [kept as u64, 0, 0]),
            }
            for entry in edge.queue.entries() {
                assert_eq!(&*entry.source, "open");
            }
            for secret in [OPEN, TOKEN, "nobody's"] {
                assert!(!String::from_utf8_lossy(&reply.body).contains(secret), "{reply:?}");
                assert!(!format!("{tuples:?}").contains(secret), "{tuples:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_header_decides_alone_and_the_label_never_becomes_a_tag() {
    for tokens in [&[OPEN][..], &[TOKEN], &["nobody's", ""]] {
        let edge = edge().await;
        let reply = write(&edge, V1, &request(tokens)).await;
        assert_eq!(reply.status, 204, "{tokens:?} {reply:?}");
        let tuples = queued(&edge);
        assert_eq!(tuples.len(), tokens.len());
        for tuple in &tuples {
            assert_eq!(tuple.tags.keys().collect::<Vec<_>>(), ["zone"]);
        }
        assert_eq!(&*edge.queue.entries()[0].source, "main");
    }
    // A bad header is not made good by a label.
    let edge = edge().await;
    let head = bearer().replace(TOKEN, "another") + &headers(V1);
    let body = snappy(&request(&[OPEN]).encode_to_vec());
    assert_eq!(send(&edge, &head, &body).await.status, 403);
}

#[tokio::test]
async fn of_a_page_or_a_path_it_becomes_no_tag_either() {
    let page = format!("up{{zone=\"a\",{LABEL}=\"secret\"}} 1\nup{{{LABEL}=\"secret\"}} 2\n");
    let pushed = format!("POST /metrics/job/j/{LABEL}/secret");
    for (target, tags) in [("POST /metrics", vec![&["zone"][..], &[]]), (&pushed, vec![])] {
        let edge = edge().await;
        let head = bearer() + "content-type: text/plain; version=0.0.4\r\n";
        let body = if tags.is_empty() { "up 1\n" } else { &page };
        let request = crate::support::wire::request(target, &head, body.as_bytes());
        let reply = crate::support::wire::once(&edge, &request).await;
        assert!((200..300).contains(&reply.status), "{reply:?}");
        let tuples = queued(&edge);
        assert!(!tuples.is_empty() && !format!("{tuples:?}").contains("secret"), "{tuples:?}");
        for (tuple, tags) in tuples.iter().zip(tags) {
            assert_eq!(tuple.tags.keys().collect::<Vec<_>>(), tags);
        }
    }
}

#[tokio::test]
async fn without_a_source_that_allows_it_no_body_is_looked_at() {
    let edge = Edge::with(|settings| settings.sources.push(source("open", OPEN))).await;
    let reply = unnamed(&edge, V1, &request(&[OPEN]).encode_to_vec()).await;
    assert_eq!((reply.status, queued(&edge).len()), (403, 0));
}

#[tokio::test]
async fn who_has_shown_no_token_hears_of_nothing_else() {
    let metadata = WriteRequest { metadata: vec![MetricMetadata::default()], ..request(&[]) };
    let good = request(&[OPEN]).encode_to_vec();
    let cases = [
        (headers(V1), snappy(&metadata.encode_to_vec())),
        (headers(V1), b"no snappy".to_vec()),
        (headers(V1), snappy(b"no message")),
        (headers(V1), Vec::new()),
        (headers(V1), snappy(&vec![0; 5_000])),
        (headers(V1), vec![0; 5_000]),
        (headers("image/png"), snappy(&good)),
        (headers(V1).replace("snappy", "gzip"), snappy(&good)),
    ];
    for (headers, body) in cases {
        let edge = Edge::with(|settings| {
            settings.limits.body_bytes = 4_096;
            settings.sources[0].label_token = true;
        })
        .await;
        let reply = send(&edge, &headers, &body).await;
        assert_eq!((reply.status, reply.text()), (403, "Unauthorized"), "{headers}");
    }
    // The same label does not open other formats.
    let edge = edge().await;
    let body = format!("up{{{LABEL}=\"{OPEN}\"}} 1\n");
    let head = "content-type: text/plain; version=0.0.4\r\n";
    let request = crate::support::wire::request("POST /metrics", head, body.as_bytes());
    assert_eq!(crate::support::wire::once(&edge, &request).await.status, 403);
}

#[tokio::test]
async fn the_limit_of_an_address_comes_before_the_body() {
    let edge = Edge::with(|settings| {
        settings.limits.requests_per_minute = 1;
        settings.sources[0].label_token = true;
    })
    .await;
    let body = request(&[TOKEN]).encode_to_vec();
    assert_eq!(unnamed(&edge, V1, &body).await.status, 204);
    assert_eq!(unnamed(&edge, V1, &body).await.status, 429);
}
