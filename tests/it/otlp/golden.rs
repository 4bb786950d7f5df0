//! What real libraries sent, and what becomes of it: `fixtures/otlp/<case>/request.*` and
//! `tuples.ndjson`, one tuple a line, the report last.
//!
//! `TIDEGATE_BLESS=1` rewrites the tuples; whoever does that reads the diff.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::run;
use crate::support::corpus;
use tidegate::decode::Otlp;

#[test]
fn what_the_libraries_of_opentelemetry_send_becomes_these_tuples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/otlp");
    let mut cases: Vec<_> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 7, "{cases:?}");
    for case in cases {
        let (body, encoding) = request(&case);
        let outcome = run(&body, encoding);
        let lines = outcome.lines();
        let file = case.join("tuples.ndjson");
        if std::env::var("TIDEGATE_BLESS").is_ok_and(|value| value == "1") {
            fs::File::create(&file)
                .and_then(|mut file| std::io::Write::write_all(&mut file, lines.as_bytes()))
                .unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(lines, expected, "{}", case.display());
    }
}

/// The body of a case, decompressed, and its encoding by its file's name.
fn request(case: &Path) -> (Vec<u8>, Otlp) {
    let read = |name| fs::read(case.join(name)).ok();
    let protobuf = read("request.pb").or_else(|| read("request.pb.gz").map(|gzip| inflated(&gzip)));
    let json = || (read("request.json").expect("there is a request"), Otlp::Json);
    protobuf.map_or_else(json, |body| (body, Otlp::Protobuf))
}

fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    flate2::read::MultiGzDecoder::new(gzip).read_to_end(&mut body).unwrap();
    body
}

#[test]
fn the_examples_of_the_protocol_give_the_same_tuples_in_each_encoding() {
    let Some(folder) = corpus::folder("otlp") else { return };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let json = run(&read("otlp-example-json.json"), Otlp::Json);
    let protobuf = run(&read("otlp-example-protobuf.pb"), Otlp::Protobuf);
    let gzip = run(&inflated(&read("otlp-example-protobuf-gzip.pb.gz")), Otlp::Protobuf);
    assert_eq!((json.report.accepted, json.report.rejected), (4, 0), "{}", json.lines());
    assert_eq!(json.tuples(), protobuf.tuples());
    assert_eq!(json.tuples(), gzip.tuples());
    let sum = r#"["my.counter",1544712660,5.0,{"hostname":"gateway","#;
    assert!(json.lines().contains(sum), "{}", json.lines());
}
