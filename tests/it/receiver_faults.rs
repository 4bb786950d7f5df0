//! Every way the receiver can be told to fail, as a client on the wire sees it.

use std::io::ErrorKind;
use std::time::Duration;

use tidegate::receiver::{
    Fault, Hits, Options, Outcome, Receiver, ResetAt, Running, Standing, Status, Totals,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::receiver_client::{Client, PATIENCE, Request, TUPLE, call, envelope, header};

async fn start() -> Running {
    Receiver::start(Options::for_tests()).await.unwrap()
}

fn request() -> Request {
    Request::intake(envelope(&[TUPLE]))
}

async fn told(fault: Fault) -> Running {
    let receiver = start().await;
    receiver.faults().script([fault]);
    receiver
}

#[tokio::test]
async fn a_status_fault_answers_it_with_text_and_retry_after_and_keeps_nothing() {
    let receiver = told(Fault::Status(Status {
        code: 503,
        body: Some("kafka is away".to_owned()),
        retry_after: Some(7),
        ..Status::default()
    }))
    .await;
    let mut client = Client::connect(receiver.addr()).await;
    let answer = client.call(&request()).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (503, "kafka is away"));
    assert_eq!(header(&answer.head, "retry-after"), Some("7"));
    assert_eq!(receiver.received().tuples.len(), 0);
    // The script is over and the connection still good.
    assert_eq!(client.call(&request()).await.unwrap().status, 200);
    let totals = receiver.received().totals;
    assert_eq!((totals.statuses[&503], totals.statuses[&200], totals.tuples), (1, 1, 1));
}

#[tokio::test]
async fn a_bare_status_has_its_stock_phrase() {
    let receiver = told(Fault::status(429)).await;
    let answer = call(receiver.addr(), &request()).await;
    assert_eq!((answer.status, answer.body.as_str()), (429, "Too Many Requests"));
    assert_eq!(header(&answer.head, "retry-after"), None);
}

#[tokio::test]
async fn an_early_status_comes_before_any_body_byte() {
    let early = Fault::early(413);
    let receiver = told(early).await;
    let mut client = Client::connect(receiver.addr()).await;
    client.0.write_all(request().head().as_bytes()).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(header(&answer.head, "connection"), Some("close"));
    // Open for a while yet: closed under a client that still sends, the answer could be lost.
    let closed = timeout(Duration::from_millis(50), client.0.read_u8()).await;
    assert!(closed.is_err(), "{closed:?}");
}

#[tokio::test]
async fn an_early_status_reaches_a_client_in_the_middle_of_a_large_upload() {
    let early = Fault::early(503);
    let receiver = told(early).await;
    let upload = Request::intake(vec![b' '; 64 << 20]);
    let client = Client::connect(receiver.addr()).await;
    let (read, mut write) = client.0.into_split();
    // More than the buffers of both sides hold, so this ends only when the connection does.
    let sending = tokio::spawn(async move {
        write.write_all(upload.head().as_bytes()).await?;
        write.write_all(&upload.body).await
    });
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, read.take(1 << 20).read_to_end(&mut answer)).await.unwrap());
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&answer));
    assert!(sending.await.unwrap().is_err(), "the body was read after all");
}

#[tokio::test]
async fn a_hanging_receiver_reads_the_request_and_never_answers() {
    let receiver = told(Fault::Hang).await;
    let mut client = Client::connect(receiver.addr()).await;
    client.send(&request()).await.unwrap();
    let hung = receiver.wait_for(PATIENCE, |seen| seen.totals.hung == 1).await.unwrap();
    assert_eq!(hung.totals.tuples, 0);
    // Silence can only be listened to for some time.
    assert!(timeout(Duration::from_millis(50), client.0.read_u8()).await.is_err());
    assert_eq!(call(receiver.addr(), &request()).await.status, 200);
    drop(receiver);
    assert!(client.answer().await.is_err());
}

#[tokio::test]
async fn a_delayed_answer_comes_late_although_its_tuples_are_kept_at_once() {
    let delay = Duration::from_millis(300);
    let receiver = told(Fault::Delay(delay)).await;
    let mut client = Client::connect(receiver.addr()).await;
    let sent = Instant::now();
    client.send(&request()).await.unwrap();
    receiver.wait_for_tuples(1, PATIENCE).await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(sent.elapsed() >= delay);
}

#[tokio::test]
async fn a_dripping_answer_leaves_byte_by_byte() {
    let pause = Duration::from_millis(2);
    let receiver = told(Fault::Drip(pause)).await;
    let mut client = Client::connect(receiver.addr()).await;
    client.send(&request()).await.unwrap();
    let first = client.0.read_u8().await.unwrap();
    assert_eq!(first, b'H');
    let started = Instant::now();
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n\r\nOK") {
        rest.push(client.0.read_u8().await.unwrap());
    }
    // Half the pauses: this side may have been late in reading the first byte.
    assert!(started.elapsed() >= pause * (rest.len() as u32 / 2), "{:?}", started.elapsed());
    assert_eq!(receiver.received().totals.tuples, 1);
    // The next answer on this connection flows freely again: its bytes come together.
    client.send(&request()).await.unwrap();
    let mut answer = [0; 1000];
    let length = client.0.read(&mut answer).await.unwrap();
    assert!(length > 20, "{length}");
}

