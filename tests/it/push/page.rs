//! Pages of metrics: what they come to, and how their faults are told.

use tidegate::decode::labelled::Asides;
use tidegate::normalize::Code;

use super::{PATH, TEXT, gzip, push};
use crate::support::edge::{Edge, TOKEN};
use crate::support::wire::{once, post, request};

/// A page with a sample that already has a label of the grouping key.
const PAGE: &str = "\
# TYPE app_requests_total counter
app_requests_total{method=\"GET\"} 3.0
# TYPE app_temp_celsius gauge
app_temp_celsius{instance=\"own\"} -1.5
";

/// Every tuple in the queue, as text.
fn tuples(edge: &Edge) -> Vec<String> {
    let blocks = edge.queue.entries().into_iter().flat_map(|entry| entry.blocks);
    let texts = blocks.map(|block| std::str::from_utf8(&block.bytes).unwrap().to_owned());
    texts.flat_map(|text| text.split(",\n").map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn a_push_gets_the_labels_of_its_path_which_win() {
    for (method, headers, body) in [
        ("PUT", TEXT, PAGE.as_bytes().to_vec()),
        ("POST", "", PAGE.as_bytes().to_vec()),
        ("PUT", "content-encoding: gzip\r\n", gzip(PAGE.as_bytes())),
        (
            "POST",
            "content-type: application/openmetrics-text\r\n",
            format!("{PAGE}# EOF\n").replace("app_requests_total c", "app_requests c").into(),
        ),
    ] {
        let edge = Edge::start().await;
        let reply = push(&edge, &format!("{method} {PATH}"), headers, &body).await;
        assert_eq!((reply.status, reply.text()), (200, ""), "{method} {headers}");
        assert_eq!(
            tuples(&edge),
            [
                r#"["app_requests_total",1700000000,3.0,{"hostname":"localhost","tags":["method:GET","job:batch","instance:host-1"],"type":"counter"}]"#,
                r#"["app_temp_celsius",1700000000,-1.5,{"hostname":"localhost","tags":["job:batch","instance:host-1"],"type":"gauge"}]"#,
            ],
            "{method} {headers}"
        );
    }
}

#[tokio::test]
async fn an_empty_label_of_the_path_takes_away_the_bodys() {
    let edge = Edge::start().await;
    let reply = push(&edge, "PUT /metrics/job/b/instance@base64/=", TEXT, PAGE.as_bytes()).await;
    assert_eq!(reply.status, 200);
    assert!(tuples(&edge)[1].contains(r#""tags":["job:b"]"#), "{:?}", tuples(&edge));
}

#[tokio::test]
async fn a_pushed_sample_has_no_time_and_a_posted_one_may() {
    let edge = Edge::start().await;
    let body = b"a 1\nb 2 1700000000000\n";
    let reply = push(&edge, &format!("PUT {PATH}"), TEXT, body).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("timestamp") && reply.text().contains("line 2"), "{reply:?}");
    assert_eq!(edge.queue.entries().len(), 0);

    let reply = once(&edge, &post(TEXT, body)).await;
    assert_eq!((reply.status, reply.text()), (202, ""));
    assert_eq!(edge.queue.tuples(), 2);
}

#[tokio::test]
async fn a_syntax_error_refuses_the_whole_page_and_tells_line_and_column() {
    let edge = Edge::start().await;
    let body = b"a 1\nb\nc 3\n";
    for line in [format!("PUT {PATH}"), "POST /metrics".to_owned()] {
        let reply = push(&edge, &line, TEXT, body).await;
        assert_eq!(reply.status, 400, "{line}");
        assert!(reply.text().starts_with("not the text exposition format: "), "{reply:?}");
        assert!(reply.text().contains("line 2"), "{reply:?}");
        assert!(reply.text().contains("column"), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    // The end of OpenMetrics has to be said, also that of nothing.
    let open = "content-type: application/openmetrics-text\r\n";
    for line in [format!("PUT {PATH}"), "POST /metrics".to_owned()] {
        assert_eq!(push(&edge, &line, open, b"").await.status, 400, "{line}");
        assert_eq!(push(&edge, &line, open, b"a 1\n").await.status, 400, "{line}");
    }
    assert_eq!(edge.queue.entries().len(), 0);
}

#[tokio::test]
async fn what_is_rejected_or_warned_of_is_reported() {
    let edge = Edge::start().await;
    let long = format!("long{{a=\"{}\"}} 1\n", "v".repeat(4097));
    // Line, accepted, rejected, status of a push, status of a post.
    for (body, accepted, rejected, pushed, posted) in [
        (format!("a 1\n{long}"), 1, 1, 200, 202),
        ("a 1\nb NaN\n".to_owned(), 2, 0, 200, 202),
        (long.clone(), 0, 1, 400, 422),
    ] {
        for (line, status) in [(format!("PUT {PATH}"), pushed), ("POST /".to_owned(), posted)] {
            let reply = push(&edge, &line, TEXT, body.as_bytes()).await;
            assert_eq!(reply.status, status, "{line}: {reply:?}");
            let report = reply.json();
            assert_eq!(report["accepted"], accepted, "{report}");
            assert_eq!(report["rejected"], rejected, "{report}");
        }
    }
    assert_eq!(edge.state.counts().rejections(Code::InvalidTags), 4);
    assert_eq!(edge.state.counts().warnings(Code::SkippedValue), 2);
}

#[tokio::test]
async fn a_dry_run_of_a_push_shows_its_tuples_and_queues_nothing() {
    let edge = Edge::start().await;
    let reply = push(&edge, &format!("PUT {PATH}?dry_run=1"), TEXT, PAGE.as_bytes()).await;
    assert_eq!(reply.status, 200);
    let preview = reply.json();
    assert_eq!(preview["accepted"], 2);
    assert_eq!(preview["tuples"][0][3]["tags"][1], "job:batch");
    assert_eq!(edge.queue.entries().len(), 0);
}

#[tokio::test]
async fn families_and_exemplars_that_come_along_are_counted() {
    let edge = Edge::start().await;
    let page = "# TYPE a counter\n# HELP a Some.\na_total 1 # {trace_id=\"x\"} 1\n\
                # TYPE b gauge\nb 1\n# EOF\n";
    let header = "content-type: application/openmetrics-text\r\n";
    assert_eq!(once(&edge, &post(header, page.as_bytes())).await.status, 202);
    let expected = Asides { exemplars: 1, metadata: 2, ..Asides::default() };
    assert_eq!(edge.state.counts().asides(), expected);
}

#[tokio::test]
async fn a_push_waits_for_room_like_everybody() {
    let edge = Edge::start().await;
    edge.queue.fill();
    let reply = push(&edge, &format!("PUT {PATH}"), TEXT, PAGE.as_bytes()).await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    let auth = format!("authorization: Bearer {TOKEN}\r\n");
    // Nothing is to be queued for a deletion.
    assert_eq!(once(&edge, &request(&format!("DELETE {PATH}"), &auth, b"")).await.status, 202);
}
