//! What the receiver answers to which request, and what it keeps.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use tidegate::receiver::{
    ApiKeys, BadKey, BodyLimit, Encoding, KeyPlace, Options, Outcome, Receiver, Rules, Running,
};

use crate::receiver_client::{Request, TUPLE, call, envelope, header};

async fn start(options: Options) -> Running {
    Receiver::start(options).await.unwrap()
}

async fn ruled(rules: Rules) -> Running {
    start(Options { rules, ..Options::for_tests() }).await
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

const NO_KEY: &str = "The supplied authentication is not authorized to access this resource";
const NO_ROUTE: &str = "The requested resource could not be found.";
const NO_MEMBER: &str = "Failed to deserialize JSON on fields: , with message: Object is missing \
                         required member 'internalHostname'";
const NO_MEDIA: &str = "The request's Content-Type [text/plain] is not supported. Expected:\n\
                        application/json";
const NO_MEDIA_AT_ALL: &str = "The request's Content-Type [application/octet-stream] is not \
                               supported. Expected:\napplication/json";
const NO_ENCODING: &str = "The request's Content-Encoding is not supported. Expected:\n\
                           deflate or gzip or identity";
const CORRUPT: &str = "The request's encoding is corrupt";

/// Requests, their status and text. Keys go before media type, that before encoding, that before the
/// body.
fn keys_and_media_types() -> Vec<(Request, u16, &'static str)> {
    let good = envelope(&[TUPLE]);
    let intake = || Request::intake(good.clone());
    let bare = |path| Request::to("POST", path).with("Content-Type", "application/json").body("{}");
    vec![
        (intake(), 200, "OK"),
        (intake().path("/stsAgent/intake/?api_key=API_KEY"), 200, "OK"),
        (intake().path("/receiver/stsAgent/intake?api_key=API_KEY"), 200, "OK"),
        (intake().path("/receiver/stsAgent/intake/?x=1&api_key=API%5FKEY"), 200, "OK"),
        (intake().path("/stsAgent/intake").with("STS-Api-Key", "API_KEY"), 200, "OK"),
        (intake().path("/stsAgent/intake").with("sts-api-key", "other"), 403, NO_KEY),
        (
            intake().path("/stsAgent/intake?api_key=other").with("sts-api-key", "API_KEY"),
            403,
            NO_KEY,
        ),
        (intake().path("/stsAgent/intake?api_key=API_KEY&api_key=API_KEY"), 403, NO_KEY),
        (intake().path("/stsAgent/intake").with("X-API-Key", "API_KEY"), 403, NO_KEY),
        (bare("/stsAgent/intake?api_key="), 403, NO_KEY),
        (bare("/stsAgent/intake").with("Content-Encoding", "br"), 403, NO_KEY),
        (Request::to("POST", "/stsAgent/intake?api_key=API_KEY").body("{}"), 415, NO_MEDIA_AT_ALL),
        (
            Request::to("POST", "/stsAgent/intake?api_key=API_KEY")
                .with("Content-Type", "text/plain")
                .with("Content-Encoding", "br"),
            415,
            NO_MEDIA,
        ),
        (
            Request::to("POST", "/stsAgent/intake?api_key=API_KEY")
                .with("Content-Type", "Application/JSON; charset=utf-8")
                .body(good.clone()),
            200,
            "OK",
        ),
    ]
}

/// Requests with a good key and media type, and the other routes.
fn bodies_and_routes() -> Vec<(Request, u16, &'static str)> {
    let good = envelope(&[TUPLE]);
    let intake = || Request::intake(good.clone());
    let bare = |path| Request::to("POST", path).with("Content-Type", "application/json").body("{}");
    vec![
        (intake().with("Content-Encoding", "br"), 400, NO_ENCODING),
        (intake().with("Content-Encoding", "zstd"), 400, NO_ENCODING),
        (intake().with("Content-Encoding", "gzip, deflate"), 400, NO_ENCODING),
        (intake().with("Content-Encoding", "identity"), 200, "OK"),
        (intake().body(zlib(good.as_bytes())).with("Content-Encoding", "Deflate"), 200, "OK"),
        (intake().body(gzip(good.as_bytes())).with("Content-Encoding", "gzip"), 200, "OK"),
        (
            intake()
                .body([gzip(&good.as_bytes()[..9]), gzip(&good.as_bytes()[9..])].concat())
                .with("Content-Encoding", "gzip"),
            200,
            "OK",
        ),
        (intake().with("Content-Encoding", "gzip"), 400, CORRUPT),
        (intake().with("Content-Encoding", "deflate"), 400, CORRUPT),
        (intake().body("{}"), 400, NO_MEMBER),
        (
            intake().body("{"),
            400,
            "The request content was malformed:\nEOF while parsing an object at line 1 column 1",
        ),
        (
            intake().body(envelope(&[TUPLE, r#"["host.cpu",1,1,{"type":"raw"}]"#])),
            400,
            "Failed to deserialize JSON on fields: metrics, with message: metrics[1][0]: the name \
             \"host.cpu\" begins with the reserved `host`",
        ),
        (Request::to("GET", "/stsAgent/api/v1/validate?api_key=API_KEY"), 200, r#"{"valid":true}"#),
        (Request::to("GET", "/stsAgent/api/v1/validate?api_key=other"), 403, NO_KEY),
        (Request::to("GET", "/stsAgent/features").with("sts-api-key", "API_KEY"), 200, "{}"),
        (Request::to("GET", "/stsAgent/features"), 403, NO_KEY),
        (Request::to("GET", "/health"), 200, "OK"),
        (Request::to("GET", "/"), 404, NO_ROUTE),
        (bare("/stsAgent/api/v1/series?api_key=API_KEY"), 404, NO_ROUTE),
        (
            Request::to("GET", "/stsAgent/intake?api_key=API_KEY"),
            405,
            "HTTP method not allowed, supported methods: POST",
        ),
    ]
}

#[tokio::test]
async fn each_request_gets_its_status_and_text() {
    let receiver = start(Options::for_tests()).await;
    let mut accepted = 0;
    for (request, status, text) in keys_and_media_types().into_iter().chain(bodies_and_routes()) {
        let shown = format!("{} {:?}", request.head(), String::from_utf8_lossy(&request.body));
        let answer = call(receiver.addr(), &request).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{shown}");
        accepted += u64::from(request.method == "POST" && status == 200);
    }
    let totals = receiver.received().totals;
    assert_eq!((totals.tuples, totals.statuses[&200]), (accepted, accepted));
}

#[tokio::test]
async fn bad_keys_get_401_when_told_so_but_the_key_check_says_403() {
    let receiver = ruled(Rules {
        api_keys: ApiKeys::only(["first", "second"]),
        bad_key: BadKey::Unauthorized,
        ..Rules::default()
    })
    .await;
    let text = "Authentication is possible but has failed or not yet been provided.";
    for (key, status) in [("first", 200), ("second", 200), ("API_KEY", 401), ("firs", 401)] {
        let request =
            Request::intake(envelope(&[])).path(&format!("/stsAgent/intake?api_key={key}"));
        let answer = call(receiver.addr(), &request).await;
        assert_eq!(answer.status, status, "{key}");
        assert_eq!(answer.body, if status == 200 { "OK" } else { text });
    }
    let validate = Request::to("GET", "/stsAgent/api/v1/validate?api_key=API_KEY");
    assert_eq!(call(receiver.addr(), &validate).await.status, 403);
}

#[tokio::test]
async fn encodings_it_was_told_not_to_take_are_named_out_of_the_400() {
    let encodings = vec![Encoding::Gzip, Encoding::Identity];
    let receiver = ruled(Rules { encodings, ..Rules::default() }).await;
    let body = envelope(&[TUPLE]);
    let deflated = Request::intake(zlib(body.as_bytes())).with("Content-Encoding", "deflate");
    let answer = call(receiver.addr(), &deflated).await;
    let text = "The request's Content-Encoding is not supported. Expected:\ngzip or identity";
    assert_eq!((answer.status, answer.body.as_str()), (400, text));
    let zipped = Request::intake(gzip(body.as_bytes())).with("Content-Encoding", "gzip");
    assert_eq!(call(receiver.addr(), &zipped).await.status, 200);
}

#[tokio::test]
async fn the_body_limit_holds_on_the_wire_and_after_decoding() {
    let plain = format!("{}{}", envelope(&[TUPLE]), " ".repeat(100_000)).into_bytes();
    let body_limit = BodyLimit::both(plain.len());
    let receiver = ruled(Rules { body_limit, ..Rules::default() }).await;
    let longer = [plain.as_slice(), b" "].concat();
    let text = format!("The request entity exceeds the size limit of {} bytes", plain.len());
    for (encoding, encode) in
        [("identity", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>), ("gzip", gzip), ("deflate", zlib)]
    {
        let request =
            |body: &[u8]| Request::intake(encode(body)).with("Content-Encoding", encoding);
        assert_eq!(call(receiver.addr(), &request(&plain)).await.status, 200, "{encoding}");
        let refused = call(receiver.addr(), &request(&longer)).await;
        assert_eq!((refused.status, &refused.body), (413, &text), "{encoding}");
    }
    assert_eq!(receiver.received().totals.tuples, 3);
}

#[tokio::test]
async fn a_413_reaches_a_client_that_reads_only_after_sending_everything() {
    let body_limit = BodyLimit::both(1000);
    let receiver = ruled(Rules { body_limit, ..Rules::default() }).await;
    let mut client = crate::receiver_client::Client::connect(receiver.addr()).await;
    let answer = client.call(&Request::intake(vec![b' '; 16 << 20])).await.unwrap();
    assert_eq!(answer.status, 413);
    // The body was read to its end, so the connection is still good.
    assert_eq!(client.call(&Request::intake(envelope(&[TUPLE]))).await.unwrap().status, 200);
    assert_eq!(receiver.received().requests[0].wire_bytes, 16 << 20);
}

#[tokio::test]
async fn tuples_are_kept_and_listed_digit_for_digit() {
    let receiver = start(Options::for_tests()).await;
    let body = include_bytes!("../../fixtures/receiver/envelope.json");
    let request = Request::intake(zlib(body)).with("Content-Encoding", "deflate");
    assert_eq!(call(receiver.addr(), &request).await.body, "OK");

    let seen = receiver.received();
    let kept: Vec<_> = seen.tuples.iter().map(tidegate::receiver::Tuple::text).collect();
    let expected = include_str!("../../fixtures/receiver/printed.ndjson");
    assert_eq!(kept, expected.lines().collect::<Vec<_>>());

    let listed = call(receiver.addr(), &Request::to("GET", "/_received?newest=1")).await;
    let newest = kept.last().unwrap();
    let totals = r#"{"requests":1,"connections":2,"tuples":5,"statuses":{"200":1},"cut":0,"hung":0,"broken":0,"malformed":0}"#;
    assert_eq!(listed.body, format!(r#"{{"totals":{totals},"tuples":[{newest}]}}"#));
    assert_eq!(header(&listed.head, "content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_tuple_taken_apart_says_what_it_said_on_the_wire() {
    let receiver = start(Options::for_tests()).await;
    let body = include_str!("../../fixtures/receiver/envelope.json");
    call(receiver.addr(), &Request::intake(body)).await;
    let seen = receiver.received();
    let first = seen.tuples[0].parts();
    assert_eq!(
        (first.name.as_ref(), first.seconds, first.value),
        ("checkout.latency", 1_548_857_152, "0.1000")
    );
    assert_eq!(first.tags, ["route:/pay", "route:/cart", "canary"]);
    assert_eq!(first.hostname.as_deref(), Some("shop-1.test"));
    assert_eq!(first.kind, tidegate::receiver::Kind::Gauge);
    assert_eq!(seen.tuples[2].parts().name, "caf\u{e9} \u{2603}");
    assert_eq!(seen.tuples[1].parts().hostname, None);
}

#[tokio::test]
async fn each_request_is_remembered_with_how_it_came() {
    let receiver = start(Options::for_tests()).await;
    let body = r#"{"internalHostname":"gw","collection_timestamp":1719228562000,"metrics":[]}"#;
    let request = Request::intake(zlib(body.as_bytes()))
        .path("/stsAgent/intake")
        .with("sts-api-key", "API_KEY")
        .with("sts-time-format", "ms")
        .with("Content-Encoding", "deflate");
    call(receiver.addr(), &request).await;
    let seen = receiver.received().requests[0].clone();
    assert_eq!(seen.outcome, Outcome::Answered(200));
    assert_eq!((seen.wire_bytes, seen.body_bytes), (request.body.len(), body.len()));
    assert_eq!(seen.encoding.as_deref(), Some("deflate"));
    assert_eq!(seen.key, KeyPlace::Header);
    assert_eq!(seen.internal_hostname.as_deref(), Some("gw"));
    assert_eq!(seen.collected_ms, Some(1_719_228_562_000));
}

#[tokio::test]
async fn a_refused_payload_leaves_no_tuple_behind() {
    let receiver = start(Options::for_tests()).await;
    let request = Request::intake(envelope(&[TUPLE, TUPLE, r#"["m",1,1,{}]"#]));
    let answer = call(receiver.addr(), &request).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.ends_with("metrics[2][3]: Object is missing required member 'type'"));
    let seen = receiver.received();
    assert_eq!((seen.tuples.len(), seen.totals.tuples), (0, 0));
    assert_eq!(seen.totals.statuses[&400], 1);
}

#[tokio::test]
async fn deep_nesting_is_an_answer_and_not_a_crash() {
    let receiver = start(Options::for_tests()).await;
    let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
    let unknown = format!(r#"{{"internalHostname":"h","x":{deep}}}"#);
    assert_eq!(call(receiver.addr(), &Request::intake(unknown)).await.status, 200);
    let metrics = format!(r#"{{"internalHostname":"h","metrics":{deep}}}"#);
    assert_eq!(call(receiver.addr(), &Request::intake(metrics)).await.status, 400);
}
