//! What `/metrics` says of each receiver that is configured.

use std::fmt;

use super::super::names;
use super::super::reading::{Delivery, Destination, Health};
use super::super::sheet::Sheet;
use super::{NANOS, unix_s};
use crate::forward::State;

pub(super) fn deliveries(sheet: &mut Sheet<'_>, health: &Health) -> fmt::Result {
    let known = health.destinations.iter().filter_map(|destination| {
        let delivery = destination.delivery.as_ref()?;
        Some((("receiver", &*destination.name), delivery))
    });
    let known: Vec<((&str, &str), &Delivery)> = known.collect();
    let states = known.iter().flat_map(|(receiver, delivery)| {
        let of = state_word(&delivery.status.state);
        let states = ["flowing", "retrying", "held"];
        states.map(|state| ([*receiver, ("state", state)], u64::from(state == of)))
    });
    sheet.each(&names::RECEIVER_STATE, states)?;
    sheet.by_receiver(&names::SINCE, health, of(|to| Some(unix_s(to.status.since))))?;
    let is_probing = |to: &Delivery| Some(u64::from(to.status.is_probing));
    sheet.by_receiver(&names::PROBING, health, of(is_probing))?;
    sheet.by_receiver(&names::IN_FLIGHT, health, of(|to| Some(to.status.in_flight as u64)))?;
    sheet.by_receiver(&names::LIMIT, health, of(|to| Some(to.status.limit as u64)))?;
    sheet.by_receiver(&names::CONCURRENCY, health, of(|to| Some(to.facts.concurrency as u64)))?;
    let attempts = known.iter().flat_map(|(receiver, delivery)| {
        delivery.attempts.iter().map(|(outcome, answer, count)| {
            ([*receiver, ("outcome", *outcome), ("answer", *answer)], *count)
        })
    });
    sheet.each(&names::DELIVERIES, attempts)?;
    let latencies = known.iter().map(|(receiver, to)| ([*receiver], to.latencies.clone()));
    sheet.spreads(&names::LATENCY, NANOS, latencies)?;
    sheet.by_receiver(&names::SENT_BYTES, health, of(|to| Some(to.bytes.0)))?;
    sheet.by_receiver(&names::RAW_BYTES, health, of(|to| Some(to.bytes.1)))?;
    sheet.by_receiver(&names::LAST_SUCCESS, health, of(|to| to.status.last_success.map(unix_s)))?;
    let last_error = |to: &Delivery| to.status.last_error.as_ref().map(|(at, _)| unix_s(*at));
    sheet.by_receiver(&names::LAST_ERROR, health, of(last_error))?;
    let encodings = known.iter().flat_map(|(receiver, delivery)| {
        let of = delivery.status.encoding.as_str();
        let encodings = ["deflate", "gzip", "identity"];
        encodings.map(|word| ([*receiver, ("encoding", word)], u64::from(word == of)))
    });
    sheet.each(&names::ENCODING, encodings)?;
    sheet.by_receiver(&names::BODY_BOUND, health, of(|to| Some(to.status.size_bound as u64)))?;
    sheet.by_receiver(&names::BACKLOG_LIMIT, health, of(|to| to.facts.max_backlog_bytes))?;
    sheet.by_receiver(&names::DEAD_LETTERS, health, of(|to| Some(to.dead_letters.letters)))?;
    let used = |to: &Delivery| Some(to.dead_letters.used_bytes);
    sheet.by_receiver(&names::DEAD_LETTERS_BYTES, health, of(used))?;
    let limit = |to: &Delivery| Some(to.dead_letters.limit_bytes);
    sheet.by_receiver(&names::DEAD_LETTERS_LIMIT, health, of(limit))
}

/// The value of a delivery as one of its destination, which may have none.
fn of<V>(value: impl Fn(&Delivery) -> Option<V>) -> impl Fn(&Destination) -> Option<V> {
    move |destination| value(destination.delivery.as_ref()?)
}

/// The word for programs.
pub(in super::super) fn state_word(state: &State) -> &'static str {
    match state {
        State::Flowing => "flowing",
        State::Retrying => "retrying",
        State::Held { .. } => "held",
    }
}
