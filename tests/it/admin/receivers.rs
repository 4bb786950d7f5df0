//! `/receivers`: what is known of each, as programs read it.

use std::time::Duration;

use serde_json::json;
use tidegate::admin::Delivery;
use tidegate::forward::State;

use super::super::forward_receiver::{Act, Scripted, Side, append, script, settings, until};
use super::super::support::edge::Edge;
use super::{admin_of, get, scrape};

#[tokio::test]
async fn a_receiver_shows_what_it_does_and_why() {
    let (edge, side) = (Edge::start().await, Side::new());
    let receiver = Scripted::start(script([])).await;
    let to = settings(receiver.address);
    let forwarder = side.start(&to);
    let delivery = Delivery::of(&to, &forwarder, side.dead_letters());
    let admin = admin_of(side.queue.clone(), &edge, &side, delivery).await;
    let told = get(admin.addr(), "/receivers").await.json();
    let fresh = json!([{
        "name": "default", "url": to.url, "state": "flowing", "probing": false,
        "since": "1994-11-06T08:49:37.000Z", "why": null,
        "in_flight": 0, "limit": 1, "concurrency": to.concurrency, "lag_seconds": 0.0,
        "cannot_read": null,
        "backlog": {"tuples": 0, "bytes": 0, "blocks": 0, "max_bytes": null},
        "last_success": null, "last_error": null,
        "encoding": "deflate", "certificate": "none", "body_bound_bytes": 4 << 20,
        "dead_letters": {"letters": 0, "bytes": 0, "max_bytes": 64 << 20},
        "books": {
            "series": 0, "replayed": 0, "delivered": 0, "filtered": 0, "queued": 0,
            "dead_lettered": 0, "expired": 0, "damaged": 0, "purged": 0, "lost": 0,
        },
    }]);
    assert_eq!(told, fresh);

    append(&side.queue, &["m"]).await;
    until(&forwarder, |now| now.delivered_tuples == 1).await;
    receiver.rule(Box::new(|_| Act::answer(403, "", "go away")));
    side.clock.advance(Duration::from_millis(2500));
    append(&side.queue, &["n", "o"]).await;
    until(&forwarder, |now| matches!(now.state, State::Held { .. })).await;
    side.clock.advance(Duration::from_millis(2500));
    let told = get(admin.addr(), "/receivers").await.json();
    let told = &told[0];
    let why = told["why"].as_str().unwrap();
    assert!(why.contains("go away") && why.contains("`api_key` of receiver default"), "{why}");
    assert!(told["last_error"]["text"].as_str().unwrap().contains("go away"), "{told}");
    for (member, wanted) in [
        ("state", json!("held")),
        ("since", json!("1994-11-06T08:49:39.500Z")),
        ("last_success", json!("1994-11-06T08:49:37.000Z")),
        ("lag_seconds", json!(5.0)),
    ] {
        assert_eq!(told[member], wanted, "{member}");
    }
    assert_eq!((&told["backlog"]["tuples"], &told["books"]["delivered"]), (&2.into(), &1.into()));

    let page = scrape(admin.addr()).await;
    for (sample, wanted) in [
        // One more than at the start, since the first was accepted.
        ("deliveries_in_flight_limit", 2.0),
        ("deliveries_in_flight_most", to.concurrency as f64),
        ("receiver_since_timestamp_seconds", 784_111_779.5),
        ("receiver_body_bound_bytes", f64::from(4 << 20)),
        ("dead_letters", 0.0),
        ("dead_letters_limit_bytes", f64::from(64 << 20)),
    ] {
        let sample = format!("tidegate_{sample}{{receiver=\"default\"}}");
        assert_eq!(page.at(&sample), wanted, "{sample}");
    }
    assert!(page.at("tidegate_receiver_last_error_timestamp_seconds{receiver=\"default\"}") > 0.0);
    let encoding = "tidegate_receiver_encoding{receiver=\"default\",encoding=\"deflate\"}";
    assert_eq!(page.at(encoding), 1.0);
    assert!(page.get("tidegate_queue_waiting_limit_bytes{receiver=\"default\"}").is_none());
}
