//! The document of the admin port, held against a gateway that runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{Environment, load};

use super::super::support::wire::{Reply, Wire, request};
use super::{check_answer, check_methods, document, members, paths_in, requests, root, seen};

/// A gateway whose receiver is nowhere, and nothing is sent to it.
async fn gateway() -> Gateway {
    let text = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n\
         queue.durability = \"memory\"\n\
         [[sources]]\nname = \"main\"\ntoken = \"a-token\"\n\
         [receiver]\nurl = \"http://127.0.0.1:1/\"\napi_key = \"k\"\n";
    let config = load("test", text, &Environment::default()).unwrap().config;
    Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap()
}

async fn ask(gateway: &Gateway, line: &str, headers: &str, body: &[u8]) -> Reply {
    let mut wire = Wire::connect(gateway.admin_addr().unwrap()).await;
    wire.send(&request(line, headers, body)).await;
    wire.reply().await
}

#[test]
fn every_route_is_documented() {
    let document = document("admin.json");
    let mut wanted = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("src/admin")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            wanted.extend(paths_in(&path));
        }
    }
    // One path with a parameter stands for all of these.
    wanted.retain(|path| !path.starts_with("/assets/") && !path.starts_with("/proc/"));
    wanted.insert("/assets/{file}".to_owned());
    let documented: BTreeSet<_> = members(&document["paths"]).keys().cloned().collect();
    assert_eq!(documented, wanted);
}

#[tokio::test]
async fn the_port_has_the_documented_methods() {
    let gateway = gateway().await;
    check_methods(&document("admin.json"), gateway.admin_addr().unwrap()).await;
}

#[tokio::test]
async fn each_path_answers_as_documented() {
    let (document, gateway) = (document("admin.json"), gateway().await);
    for (path, item) in members(&document["paths"]) {
        // Live answers have no end.
        if item["get"].is_null() || matches!(path.as_str(), "/events" | "/tap") {
            continue;
        }
        let target = path.replace("{file}", "page.css");
        let reply = ask(&gateway, &format!("GET {target}"), "", b"").await;
        let responses = members(&item["get"]["responses"]);
        let response = responses.get(&reply.status.to_string()).expect(path);
        let response = seen(&document, response);
        let kind = reply.header("content-type").unwrap().split(';').next().unwrap();
        assert!(!response["content"][kind].is_null(), "{path}: {kind}");
        for (name, header) in members(&response["headers"]) {
            let header = seen(&document, header);
            let Some(value) = reply.header(name) else {
                assert_ne!(header["required"], Value::Bool(true), "{path} has no {name}");
                continue;
            };
            if let Some(wanted) = header["schema"]["const"].as_str() {
                assert_eq!(value, wanted, "{path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn both_documents_are_served_and_on_the_ingest_port_neither() {
    let gateway = gateway().await;
    for name in ["ingest.json", "admin.json"] {
        let reply = ask(&gateway, &format!("GET /openapi/{name}"), "", b"").await;
        assert_eq!((reply.status, reply.json()), (200, document(name)));
        let mut wire = Wire::connect(gateway.addr()).await;
        wire.send(&request(&format!("GET /openapi/{name}"), "", b"")).await;
        assert_eq!(wire.reply().await.status, 404);
    }
    let codes = ask(&gateway, "GET /codes", "", b"").await;
    assert!(codes.text().contains("<h3 id=\"too_large\">"));
    let policy = codes.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
}

#[tokio::test]
async fn each_example_of_a_request_gets_the_answer_that_is_documented() {
    let (document, gateway) = (document("admin.json"), gateway().await);
    for (method, target, operation, kind, name, body) in requests(&document) {
        let line = format!("{method} {target}");
        let reply = ask(&gateway, &line, &format!("content-type: {kind}\r\n"), &body).await;
        check_answer(&reply, &document, operation, &name, &format!("{line} {name}"));
    }
}

/// Every member that is shown is documented, and required unless it is optional; and what is required is shown.
fn check_members(document: &Value, schema: &Value, told: &Value, place: &str) {
    const OPTIONAL: [&str; 1] = ["quota"];
    let schema = seen(document, schema);
    if let Some(items) = told.as_array() {
        for item in items {
            check_members(document, &schema["items"], item, &format!("{place}[]"));
        }
        return;
    }
    let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    let parts: Vec<_> = parts.iter().map(|part| seen(document, part)).collect();
    let required = |name: &str| {
        let mut lists = parts.iter().filter_map(|part| part["required"].as_array());
        lists.any(|list| list.iter().any(|member| member == name))
    };
    for (name, told) in told.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        let of = parts.iter().map(|part| &part["properties"][name]).find(|of| !of.is_null());
        let of = of.unwrap_or_else(|| panic!("{place} is not documented"));
        // A receiver that left the configuration has less.
        if place.contains(".receivers[].") {
            continue;
        }
        assert!(required(name) || OPTIONAL.contains(&name.as_str()), "{place} is always there");
        check_members(document, of, told, &place);
    }
    for name in parts.iter().filter_map(|part| part["required"].as_array()).flatten() {
        assert!(told.get(name.as_str().unwrap()).is_some(), "{place} has no {name}");
    }
}

#[tokio::test]
async fn every_member_of_the_status_is_documented() {
    let text = "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n\
         queue.durability = \"memory\"\n\
         [[sources]]\nname = \"main\"\ntoken = \"a-token\"\n\
         requests_per_minute = 60\nmetrics_per_minute = 60\nbytes_per_minute = \"1MiB\"\nseries = 7\n\
         [receiver]\nurl = \"http://127.0.0.1:1/\"\napi_key = \"k\"\n";
    let config = load("test", text, &Environment::default()).unwrap().config;
    let gateway = Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap();
    let (document, told) = (document("admin.json"), ask(&gateway, "GET /status", "", b"").await);
    check_members(&document, &document["components"]["schemas"]["Status"], &told.json(), "status");
}
