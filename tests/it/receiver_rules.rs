//! What the receiver takes and refuses changes while it runs, and it remembers what it saw.

use std::io::ErrorKind;

use tidegate::receiver::{
    ApiKeys, BadEncoding, BodyLimit, Encoding, Fault, LimitOf, Options, Outcome, Poison, Receiver,
    Running, Standing, When,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::receiver_client::{Client, PATIENCE, Request, call, envelope, header};

async fn start() -> Running {
    Receiver::start(Options::for_tests()).await.unwrap()
}

fn named(names: &[&str]) -> Request {
    let tuple = |name: &&str| format!(r#"["{name}",1,1.0,{{"type":"raw"}}]"#);
    let tuples: Vec<String> = names.iter().map(tuple).collect();
    Request::intake(envelope(&tuples.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// One that is `bytes` long, and on the wire a fraction of that.
fn zipped(bytes: usize) -> Request {
    use std::io::Write;
    let plain = envelope(&[]) + &" ".repeat(bytes - envelope(&[]).len());
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain.as_bytes()).unwrap();
    Request::intake(encoder.finish().unwrap()).with("Content-Encoding", "deflate")
}

#[tokio::test]
async fn the_limit_moves_while_it_runs_and_counts_the_bytes_it_was_told_to() {
    let receiver = start().await;
    let mut client = Client::connect(receiver.addr()).await;
    let (large, small) = (zipped(10_000), named(&["m"]));
    assert!(large.body.len() < 200, "{}", large.body.len());
    for (limit, of_large, of_small) in [
        (BodyLimit::wire(200), 200, 200),
        (BodyLimit::decoded(100), 413, 200),
        (BodyLimit::decoded(10_000), 200, 200),
        (BodyLimit::both(9_999), 413, 200),
        (BodyLimit::wire(20), 413, 413),
    ] {
        receiver.faults().change(|rules| rules.body_limit = limit);
        assert_eq!(client.call(&large).await.unwrap().status, of_large, "{limit:?}");
        assert_eq!(client.call(&small).await.unwrap().status, of_small, "{limit:?}");
    }
    let seen = receiver.received();
    assert_eq!(seen.largest_accepted(), 10_000);
    assert_eq!(seen.encodings().into_iter().collect::<Vec<_>>(), ["deflate", "identity"]);
}

#[tokio::test]
async fn a_proxy_refuses_by_the_declared_length_and_reads_nothing() {
    let receiver = start().await;
    let limit = BodyLimit { bytes: 100, of: LimitOf::Wire, when: When::Early };
    receiver.faults().change(|rules| rules.body_limit = limit);
    let mut client = Client::connect(receiver.addr()).await;
    client.0.write_all(Request::intake(vec![b' '; 101]).head().as_bytes()).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, header(&answer.head, "connection")), (413, Some("close")));
    assert_eq!(call(receiver.addr(), &named(&["m"])).await.status, 200);
}

#[tokio::test]
async fn keys_change_while_it_runs() {
    let receiver = start().await;
    receiver.faults().change(|rules| rules.api_keys = ApiKeys::only(["other"]));
    assert_eq!(call(receiver.addr(), &named(&["m"])).await.status, 403);
    receiver.faults().change(|rules| rules.api_keys = ApiKeys::only(["API_KEY"]));
    assert_eq!(call(receiver.addr(), &named(&["m"])).await.status, 200);
}

#[tokio::test]
async fn encodings_change_while_it_runs_and_the_refusal_names_them_with_either_status() {
    let receiver = start().await;
    let request = zipped(100);
    for (bad_encoding, status) in
        [(BadEncoding::BadRequest, 400), (BadEncoding::UnsupportedMediaType, 415)]
    {
        receiver.faults().change(|rules| {
            rules.encodings = vec![Encoding::Gzip];
            rules.bad_encoding = bad_encoding;
        });
        let answer = call(receiver.addr(), &request).await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains("Content-Encoding is not supported. Expected:\ngzip"));
    }
    receiver.faults().heal();
    assert_eq!(call(receiver.addr(), &request).await.status, 200);
}

#[tokio::test]
async fn a_poisonous_name_refuses_the_whole_request_and_its_tuples_are_remembered_as_carried() {
    let receiver = start().await;
    let poisons =
        vec![Poison::begins("bad."), Poison::contains("evil").with_status(422).saying("no evil")];
    receiver.faults().change(|rules| rules.poisons = poisons);
    for (names, status, text) in [
        (["a", "b"].as_slice(), 200, "OK"),
        (&["a", "bad.b"], 400, r#"metrics[1][0]: the name "bad.b" is poison"#),
        (&["not.bad.b"], 200, "OK"),
        (&["dev.evil.x"], 422, "no evil"),
    ] {
        let answer = call(receiver.addr(), &named(names)).await;
        assert_eq!(answer.status, status, "{names:?}");
        assert!(answer.body.ends_with(text), "{}", answer.body);
    }
    let seen = receiver.received();
    let carried: Vec<_> = seen.requests.iter().map(|seen| seen.names().join(" ")).collect();
    assert_eq!(carried, ["a b", "a bad.b", "not.bad.b", "dev.evil.x"]);
    let statuses = [200, 400, 200, 422].map(Outcome::Answered);
    assert_eq!(seen.outcomes(), statuses);
    assert_eq!(seen.totals.tuples, 3);
}

#[tokio::test]
async fn what_a_refused_request_carried_is_remembered_and_so_is_its_connection() {
    let receiver = start().await;
    receiver.faults().script([Fault::status(503), Fault::status(400)]);
    let mut client = Client::connect(receiver.addr()).await;
    client.call(&named(&["a"])).await.unwrap();
    client.call(&named(&["b"])).await.unwrap();
    call(receiver.addr(), &named(&["c"])).await;
    let seen = receiver.received();
    let known: Vec<_> =
        seen.requests.iter().map(|seen| (seen.connection, seen.names(), seen.tuples)).collect();
    let name = |name: &str| vec![name.to_owned()];
    assert_eq!(known, [(1, name("a"), 0), (1, name("b"), 0), (2, name("c"), 1)]);
    assert_eq!(seen.totals.connections, 2);
}

#[tokio::test]
async fn a_flapping_receiver_is_well_and_unwell_by_turns() {
    let receiver = start().await;
    receiver.faults().stand(Standing::by_turns(Fault::status(503), 2, 1));
    let mut client = Client::connect(receiver.addr()).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(client.call(&named(&["m"])).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 503, 200, 200, 503]);
}

#[tokio::test]
async fn a_redirect_names_the_other_place() {
    let receiver = start().await;
    receiver.faults().script([Fault::redirect(308, "http://127.0.0.1:1/elsewhere?a=b")]);
    let answer = call(receiver.addr(), &named(&["m"])).await;
    assert_eq!(answer.status, 308);
    assert_eq!(header(&answer.head, "location"), Some("http://127.0.0.1:1/elsewhere?a=b"));
}

#[tokio::test]
async fn an_endless_answer_goes_on_for_as_long_as_it_is_read() {
    for (code, kept) in [(200, 1), (422, 0)] {
        let receiver = start().await;
        receiver.faults().script([Fault::Endless(code)]);
        let mut client = Client::connect(receiver.addr()).await;
        client.send(&named(&["m"])).await.unwrap();
        let mut piece = vec![0; 4 << 20];
        timeout(PATIENCE, client.0.read_exact(&mut piece)).await.unwrap().unwrap();
        let status = format!("HTTP/1.1 {code} ");
        assert!(piece.starts_with(status.as_bytes()));
        assert_eq!(receiver.received().totals.tuples, kept, "{code}");
    }
}

#[tokio::test]
async fn an_outage_cuts_connections_and_refuses_new_ones_until_it_ends() {
    let mut receiver = start().await;
    let mut client = Client::connect(receiver.addr()).await;
    client.call(&named(&["before"])).await.unwrap();
    for _ in 0..2 {
        receiver.go_down().await.unwrap();
        assert!(client.call(&named(&["lost"])).await.is_err());
        let refused = tokio::net::TcpStream::connect(receiver.addr()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        receiver.come_up().unwrap();
        client = Client::connect(receiver.addr()).await;
        assert_eq!(client.call(&named(&["after"])).await.unwrap().status, 200);
    }
    assert_eq!(receiver.received().totals.tuples, 3, "what came before an outage is still known");
    receiver.go_down().await.unwrap();
    assert_eq!(receiver.stop().await.totals.connections, 3);
}

#[tokio::test]
async fn rules_are_set_over_the_control_route_and_ended_with_the_faults() {
    let receiver = start().await;
    let mut client = Client::connect(receiver.addr()).await;
    let document =
        r#"{"rules":{"poison":[{"contains":"x"}],"body_limit":5000,"limit_of":"decoded"}}"#;
    let put = Request::to("PUT", "/_control").body(document);
    assert_eq!(client.call(&put).await.unwrap().status, 204);
    assert_eq!(client.call(&named(&["ox"])).await.unwrap().status, 400);
    assert_eq!(client.call(&zipped(5_001)).await.unwrap().status, 413);
    assert_eq!(client.call(&Request::to("DELETE", "/_control")).await.unwrap().status, 204);
    assert_eq!(client.call(&named(&["ox"])).await.unwrap().status, 200);
    assert_eq!(client.call(&zipped(5_001)).await.unwrap().status, 200);
}
