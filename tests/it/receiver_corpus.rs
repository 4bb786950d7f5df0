//! Intake payloads of public documents, fixtures and agents: which are accepted, and why not.

use std::path::PathBuf;

use tidegate::receiver::{Options, Receiver};

use crate::receiver_client::{Request, call};
use crate::support::corpus;

/// What becomes of a payload.
enum Verdict {
    /// 200, with so many tuples kept.
    Taken(usize),
    /// 400, with a text that ends like this.
    Refused(&'static str),
}

use Verdict::{Refused, Taken};

const MISSING: &str = "Object is missing required member 'internalHostname'";

/// Every file of the folder has its line.
const PAYLOADS: &[(&str, Verdict)] = &[
    ("agent-v1-legacy-payload.json", Taken(149)),
    // The body of another route: a bare array of service checks.
    ("agent-v1-service-checks.json", Refused("with message: Object expected")),
    ("events.agent-full.json", Taken(0)),
    ("events.agent-minimal.json", Taken(0)),
    ("events.no-collection-timestamp.json", Taken(0)),
    ("events.puppet-tutorial.json", Taken(0)),
    ("events.with-context.docs-5.1.json", Taken(0)),
    ("health.repeat_snapshots.json", Taken(0)),
    ("health.repeat_states.json", Taken(0)),
    ("health.transactional_increments.json", Taken(0)),
    // A test of the batcher, whose metric is called `name`: a reserved prefix, which the receiver of
    // that test never looked at.
    (
        "metrics.agent-batcher-raw.json",
        Refused("metrics[0][0]: the name \"name\" begins with the reserved `name`"),
    ),
    ("metrics.docs-4.0.json", Taken(2)),
    ("metrics.docs-5.1-minimal.json", Taken(2)),
    // A request with its headers wrapped around it; unwrapped it is accepted, see below.
    ("otel-collector-topology-ms.json", Refused(MISSING)),
    ("topology.docs-5.1.json", Taken(0)),
];

fn folder() -> Option<PathBuf> {
    corpus::folder("stackstate/intake")
}

#[tokio::test]
async fn each_payload_of_the_corpus_is_accepted_or_refused_as_stated() {
    let Some(folder) = folder() else { return };
    for (name, verdict) in PAYLOADS {
        let receiver = Receiver::start(Options::for_tests()).await.unwrap();
        let body = std::fs::read(folder.join(name)).unwrap();
        let answer = call(receiver.addr(), &Request::intake(body)).await;
        let kept = receiver.received().tuples.len();
        match verdict {
            Taken(tuples) => {
                assert_eq!((answer.status, kept), (200, *tuples), "{name}: {}", answer.body);
            }
            Refused(why) => {
                assert_eq!((answer.status, kept), (400, 0), "{name}");
                assert!(answer.body.ends_with(why), "{name}: {}", answer.body);
            }
        }
    }
}

#[test]
fn every_payload_of_the_corpus_has_a_verdict() {
    let Some(folder) = folder() else { return };
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    files.sort();
    let stated: Vec<_> = PAYLOADS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, stated);
}

#[tokio::test]
async fn the_wrapped_payload_is_accepted_with_its_headers_and_its_time_in_milliseconds() {
    let Some(folder) = folder() else { return };
    let wrapped = std::fs::read(folder.join("otel-collector-topology-ms.json")).unwrap();
    let wrapped: serde_json::Value = serde_json::from_slice(&wrapped).unwrap();
    let rules = tidegate::receiver::Rules::for_key("APIKEY");
    let receiver = Receiver::start(Options { rules, ..Options::for_tests() }).await.unwrap();
    let mut request = Request::to("POST", "/stsAgent/intake").body(wrapped["body"].to_string());
    for name in ["Content-Type", "sts-api-key", "sts-time-format"] {
        request = request.with(name, wrapped["_headers"][name].as_str().unwrap());
    }
    assert_eq!(call(receiver.addr(), &request).await.body, "OK");
    assert_eq!(receiver.received().requests[0].collected_ms, Some(1_719_228_562_000));
}