#[tokio::test]
async fn a_reset_before_the_body_is_read_is_a_reset_and_keeps_nothing() {
    let receiver = told(Fault::Reset(ResetAt::Head)).await;
    let mut client = Client::connect(receiver.addr()).await;
    client.0.write_all(request().head().as_bytes()).await.unwrap();
    let error = client.answer().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let totals = receiver.received().totals;
    assert_eq!(totals, Totals { requests: 1, connections: 1, cut: 1, ..Totals::default() });
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_body_waits_for_its_first_bytes() {
    let receiver = told(Fault::Reset(ResetAt::Body)).await;
    let mut client = Client::connect(receiver.addr()).await;
    client.0.write_all(request().head().as_bytes()).await.unwrap();
    assert!(timeout(Duration::from_millis(50), client.0.read_u8()).await.is_err());
    client.0.write_all(&request().body[..10]).await.unwrap();
    let error = client.answer().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let seen = receiver.received();
    assert_eq!((seen.totals.cut, seen.totals.tuples), (1, 0));
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_answer_keeps_the_tuples() {
    let receiver = told(Fault::Reset(ResetAt::Answer)).await;
    let mut client = Client::connect(receiver.addr()).await;
    client.send(&request()).await.unwrap();
    let mut answer = Vec::new();
    let error = timeout(PATIENCE, client.0.read_to_end(&mut answer)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(
        answer.len() <= 20 && b"HTTP/1.1 200 OK\r\n".starts_with(&answer[..answer.len().min(17)])
    );
    let seen = receiver.received();
    assert_eq!(
        seen.totals,
        Totals { requests: 1, connections: 1, tuples: 1, cut: 1, ..Totals::default() }
    );
    assert_eq!(seen.requests[0].outcome, Outcome::Cut);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body_is_counted_as_broken() {
    let receiver = start().await;
    let mut client = Client::connect(receiver.addr()).await;
    client.0.write_all(request().head().as_bytes()).await.unwrap();
    client.0.write_all(&request().body[..10]).await.unwrap();
    drop(client);
    let seen = receiver.wait_for(PATIENCE, |seen| seen.totals.broken == 1).await.unwrap();
    assert_eq!(seen.totals, Totals { requests: 1, connections: 1, broken: 1, ..Totals::default() });
}

#[tokio::test]
async fn a_standing_fault_hits_its_share_until_it_is_healed() {
    let standing = Standing { fault: Fault::status(503), hits: Hits::Share(0.3) };
    let options = Options { fault: Some(standing), seed: 42, ..Options::for_tests() };
    let receiver = Receiver::start(options).await.unwrap();
    let mut client = Client::connect(receiver.addr()).await;
    for _ in 0..200 {
        client.call(&request()).await.unwrap();
    }
    let failed = receiver.received().totals.statuses[&503];
    assert!((35..=85).contains(&failed), "{failed}");
    receiver.faults().stand(Standing::always(Fault::status(500)));
    assert_eq!(client.call(&request()).await.unwrap().status, 500);
    receiver.faults().heal();
    for _ in 0..20 {
        assert_eq!(client.call(&request()).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn faults_are_set_and_healed_over_the_control_route() {
    let receiver = start().await;
    let mut client = Client::connect(receiver.addr()).await;
    let put = Request::to("PUT", "/_control").body(
        r#"{"fault":{"status":503,"retry_after":2},"script":[{"pass":true},{"status":400,"body":"no"}]}"#,
    );
    assert_eq!(client.call(&put).await.unwrap().status, 204);
    for status in [200, 400, 503, 503] {
        assert_eq!(client.call(&request()).await.unwrap().status, status);
    }
    // Only the intake fails: what steers and what shows goes on.
    assert_eq!(client.call(&Request::to("GET", "/health")).await.unwrap().status, 200);
    let heal = Request::to("DELETE", "/_control");
    assert_eq!(client.call(&heal).await.unwrap().status, 204);
    assert_eq!(client.call(&request()).await.unwrap().status, 200);
    let listed = client.call(&Request::to("GET", "/_received")).await.unwrap();
    assert_eq!(
        listed.body,
        format!(
            r#"{{"totals":{{"requests":5,"connections":1,"tuples":2,"statuses":{{"200":2,"400":1,"503":2}},"cut":0,"hung":0,"broken":0,"malformed":0}},"tuples":[{TUPLE},{TUPLE}]}}"#
        )
    );
}

#[tokio::test]
async fn a_control_document_that_makes_no_sense_changes_nothing_and_is_told_why() {
    let receiver = start().await;
    receiver.faults().stand(Standing::always(Fault::status(500)));
    for (document, why) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"fualt":{}}"#, "unknown field `fualt`, expected one of `fault`, `script`, `rules`"),
        (
            r#"{"fault":{}}"#,
            "a fault has exactly one of pass, status, hang, delay_ms, reset, drip_ms, endless",
        ),
        (r#"{"fault":{"hang":true,"status":503}}"#, "a fault has exactly one of"),
        (r#"{"fault":{"status":99}}"#, "status 99 is not between 200 and 599"),
        (r#"{"fault":{"status":503,"rate":30}}"#, "rate 30 is not between 0 and 1"),
        (r#"{"rules":{"bad_key":404}}"#, "rules: bad_key is 401 or 403, not 404"),
        (r#"{"fault":{"reset":"never"}}"#, "unknown variant `never`, expected one of `head`"),
        (
            r#"{"script":[{"hang":true},{"hang":true,"rate":0.5}]}"#,
            "script[1]: a scripted fault has no rate and no turns",
        ),
    ] {
        let answer = call(receiver.addr(), &Request::to("PUT", "/_control").body(document)).await;
        assert_eq!(answer.status, 400, "{document}");
        assert!(answer.body.contains(why), "{document}: {}", answer.body);
    }
    assert_eq!(call(receiver.addr(), &request()).await.status, 500);
}
