//! `docs/openapi`: the documents are what the ports do. Every route is in them and the other way round, every
//! status is, and the examples give the answers that stand there.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper::StatusCode;
use serde_json::{Map, Value};
use tidegate::metric::timestamp::Timestamp;

use super::support::edge::{Edge, TOKEN};
use super::support::wire::{Reply, Wire, once, request};

mod admin;

/// 2026-11-22 12:00 UTC, the time of the examples.
const NOW_S: i64 = 1_795_348_800;

const METHODS: [&str; 5] = ["get", "head", "post", "put", "delete"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn document(name: &str) -> Value {
    let text = fs::read_to_string(root().join("docs/openapi").join(name)).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// What `$ref` leads to, or the value itself.
fn seen<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(target) => {
            let path = target.strip_prefix('#').expect("it leads into the document");
            document.pointer(path).expect(target)
        }
        None => value,
    }
}

/// Methods and operations of a path.
fn operations(item: &Value) -> impl Iterator<Item = (&String, &Value)> {
    members(item).iter().filter(|(name, _)| METHODS.contains(&name.as_str()))
}

/// A path with its parameters filled in by their examples.
fn filled(document: &Value, path: &str, item: &Value) -> String {
    let operation = operations(item).next().expect("a path has an operation").1;
    let lists = [&item["parameters"], &operation["parameters"]];
    let mut filled = path.to_owned();
    for parameter in lists.iter().filter_map(|list| list.as_array()).flatten() {
        let parameter = seen(document, parameter);
        if parameter["in"] == "path" {
            let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
            filled = filled.replace(&name, parameter["example"].as_str().expect("an example"));
        }
    }
    assert!(!filled.contains('{'), "{filled}");
    filled
}

/// Texts in quotes that are paths, of a source without its tests.
fn paths_in(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("a source");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let is_path = |text: &&str| {
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
        text.starts_with('/') && text.chars().all(part)
    };
    code.split('"').skip(1).step_by(2).filter(is_path).map(str::to_owned).collect()
}

/// Asks each documented path for a method that it does not have: what it answers in `Allow` is what is
/// documented.
async fn check_methods(document: &Value, address: SocketAddr) {
    for (path, item) in members(&document["paths"]) {
        let target = filled(document, path, item);
        let mut wire = Wire::connect(address).await;
        wire.send(&request(&format!("PATCH {target}"), "", b"")).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 405, "{path}");
        let allowed: BTreeSet<_> = reply
            .header("allow")
            .unwrap()
            .split(',')
            .map(|name| name.trim().to_lowercase())
            .collect();
        let documented: BTreeSet<_> = operations(item).map(|(method, _)| method.clone()).collect();
        assert_eq!(allowed, documented, "{path}");
    }
}

#[test]
fn every_route_of_the_ingest_port_is_documented() {
    let document = document("ingest.json");
    let mut wanted = paths_in(&root().join("src/http/route.rs"));
    wanted.extend(paths_in(&root().join("src/http/protocol.rs")));
    let documented: BTreeSet<_> = members(&document["paths"])
        .keys()
        .filter(|path| !path.starts_with("/metrics/job"))
        .cloned()
        .collect();
    assert_eq!(documented, wanted);
}

#[tokio::test]
async fn the_ingest_port_has_the_documented_methods() {
    check_methods(&document("ingest.json"), Edge::start().await.address).await;
}

/// Numbers of the statuses that a source names.
fn statuses_in(source: &str) -> BTreeSet<u16> {
    let named = |status: &StatusCode| {
        let reason = status.canonical_reason().unwrap_or("-").to_uppercase();
        source.contains(&format!("StatusCode::{}", reason.replace([' ', '-'], "_")))
    };
    (100..600)
        .filter_map(|n| StatusCode::from_u16(n).ok())
        .filter(named)
        .map(|s| s.as_u16())
        .collect()
}

#[test]
fn every_status_of_a_problem_is_documented() {
    let document = document("ingest.json");
    let source = fs::read_to_string(root().join("src/http/problem.rs")).unwrap();
    let of_problems = source.split_once("pub fn status(&self)").expect("its statuses").1;
    let of_problems = of_problems.split_once("\n    }\n").expect("the end of it").0;
    let mut wanted = statuses_in(of_problems);
    assert!(wanted.len() > 7, "{wanted:?}");
    // Said of every path at once; and those that settings choose.
    wanted.remove(&404);
    wanted.remove(&405);
    wanted.extend([202, 401, 403, 422, 429]);
    let responses = members(&document["paths"]["/metrics"]["post"]["responses"]);
    let missing: Vec<_> =
        wanted.iter().filter(|status| !responses.contains_key(&status.to_string())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for status in ["404", "405", "414", "431"] {
        assert!(document["info"]["description"].as_str().unwrap().contains(status), "{status}");
    }
}

/// The answer that stands in the document under this name.
fn answer<'d>(
    document: &'d Value,
    operation: &'d Value,
    kind: &str,
    name: &str,
) -> Option<(u16, &'d Value)> {
    members(&operation["responses"]).iter().find_map(|(status, response)| {
        let example = &seen(document, response)["content"][kind]["examples"][name]["value"];
        (!example.is_null()).then(|| (status.parse().unwrap(), example))
    })
}

/// Every example of a request, as bytes: text as it is, everything else as JSON.
#[expect(clippy::type_complexity, reason = "one caller takes it apart at once")]
fn requests(document: &Value) -> Vec<(String, String, &Value, String, String, Vec<u8>)> {
    let mut requests = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in operations(item) {
            let body = seen(document, &operation["requestBody"]);
            for (kind, media) in body["content"].as_object().into_iter().flatten() {
                for (name, example) in media["examples"].as_object().into_iter().flatten() {
                    let value = &example["value"];
                    let bytes = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let target = filled(document, path, item);
                    let method = method.to_uppercase();
                    requests.push((
                        method,
                        target,
                        operation,
                        kind.clone(),
                        name.clone(),
                        bytes.into_bytes(),
                    ));
                }
            }
        }
    }
    requests
}

fn check_answer(reply: &Reply, document: &Value, operation: &Value, name: &str, about: &str) {
    let Some((status, value)) = answer(document, operation, "application/json", name) else {
        assert!((200..300).contains(&reply.status) && reply.body.is_empty(), "{about}: {reply:?}");
        return;
    };
    assert_eq!(reply.status, status, "{about}: {reply:?}");
    assert_eq!(&reply.json(), value, "{about}");
}

#[tokio::test]
async fn each_example_of_a_request_gets_the_answer_that_is_documented() {
    let document = document("ingest.json");
    let requests = requests(&document);
    assert!(requests.len() > 20, "the examples were found: {}", requests.len());
    for (method, target, operation, kind, name, body) in requests {
        let edge = Edge::with(|settings| settings.now = Timestamp::from_unix(NOW_S, 0)).await;
        let query = if name == "dry_run" { "?dry_run=1" } else { "" };
        // Without a version it is any text.
        let version = if kind == "text/plain" { "; version=0.0.4" } else { "" };
        let headers = format!("authorization: Bearer {TOKEN}\r\ncontent-type: {kind}{version}\r\n");
        let reply =
            once(&edge, &request(&format!("{method} {target}{query}"), &headers, &body)).await;
        check_answer(
            &reply,
            &document,
            operation,
            &name,
            &format!("{method} {target} {kind} {name}"),
        );
        assert!(reply.header("x-request-id").is_some());
    }
}
