//! The log lines of a start and an end: what is in effect, what a crash would lose, what was lost.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{self, Config, size_text};
use crate::forward::State;
use crate::queue::Durability;

use super::Ended;

/// One line with the limits in effect. No secrets: of the receiver its address alone, which the
/// configuration keeps free of them.
pub(super) fn started(addr: SocketAddr, admin: Option<SocketAddr>, config: &Config) {
    let (limits, queue) = (&config.limits, &config.queue);
    let data_dir = data_dir(config);
    let promise = promise(config);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %addr,
        admin.listen = admin.map_or_else(|| "off".to_owned(), |addr| addr.to_string()),
        receiver.url = config.receiver.url,
        sources = config.sources.len(),
        queue.durability = word(queue.durability),
        queue.max_bytes = queue.max_bytes,
        data_dir,
        limits.body_bytes = limits.body_bytes,
        limits.expanded_bytes = limits.expanded_bytes,
        limits.memory_bytes = limits.memory_bytes,
        limits.connections = limits.connections,
        limits.requests_per_minute = limits.requests_per_minute,
        shutdown.grace_s = config.shutdown.grace.as_secs_f64(),
        "taking metrics at http://{addr}/metrics; {promise}"
    );
}

fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Fsync => "fsync",
        Durability::Os => "os",
        Durability::Memory => "memory",
    }
}

/// Where the queue's files are; `None` when it has none.
fn data_dir(config: &Config) -> Option<String> {
    match config.queue.durability {
        Durability::Fsync | Durability::Os => Some(config.data_dir.display().to_string()),
        Durability::Memory => None,
    }
}

/// Where the queue is, how large it may become, and what a crash would lose (contract C5.4).
fn promise(config: &Config) -> String {
    let config::Queue { durability, max_bytes, .. } = config.queue;
    let place =
        data_dir(config).map_or("in memory".to_owned(), |directory| format!("in {directory}"));
    let at_risk = match durability {
        Durability::Fsync => "a crash loses nothing that was acknowledged",
        Durability::Os => {
            "a crash of this process loses nothing that was acknowledged, one of the machine what \
             the operating system had not written yet"
        }
        Durability::Memory => "a crash loses everything not yet delivered",
    };
    format!(
        "the queue is {place} (durability {}, up to {}): {at_risk}",
        word(durability),
        size_text(max_bytes)
    )
}

pub(super) fn stopping(grace: Duration, queued: u64) {
    tracing::info!(
        queue.tuples = queued,
        shutdown.grace_s = grace.as_secs_f64(),
        "stopping: {queued} tuples are queued, requests and deliveries get {}",
        humantime::format_duration(grace)
    );
}

pub(super) fn ended(ended: Ended, config: &Config, receiver: &State) {
    let Ended { delivered, queued, lost } = ended;
    if lost > 0 {
        let why = match receiver {
            State::Held { why, .. } => format!("the receiver refused them until the end: {why}"),
            State::Retrying | State::Flowing => format!(
                "the receiver did not take them within {} (`shutdown.grace`)",
                humantime::format_duration(config.shutdown.grace)
            ),
        };
        tracing::warn!(
            queue.delivered = delivered,
            queue.lost = lost,
            "stopped: {lost} accepted tuples are lost with the queue in memory; {why}"
        );
    } else if queued > 0 {
        let held = match receiver {
            State::Held { why, .. } => {
                format!("; the receiver refuses them until it is mended: {why}")
            }
            State::Retrying | State::Flowing => String::new(),
        };
        let directory = config.data_dir.display();
        tracing::info!(
            queue.delivered = delivered,
            queue.tuples = queued,
            data_dir = %directory,
            "stopped: {queued} tuples stay queued in {directory} and are delivered after the next \
             start with it{held}"
        );
    } else {
        tracing::info!(queue.delivered = delivered, "stopped: everything accepted was delivered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    #[test]
    fn the_start_line_says_where_the_queue_is_and_what_a_crash_would_lose() {
        for (durability, wanted) in [
            (
                "fsync",
                "the queue is in /var/lib/tidegate (durability fsync, up to 4GiB): a crash loses \
                 nothing that was acknowledged",
            ),
            (
                "os",
                "the queue is in /var/lib/tidegate (durability os, up to 4GiB): a crash of this \
                 process loses nothing that was acknowledged, one of the machine what the operating \
                 system had not written yet",
            ),
            (
                "memory",
                "the queue is in memory (durability memory, up to 256MiB): a crash loses everything \
                 not yet delivered",
            ),
        ] {
            let text = format!(
                "data_dir = \"/var/lib/tidegate\"\n{}\n[queue]\ndurability = \"{durability}\"\n",
                include_str!("../../fixtures/config/minimal.toml")
            );
            let config = load("test", &text, &Environment::default()).unwrap().config;
            assert_eq!(promise(&config), wanted);
        }
    }
}
