//! `/receivers`, also in `/readyz`: everything about every receiver as JSON, for `tidegate queue ls` and whoever
//! looks.

use serde_json::{Value, json};

use super::page::state_word;
use super::reading::{Delivery, Destination, Health, seconds_between};
use crate::clock::system_time;
use crate::forward::State;
use crate::metric::timestamp::Timestamp;
use crate::queue::Books;

/// An array, in the order of the queue. A receiver that left the configuration has only what the queue
/// knows of it; its `state` is null.
pub(super) fn render(health: &Health) -> Value {
    health.destinations.iter().map(|destination| receiver(destination, health.now)).collect()
}

fn receiver(destination: &Destination, now: Timestamp) -> Value {
    let depth = destination.account.depth;
    let oldest = destination.oldest.as_ref();
    let lag_seconds = oldest.and_then(|oldest| {
        let oldest = oldest.as_ref().ok()?;
        Some(oldest.map_or(0.0, |oldest| seconds_between(oldest, now)))
    });
    let cannot_read = oldest.and_then(|oldest| Some(oldest.as_ref().err()?.to_string()));
    let delivery = destination.delivery.as_ref();
    let max_bytes = delivery.and_then(|to| to.facts.max_backlog_bytes);
    let mut told = json!({
        "name": &*destination.name,
        "state": null,
        "lag_seconds": lag_seconds,
        "cannot_read": cannot_read,
        "backlog": {
            "tuples": depth.tuples, "bytes": depth.bytes, "blocks": depth.blocks,
            "max_bytes": max_bytes,
        },
        "books": books(&destination.account.books),
    });
    if let (Some(delivery), Some(told)) = (delivery, told.as_object_mut()) {
        told.extend(of_delivery(delivery));
    }
    told
}

/// What a forwarder knows.
fn of_delivery(delivery: &Delivery) -> impl Iterator<Item = (String, Value)> {
    let Delivery { facts, status, dead_letters, .. } = delivery;
    let why = match &status.state {
        State::Held { why, .. } => Some(&**why),
        State::Flowing | State::Retrying => None,
    };
    let last_error = status.last_error.as_ref();
    let members = [
        ("url", json!(facts.url)),
        ("state", json!(state_word(&status.state))),
        ("probing", json!(status.is_probing)),
        ("since", json!(instant(status.since))),
        ("why", json!(why)),
        ("in_flight", json!(status.in_flight)),
        ("limit", json!(status.limit)),
        ("concurrency", json!(facts.concurrency)),
        ("encoding", json!(status.encoding.as_str())),
        ("certificate", json!(status.trust.as_str())),
        ("body_bound_bytes", json!(status.size_bound)),
        ("last_success", json!(status.last_success.and_then(instant))),
        (
            "last_error",
            json!(last_error.map(|(at, text)| json!({
                "at": instant(*at), "text": &**text,
            }))),
        ),
        (
            "dead_letters",
            json!({
                "letters": dead_letters.letters,
                "bytes": dead_letters.used_bytes,
                "max_bytes": dead_letters.limit_bytes,
            }),
        ),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value))
}

fn books(books: &Books) -> Value {
    books.classes().into_iter().map(|(class, tuples)| (class, json!(tuples))).collect()
}

/// `2026-11-22T04:41:59.123Z`; nothing for what cannot be written so, which no clock says.
pub(super) fn instant(at: Timestamp) -> Option<String> {
    Some(humantime::format_rfc3339_millis(system_time(at)?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Account, ReadError, Standing};

    #[test]
    fn a_queue_that_cannot_be_read_is_no_lag_of_nothing() {
        let why = "no answer within 2 s".into();
        let destination = Destination {
            name: "eu".into(),
            account: Account::default(),
            oldest: Some(Err(ReadError { why })),
            delivery: None,
        };
        let health = Health {
            now: Timestamp::from_unix(1_700_000_000, 0),
            is_closing: false,
            room: Ok(()),
            standing: Standing::default(),
            disorder: None,
            destinations: vec![destination],
        };
        let told = &render(&health)[0];
        let wanted = json!("the queue cannot be read: no answer within 2 s");
        assert_eq!((&told["lag_seconds"], &told["cannot_read"]), (&Value::Null, &wanted));
    }
}
