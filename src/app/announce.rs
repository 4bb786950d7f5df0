//! The log lines of a start and an end: what is in effect, what a crash would lose, what was lost.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Config;
use crate::forward::State;
use crate::queue::Durability;

use super::Ended;

/// One line with the limits in effect. No secrets: of the receiver its address alone, which the
/// configuration keeps free of them.
pub(super) fn started(addr: SocketAddr, admin: Option<SocketAddr>, config: &Config) {
    let (limits, queue) = (&config.limits, &config.queue);
    let (durability, at_risk) = match queue.durability {
        Durability::Fsync => ("fsync", "nothing that was acknowledged"),
        Durability::Os => ("os", "what the operating system had not written yet"),
        Durability::Memory => ("memory", "everything not yet delivered"),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %addr,
        admin.listen = admin.map_or_else(|| "off".to_owned(), |addr| addr.to_string()),
        receiver.url = config.receiver.url,
        sources = config.sources.len(),
        queue.durability = durability,
        queue.max_bytes = queue.max_bytes,
        limits.body_bytes = limits.body_bytes,
        limits.expanded_bytes = limits.expanded_bytes,
        limits.memory_bytes = limits.memory_bytes,
        limits.connections = limits.connections,
        limits.requests_per_minute = limits.requests_per_minute,
        shutdown.grace_s = config.shutdown.grace.as_secs_f64(),
        "taking metrics at http://{addr}/metrics; the queue is in {durability}: a crash loses {at_risk}"
    );
}

pub(super) fn stopping(grace: Duration, queued: u64) {
    tracing::info!(
        queue.tuples = queued,
        shutdown.grace_s = grace.as_secs_f64(),
        "stopping: {queued} tuples are queued, requests and deliveries get {}",
        humantime::format_duration(grace)
    );
}

pub(super) fn ended(ended: Ended, grace: Duration, receiver: &State) {
    let Ended { delivered, lost } = ended;
    if lost == 0 {
        tracing::info!(queue.delivered = delivered, "stopped: everything accepted was delivered");
        return;
    }
    let why = match receiver {
        State::Held { why, .. } => format!("the receiver refused them until the end: {why}"),
        State::Retrying | State::Flowing => format!(
            "the receiver did not take them within {} (`shutdown.grace`)",
            humantime::format_duration(grace)
        ),
    };
    tracing::warn!(
        queue.delivered = delivered,
        queue.lost = lost,
        "stopped: {lost} accepted tuples are lost with the queue in memory; {why}"
    );
}
